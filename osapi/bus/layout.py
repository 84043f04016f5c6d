"""Where things are on the broker: subjects and keys. With a namespace, subjects begin with it.

| what | where |
|---|---|
| a job for a host | `jobs.{query|modify}.host.<machine id>` |
| a job for any host | `jobs.{query|modify}.any`, to one of a queue group |
| stop a job on a host | `jobs.cancel.host.<machine id>` |
| who are you | `jobs.identify.host.<machine id>` |
| look whether you are drained | `jobs.drain.host.<machine id>` |
| taken, busy, running | `replies.<controller>.<job id>` |
| started, output | `events.<job id>.<machine id>` |
| the definition of a job | `jobs.<job id>` in the bucket of jobs |
| it is cancelled | `cancel.<job id>` in the bucket of jobs |
| the answer of a host | `answers.<job id>.<machine id>` in the bucket of responses |
| who does an `_any` job | `lease.<job id>` in the bucket of responses |
| a beat | `agents.<machine id>`, `controller.<name>`, `nats.<name>` in the registry |
| the facts of a host | `facts.<machine id>` in the bucket of facts |
| a host that is known | `hosts.<machine id>` in the bucket of state |
| a host is drained | `drain.<machine id>` in the bucket of state |
| a condition that was told of | `alerts.<component>.<condition>` in the bucket of state |
| what is not to be told of | `silences.<id>` in the bucket of state |
| a notification that was sent | `deliveries.<id>` in the log of deliveries |
| what happened to a host | `timeline.<machine id>` in the log of timelines |
| who did what | `audit.entries` in the log of audit |
| an agent asks to be taken in | `enrollment.<machine id>` in the bucket of enrollment |
| it was, or was not | `accepted.<machine id>`, `rejected.<machine id>` there |
| the key after that of a fingerprint | `rotation.<fingerprint>` there |
| a file that was deployed | `<machine id>.<SHA-256 of its path>` in the bucket of file states |
| a blob | `<SHA-256>` in the index of blobs |
| a result too big for a message | `osapi/results/<job id>/<machine id>` in the object store |
"""

from hashlib import sha256
from typing import Any

import attrs

from osapi.bus import BucketSpec, LogSpec
from osapi.config import Config

CHUNK = 128 * 1024
"""Bytes of an object in one message, unless configured otherwise."""

RESULTS = "osapi/results/"
"""What the names of objects begin with that are no files, but results of jobs."""


@attrs.frozen
class Subjects:
    """Subjects under a namespace, which may be empty."""

    namespace: str = ""

    def under(self, subject: str) -> str:
        return f"{self.namespace}.{subject}" if self.namespace else subject

    def host(self, kind: str, machine_id: str) -> str:
        """`kind` is query, modify, cancel, identify, or `*`."""
        return self.under(f"jobs.{kind}.host.{machine_id}")

    def any(self, kind: str) -> str:
        """`kind` is query, modify, or `*`."""
        return self.under(f"jobs.{kind}.any")

    def replies(self, controller: str, job_id: str) -> str:
        return self.under(f"replies.{controller}.{job_id}")

    def events(self, job_id: str, machine_id: str) -> str:
        return self.under(f"events.{job_id}.{machine_id}")


def job(job_id: str) -> str:
    return f"jobs.{job_id}"


def cancel(job_id: str) -> str:
    return f"cancel.{job_id}"


def answer(job_id: str, machine_id: str) -> str:
    return f"answers.{job_id}.{machine_id}"


def lease(job_id: str) -> str:
    return f"lease.{job_id}"


def agent(machine_id: str) -> str:
    return f"agents.{machine_id}"


def component(kind: str, name: str) -> str:
    """`kind` is `controller` or `nats`; characters that a key cannot have become `_`."""
    return f"{kind}." + "".join(c if c.isalnum() or c in "-_" else "_" for c in name)


def facts(machine_id: str) -> str:
    return f"facts.{machine_id}"


def host(machine_id: str) -> str:
    return f"hosts.{machine_id}"


def drain(machine_id: str) -> str:
    return f"drain.{machine_id}"


def alert(component: str, condition: str) -> str:
    """`component` is its key in the registry."""
    return f"alerts.{component}.{condition}"


