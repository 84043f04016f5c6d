import io
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
import trio
from collectors import Authority, over_grpc, over_http

from osapi import tracing
from osapi.config.telemetry import Tls, Tracing
from osapi.errors import ConfigError, Error, Unavailable
from osapi.tracing.otlp import sender
from osapi.tracing.recorder import Recorder, recorder

COLLECTORS = {"grpc": over_grpc, "http": over_http}
PROTOCOLS = pytest.mark.parametrize("protocol", ["grpc", "http"])


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def silent() -> Iterator[int]:
    """A port at which connections are taken, and nothing more."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def recording(settings: Tracing, output: io.StringIO | None = None) -> Recorder:
    """A recorder with one span that has ended."""
    found = recorder(settings, "a-service", sender(settings, output or io.StringIO()))
    with tracing.recorded(found), tracing.span("mine", {"n": 1}, root=True):
        return found


@PROTOCOLS
async def test_spans_arrive_with_the_headers_over_tls(protocol, authority):
    with COLLECTORS[protocol](authority) as kept:
        settings = Tracing(
            exporter="otlp",
            protocol=protocol,
            otlp_endpoint=f"https://127.0.0.1:{kept.port}",
            headers={"X-Api-Key": "k3y"},
            tls=Tls(ca_file=str(authority.ca)),
        )
        reason = await recording(settings).close()

    [span], [headers] = kept.spans, kept.headers
    assert reason == ""
    assert (span.service, span.name, span.attributes) == ("a-service", "mine", {"n": 1})
    assert {name.lower(): value for name, value in headers.items()}["x-api-key"] == "k3y"


@PROTOCOLS
async def test_a_collector_that_cannot_prove_who_it_is_gets_nothing(protocol, authority, tmp_path):
    other = Authority.make(tmp_path)
    with COLLECTORS[protocol](authority) as kept:
        settings = Tracing(
            exporter="otlp",
            protocol=protocol,
            otlp_endpoint=f"https://127.0.0.1:{kept.port}",
            tls=Tls(ca_file=str(other.ca)),
            timeout=1,
        )
        reason = await recording(settings).close()

    assert reason
    assert kept.spans == []


@PROTOCOLS
async def test_a_collector_that_is_away_or_silent_is_to_be_tried_again(protocol, silent, unused_port):
    for port in (silent, unused_port):
        settings = Tracing(exporter="otlp", protocol=protocol, otlp_endpoint=f"127.0.0.1:{port}", timeout=0.2)
        found = recording(settings)

        with pytest.raises(Unavailable):
            await found.send()

        assert len(found.queue.waiting) == 1
        assert await found.close()


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@PROTOCOLS
async def test_sending_ends_at_once_when_it_is_cancelled(protocol, silent):
    settings = Tracing(exporter="otlp", protocol=protocol, otlp_endpoint=f"127.0.0.1:{silent}")
    found = recording(settings)

    with trio.fail_after(5), trio.move_on_after(0.1) as scope:
        await found.send()

    assert scope.cancelled_caught
    assert len(found.queue.waiting) == 1
    await found.sender.aclose()


@pytest.mark.parametrize(
    ("status", "kind"), [(503, Unavailable), (429, Unavailable), (400, Error), (401, Error)]
)
async def test_the_answer_of_a_collector_says_whether_to_try_again(status, kind):
    with over_http(status=status) as kept:
        settings = Tracing(exporter="otlp", protocol="http", otlp_endpoint=f"127.0.0.1:{kept.port}")
        found = recording(settings)

        with pytest.raises(Error, match=str(status)) as raised:
            await found.send()
        await found.sender.aclose()

    assert type(raised.value) is kind


async def test_stdout_prints_a_span_a_line_with_who_it_is_of():
    output = io.StringIO()

    await recording(Tracing(exporter="stdout"), output).close()

    [line] = output.getvalue().splitlines()
    told = json.loads(line)
    assert told["name"] == "mine"
    assert {"service.version", "service.instance.id", "host.name"} <= told["resource"]["attributes"].keys()


@pytest.mark.parametrize("exporter", ["", "none"])
def test_no_exporter_is_no_sender(exporter):
    assert sender(Tracing(exporter=exporter), io.StringIO()) is None


@PROTOCOLS
@pytest.mark.parametrize("wrong", ["ca_file", "cert_file"])
def test_a_file_that_is_no_certificate_is_refused(protocol, wrong, tmp_path):
    bad = Path(tmp_path / "bad.pem")
    bad.write_text("nothing")
    tls = attrs.evolve(Tls(key_file=str(bad)), **{wrong: str(bad)})

    with pytest.raises(ConfigError, match=rf"telemetry\.tracing\.tls\.{wrong}: {bad} cannot be used"):
        sender(
            Tracing(exporter="otlp", protocol=protocol, otlp_endpoint="https://localhost", tls=tls),
            io.StringIO(),
        )
