"""Where spans are sent to: a collector that speaks OTLP, over gRPC or HTTP, or just an output.

Both are cancelled by leaving them: a collector that takes nothing holds up nobody.
"""

import ssl
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO, cast

import attrs
import trio
from opentelemetry.sdk.trace import ReadableSpan

from osapi.config.telemetry import Tls, Tracing
from osapi.errors import ConfigError, Error, Unavailable
from osapi.tracing.recorder import Sender

TLS = "telemetry.tracing.tls"

AGAIN = {429, 502, 503, 504}
"""Statuses of HTTP after which a batch may be sent once more (OTLP 1.x, "Retryable Response Codes")."""

AGAIN_GRPC = {
    "CANCELLED", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS",
}  # fmt: skip
"""The same of gRPC."""


def sender(settings: Tracing, output: TextIO) -> Sender | None:
    """The sender that the configuration names; None where spans are not sent.

    Raises `ConfigError` where a file of `telemetry.tracing.tls` cannot be used.
    """
    match settings.exporter:
        case "stdout":
            return Printer(output)
        case "otlp" if settings.protocol == "http":
            return Http.to(settings)
        case "otlp":
            return Grpc.to(settings)
    return None


def encoded(spans: Sequence[ReadableSpan]) -> Any:
    """Spans as an ExportTraceServiceRequest."""
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    return encode_spans(spans)


@attrs.frozen(eq=False)
class Printer:
    """Spans as JSON, one a line."""

    output: TextIO
    where: str = "the output"

    async def send(self, spans: Sequence[ReadableSpan]) -> None:
        lines = "".join(f"{span.to_json(indent=None)}\n" for span in spans)
        try:
            await trio.to_thread.run_sync(self._write, lines, abandon_on_cancel=True)
        except OSError as error:
            raise Error(f"cannot be written to: {error.strerror}") from None

    def _write(self, lines: str) -> None:
        self.output.write(lines)
        self.output.flush()

    async def aclose(self) -> None:
        """Leave the output open: it is the process's."""


@attrs.frozen(eq=False)
class Http:
    """OTLP over HTTP, in protobuf's binary form."""

    where: str
    client: Any

    @classmethod
    def to(cls, settings: Tracing) -> "Http":
        import httpx

        url = settings.url
        headers = {"Content-Type": "application/x-protobuf", **settings.headers}
        trusted = context(settings.tls) if url.startswith("https:") else False
        return cls(url, httpx.AsyncClient(headers=headers, verify=trusted, timeout=settings.timeout))

    async def send(self, spans: Sequence[ReadableSpan]) -> None:
        import httpx

        body = await trio.to_thread.run_sync(lambda: encoded(spans).SerializeToString())
        try:
            response = await self.client.post(self.where, content=body)
        except httpx.HTTPError as error:
            raise Unavailable(str(error) or type(error).__name__) from None
        if not response.is_success:
            kind = Unavailable if response.status_code in AGAIN else Error
            raise kind(f"it answers {response.status_code} {response.reason_phrase}")

    async def aclose(self) -> None:
        await self.client.aclose()


@attrs.frozen(eq=False)
class Grpc:
    """OTLP over gRPC."""

    where: str
    channel: Any
    export: Any
    metadata: tuple[tuple[str, str], ...]
    timeout: float

    @classmethod
    def to(cls, settings: Tracing) -> "Grpc":
        import grpc  # type: ignore[import-untyped]  # it has no types, and no stubs that fit
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

        scheme, _, server = settings.url.rpartition("://")
        if scheme == "https":
            channel = grpc.secure_channel(server, grpc.ssl_channel_credentials(*certificates(settings.tls)))
        else:
            channel = grpc.insecure_channel(server)
        metadata = tuple((name.lower(), value) for name, value in settings.headers.items())
        export = TraceServiceStub(channel).Export  # type: ignore[no-untyped-call]  # generated
        return cls(server, channel, export, metadata, settings.timeout)

    async def send(self, spans: Sequence[ReadableSpan]) -> None:
        request = await trio.to_thread.run_sync(encoded, spans)
        token, done = trio.lowlevel.current_trio_token(), trio.Event()

        def tell(_: object) -> None:
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(done.set)

        call = self.export.future(request, timeout=self.timeout, metadata=self.metadata)
        call.add_done_callback(tell)
        try:
            await done.wait()
        finally:
            call.cancel()
        if (code := call.code().name) != "OK":
            kind = Unavailable if code in AGAIN_GRPC else Error
            raise kind(f"{code}: {call.details()}")

    async def aclose(self) -> None:
        self.channel.close()


def context(tls: Tls) -> ssl.SSLContext:
    """What the collector's certificate must hold against, and our own where it asks for one."""
    key = "ca_file"
    try:
        found = ssl.create_default_context(cafile=tls.ca_file or None)
        key = "cert_file"
        if tls.cert_file:
            found.load_cert_chain(tls.cert_file, tls.key_file)
    except OSError as error:  # of which the errors of ssl are a kind
        raise ConfigError(
            f"{TLS}.{key}: {getattr(tls, key)} cannot be used: {error.strerror or error}; "
            "a file of certificates (or a key) in PEM is needed"
        ) from None
    return found


def certificates(tls: Tls) -> tuple[bytes | None, bytes | None, bytes | None]:
    """The same as gRPC wants it: what is trusted (None for its own list), the key, the certificate."""
    context(tls)
    paths = (tls.ca_file, tls.key_file, tls.cert_file)
    return cast(
        tuple[bytes | None, bytes | None, bytes | None],
        tuple(Path(path).read_bytes() if path else None for path in paths),
    )
