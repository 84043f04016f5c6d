"""What one key asks of another."""

from collections.abc import Iterator
from itertools import combinations

from osapi.config.notifications import lacking
from osapi.config.schema import Auth, Config

SHORTEST = 3.0
"""Seconds that the registry must keep a beat for at least."""

Violation = tuple[str, str]
"""A dotted key, and what is wrong with its value."""


def violations(config: Config) -> Iterator[Violation]:
    """Everything that is wrong between keys, each of which is right by itself."""
    yield from _signs_in("controller.nats.auth", config.controller.nats.auth)
    yield from _signs_in("agent.nats.auth", config.agent.nats.auth)
    yield from _lets_in(config)
    yield from _buckets(config)
    yield from _stores(config)
    yield from _beats(config)
    yield from _roles(config)
    yield from _traced(config)
    yield from _notifiers(config)


def _signs_in(key: str, auth: Auth) -> Iterator[Violation]:
    needed = {"none": (), "user_pass": ("username", "password"), "nkey": ("nkey_file",)}[auth.type]
    for name in needed:
        if not getattr(auth, name):
            yield f"{key}.{name}", f"empty, and {key}.type is {auth.type}; allowed: anything but empty"


def _lets_in(config: Config) -> Iterator[Violation]:
    auth = config.nats.server.auth
    needed = {"none": None, "user_pass": "users", "nkey": "nkeys"}[auth.type]
    if needed and not getattr(auth, needed):
        yield (
            f"nats.server.auth.{needed}",
            f"empty, and nats.server.auth.type is {auth.type}; allowed: one or more",
        )


def _buckets(config: Config) -> Iterator[Violation]:
    nats = config.nats
    names = {
        "nats.kv.bucket": nats.kv.bucket,
        "nats.kv.response_bucket": nats.kv.response_bucket,
        "nats.registry.bucket": nats.registry.bucket,
        "nats.facts.bucket": nats.facts.bucket,
        "nats.state.bucket": nats.state.bucket,
        "nats.file_state.bucket": nats.file_state.bucket,
        "nats.enrollment.bucket": nats.enrollment.bucket,
        "blobs.index.bucket": config.blobs.index.bucket,
    }
    for (first, one), (second, other) in combinations(names.items(), 2):
        if one == other:
            yield second, f"{other!r} is the bucket of {first} already; allowed: a name of its own"


def _stores(config: Config) -> Iterator[Violation]:
    objects, blobs = config.nats.objects.bucket, config.blobs.nats.bucket
    if objects == blobs:
        yield (
            "blobs.nats.bucket",
            f"{blobs!r} is the bucket of nats.objects.bucket already; allowed: a name of its own",
        )


def _beats(config: Config) -> Iterator[Violation]:
    ttl = config.nats.registry.ttl
    if ttl < SHORTEST:
        yield (
            "nats.registry.ttl",
            f"{ttl} leaves no time to beat; allowed: {SHORTEST:.0f}s or more, such as 30s",
        )


def _roles(config: Config) -> Iterator[Violation]:
    roles = config.controller.api.security.roles
    if not roles:
        return
    from osapi.permissions import known

    for name, role in roles.items():
        for permission in role.permissions:
            if permission not in known():
                yield (
                    f"controller.api.security.roles.{name}.permissions",
                    f"{permission!r} is not a permission; allowed: {', '.join(sorted(known()))}",
                )


def _notifiers(config: Config) -> Iterator[Violation]:
    for key, problem in lacking(config.controller.notifications):
        yield f"controller.notifications.{key}", problem


def _traced(config: Config) -> Iterator[Violation]:
    tracing, tls = config.telemetry.tracing, config.telemetry.tracing.tls
    key = "telemetry.tracing.tls"
    for name in ("ca_file", "cert_file", "key_file"):
        if getattr(tls, name) and not tracing.url.startswith("https://"):
            yield (
                f"{key}.{name}",
                f"given, and telemetry.tracing.otlp_endpoint {tracing.url} is without TLS; allowed: https://…",
            )
    for name, other in (("cert_file", "key_file"), ("key_file", "cert_file")):
        if getattr(tls, other) and not getattr(tls, name):
            yield f"{key}.{name}", f"empty, and {key}.{other} is not; allowed: both or neither"
