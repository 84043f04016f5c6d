"""The broker as a daemon: it beats for its server, tells what that counts, and says goodbye."""

import socket

import httpx
import psutil
import pytest
import trio

from osapi import wire
from osapi.broker import Use, run_broker
from osapi.bus import CaughtUp
from osapi.bus.bridge import NatsBus
from osapi.bus.layout import specs
from osapi.bus.server import Running, ServerSettings
from osapi.config import Config
from osapi.config.schema import Metrics, Nats, Server
from osapi.errors import ConfigError
from osapi.registry import ComponentBeat


@pytest.fixture
def settings(tmp_path, free_port):
    return ServerSettings(
        host="127.0.0.1", port=free_port, store_dir=tmp_path / "nats", users=[("osapi", "a password")]
    )


@pytest.fixture
def config():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        metrics = Metrics(enabled=True, port=found.getsockname()[1])
    return Config(nats=Nats(server=Server(metrics=metrics)))


@pytest.fixture
async def registry(config, settings, nursery):
    """What one sees in the registry, from the broker's start on; and what stops the broker."""
    stop = trio.Event()
    await nursery.start(run_broker, config, settings, stop)
    bus = NatsBus([f"nats://127.0.0.1:{settings.port}"], name="test", user="osapi", password="a password")
    await nursery.start(bus.run)
    bucket = await bus.bucket(specs(config, "").registry)
    async with bucket.watch("nats.>") as seen:
        yield seen, stop


async def following(seen):
    with trio.fail_after(20):
        while isinstance(entry := await seen.receive(), CaughtUp):
            pass
    return entry


async def test_it_beats_with_what_its_server_uses_and_a_stop_is_a_goodbye(registry, settings):
    seen, stop = registry

    first = await following(seen)
    server = next(each for each in psutil.Process().children(recursive=True) if each.name() == "nats-server")
    taken = server.memory_info().rss
    stop.set()
    last = await following(seen)

    beat = wire.decode(ComponentBeat, first.value)
    assert (beat.type, beat.sub_components["server"].address) == ("nats", f"nats://127.0.0.1:{settings.port}")
    assert {"server", "heartbeat", "metrics"} <= beat.sub_components.keys()
    assert taken / 4 < beat.process.rss_bytes < taken * 4
    assert (last.key, last.value, last.lapsed) == (first.key, None, False)


async def test_it_tells_what_its_server_counts_and_when_that_is_gone(registry, config):
    await following(registry[0])
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{config.nats.server.metrics.port}") as http:
        ready, told = await http.get("/health/ready"), (await http.get("/metrics")).text

    assert ready.json() == {"status": "ready"}
    assert 'osapi_component_up{component="broker"} 1.0' in told
    assert "osapi_broker_connections 2.0" in told
    assert 'osapi_broker_messages_total{direction="in"}' in told


async def test_a_server_that_is_not_there_uses_nothing():
    running = Running(pid=None)
    use = Use(running)
    nothing = use.usage()
    running.pid = psutil.Process().pid

    assert nothing is None
    assert use.usage().rss_bytes > 0


async def test_nobody_else_learns_the_password_that_it_signs_in_with(registry, settings, config):
    stranger = NatsBus([f"nats://127.0.0.1:{settings.port}"], name="test", user="osapi-broker", password="")

    with pytest.raises(ConfigError):
        await stranger.run(trio.TASK_STATUS_IGNORED)
