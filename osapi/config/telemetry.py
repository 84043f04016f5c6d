"""The keys of `telemetry`: whether traces are recorded, which share of them, and where they are sent."""

from typing import Annotated, Literal

import attrs

from osapi.config import kinds
from osapi.config.fields import Period
from osapi.config.kinds import Kind
from osapi.durations import Duration

COLLECTORS = {"grpc": "http://localhost:4317", "http": "http://localhost:4318"}
"""Where a collector listens unless told otherwise (OTLP 1.x)."""

TRACES = "/v1/traces"

NAME = kinds.matching(r"(?!(?i:grpc-))[A-Za-z0-9_.-]+(?<!-bin)")
VALUE = kinds.matching(r"[\x20-\x7e]+")


def _headers(value: object) -> dict[str, str]:
    return {NAME(name): VALUE(text) for name, text in kinds.pairs(value).items()}


def _share(value: object) -> float:
    if (found := kinds.number(0.0)(value)) > 1:
        raise ValueError
    return found


Headers = Annotated[
    dict[str, str],
    Kind("a set of headers", "name: value, the value of printable ASCII", _headers, secret=True),
]
Share = Annotated[float, Kind("a share", "0 to 1, such as 0.1", _share)]
Collector = Annotated[
    str,
    Kind(
        "the address of a collector",
        "such as localhost:4317 or https://collector.example:4318",
        kinds.matching(rf"(?:(?:https?://)?{kinds.SERVER}(?:/[A-Za-z0-9._~/-]*)?)?"),
    ),
]


@attrs.frozen(kw_only=True)
class Tls:
    """For an `otlp_endpoint` with https: an empty `ca_file` stands for the certificates this machine trusts."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


@attrs.frozen(kw_only=True)
class Tracing:
    """`sample_ratio` is for traces that begin here; `timeout` is how long sending a batch of spans may take."""

    enabled: bool = False
    exporter: Literal["", "none", "stdout", "otlp"] = ""
    otlp_endpoint: Collector = ""
    protocol: Literal["grpc", "http"] = "grpc"
    headers: Headers = attrs.field(factory=dict)
    tls: Tls = Tls()
    sample_ratio: Share = 1.0
    timeout: Period = attrs.field(default=Duration(10))

    @property
    def url(self) -> str:
        """The collector's URL; without a scheme, it is spoken to in the clear."""
        found = self.otlp_endpoint or COLLECTORS[self.protocol]
        found = found if "://" in found else f"http://{found}"
        if self.protocol == "grpc" or found.endswith(TRACES):
            return found
        return found.rstrip("/") + TRACES


@attrs.frozen(kw_only=True)
class Telemetry:
    tracing: Tracing = Tracing()
