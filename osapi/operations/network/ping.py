"""Whether something is reached from hosts."""

from typing import Annotated

import attrs

from osapi.operation import Operation, text
from osapi.operations.network import IPV6

Address = Annotated[
    str,
    text(rf"[A-Za-z0-9][A-Za-z0-9_.-]*|{IPV6}", "Address or name of it", example="192.0.2.1", most=253),
]


@attrs.frozen(kw_only=True)
class PingReport:
    """What came back; `packet_loss` in percent, times such as `1.25ms`."""

    packets_sent: int
    packets_received: int
    packet_loss: float
    min_rtt: str | None = None
    avg_rtt: str | None = None
    max_rtt: str | None = None


class Ping(
    Operation[PingReport],
    POST="/network/ping",
    permission="network:write",
    command="network ping",
    query=True,
):
    """Send three echo requests, and show what came back."""

    address: Address
