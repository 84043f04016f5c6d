"""The keys of a machine's daemons, as parts of a backup.

They are what tokens, records of audit and jobs are signed with, and what secrets are sealed to: all that ends in
`.key` or `.pub` in the state directory, and in the key directories of signed jobs. The password of the embedded
broker is none of them, as each broker makes one for its own machine.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from osapi.config import Config
from osapi.errors import ConfigError
from osapi.state import StateDirectory

FOLDER = "keys/"
"""Keys are parts below that name."""

MOST = 64 * 1024
"""Bytes of a key; more is none."""

MODES = {".key": 0o600, ".pub": 0o644}
"""What ends like a key, and who may read it."""


@attrs.frozen
class Keyring:
    """Where keys are on this machine: folders, by the word that stands for each in the names of parts."""

    folders: Mapping[str, Path]

    def read(self) -> Iterator[tuple[str, bytes]]:
        """The keys that are here, by the names of their parts; `ConfigError` where one cannot be read."""
        for word, folder in self.folders.items():
            for path in sorted(path for path in folder.glob("*") if path.suffix in MODES):
                try:
                    yield f"{FOLDER}{word}/{path.name}", path.read_bytes()
                except OSError as error:
                    raise ConfigError(f"{path}: cannot be read: {error.strerror}; become its owner") from None

    def place(self, name: str) -> Path:
        """Where a part belongs; `ConfigError` where this configuration has no place for it."""
        word, _, file = name.removeprefix(FOLDER).partition("/")
        folder = self.folders.get(word)
        if folder is None or Path(file).suffix not in MODES or Path(file).name != file:
            raise ConfigError(
                f"{name}: this configuration has no place for it; "
                f"allowed: *.key and *.pub below {', '.join(f'{FOLDER}{word}' for word in self.folders)}"
            )
        return folder / file

    def differing(self, keys: Mapping[str, bytes]) -> list[Path]:
        """The places that have another key already."""
        return [
            place
            for name, data in keys.items()
            if (place := self.place(name)).exists() and place.read_bytes() != data
        ]

    def write(self, keys: Mapping[str, bytes]) -> None:
        """Put keys in their places, private ones for their owner only; what is replaced stays as `<name>.replaced`."""
        for name, data in keys.items():
            place = self.place(name)
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = place.with_name(f".{place.name}.{os.urandom(4).hex()}")
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data)
                os.fchmod(file.fileno(), MODES[place.suffix])
                if os.geteuid() == 0:  # the daemon may be another user, whose folder it is
                    owner = place.parent.stat()
                    os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
                file.flush()
                os.fsync(file.fileno())
            for other in self.differing({name: data}):
                other.replace(other.with_name(f"{other.name}.replaced"))
            new.replace(place)


def keyring(config: Config, state: StateDirectory) -> Keyring:
    """The places that a configuration names."""
    folders = {"state": state.path}
    for word, pki in (("controller", config.controller.pki), ("agent", config.agent.pki)):
        if pki.enabled:
            folders[word] = Path(pki.key_dir)
    return Keyring(folders)
