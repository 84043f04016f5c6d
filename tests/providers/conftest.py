"""Hosts whose files are real, below a temporary folder, and whose programs answer from a table."""

import attrs
import pytest

from agent import dispatch
from agent.host import Host
from agent.release import NAMES

dispatch.load()

DEBIAN = """\
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
ID=debian
"""


@attrs.frozen(kw_only=True, eq=False)
class ScriptedHost(Host):
    """`answers` has what each program prints, or the error it ends with; any other program is an error."""

    answers: dict[tuple[str, ...], str | Exception] = attrs.field(factory=dict)
    ran: list[tuple[str, ...]] = attrs.field(factory=list)

    async def run(self, *argv, privileged=False, input=None, timeout=60, check=True):
        self.ran.append(argv)
        answer = self.answers[argv]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def has(self, files: dict[str, str]) -> None:
        """Put files on the host."""
        for name, text in files.items():
            path = self.root / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def boots_with_systemd(self) -> None:
        (self.root / "run/systemd/system").mkdir(parents=True)

    def holds(self) -> dict[str, str]:
        """Every file of the host, and where its links point."""
        return {
            f"/{path.relative_to(self.root)}": str(path.readlink()) if path.is_symlink() else path.read_text()
            for path in sorted(self.root.rglob("*"))
            if path.is_symlink() or path.is_file()
        }


@pytest.fixture
def host(tmp_path):
    """A Debian host called web-01 that was not booted with systemd."""
    host = ScriptedHost(root=tmp_path, family="debian", hostname="web-01")
    host.has({NAMES[0]: DEBIAN, "/proc/sys/kernel/hostname": "web-01\n"})
    return host


@pytest.fixture
def rehearsing(host):
    """The same host, in a dry run."""
    return attrs.evolve(host, dry=True)
