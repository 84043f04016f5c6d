"""What nobody needs any more in the object stores, removed now and then.

These are the chunks of uploads whose process was killed, and results of jobs that are not known any more.
"""

from collections.abc import Container
from typing import NoReturn

import structlog
import trio

from controller.context import Context
from osapi.bus import Objects, layout
from osapi.errors import Unavailable
from osapi.jobs import now

EVERY = 3600.0
"""Seconds from one time to the next."""
OLD = 24 * 3600.0
"""Seconds for which nothing was added to what is removed."""

log = structlog.get_logger()


async def keep_sweeping(context: Context, task_status: trio.TaskStatus[None]) -> NoReturn:
    """Sweep, once an hour."""
    task_status.started()
    while True:
        try:
            await sweep_drafts(context)
            await sweep_results(context.buckets.objects, context.jobs.records)
        except Unavailable as error:
            log.warning("nothing was swept", reason=str(error))
        await trio.sleep(EVERY)


async def sweep_drafts(context: Context) -> None:
    """Remove what uploads left that did not end, of objects and of blobs."""
    for store in (context.buckets.objects, context.blobs):
        if drafts := await store.sweep(OLD):
            log.info("removed what is left of uploads that did not end", uploads=drafts)


async def sweep_results(objects: Objects, jobs: Container[str], age: float = OLD) -> None:
    """Remove results of jobs that are not among `jobs`."""
    for found in await objects.list():
        job_id = layout.job_of_result(found.name)
        if job_id and job_id not in jobs and (now() - found.modified).total_seconds() > age:
            await objects.delete(found.name)
            log.info("removed the result of a job that is not known any more", name=found.name)
