"""The machine that is installed on: files below a root, and programs. All that is done to it is told as steps.

A dry one is read for real, and only told what would be written and run.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import unified_diff
from pathlib import Path
from stat import S_IMODE
from typing import Literal

import attrs

from osapi.errors import CommandFailed, Error
from osapi.install.daemons import WRITTEN, File

Verb = Literal["written", "changed", "unchanged", "kept", "linked", "removed", "run", "note"]


@attrs.frozen
class Step:
    """What was done, to what; `diff` is of a file that was there, and in a dry run of a new one too."""

    verb: Verb
    what: str
    diff: str = ""


def run(argv: Sequence[str], given: str) -> None:
    """Run a program of systemd or sudo, `given` on its standard input; raises `Error` where it fails."""
    try:
        done = subprocess.run(argv, input=given, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Error(f"{argv[0]}: there is no such program on this machine") from None
    if done.returncode:
        raise CommandFailed(argv, done.returncode, f"{done.stderr.strip() or done.stdout.strip()}")


@attrs.define
class Machine:
    """The machine whose root directory is `root`, and the `steps` so far.

    Raises `Error` where something cannot be read, written or run.
    """

    root: Path = Path("/")
    dry: bool = False
    call: Callable[[Sequence[str], str], None] = run
    steps: list[Step] = attrs.field(factory=list)

    @property
    def here(self) -> bool:
        """Whether it is this very machine, and not an image of another."""
        return self.root == Path("/")

    @property
    def booted(self) -> bool:
        """Whether its systemd runs: sd_booted(3)."""
        return self.here and Path("/run/systemd/system").is_dir()

    @property
    def changed(self) -> bool:
        """Whether any file is another than before."""
        return any(step.verb in {"written", "changed", "linked", "removed"} for step in self.steps)

    def at(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def tell(self, verb: Verb, what: str, diff: str = "") -> None:
        self.steps.append(Step(verb, what, diff))

    def has(self, path: str) -> bool:
        return os.path.lexists(self.at(path))

    def read(self, path: str) -> str:
        """What a file holds; nothing where there is none."""
        try:
            return self.at(path).read_text()
        except FileNotFoundError:
            return ""
        except (OSError, ValueError) as error:
            raise Error(f"{self.at(path)}: cannot be read: {error}") from None

    def owns(self, path: str) -> bool:
        """Whether a file is one that an installation wrote."""
        return self.has(path) and self.read(path).startswith(WRITTEN)

    def refuse_others(self, paths: Iterable[str]) -> None:
        """`Error` where one of these files is there and somebody else's."""
        for path in paths:
            if self.has(path) and not self.owns(path):
                raise Error(f"{self.at(path)}: is there, and was not written by `osapi`; move it away first")

    def place(self, file: File) -> str:
        """Have a file, of a package or of our own; where it is."""
        if file.packaged and not self.has(file.path) and self.read(file.vendor) == file.text:
            self.tell("unchanged", file.vendor)
            return file.vendor
        if not self.has(file.path):
            self._write(file)
            shown = self.dry and not file.secret
            self.tell("written", file.path, _diff(file.path, "", file.text) if shown else "")
        elif (before := self.read(file.path)) != file.text:
            self._write(file)
            self.tell("changed", file.path, _diff(file.path, before, file.text))
        elif S_IMODE(self.at(file.path).stat().st_mode) != file.mode:
            self._write(file)
            self.tell("changed", f"{file.path} to mode {file.mode:04o}")
        else:
            self.tell("unchanged", file.path)
        return file.path

    def link(self, path: str, target: str) -> None:
        """Have a symbolic link."""
        link = self.at(path)
        if link.is_symlink() and str(link.readlink()) == target:
            self.tell("unchanged", path)
            return
        if not self.dry:
            with _told(link):
                link.parent.mkdir(parents=True, exist_ok=True)
                link.unlink(missing_ok=True)
                link.symlink_to(target)
        self.tell("linked", f"{path} to {target}")

    def remove(self, path: str) -> None:
        """Have a file, a link or a folder no more."""
        if not self.has(path):
            return
        found = self.at(path)
        if not self.dry:
            with _told(found):
                if found.is_dir() and not found.is_symlink():
                    shutil.rmtree(found)
                else:
                    found.unlink()
        self.tell("removed", path)

    def remove_empty(self, path: str) -> None:
        """Have a folder no more that nothing is in."""
        if self.at(path).is_dir() and not any(self.at(path).iterdir()):
            self.remove(path)

    def run(self, *argv: str, given: str = "") -> None:
        if not self.dry:
            self.call(argv, given)
        self.tell("run", " ".join(argv))

    def _write(self, file: File) -> None:
        """In one step, as it is to be read."""
        if self.dry:
            return
        path = self.at(file.path)
        new = path.with_name(f".{path.name}.new")
        with _told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            new.unlink(missing_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
                opened.write(file.text)
                os.fchmod(opened.fileno(), file.mode)
                opened.flush()
                os.fsync(opened.fileno())
            new.replace(path)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """An error of the system as one of ours."""
    try:
        yield
    except OSError as error:
        raise Error(f"{path}: {error.strerror}") from None


def _diff(path: str, before: str, after: str) -> str:
    return "".join(
        unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), path, path, n=1)
    )
