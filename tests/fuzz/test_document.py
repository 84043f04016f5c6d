"""Requests made of the OpenAPI document, as admin, as a reader and as nobody: each is answered as it says.

Values that the document allows and values that it does not are made by schemathesis; targets and job ids are
often replaced by real ones, so that requests come as far as the hosts. Modifications are rehearsed.
"""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import attrs
import pytest
import requests
import schemathesis
from fuzzed import AGENT, Fuzzed, assert_harmless
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from rehearsal import DOCUMENT, Asking, asked
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

EXAMPLES = 12
LONGEST = 300
"""Characters of a generated value: longer ones take seconds to make, and are in the corpus."""

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]
ALWAYS = CHECKS[:-1]
"""Those that hold also of a request that is changed here: what was wrong may have been put right by it."""

TARGETS = ["_all", "_any", AGENT, f"machine-{AGENT}", "group:fuzz"]


class Careful(requests.Session):
    """A session that sends nothing harmful."""

    def send(self, request: requests.PreparedRequest, **how: Any) -> requests.Response:
        assert_harmless(str(request.method), str(request.url))
        return super().send(request, **how)


def adapted(schema: Any) -> Any:
    """The document without tokens, which are not made up here, and with values that are made in no time."""
    if isinstance(schema, list):
        return [adapted(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: adapted(inner) for key, inner in schema.items() if key != "security"}
    if isinstance(most := found.get("maxLength"), int):
        found["maxLength"] = min(most, LONGEST)
    return found


SCHEMA = schemathesis.openapi.from_dict(adapted(DOCUMENT))


def cases(asking: Asking) -> st.SearchStrategy[Case]:
    """Requests as the document has them, and such as it has not."""
    operation = SCHEMA[asking.path][asking.method]
    return st.one_of(operation.as_strategy(generation_mode=mode) for mode in GenerationMode)


@attrs.frozen
class Sender:
    """Sends requests with one token, or none."""

    session: requests.Session
    url: str
    token: str

    def send(self, case: Case) -> requests.Response:
        """Ask; a stream that has begun is an answer."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        prepared = requests.Request(**case.as_transport_kwargs(self.url, headers)).prepare()
        answer = self.session.send(prepared, stream=True, timeout=20, allow_redirects=False)
        with closing(answer):
            if not is_stream(answer):
                assert answer.content is not None
        return answer


def is_stream(answer: requests.Response) -> bool:
    return answer.headers.get("Content-Type", "").startswith("text/event-stream")


@pytest.fixture(scope="module")
def senders(installed: Fuzzed) -> Iterator[dict[str, Sender]]:
    """Admin, reader and nobody."""
    tokens = {"admin": installed.site.token, "read": installed.token("read"), "": ""}
    with Careful() as session:
        yield {role: Sender(session, installed.site.url, token) for role, token in tokens.items()}


@pytest.mark.parametrize("asking", [pytest.param(asking, id=asking.name) for asking in asked()])
def test_every_request_is_answered_as_the_document_says(target, senders, asking):
    with target.client() as http:
        job_ids = [http.get("/api/node/_any/uptime").json()["job_id"] for _ in range(3)]

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=cases(asking), place=st.sampled_from([None, *TARGETS]), job_id=st.sampled_from([None, *job_ids])
    )
    def ask(case: Case, place: str | None, job_id: str | None) -> None:
        assert case.meta
        changed = put(case, asking, place, job_id)
        quoted = set(case.path_parameters) - {"hostname"}  # which is looked at as it is quoted
        as_made = not changed and not quoted and not asking.uploads  # in a form, everything is text
        expected = CHECKS if case.meta.generation.mode.is_negative and as_made else ALWAYS
        nobody, reader, admin = (senders[role].send(case) for role in ("", "read", "admin"))
        if asking.permission:
            assert nobody.status_code == 401
        if not asking.permission.endswith(":read"):
            assert reader.status_code == 403 or not asking.permission
        for answer in (nobody, reader, admin):
            conforms(case, answer, expected)

    ask()


def put(case: Case, asking: Asking, place: str | None, job_id: str | None) -> bool:
    """Real things in the place of made up ones, and a dry run of what would change a host; whether any was there."""
    before = {**case.path_parameters, **case.query}
    if place and "hostname" in case.path_parameters:
        case.path_parameters = {**case.path_parameters, "hostname": place}
    if job_id and "id" in case.path_parameters:
        case.path_parameters = {**case.path_parameters, "id": job_id}
    if place and "expires" in case.query:
        case.query = {**case.query, "expires": "10m"}
    if asking.changes_hosts:
        case.query = {**case.query, "dry_run": "true"}
    after = {**case.path_parameters, **case.query}
    return any(after[name] != value for name, value in before.items())


def conforms(case: Case, answer: requests.Response, expected: list[Any]) -> None:
    """An answer is one that the document knows; of a stream, its head is."""
    if not is_stream(answer):
        case.validate_response(answer, checks=expected)
