"""Hostile text through every parameter of every operation and call: refused by name, or taken as plain text.

Where the parameters are is read off the OpenAPI document, so those of later operations are covered by themselves.
"""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

import attrs
import httpx
import pytest
from fuzzed import AGENT, Careful, Fuzzed
from hostile import TOO_LONG, VALUES, VERY_LONG
from rehearsal import DOCUMENT, Asking, asked

ASKED = list(asked())
NAMES = {"hostname": "target"}
"""Parameters that the document calls otherwise than the problem that names them."""
SHARED = {"expires", "dry_run", "hostname"}
"""Parameters of all operations, which are tried on two of them."""


@attrs.frozen
class Place:
    """Somewhere in a request that text can be put."""

    asking: Asking
    name: str
    where: str

    @property
    def field(self) -> str:
        """What a problem calls it."""
        shared = self.asking.path.startswith("/api/node/") and self.where == "path"
        return NAMES.get(self.name, self.name) if shared else self.name

    def __str__(self) -> str:
        return f"{self.asking.name}-{self.where}-{self.name}"

    def request(self, text: str) -> dict[str, Any]:
        """A request as its example has it, with `text` in this place, and a dry run of what changes a host."""
        example = {"hostname": AGENT, **self.asking.example}
        query = {name for name, each in self.asking.parameters.items() if each["in"] == "query"}
        params = {name: example[name] for name in query & example.keys()}
        found: dict[str, Any] = {"method": self.asking.method, "params": params, "headers": {}}
        if self.asking.changes_hosts:
            found["params"]["dry_run"] = "true"
        if self.asking.uploads:
            found["files"] = {"file": ("f", b"x")}
            found["data"] = {name: example[name] for name in self.asking.fields if name in example}
        elif self.asking.fields:
            found["json"] = {name: example[name] for name in self.asking.fields if name in example}
        if self.asking.path.startswith("/api/node/"):
            example["hostname"] = AGENT
        if self.where == "path":
            example[self.name] = text
        elif self.where == "body":
            found["json"][self.name] = self._shaped(text)
        elif self.where == "form":
            found["data"][self.name] = text
        else:
            found["params" if self.where == "query" else "headers"][self.name] = text
        quoted = {name: quote(str(value), safe="") for name, value in example.items()}
        return {"url": self.asking.path.format_map(quoted), **found}

    def _shaped(self, text: str) -> Any:
        """The text, or a list or an object of it where the field is one."""
        schema = self.asking.fields[self.name]
        shapes = {"array": [text], "object": {text: text}}
        return shapes.get(schema.get("type", ""), text)


def places() -> Iterator[Place]:
    """Every parameter of its own of every operation and call."""
    for asking in ASKED:
        for name, parameter in asking.parameters.items():
            shared = asking.path.startswith("/api/node/") and name in SHARED
            if parameter["in"] != "header" and not shared:
                yield Place(asking, name, parameter["in"])
        for name in asking.fields:
            yield Place(asking, name, "form" if asking.uploads else "body")


def shared_places() -> Iterator[Place]:
    """The parameters of all operations, and headers of HTTP, on one that has them all; and those of a stream."""
    by_name = {asking.name: asking for asking in ASKED}
    for asking in (by_name["timezone.update"], by_name["job.watch"]):
        for name, parameter in asking.parameters.items():
            if name != "dry_run":
                yield Place(asking, name, parameter["in"])
    yield Place(by_name["timezone.update"], "X-Request-Id", "header")


def ask(http: Careful, request: dict[str, Any]) -> httpx.Response:
    """The answer; of a stream, its head."""
    sent = http.build_request(**request)
    answer = http.send(sent, stream=True)
    with closing(answer):
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            answer.read()
    return answer


def sendable(place: Place, text: str) -> bool:
    """Whether HTTP can carry it there: a header has no control characters, and a path no empty or dotted part."""
    if place.where == "header":
        return text.isascii() and text.isprintable() and text == text.strip()
    return place.where != "path" or text not in {"", ".", ".."}


@pytest.mark.parametrize("place", [*places(), *shared_places()], ids=str)
def test_hostile_text_is_refused_by_name_or_taken_as_text(http: Careful, place: Place) -> None:
    refused = taken = 0
    for text in filter(lambda text: sendable(place, text), VALUES.values()):
        answer = ask(http, place.request(text))

        if answer.is_success:
            taken += 1
            harmless(answer, place, text)
        else:
            refused += 1
            is_problem(answer, place, text)
    assert refused + taken > 20


def is_problem(answer: httpx.Response, place: Place, text: str) -> None:
    """A problem of the caller's, as the document has it, that names the place if that is what is wrong."""
    assert 400 <= answer.status_code < 500, (text, answer.text)
    assert answer.headers["content-type"] == "application/problem+json", (text, answer.text)
    if place.asking.method == "HEAD":
        return  # it has no body
    problem = answer.json()
    if answer.status_code == 400:
        fields = [re.split(r"[.\[]", error["field"])[0] for error in problem["errors"]]
        assert fields == [place.field], (text, answer.text)
    else:
        assert str(answer.status_code) in {*place.asking.entry["responses"], "404"}, (text, answer.text)


