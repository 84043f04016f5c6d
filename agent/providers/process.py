"""Processes."""

from agent.dispatch import performs
from agent.host import Host
from osapi.operations import process


@performs(process.List)
async def list(host: Host, _: process.List) -> process.Processes:
    return process.Processes(processes=await host.processes())


@performs(process.Get)
async def get(host: Host, p: process.Get) -> process.OneProcess:
    return process.OneProcess(process=await host.process(p.pid))


@performs(process.Signal)
async def signal(host: Host, p: process.Signal) -> process.Signalled:
    await host.signal(p.pid, p.signal)
    return process.Signalled(pid=p.pid, signal=p.signal)
