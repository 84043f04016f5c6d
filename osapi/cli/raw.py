"""Answers for programs: the body as it came, and what older programs read of the two that never were just that."""

from datetime import UTC, datetime
from typing import Any

from osapi import wire
from osapi.operation import Declaration


def as_json(asked: Declaration[Any], body: bytes) -> str:
    """What `--json` prints."""
    if asked.spec.name == "job.delete":
        return _text(
            {"job_id": getattr(asked, "id", None), "status": "deleted", "timestamp": datetime.now(UTC)}
        )
    if asked.spec.name == "job.list":
        return _text(_page(wire.given(asked), wire.decode(dict[str, Any], body)))
    return body.decode()


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
