"""Files on hosts: deployed from the object store, and edited in place."""

from typing import Annotated, Any, Literal

import attrs
import msgspec

from osapi.operation import Operation, text
from osapi.results import Changed, Time

INLINE = 64 * 1024
"""Characters that may travel in a request; what is longer is uploaded as a blob."""

PATH = r"/[^\x00-\x1f\x7f]*"

Path = Annotated[str, text(PATH, "Absolute path on the host", example="/etc/app/app.conf", positional=True)]
Source = Annotated[
    str,
    text(PATH, "Absolute path on the host of what is copied", example="/etc/app/app.conf", positional=True),
]
Destination = Annotated[
    str, text(PATH, "Absolute path of the copy", example="/etc/app/app.conf.bak", positional=True)
]
ObjectName = Annotated[
    str,
    text(
        r"[^\x00-\x1f\x7f]+",
        "Name of the object in the object store",
        example="app.conf",
        most=255,
        flag="object",
        aliases=("object-name",),
    ),
]
ContentType = Annotated[
    Literal["raw", "template"],
    msgspec.Meta(description="Whether it is rendered; as it was uploaded, unless told otherwise"),
]
Mode = Annotated[
    str,
    text(r"(?:[0-7]{3,4})?", "Permission bits in octal; kept unless told otherwise", example="0644", most=4),
]
Owner = Annotated[
    str,
    text(
        r"(?:[A-Za-z_][A-Za-z0-9_.@-]*\$?|[0-9]{1,10})?",
        "User that owns it, by name or number; kept unless told otherwise",
        example="root",
        most=64,
    ),
]
Group = Annotated[
    str,
    text(
        r"(?:[A-Za-z_][A-Za-z0-9_.@-]*\$?|[0-9]{1,10})?",
        "Group that owns it, by name or number; kept unless told otherwise",
        example="root",
        most=64,
    ),
]
Vars = Annotated[
    dict[str, Any],
    msgspec.Meta(description="What the template knows as vars", extra={"flag": "var"}),
]
Sha256 = Annotated[
    str,
    text(
        r"[0-9a-f]{64}",
        "Blob to write, by its SHA-256",
        example="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        most=64,
        flag="source-sha",
        aliases=("source-sha256",),
    ),
]
Content = Annotated[
    str,
    msgspec.Meta(
        max_length=INLINE,
        description="Text to write, up to 64 KiB",
        examples=["hello\n"],
        extra={"literal": True},
    ),
]
Line = Annotated[
    str,
    text(r"[^\x00\n]*", "The line", example="PermitRootLogin no", most=INLINE, literal=True),
]
Regexp = Annotated[
    str,
    msgspec.Meta(
        max_length=4096,
        description="Regular expression (Python's re) for lines; the last that matches is replaced or, with "
        "state absent, all are removed",
        examples=["^#?PermitRootLogin"],
        extra={"literal": True},
    ),
]
SearchString = Annotated[
    str,
    msgspec.Meta(
        max_length=4096,
        description="Text in place of a regular expression, found anywhere in a line",
        examples=["PermitRootLogin"],
        extra={"literal": True},
    ),
]
InsertAfter = Annotated[
    str,
    msgspec.Meta(
        max_length=4096,
        description="Where nothing matches, put the line after the last line that this regular expression matches, "
        "or at the end (EOF)",
        examples=["^Include"],
        extra={"literal": True},
    ),
]
InsertBefore = Annotated[
    str,
    msgspec.Meta(
        max_length=4096,
        description="Where nothing matches, put the line before the last line that this regular expression matches, "
        "or at the beginning (BOF)",
        examples=["^Match"],
        extra={"literal": True},
    ),
]
State = Annotated[Literal["present", "absent"], msgspec.Meta(description="Whether the line shall be there")]
Backup = Annotated[bool, msgspec.Meta(description="Keep what was there beside it, with the time in its name")]
Parents = Annotated[bool, msgspec.Meta(description="Make the folders that are missing on the way")]
Offset = Annotated[int, msgspec.Meta(ge=0, description="Lines to pass over")]
Limit = Annotated[int, msgspec.Meta(ge=1, description="Lines to read at most")]


@attrs.frozen(kw_only=True)
class Deployed(Changed):
    """What lies there now; `sha256` is of the bytes on the disk."""

    path: str
    sha256: str


@attrs.frozen(kw_only=True)
class FileChanged(Changed):
    """A file that was changed, or was so already; `backup` is where the version before was kept."""

    path: str
    sha256: str | None = None
    backup: str | None = None


@attrs.frozen(kw_only=True)
class FileStatus:
    """Whether a file is as it was deployed; `differs` names what is not: content, mode, owner, group."""

    path: str
    status: Literal["in-sync", "drifted", "missing"]
    sha256: str | None = None
    differs: list[str] | None = None


@attrs.frozen(kw_only=True)
class FileStat:
    """What lies under a path; `size` in bytes, `mode` in octal, `checksum` the SHA-256 of a regular file."""

    path: str
    type: Literal["file", "directory", "link", "other"]
    size: int
    mode: str
    owner: str
    group: str
    uid: int
    gid: int
    modified: Time
    is_dir: bool
    is_link: bool
    target: str | None = None
    checksum: str | None = None


