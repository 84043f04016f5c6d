"""Containers and images of Docker."""

from typing import Annotated, Literal

import attrs
import msgspec

from osapi.operation import Operation, text
from osapi.operations.network import ADDRESS, IPV4, IPV6
from osapi.results import Changed

DOMAIN = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?"
PART = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
IMAGE = (
    rf"(?:{DOMAIN}/)?{PART}(?:/{PART})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?"
)
"""https://pkg.go.dev/github.com/distribution/reference; an id of an image looks like a name."""

NAME = r"[a-zA-Z0-9][a-zA-Z0-9_.-]"
PORT = "(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"

Id = Annotated[str, text(rf"{NAME}*", "Name or id of the container", example="web", most=128)]
Image = Annotated[
    str,
    text(
        IMAGE,
        "Image, such as nginx:1.27 or registry.example.org/app@sha256:…; without a tag it is :latest",
        example="nginx:1.27",
        most=512,
    ),
]
Name = Annotated[str, text(rf"{NAME}+", "Name of the container", example="web", most=128)]
Hostname = Annotated[
    str, text(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})", "Host name in the container", example="web", most=253)
]
Dns = Annotated[str, text(ADDRESS, "Name server of the container", example="9.9.9.9", most=45)]
Argument = Annotated[str, text(r"[^\x00]*", "Word of the command", example="sleep", most=131072)]
Command = Annotated[
    list[Argument],
    msgspec.Meta(min_length=1, description="The command, word by word; no shell looks at it"),
]
Env = Annotated[
    list[
        Annotated[
            str,
            text(
                r"[A-Za-z_][A-Za-z0-9_.-]*=[^\x00]*",
                "Variable, as NAME=VALUE",
                example="TZ=UTC",
                most=32768,
            ),
        ]
    ],
    msgspec.Meta(description="Variables, each NAME=VALUE; no record shows them", extra={"secret": True}),
]
Ports = Annotated[
    list[
        Annotated[
            str,
            text(
                rf"(?:(?:{IPV4}|\[(?:{IPV6})\]):)?{PORT}:{PORT}(?:/(?:tcp|udp|sctp))?",
                "Port of the host and of the container, such as 8080:80",
                example="8080:80",
                most=64,
            ),
        ]
    ],
    msgspec.Meta(
        description="Ports, each HOST:CONTAINER, such as 8080:80 or 127.0.0.1:53:53/udp",
        extra={"flag": "port"},
    ),
]
Volumes = Annotated[
    list[
        Annotated[
            str,
            text(
                rf"(?:/[^\x00:]*|{NAME}+):/[^\x00:]*(?::(?:ro|rw))?",
                "Folder or volume of the host and folder in the container",
                example="/srv/www:/usr/share/nginx/html:ro",
                most=4096,
            ),
        ]
    ],
    msgspec.Meta(
        description="Folders or volumes of the host, each SOURCE:FOLDER or SOURCE:FOLDER:ro",
        extra={"flag": "volume"},
    ),
]
State = Annotated[Literal["running", "stopped", "all"], msgspec.Meta(description="Which containers")]
Limit = Annotated[
    int, msgspec.Meta(ge=0, le=100, description="Containers to show at most, the newest; 0 is all")
]
Folder = Annotated[str, text(r"/[^\x00]*", "Folder to run it in", example="/srv", most=4096)]
Timeout = Annotated[int, msgspec.Meta(ge=1, le=300, description="Seconds it may take before it is killed")]


@attrs.frozen(kw_only=True)
class DockerSummary:
    """A container; `created` in RFC 3339, `state` as `docker ps` has it: `running`, `exited`, `created`, `paused`, …"""

    id: str
    name: str | None = None
    image: str | None = None
    state: str | None = None
    created: str | None = None


@attrs.frozen(kw_only=True)
class DockerContainers:
    """Containers, the newest first."""

    containers: list[DockerSummary]


@attrs.frozen(kw_only=True)
class DockerCreated(Changed):
    """A container that is there now; one that a dry run would make has no id yet."""

    id: str | None = None
    name: str | None = None
    image: str | None = None
    state: str | None = None
    created: str | None = None


@attrs.frozen(kw_only=True)
class DockerDetail:
    """All about a container.

    Ports as HOST:CONTAINER, mounts as SOURCE:FOLDER, variables as NAME=VALUE, with **** in the place of what their
    names say is secret; `network_settings` has `ip_address` and `gateway` of the first network.
    """

    id: str
    name: str | None = None
    image: str | None = None
    state: str | None = None
    created: str | None = None
    ports: list[str] | None = None
    mounts: list[str] | None = None
    env: list[str] | None = None
    network_settings: dict[str, str] | None = None
    health: str | None = None


