"""The controller: bus ⊃ index ⊃ dispatch ⊃ HTTP, taken down from the leaves to the root."""

import logging
import socket
from functools import partial

import structlog
import trio
from hypercorn.config import Config as HypercornConfig
from hypercorn.trio import serve
from quart_trio import QuartTrio

from controller.app import create
from controller.assembly import assemble, parts
from controller.context import Context
from controller.exchange import orderly
from controller.metrics import ControllerMetrics
from osapi.bus.connect import connect
from osapi.config import Config
from osapi.heartbeat import Heart
from osapi.listening import listen, reachable
from osapi.metrics.server import start_metrics
from osapi.registry import BEATS
from osapi.state import StateDirectory
from osapi.supervise import Condition, State, keep
from osapi.tracing.delivery import deliver, traced
from osapi.vitals import Meter

log = structlog.get_logger()

GRACEFUL = 3.0
"""Seconds that requests have to end once the controller stops."""

GOODBYE = 1.0
"""Seconds that leaving may take."""


async def run_controller(
    config: Config,
    state: StateDirectory,
    stop: trio.Event,
    *,
    service: str = "osapi-controller",
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until `stop`; started, with its URL, once requests are answered. `service` is its name in traces."""
    api = config.controller.api
    health: dict[str, Condition] = {}
    bus, metrics = connect(config.controller.nats), ControllerMetrics(health)
    with (
        state.lock("controller"),
        listen("controller.api.port", api.host, api.port) as listener,
        traced(config, service),
    ):
        url = f"http://{reachable(api.host)}:{listener.getsockname()[1]}"
        async with trio.open_nursery() as services:
            await start_metrics(metrics, config.controller.metrics, bus, health, services)
            await services.start(keep, "bus", bus.run, health)
            await deliver(services, health)
            context = await assemble(config, state, bus, metrics, health)
            heart = heart_of(context, listener.getsockname()[1])
            context.alerting.belongs_to(heart.key)
            for name, component in parts(context).items():
                await services.start(keep, name, component, health)
            with state.announced(url):
                async with trio.open_nursery() as serving:
                    await serving.start(serve_http, create(context), listener, stop)
                    health["api"] = Condition(state=State.RUNNING, address=url)
                    beating = partial(heart.run, config.nats.registry.ttl / BEATS)
                    await services.start(keep, "heartbeat", beating, health)
                    log.info("controller ready", url=url)
                    task_status.started(url)
            with trio.move_on_after(GOODBYE):
                await context.recorder.finish()
                await heart.leave()
            services.cancel_scope.cancel()


async def serve_http(
    app: QuartTrio, listener: socket.socket, stop: trio.Event, task_status: trio.TaskStatus[object]
) -> None:
    """Serve HTTP until `stop`, then let the requests that run end."""
    settings = HypercornConfig()
    settings.graceful_timeout = GRACEFUL
    settings.keep_alive_timeout = 75
    settings.include_server_header = False
    settings.loglevel = "WARNING"
    settings.errorlog = logging.getLogger("hypercorn")  # as `osapi.logs` has set it up, not its own format
    # hypercorn closes the descriptor it was given; this one stays ours, to be closed where it was opened
    settings.bind = [f"fd://{socket.dup(listener.fileno())}"]
    await serve(orderly(app), settings, shutdown_trigger=stop.wait, task_status=task_status)


def heart_of(context: Context, port: int) -> Heart:
    """What tells others of this controller."""
    return Heart(
        registry=context.buckets.registry,
        kind="controller",
        port=port,
        health=context.health,
        limits=context.config.agent.process_conditions,
        usage=Meter().usage,
    )
