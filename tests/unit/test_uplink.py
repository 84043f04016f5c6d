"""Whether a broker is reached, asked on real sockets."""

from functools import partial
from ipaddress import ip_address

import pytest
import trio

from agent.uplink import ToBroker


async def listen(nursery, greeting):
    """A server that says something to each who comes, and waits; its port."""

    async def serve(stream):
        if greeting:
            await stream.send_all(greeting)
        await stream.receive_some()

    serving = partial(trio.serve_tcp, serve, 0, host="127.0.0.1")
    [listener] = await nursery.start(serving)
    return listener.socket.getsockname()[1]


async def free_port():
    with trio.socket.socket() as sock:
        await sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


async def test_a_broker_that_greets_is_reached(nursery):
    port = await listen(nursery, b'INFO {"server_id": "N"}\r\n')

    assert await ToBroker.of(f"nats://127.0.0.1:{port}").reachable()


async def test_one_of_a_cluster_is_enough(nursery):
    gone, here = await free_port(), await listen(nursery, b"INFO {}\r\n")

    assert await ToBroker.of(f"nats://127.0.0.1:{gone}", f"nats://127.0.0.1:{here}").reachable()


@pytest.mark.parametrize("greeting", [b"SSH-2.0-OpenSSH_9.2\r\n", b""])
async def test_what_is_no_broker_is_not(nursery, autojump_clock, greeting):
    port = await listen(nursery, greeting)

    assert not await ToBroker.of(f"nats://127.0.0.1:{port}").reachable()


async def test_where_nobody_listens_nothing_is_reached():
    assert not await ToBroker.of(f"nats://127.0.0.1:{await free_port()}").reachable()


async def test_a_broker_that_hangs_up_is_not_reached(nursery):
    async def hang_up(stream):
        await stream.aclose()

    [listener] = await nursery.start(partial(trio.serve_tcp, hang_up, 0, host="127.0.0.1"))

    assert not await ToBroker.of(f"nats://127.0.0.1:{listener.socket.getsockname()[1]}").reachable()


async def test_it_is_where_its_names_lead():
    found = await ToBroker.of(
        "nats://localhost:4222", "nats://[2001:db8::1]:4222", "nats://192.0.2.1"
    ).addresses()

    assert {ip_address("127.0.0.1"), ip_address("2001:db8::1"), ip_address("192.0.2.1")} <= set(found)
    assert len(set(found)) == len(found)
