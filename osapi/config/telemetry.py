"""The keys of `telemetry`: whether traces are told, and where to."""

from typing import Literal

import attrs


@attrs.frozen(kw_only=True)
class Tracing:
    enabled: bool = False
    exporter: Literal["", "none", "stdout", "otlp"] = ""
    otlp_endpoint: str = ""


@attrs.frozen(kw_only=True)
class Telemetry:
    tracing: Tracing = Tracing()
