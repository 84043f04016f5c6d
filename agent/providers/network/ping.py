"""Echo requests, through ping(8) of iputils."""

import re

from agent.dispatch import performs
from agent.host import Host
from osapi.errors import CommandFailed, NotFound, OperationError
from osapi.operations.network import ping

PING = ("ping", "-n", "-q", "-c", "3", "-W", "2", "--")
NO_ANSWER = 1
"""How ping(8) ends where it has sent all and got too few answers."""
TIMEOUT = 20.0
"""Seconds, for those of name servers too."""

COUNTS = re.compile(r"^(\d+) packets transmitted, (\d+) received", re.MULTILINE)
TIMES = re.compile(r"^rtt min/avg/max/mdev = ([\d.]+)/([\d.]+)/([\d.]+)/[\d.]+ ms", re.MULTILINE)
UNKNOWN = re.compile(
    r"Name or service not known|No address associated with hostname|Temporary failure in name"
)


@performs(ping.Ping, "debian", "redhat", "suse", "arch")
async def send(host: Host, p: ping.Ping) -> ping.PingReport:
    try:
        return parse(await host.run(*PING, p.address, timeout=TIMEOUT))
    except CommandFailed as error:
        if error.exit_code == NO_ANSWER:
            return parse(error.stdout)
        if UNKNOWN.search(error.stderr):
            raise NotFound(f"the name {p.address} cannot be resolved: {error.stderr.strip()}") from None
        raise


def parse(text: str) -> ping.PingReport:
    """The statistics at the end of what ping(8) prints; no answer is a result, too."""
    counts, times = COUNTS.search(text), TIMES.search(text)
    if not counts or not int(counts[1]):
        raise OperationError(f"ping sent nothing: {text.strip() or 'no message'}")
    sent, received = int(counts[1]), int(counts[2])
    least, average, most = (
        (f"{float(each):.2f}ms" for each in times.groups()) if times else (None, None, None)
    )
    return ping.PingReport(
        packets_sent=sent,
        packets_received=received,
        packet_loss=round(100 * (sent - received) / sent, 2),
        min_rtt=least,
        avg_rtt=average,
        max_rtt=most,
    )
