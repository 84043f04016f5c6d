"""What a host is: gathered for its record, and put in the place of references such as `@fact.hostname`."""

import os
import re
import sys
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address
from typing import Any

from agent.host import Host
from osapi.errors import BadInput, NotFound, OperationError
from osapi.operation import Operation, parameters
from osapi.registry import Facts, Route
from osapi.wire import FACT

PACKAGE_MANAGERS = ("apt", "dnf", "yum", "zypper", "pacman", "apk")
PATIENCE = 5.0
"""Seconds that a name server may take to tell the domain."""

CONTAINER_FILES = ("/run/systemd/container", "/.dockerenv", "/run/.containerenv")
"""Left by systemd in a container and its managers, by Docker, and by Podman."""
CONTAINER_GROUPS = re.compile(r"docker|kubepods|containerd|libpod|lxc")
FIRST_NAMESPACE = "pid:[4026531836]"
"""PROC_PID_INIT_INO of include/linux/proc_ns.h: the processes of a host that is no container."""

UP, REJECT = 0x0001, 0x0200
"""Flags of a route, of include/uapi/linux/route.h and ipv6_route.h."""

REFERENCE = re.compile(re.escape(FACT) + r"""([^\s"',;]*)""")


async def gather(host: Host) -> Facts:
    """The facts of this moment; what cannot be read is left out."""
    routes = parse_routes(await _read(host, "/proc/net/route"))
    name = (await _read(host, "/proc/sys/kernel/hostname")).strip()
    return Facts(
        architecture=os.uname().machine,
        kernel_version=(await _read(host, "/proc/sys/kernel/osrelease")).strip() or None,
        cpu_count=os.cpu_count(),
        fqdn=await fqdn(host) or name or None,
        service_mgr="systemd" if await host.stat("/run/systemd/system") else "unknown",
        package_mgr=await package_manager(host),
        containerized=await containerized(host),
        interfaces=await host.interfaces(),
        primary_interface=primary(routes) or primary_ipv6(await _read(host, "/proc/net/ipv6_route")),
        routes=routes,
    )


async def fqdn(host: Host) -> str | None:
    """The name with its domain, as the resolver gives it (hostname(1)); None where it gives none."""
    try:
        name = (await host.run("hostname", "--fqdn", timeout=PATIENCE)).strip()
    except OperationError:
        return None
    return name if "." in name and not name.startswith("localhost") else None


async def package_manager(host: Host) -> str:
    for name in PACKAGE_MANAGERS:
        if await host.stat(f"/usr/bin/{name}"):
            return name
    return "unknown"


async def containerized(host: Host) -> bool:
    """Whether this is a container of any kind, by the marks that systemd-detect-virt(1) knows, and by namespace."""
    for name in CONTAINER_FILES:
        if await host.stat(name):
            return True
    environment = (await _read(host, "/proc/1/environ")).split("\0")
    if any(entry.startswith(("container=", "KUBERNETES_SERVICE_HOST=")) for entry in environment):
        return True
    if CONTAINER_GROUPS.search(await _read(host, "/proc/1/cgroup")):
        return True
    return await host.link("/proc/self/ns/pid") not in {None, FIRST_NAMESPACE}


async def _read(host: Host, name: str) -> str:
    """The text of a file; nothing where it may not be read."""
    try:
        return await host.read(name) or ""
    except OperationError:
        return ""


def parse_routes(table: str) -> list[Route]:
    """The IPv4 routes of /proc/net/route, in its order."""
    rows = (line.split() for line in table.splitlines()[1:])
    return [
        Route(
            destination=_address(row[1]),
            gateway=_address(row[2]),
            interface=row[0],
            mask=f"/{int(row[7], 16).bit_count()}",
            metric=int(row[6]),
            flags=row[3],
        )
        for row in rows
        if len(row) >= 8
    ]


def _address(text: str) -> str:
    """An address that the kernel shows as one hexadecimal number, in the byte order of the machine."""
    return str(IPv4Address(bytes.fromhex(text) if sys.byteorder == "big" else bytes.fromhex(text)[::-1]))


def primary(routes: Iterable[Route]) -> str | None:
    """The interface of the default route; of several, the one the kernel prefers."""
    defaults = [
        (route.metric or 0, route.interface)
        for route in routes
        if route.mask == "/0" and int(route.flags or "0", 16) & (UP | REJECT) == UP
    ]
    return min(defaults)[1] if defaults else None


def primary_ipv6(table: str) -> str | None:
    """The interface of the default route in /proc/net/ipv6_route, for a host without IPv4."""
    rows = (line.split() for line in table.splitlines())
    defaults = [
        (int(row[5], 16), row[9])
        for row in rows
        if len(row) == 10 and row[1] == "00" and int(row[8], 16) & (UP | REJECT) == UP
    ]
    return min(defaults)[1] if defaults else None


def resolve_parameters(
    operation: type[Operation[Any]], given: Mapping[str, Any], facts: Facts, hostname: str
) -> dict[str, Any]:
    """The parameters of an operation, resolved; in those that are literal, `@fact.…` stands for itself."""
    literal = {parameter.name for parameter in parameters(operation) if parameter.literal}
    return {
        name: value if name in literal else resolve(value, facts, hostname) for name, value in given.items()
    }


def resolve(value: Any, facts: Facts, hostname: str) -> Any:
    """A value with facts in the place of references, in every string of it, however deep.

    A reference ends at white space, a quote, a comma or a semicolon. What is put in is not looked at again.
    `BadInput` where there is no such fact, `NotFound` where this host has nothing for it.
    """
    match value:
        case str():
            return REFERENCE.sub(lambda match: _fact(match[1], facts, hostname), value)
        case dict():
            return {name: resolve(inner, facts, hostname) for name, inner in value.items()}
        case list():
            return [resolve(inner, facts, hostname) for inner in value]
    return value


def _fact(key: str, facts: Facts, hostname: str) -> str:
    values: dict[str, Any] = {
        "interface.primary": facts.primary_interface,
        "hostname": hostname,
        "arch": facts.architecture,
        "kernel": facts.kernel_version,
        "fqdn": facts.fqdn,
        "containerized": facts.containerized,
        **{f"custom.{name}": value for name, value in facts.facts.items()},
    }
    if key not in values:
        raise BadInput(f"no fact `{key}`; known: {', '.join(values)}")
    found = values[key]
    if isinstance(found, bool):
        return str(found).lower()
    if isinstance(found, str | int | float) and found != "":
        return str(found)
    raise NotFound(f"{hostname} has nothing for the fact `{key}`")
