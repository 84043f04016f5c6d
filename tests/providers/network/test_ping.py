"""Asking whether something is reached."""

import pytest
from cabled import captured

from agent.dispatch import perform
from osapi.errors import CommandFailed
from osapi.jobs import State
from osapi.operations.network import ping

ASK = ("ping", "-n", "-q", "-c", "3", "-W", "2", "--")


@pytest.mark.parametrize(("name", "address"), [("answered", "10.77.0.1"), ("6", "::1")])
async def test_it_counts_what_came_back_and_tells_how_long_it_took(host, release, name, address):
    host.answers[*ASK, address] = captured(release, f"ping-{name}.txt")

    performed = await perform(host, ping.Ping(address=address))

    found = performed.result
    assert (found.packets_sent, found.packets_received, found.packet_loss) == (3, 3, 0.0)
    assert 0 < float(found.min_rtt.removesuffix("ms")) <= float(found.avg_rtt.removesuffix("ms"))
    assert found.max_rtt.endswith("ms")


@pytest.mark.parametrize("name", ["silent", "no-host"])
async def test_that_nothing_came_back_is_a_result(host, release, name):
    host.answers[*ASK, "10.77.0.99"] = CommandFailed(("ping",), 1, "", captured(release, f"ping-{name}.txt"))

    performed = await perform(host, ping.Ping(address="10.77.0.99"))

    assert performed.state == State.COMPLETED
    assert performed.result == ping.PingReport(packets_sent=3, packets_received=0, packet_loss=100.0)


async def test_a_part_can_be_lost(host):
    counts = "3 packets transmitted, 2 received, +1 duplicates, 33.3333% packet loss, time 2003ms\n"
    host.answers[*ASK, "10.77.0.1"] = f"{counts}rtt min/avg/max/mdev = 1.250/1.500/12.755/0.250 ms\n"

    performed = await perform(host, ping.Ping(address="10.77.0.1"))

    found = performed.result
    assert (found.packet_loss, found.min_rtt, found.max_rtt) == (33.33, "1.25ms", "12.76ms")


async def test_a_name_that_nobody_knows_is_not_found(host, release):
    said = captured(release, "ping-unknown-name.txt")
    host.answers[*ASK, "nosuch.invalid"] = CommandFailed(("ping",), 2, said)

    performed = await perform(host, ping.Ping(address="nosuch.invalid"))

    assert (performed.state, performed.code) == (State.FAILED, "not_found")
    assert "nosuch.invalid" in performed.error


async def test_a_host_that_cannot_even_ask_says_why(host):
    host.answers[*ASK, "2001:db8::1"] = CommandFailed(("ping",), 2, "ping: connect: Network is unreachable\n")

    performed = await perform(host, ping.Ping(address="2001:db8::1"))

    assert (performed.state, performed.code) == (State.FAILED, "command_failed")
    assert "Network is unreachable" in performed.error
