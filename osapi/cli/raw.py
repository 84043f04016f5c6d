"""Answers for programs: the body as it came, and what older programs read of those that never were just that."""

from datetime import UTC, datetime
from typing import Any

from osapi import wire
from osapi.operation import Declaration, parameters


def as_json(asked: Declaration[Any], body: bytes) -> str:
    """What `--json` prints."""
    if asked.spec.returns is type(None):
        return _text({**named(asked), "status": "deleted", "timestamp": datetime.now(UTC)})
    if asked.spec.name == "job.list":
        return _text(_page(wire.given(asked), wire.decode(dict[str, Any], body)))
    return body.decode()


def named(asked: Declaration[Any]) -> dict[str, Any]:
    """What is asked for, by the names of its options, such as `job_id`."""
    return {each.flag.replace("-", "_"): getattr(asked, each.name) for each in parameters(type(asked))}


def _page(given: dict[str, Any], page: dict[str, Any]) -> dict[str, Any]:
    return {
        "displayed_jobs": len(page["items"]),
        "filter_applied": given.get("status", ""),
        "jobs": page["items"],
        "limit_applied": given["limit"],
        "next_cursor": page.get("next_cursor"),
        "offset_applied": given["offset"],
        "status_counts": page["status_counts"],
        "total_jobs": page["total_items"],
    }


def _text(value: Any) -> str:
    return wire.encode(wire.plain(value)).decode()