def silence(id: str) -> str:
    return f"silences.{id}"


def enrollment(machine_id: str) -> str:
    return f"enrollment.{machine_id}"


def accepted(machine_id: str) -> str:
    return f"accepted.{machine_id}"


def rejected(machine_id: str) -> str:
    return f"rejected.{machine_id}"


def rotation(fingerprint: str) -> str:
    return f"rotation.{fingerprint.removeprefix('SHA256:')}"


def result(job_id: str, machine_id: str) -> str:
    return f"{RESULTS}{job_id}/{machine_id}"


def job_of_result(name: str) -> str:
    """The id of the job whose result an object is; empty where it is none."""
    return name.removeprefix(RESULTS).partition("/")[0] if name.startswith(RESULTS) else ""


def deployment(machine_id: str, path: str) -> str:
    return f"{machine_id}.{sha256(path.encode()).hexdigest()}"


@attrs.frozen(kw_only=True)
class Specs:
    """The buckets and object stores of an installation."""

    jobs: BucketSpec
    responses: BucketSpec
    registry: BucketSpec
    facts: BucketSpec
    state: BucketSpec
    enrollment: BucketSpec
    objects: BucketSpec
    file_state: BucketSpec
    blob_index: BucketSpec
    blobs: BucketSpec
    audit: LogSpec
    timeline: LogSpec
    deliveries: LogSpec


TIMELINE = 500
"""Events of a host that are kept."""

DELIVERIES = 30 * 86400.0
"""Seconds that the record of a notification is kept."""


def specs(config: Config, namespace: str) -> Specs:
    """What the configuration says of them. Jobs and answers give up their oldest when they are full."""
    nats, blobs = config.nats, config.blobs

    def named(name: str) -> str:
        return f"{namespace}-{name}" if namespace else name

    def bucket(section: Any, *, ttl: float = 0, max_bytes: int = 0, evict: bool = False) -> BucketSpec:
        return BucketSpec(
            name=named(section.bucket),
            ttl=ttl,
            max_bytes=max_bytes,
            storage=section.storage,
            replicas=max(section.replicas, 1),
            evict=evict,
        )

    jobs = bucket(nats.kv, ttl=nats.kv.ttl, max_bytes=nats.kv.max_bytes, evict=True)
    return Specs(
        jobs=jobs,
        responses=attrs.evolve(jobs, name=named(nats.kv.response_bucket)),
        registry=bucket(nats.registry, ttl=nats.registry.ttl),
        facts=bucket(nats.facts, ttl=nats.facts.ttl),
        state=bucket(nats.state),
        enrollment=bucket(nats.enrollment),
        objects=attrs.evolve(
            bucket(nats.objects, max_bytes=nats.objects.max_bytes), chunk=nats.objects.max_chunk_size or CHUNK
        ),
        file_state=bucket(nats.file_state),
        blob_index=bucket(blobs.index),
        blobs=attrs.evolve(bucket(blobs.nats, max_bytes=blobs.nats.max_bytes), chunk=blobs.nats.chunk_size),
        **logs(config, namespace),
    )


def logs(config: Config, namespace: str) -> dict[str, LogSpec]:
    """The logs; that of audit refuses entries when it is full, as those there are must not go."""
    audit, state = config.nats.audit, config.nats.state

    def named(name: str) -> str:
        return f"{namespace}-{name}" if namespace else name

    under = Subjects(namespace).under
    kept = LogSpec(name="", subject="", storage=state.storage, replicas=max(state.replicas, 1), evict=True)
    refusing = LogSpec(
        name=named(audit.stream),
        subject=under(audit.subject),
        max_age=audit.max_age,
        max_bytes=audit.max_bytes,
        storage=audit.storage,
        replicas=max(audit.replicas, 1),
    )
    happened = attrs.evolve(
        kept, name=named(f"{state.bucket}-timeline"), subject=under("timeline"), max_per_name=TIMELINE
    )
    told = attrs.evolve(
        kept, name=named(f"{state.bucket}-deliveries"), subject=under("deliveries"), max_age=DELIVERIES
    )
    return {"audit": refusing, "timeline": happened, "deliveries": told}