@attrs.frozen(kw_only=True)
class FileContent:
    """Lines of a file; `first` is the number of the first, from 1, `more` whether there are any after the last.

    With the encoding base64, `content` is the whole file.
    """

    path: str
    content: str
    encoding: Literal["utf-8", "base64"]
    size: int
    binary: bool
    first: int | None = None
    lines: int | None = None
    more: bool = False


class Deploy(Operation[Deployed], POST="/file/deploy", success=202):
    """Put an object of the object store on the disk, rendered where it is a template.

    The disk is compared: what is there already, with that mode and owner, is left alone, and what somebody
    changed is put right. Mode, owner and group that are not given are kept; a new file is 0644.
    """

    object_name: ObjectName
    path: Path
    content_type: ContentType | None = None
    mode: Mode | None = None
    owner: Owner | None = None
    group: Group | None = None
    vars: Vars | None = None


class Undeploy(Operation[Changed], POST="/file/undeploy", success=202):
    """Remove a file that was deployed, also where somebody has edited it since.

    A file that OSAPI did not deploy is left alone: `conflict`. What was deployed remains on record.
    """

    path: Path


class Status(Operation[FileStatus], POST="/file/status", query=True):
    """Show whether a file is as it was deployed."""

    path: Path


class Undo(Operation[FileChanged], POST="/file/undo", repeatable=False):
    """Bring back the version before the last change that OSAPI made to a file.

    Done twice, it brings back the change.
    """

    path: Path


class Stat(Operation[FileStat], GET="/file/stat"):
    """Show what lies under a path: type, size, mode, owner, time, checksum."""

    path: Path
    follow: Annotated[bool, msgspec.Meta(description="Where it is a link, show what it leads to")] = False


class Read(Operation[FileContent], POST="/file/read", query=True):
    """Read a text file, or some of its lines.

    A file with a NUL byte is binary, and is read as base64 only. An answer holds 1 MiB at most.
    """

    path: Path
    offset: Offset = 0
    limit: Limit | None = None
    encoding: Annotated[Literal["utf-8", "base64"], msgspec.Meta(description="How the content is told")] = (
        "utf-8"
    )


class Write(Operation[FileChanged], PUT="/file/write"):
    """Write a file: a blob, or text that is given.

    It is replaced in one step, and left alone where it is so already.
    """

    path: Path
    source_sha256: Sha256 | None = None
    content: Content | None = None
    mode: Mode | None = None
    owner: Owner | None = None
    group: Group | None = None
    parents: Parents = True
    backup: Backup = False


class EditLine(Operation[FileChanged], PATCH="/file/line", command="file line", repeatable=False):
    """Have a line in a file, or not.

    The last line that `regexp` (or `search_string`) matches is replaced by `line`. Where none matches, it is put where
    `insertafter` or `insertbefore` says, or at the end; with `backrefs`, nothing is done then, and `line` may refer
    to groups of `regexp`.
    """

    path: Path
    line: Line | None = None
    regexp: Regexp | None = None
    search_string: SearchString | None = None
    state: State = "present"
    insertafter: InsertAfter | None = None
    insertbefore: InsertBefore | None = None
    backrefs: Annotated[bool, msgspec.Meta(description="Let the line refer to groups of regexp")] = False
    firstmatch: Annotated[bool, msgspec.Meta(description="Take the first match instead of the last")] = False
    create: Annotated[bool, msgspec.Meta(description="Make the file where there is none")] = False
    mode: Mode | None = None
    owner: Owner | None = None
    group: Group | None = None
    backup: Backup = False


class Permissions(Operation[FileChanged], PUT="/file/permissions"):
    """Set mode and owner of a file or a folder, with `recursive` of all below it too.

    Links are not followed.
    """

    path: Path
    mode: Mode | None = None
    directory_mode: (
        Annotated[
            str, text(r"(?:[0-7]{3,4})?", "Mode of folders, where it is another", example="0755", most=4)
        ]
        | None
    ) = None
    owner: Owner | None = None
    group: Group | None = None
    recursive: Annotated[bool, msgspec.Meta(description="All below it, too")] = False


class Directory(Operation[FileChanged], POST="/file/directory"):
    """Make a folder, with those on the way to it."""

    path: Path
    mode: Mode | None = None
    owner: Owner | None = None
    group: Group | None = None


class Delete(Operation[FileChanged], DELETE="/file/{path}"):
    """Delete a file, a link or an empty folder; with `recursive` a folder and all in it."""

    path: Path
    recursive: Annotated[bool, msgspec.Meta(description="A folder and all in it, too")] = False


class Copy(Operation[FileChanged], POST="/file/copy"):
    """Copy a file on the host.

    Mode and owner of what is there already are kept unless told otherwise; a new file has the mode of its source.
    """

    source: Source
    destination: Destination
    mode: Mode | None = None
    owner: Owner | None = None
    group: Group | None = None
    parents: Parents = True
    backup: Backup = False
