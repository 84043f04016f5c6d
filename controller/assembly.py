"""The parts of a controller: made, connected with each other, and in the order in which they are to run."""

import secrets
from functools import partial

from controller.access import Access, Rates
from controller.alerts.alerting import alerting
from controller.answers.health import trouble
from controller.audit.recorder import Recorder
from controller.blob_index import follow_blobs
from controller.collect import Answers
from controller.context import Buckets, Context
from controller.deployments import follow_deployments
from controller.drive import Driver
from controller.enrollment import Enrollment
from controller.events import Events, follow_events
from controller.hosts import Hosts, follow
from controller.lag import Lag, watch_lag
from controller.metrics import ControllerMetrics
from controller.projection import Jobs, Record, follow_answers, follow_jobs
from controller.seed import seed
from controller.submit import Submission
from controller.sweep import keep_sweeping
from osapi.blobs.store import Blobs
from osapi.bus import Bus
from osapi.bus.buckets import stream_of
from osapi.bus.layout import Specs, Subjects, specs
from osapi.config import Config
from osapi.jobs import Answer, EventKind
from osapi.permissions import Policy
from osapi.state import StateDirectory
from osapi.supervise import Component, Condition
from osapi.tokens import Verifier

LATE = 5.0
"""Seconds that a beat may be on its way, beyond the time that the registry keeps one."""


def layout_of(config: Config) -> Specs:
    """The buckets, stores and logs in the namespace of this controller."""
    return specs(config, config.controller.nats.namespace)


async def open_buckets(bus: Bus, layout: Specs) -> Buckets:
    """Buckets, stores and logs, made where they are not there."""
    return Buckets(
        jobs=await bus.bucket(layout.jobs),
        responses=await bus.bucket(layout.responses),
        registry=await bus.bucket(layout.registry),
        facts=await bus.bucket(layout.facts),
        state=await bus.bucket(layout.state),
        file_state=await bus.bucket(layout.file_state),
        objects=await bus.objects(layout.objects),
        timeline=await bus.log(layout.timeline),
        audit=await bus.log(layout.audit),
        deliveries=await bus.log(layout.deliveries),
    )


def signing_key(config: Config, state: StateDirectory) -> str:
    """What tokens are signed with: as configured, else of the state directory."""
    return config.controller.api.security.signing_key or state.signing_key()


def access_by(config: Config, state: StateDirectory) -> Access:
    """Who may ask, and how often."""
    security, rate = config.controller.api.security, config.controller.api.rate_limit
    verifier = Verifier(signing_key(config, state))
    return Access(verifier, Policy(security.roles), Rates(rate.per_second, rate.burst))


async def assemble(
    config: Config, state: StateDirectory, bus: Bus, metrics: ControllerMetrics, health: dict[str, Condition]
) -> Context:
    """The parts of a controller, connected with each other; none of them runs yet."""
    subjects, layout = Subjects(config.controller.nats.namespace), layout_of(config)
    buckets = await open_buckets(bus, layout)
    jobs, hosts, events = Jobs(), Hosts(config.nats.registry.ttl + LATE), Events()
    enrollment = await Enrollment.open(config, bus, hosts)
    pair = enrollment.pair if enrollment else None
    driver = Driver(bus, subjects, buckets.responses, jobs, hosts, events, secrets.token_hex(4), pair)
    recorder = await Recorder.open(config.controller.audit, state, buckets.audit, layout.audit, jobs)
    keep, key = layout.jobs.ttl, signing_key(config, state).encode()
    submission = Submission(buckets.jobs, jobs, hosts, driver, events, keep, key, recorder.announce_job)
    return Context(
        config=config,
        bus=bus,
        subjects=subjects,
        buckets=buckets,
        access=access_by(config, state),
        jobs=jobs,
        hosts=hosts,
        events=events,
        driver=driver,
        enrollment=enrollment,
        answers=Answers(buckets.responses, buckets.objects),
        submission=submission,
        recorder=recorder,
        blobs=await Blobs.open(bus, config, subjects.namespace),
        health=health,
        metrics=metrics,
        alerting=alerting(
            config.controller.notifications,
            hosts,
            buckets.state,
            buckets.timeline,
            buckets.deliveries,
            health,
        ),
    )


def measure(context: Context) -> Component:
    """Tell Prometheus of these parts; what looks at how far the index is behind."""
    layout = layout_of(context.config)
    followed = {"jobs": layout.jobs, "responses": layout.responses}
    lag = Lag({name: stream_of(spec) for name, spec in followed.items()}, context.jobs.applied)
    context.metrics.follow(context.jobs, context.hosts, context.driver, context.alerting.alerts, lag)
    context.metrics.trouble = partial(trouble, context)
    return partial(watch_lag, lag, context.bus.streams)


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
        context.recorder.ended(record)
        if record.id in context.driver.own:
            context.metrics.ended(record)

    jobs.answered, jobs.ended = answered, ended
    enrolling: dict[str, Component] = {"enrollment": context.enrollment.run} if context.enrollment else {}
    return {
        **enrolling,
        "state": partial(follow, buckets.state, "hosts.>", hosts),
        "drains": partial(follow, buckets.state, "drain.>", hosts),
        "facts": partial(follow, buckets.facts, ">", hosts),
        "registry": partial(follow, buckets.registry, ">", hosts),
        "jobs": partial(follow_jobs, buckets.jobs, jobs),
        "blobs": partial(follow_blobs, context.blobs.index, context.blob_index),
        "deployments": partial(follow_deployments, buckets.file_state, context.deployments),
        "answers": partial(follow_answers, buckets.jobs, buckets.responses, jobs),
        "events": partial(follow_events, context.bus, context.subjects, events),
        "audit": context.recorder.trail.run,
        "refusals": context.recorder.run,
        "dispatch": context.driver.run,
        "seed": partial(seed, buckets.objects),
        "sweep": partial(keep_sweeping, context),
        "lag": measure(context),
        **context.alerting.parts(buckets.registry, buckets.state),
    }
