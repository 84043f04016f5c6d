"""Containers and images of Docker: as they are asked for, as the Engine describes them, and how the two differ.

Source: Docker Engine API, "Create a container", "Inspect a container" and "List containers".
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import attrs

from osapi.logs import mask
from osapi.operations.container.docker import Create, DockerDetail, DockerSummary

LATEST = "latest"
ANY = {"", "0.0.0.0", "::"}  # noqa: S104 - what stands for every address of the host

Described = Mapping[str, Any]
"""What the Engine describes something as."""


@attrs.frozen
class Reference:
    """An image in its registry; `version` is its digest, where there is one, or else its tag."""

    name: str
    version: str

    @classmethod
    def parse(cls, image: str) -> "Reference":
        """Of `registry:5000/app:1@sha256:…`; the digest beats the tag, as in `docker pull`."""
        tagged, _, digest = image.partition("@")
        folder, slash, last = tagged.rpartition("/")
        name, _, tag = last.partition(":")
        return cls(f"{folder}{slash}{name}", digest or tag or LATEST)

    @property
    def digest(self) -> str | None:
        """Where that is its version, it never changes."""
        return self.version if ":" in self.version else None


@attrs.frozen(order=True)
class Port:
    """A port of the host that leads to one of the container, such as 80/tcp; `address` is empty for all."""

    address: str
    host: str
    container: str

    @classmethod
    def parse(cls, text: str) -> "Port":
        """Of `[ADDRESS:]HOST:CONTAINER[/PROTOCOL]`; IPv6 addresses are in brackets."""
        rest, _, inner = text.rpartition(":")
        address, _, host = rest.rpartition(":")
        port, _, protocol = inner.partition("/")
        return cls(address.strip("[]"), str(int(host)), f"{int(port)}/{protocol or 'tcp'}")

    @classmethod
    def all_of(cls, bindings: Described | None) -> list["Port"]:
        """The ports that the Engine lists, each once."""
        found = {
            cls("" if (one.get("HostIp") or "") in ANY else one["HostIp"], one["HostPort"], container)
            for container, ports in (bindings or {}).items()
            for one in ports or ()
        }
        return sorted(found)

    def __str__(self) -> str:
        address = f"[{self.address}]" if ":" in self.address else self.address
        return ":".join(filter(None, [address, self.host, self.container.removesuffix("/tcp")]))


@attrs.frozen(order=True)
class Mount:
    """A folder of the container, and the folder or volume of the host that is there."""

    source: str
    folder: str
    read_only: bool

    @classmethod
    def parse(cls, text: str) -> "Mount":
        """Of `SOURCE:FOLDER[:OPTIONS]`."""
        source, folder, *options = text.split(":")
        return cls(source, folder, "ro" in ",".join(options).split(","))

    @property
    def type(self) -> str:
        return "bind" if self.source.startswith("/") else "volume"


def body(p: Create) -> dict[str, Any]:
    """What the Engine is asked for; a folder of the host that is not there is its error, rather than made."""
    ports: dict[str, list[dict[str, str]]] = {}
    for port in map(Port.parse, p.ports or ()):
        ports.setdefault(port.container, []).append({"HostIp": port.address, "HostPort": port.host})
    return {
        "Image": p.image,
        "Hostname": p.hostname or "",
        "Cmd": p.command,
        "Env": p.env or [],
        "ExposedPorts": {container: {} for container in ports},
        "HostConfig": {
            "Dns": p.dns or [],
            "PortBindings": ports,
            "Mounts": [
                {"Type": one.type, "Source": one.source, "Target": one.folder, "ReadOnly": one.read_only}
                for one in map(Mount.parse, p.volumes or ())
            ],
        },
    }


def argv(p: Create) -> tuple[str, ...]:
    """The command that would do the same; it takes the values of variables from its environment."""
    words = ["docker", *(["run", "--detach"] if p.auto_start else ["create"])]
    options = {
        "name": [p.name] if p.name else [],
        "hostname": [p.hostname] if p.hostname else [],
        "dns": p.dns or [],
        "env": [variable.partition("=")[0] for variable in p.env or ()],
        "publish": p.ports or [],
        "volume": p.volumes or [],
    }
    for option, values in options.items():
        words += [word for value in values for word in (f"--{option}", value)]
    return (*words, p.image, *(p.command or ()))


def differences(p: Create, image: Described, found: Described) -> list[str]:
    """In what a container is not as asked, given the image that there is now."""
    config, host, stock = found["Config"], found["HostConfig"], image.get("Config") or {}
    pairs = {
        "image": (image["Id"], found["Image"]),
        "hostname": (p.hostname or config["Hostname"], config["Hostname"]),
        "command": (p.command or stock.get("Cmd") or [], config.get("Cmd") or []),
        "env": (variables(stock.get("Env"), p.env), variables(config.get("Env"))),
        "dns": (p.dns or [], host.get("Dns") or []),
        "ports": (Port.all_of(body(p)["HostConfig"]["PortBindings"]), Port.all_of(host.get("PortBindings"))),
        "volumes": (sorted(map(Mount.parse, p.volumes or ())), sorted(_mounts(host))),
    }
    return [name for name, (asked, there) in pairs.items() if asked != there]


def variables(*some: Iterable[str] | None) -> dict[str, str]:
    """Variables by name; of several with one name the last holds."""
    return {name: value for env in some for name, _, value in (one.partition("=") for one in env or ())}


def _mounts(host: Described) -> Iterator[Mount]:
    for one in host.get("Mounts") or ():
        yield Mount(one.get("Source") or "", one["Target"], bool(one.get("ReadOnly")))
    yield from map(Mount.parse, host.get("Binds") or ())


def detail(found: Described) -> DockerDetail:
    """All about a container, of what the Engine says when it is inspected."""
    network: Described = next(iter((found["NetworkSettings"].get("Networks") or {}).values()), {})
    state, bindings = found["State"], found["NetworkSettings"].get("Ports")
    return DockerDetail(
        id=found["Id"],
        name=found["Name"].lstrip("/"),
        image=found["Config"]["Image"],
        state=state["Status"],
        created=found["Created"],
        ports=[*map(str, Port.all_of(bindings or found["HostConfig"].get("PortBindings")))],
        mounts=[f"{one.get('Name') or one['Source']}:{one['Destination']}" for one in found["Mounts"] or ()],
        env=[
            f"{name}={value}" for name, value in mask(None, "", variables(found["Config"].get("Env"))).items()
        ],
        network_settings={
            "ip_address": network.get("IPAddress") or "",
            "gateway": network.get("Gateway") or "",
        },
        health=(state.get("Health") or {}).get("Status"),
    )


def summary(found: Described) -> DockerSummary:
    """A container, of what the Engine lists."""
    names = [name.lstrip("/") for name in found.get("Names") or ()]
    return DockerSummary(
        id=found["Id"],
        name=next((name for name in names if "/" not in name), None),  # others are those of links to it
        image=found["Image"],
        state=found["State"],
        created=moment(found["Created"]),
    )


def moment(seconds: int) -> str:
    """Seconds since the epoch in RFC 3339."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
