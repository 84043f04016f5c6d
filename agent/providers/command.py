"""Commands that users give."""

from agent.dispatch import performs
from agent.host import Host
from osapi.operations import command


@performs(command.Exec)
async def exec(host: Host, p: command.Exec) -> command.CommandResult:
    return await _run(host, p.command, *p.args, cwd=p.cwd, timeout=p.timeout)


@performs(command.Shell)
async def shell(host: Host, p: command.Shell) -> command.CommandResult:
    return await _run(host, "/bin/sh", "-c", p.command, cwd=p.cwd, timeout=p.timeout)


async def _run(host: Host, *argv: str, cwd: str | None, timeout: int) -> command.CommandResult:
    done = await host.execute(*argv, cwd=cwd, timeout=timeout)
    return command.CommandResult(
        stdout=done.stdout,
        stderr=done.stderr,
        exit_code=done.exit_code,
        duration_ms=round(done.duration * 1000),
    )