def harmless(answer: httpx.Response, place: Place, text: str) -> None:
    """What a dry run would do has the text as one word of its own, or part of one: no option, no other path."""
    if answer.headers["content-type"] != "application/json" or place.asking.name.startswith("command."):
        return
    for item in answer.json().get("results", ()) if place.asking.path.startswith("/api/node/") else ():
        plan = item.get("plan", {"commands": [], "files": []})
        for command in plan["commands"]:
            assert command[0] not in {text, "sh", "bash", "/bin/sh"}, command
            ends_options = text == "--"  # which commands of ours do, once
            assert command.count(text) <= ends_options or not text.startswith("-"), command
        assert not [file for file in plan["files"] if ".." in file["path"].split("/")]


@pytest.mark.parametrize("place", [place for place in places() if place.where == "body"], ids=str)
def test_what_no_field_takes_is_refused_for_its_length(http: Careful, place: Place) -> None:
    too_long = ask(http, place.request(VERY_LONG))
    beyond = ask(http, place.request(TOO_LONG))

    assert beyond.status_code == 413
    if place.asking.fields[place.name].get("type") == "object":
        return  # of its members there may be any
    assert too_long.status_code == 400
    assert place.name in too_long.json()["errors"][0]["field"]


def test_what_no_path_or_query_takes_is_refused(http: Careful) -> None:
    for place in places():
        if place.where != "body":
            assert ask(http, place.request(VERY_LONG[:50_000])).status_code in {400, 404, 431}


NO_TEXT = [
    b'"\\ud800"',
    b'"\\udfff\\ud800"',
    b'"\xff\xfe"',
    b'"\xed\xa0\x80"',
    b'"\xc0\xaf"',
    b"1e999",
    b"-1e999",
    b"9" * 5000,
    b"NaN",
    b"{}",
    b"[]",
    b"[[[[]]]]",
    b"[" * 5_000 + b"]" * 5_000,
    b'{"":' * 500 + b"1" + b"}" * 500,
    b'["@fact.hostname", ' * 300 + b"1" + b"]" * 300,
    b"true",
    b'"\\u0000"',
    b"'x'",
    b'"x" // y',
    b'"x", "x": 1',
]
"""Values in JSON that are no text, or no JSON."""


@pytest.mark.parametrize("place", [place for place in places() if place.where == "body"], ids=str)
def test_what_is_no_text_is_refused(http: Careful, place: Place) -> None:
    request = place.request("")
    body = request.pop("json")
    for value in NO_TEXT:
        rest = b"".join(b", %s: %s" % (dump(name), dump(body[name])) for name in body if name != place.name)
        content = b"{%s: %s%s}" % (dump(place.name), value, rest)

        answer = ask(http, {**request, "content": content, "headers": {"Content-Type": "application/json"}})

        assert answer.status_code in {400, 404} or answer.is_success, (value[:50], answer.text)


def dump(value: Any) -> bytes:
    return json.dumps(value).encode()


def really(target: Fuzzed) -> httpx.Client:
    """A client that may change hosts: for programs that only print."""
    return target.site.http()


NEITHER = ["", "no", "$(x)", "true;false", " ", "\u2714", "2", "-1", "on", "null", "true\n"]


@pytest.mark.parametrize("text", NEITHER)
def test_what_is_not_clearly_a_dry_run_or_none_is_refused(target: Fuzzed, text: str) -> None:
    with really(target) as http:
        answer = http.post(
            f"/api/node/{AGENT}/command/exec", params={"dry_run": text}, json={"command": "touch"}
        )

    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["dry_run"]


def test_a_program_gets_each_argument_as_it_was_sent(target: Fuzzed) -> None:
    texts = [text for text in VALUES.values() if "\0" not in text and "@fact." not in text]
    with really(target) as http:
        for text in [*texts, "x" * 100_000]:
            command = {"command": "printf", "args": ["%s|%s", text, "end"]}
            [item] = http.post(f"/api/node/{AGENT}/command/exec", json=command).json()["results"]

            assert (item["status"], item["exit_code"], item["stderr"]) == ("ok", 0, ""), text
            assert item["stdout"] == f"{text}|end"


def test_a_folder_is_one_folder(target: Fuzzed) -> None:
    with really(target) as http:
        for number, text in enumerate(VALUES.values()):
            operation = ("exec", "shell")[number % 2]
            body = {"command": "pwd", "cwd": f"/{text}"}
            answer = http.post(f"/api/node/{AGENT}/command/{operation}", json=body)
            if answer.status_code == 400:
                assert answer.json()["errors"][0]["field"] == "cwd", text
            elif answer.status_code == 404:
                assert answer.json()["type"] == "urn:osapi:problem:not_found"
            else:
                [item] = answer.json()["results"]
                assert item["status"] == "failed" or item["stdout"].startswith("/"), (text, item)


def test_a_program_is_one_file(target: Fuzzed) -> None:
    with really(target) as http:
        for text in VALUES.values():
            answer = http.post(f"/api/node/{AGENT}/command/exec", json={"command": text})
            if answer.status_code == 202:
                [item] = answer.json()["results"]
                assert item["status"] == "failed", (text, item)


def test_every_declaration_with_text_is_covered() -> None:
    covered = {place.asking.name for place in places()}

    assert {"timezone.update", "hostname.update", "command.exec", "command.shell", "job.retry"} <= covered
    assert all(asking.name in covered for asking in ASKED if asking.fields)
    assert DOCUMENT["paths"]
