"""What must hold before anything is fuzzed: a dry run of every modification leaves the host alone."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import attrs
from fuzzed import Fuzzed

from controller.openapi import document

DOCUMENT = document()


@attrs.frozen
class Asking:
    """One entry of the OpenAPI document, with its own example as what is asked for."""

    method: str
    path: str
    entry: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.entry["operationId"])

    @property
    def permission(self) -> str:
        """What the token needs; empty where none is asked for."""
        return next((p for scheme in self.entry["security"] for names in scheme.values() for p in names), "")

    @property
    def example(self) -> dict[str, Any]:
        """What must be given, by name."""
        return dict(self.entry.get("x-example", {}))

    @property
    def parameters(self) -> dict[str, dict[str, Any]]:
        return {parameter["name"]: parameter for parameter in self.entry["parameters"]}

    @property
    def fields(self) -> dict[str, Any]:
        """The schemas of the fields of its body."""
        body = self.entry.get("requestBody")
        if not body:
            return {}
        [content] = body["content"].values()
        name = content["schema"]["$ref"].rpartition("/")[2]
        found: dict[str, Any] = DOCUMENT["components"]["schemas"][name]["properties"]
        return {field: schema for field, schema in found.items() if schema.get("format") != "binary"}

    @property
    def uploads(self) -> bool:
        """Whether its body is a form with a file."""
        return "multipart/form-data" in self.entry.get("requestBody", {}).get("content", {})

    @property
    def changes_hosts(self) -> bool:
        return "dry_run" in self.parameters

    @property
    def streams(self) -> bool:
        return "text/event-stream" in self.entry["responses"].get("200", {}).get("content", {})


def asked() -> Iterator[Asking]:
    """All that can be asked for."""
    for path, methods in DOCUMENT["paths"].items():
        for method, entry in methods.items():
            yield Asking(method.upper(), path, entry)


def spring(target: Fuzzed) -> None:
    """Run a program that is a trap, and see that it is noticed."""
    with target.site.http() as http:
        http.post("/api/node/_all/command/exec", json={"command": "touch", "args": ["a", "b"]})
    assert target.sprung == ["touch a b"]
    (target.traps / "sprung").unlink()


def rehearse(target: Fuzzed) -> None:
    """Ask for each modification as its example has it, as a dry run."""
    with target.client() as http:
        http.post("/api/file", data={"name": "app.conf"}, files={"file": b"x\n"}).raise_for_status()
        for asking in asked():
            if asking.changes_hosts:
                example = asking.example
                answer = http.request(
                    asking.method,
                    asking.path.format_map(
                        {
                            **{name: quote(str(value), safe="") for name, value in example.items()},
                            "hostname": "_all",
                        }
                    ),
                    params={"dry_run": "true"},
                    json={name: value for name, value in example.items() if name in asking.fields},
                )
                assert answer.is_success, (asking.name, answer.text)
                assert all("plan" in item for item in answer.json()["results"]), (asking.name, answer.text)
                target.unharmed()
