"""The process that renders one template: `python -I -m agent.templating.child LANGUAGE`.

It reads a request from standard input, and writes an answer to standard output, both JSON; bytes in base64.

    request: {"source", "hostname", "facts", "vars"}
    answer:  {"output"}, or {"message", "line"} where the template cannot be rendered
"""

import json
import sys
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from typing import Any

from agent.templating import LARGEST
from agent.templating.confinement import MEMORY, confine
from agent.templating.errors import TemplateError

DEEPEST = 12_000
"""Calls of Python within each other; the templates of Go that lie in each other take some ten each."""

Renderer = Callable[[bytes, dict[str, Any], Callable[[bytes], None]], None]


def renderer(language: str) -> Renderer:
    """What renders a language; only what that one needs is imported."""
    if language == "jinja":
        from agent.templating.jinja import render as render_jinja

        return render_jinja
    from agent.templating.go import render as render_go

    sys.setrecursionlimit(DEEPEST)
    return render_go


class Output:
    """What was rendered so far, up to `LARGEST` bytes."""

    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, piece: bytes) -> None:
        if len(self.content) + len(piece) > LARGEST:
            raise TemplateError(f"the result is larger than {LARGEST >> 20} MiB")
        self.content += piece


def answer(render: Renderer, request: dict[str, Any]) -> dict[str, Any]:
    names = {name: request[name] for name in ("hostname", "facts", "vars")}
    output = Output()
    try:
        render(a2b_base64(request["source"]), names, output.write)
    except TemplateError as error:
        return {"message": error.message, "line": error.line}
    except MemoryError:
        return {"message": f"it needs more than {MEMORY >> 20} MiB of memory", "line": None}
    return {"output": b2a_base64(output.content, newline=False).decode()}


def main() -> None:
    render = renderer(sys.argv[1])
    confine()
    json.dump(answer(render, json.loads(sys.stdin.buffer.read())), sys.stdout)


if __name__ == "__main__":
    main()
