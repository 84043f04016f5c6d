"""The controller: bus ⊃ index ⊃ dispatch ⊃ HTTP, taken down from the leaves to the root."""

import logging
import secrets
import socket
from functools import partial

import structlog
import trio
from hypercorn.config import Config as HypercornConfig
from hypercorn.trio import serve
from quart_trio import QuartTrio

from controller.access import Access, Rates
from controller.app import create
from controller.blob_index import follow_blobs
from controller.collect import Answers
from controller.context import Buckets, Context
from controller.deployments import Deployments, follow_deployments
from controller.drive import Driver
from controller.events import Events, follow_events
from controller.exchange import orderly
from controller.heartbeat import heartbeat, leave
from controller.hosts import Hosts, follow
from controller.projection import Jobs, Record, follow_answers, follow_jobs
from controller.seed import seed
from controller.submit import Submission
from controller.sweep import keep_sweeping
from osapi.blobs.store import Blobs
from osapi.bus import Bus
from osapi.bus.connect import connect
from osapi.bus.layout import Subjects, specs
from osapi.config import Config
from osapi.errors import ConfigError
from osapi.jobs import Answer, EventKind
from osapi.permissions import Policy
from osapi.registry import BEATS
from osapi.state import StateDirectory
from osapi.supervise import Component, Condition, keep
from osapi.tokens import Verifier

log = structlog.get_logger()

GRACEFUL = 3.0
"""Seconds that requests have to end once the controller stops."""

LATE = 5.0
"""Seconds that a beat may be on its way, beyond the time that the registry keeps one."""

GOODBYE = 1.0
"""Seconds that leaving may take."""

UNREAD, IDLE = 20, 60
"""Seconds after which the kernel ends a connection whose client takes nothing, and after which it looks whether a
silent one is still there (tcp(7)); hypercorn would wait for both for ever, for the first also when it stops.
"""


async def run_controller(
    config: Config,
    state: StateDirectory,
    stop: trio.Event,
    *,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until `stop`; started, with its URL, once requests are answered."""
    api = config.controller.api
    health: dict[str, Condition] = {}
    bus = connect(config.controller.nats)
    with state.lock("controller"), listen(api.host, api.port) as listener:
        url = f"http://{reachable(api.host)}:{listener.getsockname()[1]}"
        async with trio.open_nursery() as services:
            await services.start(keep, "bus", bus.run, health)
            context = await assemble(config, state, bus, health)
            for name, component in parts(context).items():
                await services.start(keep, name, component, health)
            with state.announced(url):
                async with trio.open_nursery() as serving:
                    await serving.start(serve_http, create(context), listener, stop)
                    beating = partial(
                        heartbeat, context.buckets.registry, url, health, config.nats.registry.ttl / BEATS
                    )
                    await services.start(keep, "heartbeat", beating, health)
                    log.info("controller ready", url=url)
                    task_status.started(url)
            with trio.move_on_after(GOODBYE):
                await leave(context.buckets.registry, url)
            services.cancel_scope.cancel()


def listen(host: str, port: int) -> socket.socket:
    """The listening socket, taken before anything else: a port in use ends the start."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD * 1000)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE)
        listener.bind((host, port))
        listener.listen(1024)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"controller.api.port: {host}:{port} cannot be listened on: {error.strerror}; "
            "stop what listens there, or set another port"
        ) from None
    return listener


def reachable(host: str) -> str:
    """The address to reach a listener at from its own machine."""
    if host in {"", "0.0.0.0", "::"}:  # noqa: S104 - compared with, not bound to
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


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


async def assemble(config: Config, state: StateDirectory, bus: Bus, health: dict[str, Condition]) -> Context:
    """The parts of a controller, connected with each other; none of them runs yet."""
    nats, api = config.controller.nats, config.controller.api
    subjects, layout = Subjects(nats.namespace), specs(config, nats.namespace)
    buckets = Buckets(
        jobs=await bus.bucket(layout.jobs),
        responses=await bus.bucket(layout.responses),
        registry=await bus.bucket(layout.registry),
        facts=await bus.bucket(layout.facts),
        state=await bus.bucket(layout.state),
        file_state=await bus.bucket(layout.file_state),
        objects=await bus.objects(layout.objects),
    )
    jobs, hosts, events = Jobs(), Hosts(config.nats.registry.ttl + LATE), Events()
    driver = Driver(bus, subjects, buckets.responses, jobs, hosts, events, secrets.token_hex(4))
    rate = api.rate_limit
    signing_key = api.security.signing_key or state.signing_key()
    access = Access(
        Verifier(signing_key),
        Policy(api.security.roles),
        Rates(rate.per_second, rate.burst),
    )
    return Context(
        config=config,
        bus=bus,
        subjects=subjects,
        buckets=buckets,
        access=access,
        jobs=jobs,
        hosts=hosts,
        events=events,
        driver=driver,
        answers=Answers(buckets.responses, buckets.objects),
        submission=Submission(
            buckets.jobs, jobs, hosts, driver, events, layout.jobs.ttl, signing_key.encode()
        ),
        blobs=await Blobs.open(bus, config, nats.namespace),
        deployments=Deployments(),
        health=health,
    )


def parts(context: Context) -> dict[str, Component]:
    """The components that run below HTTP, in the order they start in."""
    buckets, jobs, hosts, events = context.buckets, context.jobs, context.hosts, context.events

    def answered(record: Record, answer: Answer) -> None:
        told = {"state": answer.state.value, "changed": answer.changed}
        if answer.error:
            told["error"] = answer.error
        events.tell(record.id, EventKind.FINISHED, answer.machine_id, answer.hostname, **told)

    def ended(record: Record) -> None:
        events.tell(record.id, EventKind.COMPLETED, status=record.overall.value)

    jobs.answered, jobs.ended = answered, ended
    return {
        "state": partial(follow, buckets.state, "hosts.>", hosts),
        "facts": partial(follow, buckets.facts, ">", hosts),
        "registry": partial(follow, buckets.registry, ">", hosts),
        "jobs": partial(follow_jobs, buckets.jobs, jobs),
        "blobs": partial(follow_blobs, context.blobs.index, context.blob_index),
        "deployments": partial(follow_deployments, buckets.file_state, context.deployments),
        "answers": partial(follow_answers, buckets.jobs, buckets.responses, jobs),
        "events": partial(follow_events, context.bus, context.subjects, events),
        "dispatch": context.driver.run,
        "seed": partial(seed, buckets.objects),
        "sweep": partial(keep_sweeping, context),
    }
