from collections.abc import Sequence

import attrs
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode
from quart import Response

from controller.problems import respond
from controller.traced import Traced
from osapi import traceparent, tracing
from osapi.config.telemetry import Tracing
from osapi.errors import NotFound
from osapi.tracing.recorder import recorder

PLACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@attrs.frozen
class Kept:
    """Takes all spans."""

    where: str = "a test"
    spans: list[ReadableSpan] = attrs.field(factory=list)

    async def send(self, spans: Sequence[ReadableSpan]) -> None:
        self.spans.extend(spans)

    async def aclose(self) -> None: ...


async def broken() -> Response:
    raise ValueError("s3cret")


async def missing() -> Response:
    raise NotFound("there is none")


async def told() -> Response:
    return Response(str(traceparent.current.get()))


@pytest.fixture
def app() -> Traced:
    made = Traced("test")
    made.register_error_handler(Exception, respond)
    for view in (broken, missing, told):
        made.add_url_rule(f"/{view.__name__}", view.__name__, view)
    return made


async def test_a_request_that_fails_is_a_failed_span_and_one_that_is_wrong_is_not(app):
    kept = Kept()
    recording = recorder(Tracing(), "a-service", kept)

    with tracing.recorded(recording):
        await app.test_client().get("/broken")
        await app.test_client().get("/missing")
    await recording.close()

    first, second = kept.spans
    assert dict(first.attributes) == {
        "http.request.method": "GET",
        "http.response.status_code": 500,
        "error.type": "500",
    }
    assert first.status.status_code is StatusCode.ERROR
    assert second.attributes["http.response.status_code"] == 404
    assert second.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize("places", [[], ["00-zz"], [PLACE, PLACE]])
async def test_a_place_that_is_missing_or_wrong_or_told_twice_begins_a_new_trace(app, places):
    given = [("traceparent", place) for place in places]

    answer = await (await app.test_client().get("/told", headers=given)).get_data(as_text=True)

    assert traceparent.parse(answer)
    assert PLACE.split("-")[1] not in answer


async def test_a_place_that_is_told_rightly_is_where_the_request_is(app):
    answer = await app.test_client().get("/told", headers=[("traceparent", PLACE)])

    assert await answer.get_data(as_text=True) == PLACE
