"""A host whose files are real, and whose programs answer from a table."""

import attrs

from agent.host import Host


@attrs.frozen(kw_only=True, eq=False)
class ScriptedHost(Host):
    """`answers` has what each program prints, or the error it ends with; any other program is an error.

    `heard` is what was on the standard input of each that has run.
    """

    answers: dict[tuple[str, ...], str | Exception] = attrs.field(factory=dict)
    ran: list[tuple[str, ...]] = attrs.field(factory=list)
    heard: dict[tuple[str, ...], str] = attrs.field(factory=dict)

    async def run(self, *argv, privileged=False, input=None, timeout=60, check=True):
        self.ran.append(argv)
        if input is not None:
            self.heard[argv] = input
        answer = self.answers[argv]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def listen(self, *argv, seconds, emit):
        emit("stdout", await self.run(*argv))

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