@attrs.frozen(kw_only=True)
class DockerChanged(Changed):
    """What was done to a container or an image, which `id` is as it was named."""

    id: str
    message: str | None = None


@attrs.frozen(kw_only=True)
class DockerExecuted(Changed):
    """How a command in a container ended.

    Output beyond the limit of the agent is cut in the middle, with a mark that says how much; bytes that
    are not UTF-8 are replaced. An exit code other than 0 is a result, not a failure; it is 126 or 127 where the
    container has no such program or folder.
    """

    stdout: str
    stderr: str
    exit_code: int


@attrs.frozen(kw_only=True)
class DockerPulled(Changed):
    """The image that is there now; `size` in bytes. A dry run does not know what it would be."""

    image_id: str | None = None
    tag: str | None = None
    size: int | None = None


@attrs.frozen(kw_only=True)
class DockerImage:
    """An image; `size` in bytes, `created` in RFC 3339."""

    id: str
    tags: list[str]
    size: int
    created: str | None = None


@attrs.frozen(kw_only=True)
class DockerImages:
    images: list[DockerImage]


@attrs.frozen(kw_only=True)
class DockerLogEntry:
    """One line; `stream` is `stdout` or `stderr`."""

    stream: str
    message: str


@attrs.frozen(kw_only=True)
class DockerLog:
    """What a container has written, the oldest line first; `omitted` tells how many lines were too much."""

    entries: list[DockerLogEntry]
    omitted: int | None = None


class List(Operation[DockerContainers], GET="/container/docker"):
    """List the containers."""

    state: State = "running"
    limit: Limit = 0


class Create(Operation[DockerCreated], POST="/container/docker", success=202, repeatable=False):
    """Make a container of an image that is there, and start it.

    Where there is one of that name that is as asked, nothing is done but to start it; where it differs, that is a
    conflict. No image is fetched. A container that cannot be started is removed again. Folders of the host are
    held against the path policy of the agent, as files are.
    """

    image: Image
    name: Name | None = None
    hostname: Hostname | None = None
    dns: Annotated[list[Dns], msgspec.Meta(description="Name servers of the container")] | None = None
    command: Command | None = None
    env: Env | None = None
    ports: Ports | None = None
    volumes: Volumes | None = None
    auto_start: Annotated[bool, msgspec.Meta(description="Start it")] = True


class Images(Operation[DockerImages], GET="/container/docker/image", command="container docker image-list"):
    """List the images."""


class Pull(Operation[DockerPulled], POST="/container/docker/pull", success=202):
    """Fetch an image from its registry; how far it is, is told as events of the job.

    Nothing is fetched where the image is what the registry has. Registries that want a login are not supported.
    """

    image: Image


class ImageRemove(Operation[DockerChanged], DELETE="/container/docker/image/{image}", success=202):
    """Remove an image, or only its name where it has others."""

    image: Image
    force: Annotated[bool, msgspec.Meta(description="Also where a container that is stopped needs it")] = (
        False
    )


class Inspect(Operation[DockerDetail], GET="/container/docker/{id}"):
    """Show all about a container."""

    id: Id


class Logs(Operation[DockerLog], GET="/container/docker/{id}/logs"):
    """Show what a container has written."""

    id: Id
    lines: Annotated[int, msgspec.Meta(ge=1, le=10000, description="Lines to show at most, the newest")] = 100


class Remove(Operation[DockerChanged], DELETE="/container/docker/{id}", success=202):
    """Remove a container; its volumes stay."""

    id: Id
    force: Annotated[bool, msgspec.Meta(description="Also where it runs")] = False


class Start(Operation[DockerChanged], POST="/container/docker/{id}/start", success=202):
    """Start a container."""

    id: Id


class Stop(Operation[DockerChanged], POST="/container/docker/{id}/stop", success=202):
    """Stop a container."""

    id: Id
    timeout: Annotated[int, msgspec.Meta(ge=0, le=300, description="Seconds until it is killed")] = 10


class Exec(
    Operation[DockerExecuted],
    POST="/container/docker/{id}/exec",
    permission="docker:execute",
    success=202,
    repeatable=False,
):
    """Run a command in a container that runs, without a shell."""

    id: Id
    command: Command
    env: Env | None = None
    working_dir: Folder | None = None
    timeout: Timeout = 30
