"""The name of the host: what the kernel and /etc/hostname say, set through systemd-hostnamed."""

from agent.dispatch import performs
from agent.host import Host
from osapi.errors import Unsupported
from osapi.operations import hostname
from osapi.results import Changed

PRIVILEGED = (("hostnamectl", "set-hostname", "*"),)

HOSTS = "/etc/hosts"
OWN_ADDRESS = "127.0.1.1"
"""Where Debian has the name of the host resolve to (Debian Reference 5.1.1); other lines are left alone."""


@performs(hostname.Get)
async def get(host: Host, _: hostname.Get) -> hostname.Identity:
    return hostname.Identity(hostname=await running(host), labels=dict(host.labels) or None)


@performs(hostname.Update, "debian", "redhat", "suse", "arch")
async def update(host: Host, p: hostname.Update) -> Changed:
    before = await running(host)
    if renamed := {before, await static(host)} != {p.hostname}:
        if not await host.stat("/run/systemd/system"):  # sd_booted(3)
            raise Unsupported("the host name is set through systemd, which does not run here")
        await host.change("hostnamectl", "set-hostname", p.hostname)
    hosts = await host.read(HOSTS)
    written = hosts is not None and await host.write(HOSTS, in_step(hosts, before, p.hostname))
    return Changed(changed=renamed or written)


async def running(host: Host) -> str:
    """The name the kernel has."""
    return (await host.read("/proc/sys/kernel/hostname") or host.hostname).strip()


async def static(host: Host) -> str:
    """The name of the next boot (hostname(5)); that of this one where none is set."""
    lines = (await host.read("/etc/hostname") or "").splitlines()
    names = (line.strip() for line in lines if not line.startswith("#"))
    return next(filter(None, names), "") or await running(host)


def in_step(hosts: str, old: str, new: str) -> str:
    """The text of hosts(5) with the name of the host on the line of its own address, if there is one."""
    return "".join(
        _renamed(line, old, new) if line.split()[:1] == [OWN_ADDRESS] else line
        for line in hosts.splitlines(keepends=True)
    )


def _renamed(line: str, old: str, new: str) -> str:
    """The line with new names in the place of old ones, `old` and `old.domain`; the first is canonical."""
    entry, mark, comment = line.rstrip("\n").partition("#")
    names = entry.split()[1:]
    if new in names:
        return line
    label = new.partition(".")[0]
    for i, (head, dot, domain) in enumerate(name.partition(".") for name in names):
        if head == old.partition(".")[0]:
            names[i] = label if not dot else new if label != new else f"{new}.{domain}"
    ordered = names if new in names else [new, *names]
    return f"{OWN_ADDRESS}\t{' '.join(dict.fromkeys(ordered))}{' ' * bool(mark)}{mark}{comment}\n"
