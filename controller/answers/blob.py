"""Blobs: lists from the index in memory, everything else from the broker and the backend."""

import attrs
from quart import Response

from controller import uploads
from controller.access import Caller
from controller.context import Context, answers
from osapi.blobs import MANAGED
from osapi.calls import blob
from osapi.errors import Conflict


@answers(blob.List)
async def list_blobs(context: Context, call: blob.List, _caller: Caller) -> blob.BlobPage:
    return context.blob_index.page(call.limit, call.cursor)


@answers(blob.Upload)
async def upload(context: Context, call: blob.Upload, _caller: Caller) -> blob.BlobUploaded:
    filename = call.filename or uploads.incoming_filename()
    added = await context.blobs.add(uploads.incoming(), filename=filename, mime_type=call.mime_type)
    return _listed(context, added)


@answers(blob.Register)
async def register(context: Context, call: blob.Register, _caller: Caller) -> blob.BlobUploaded:
    added = await context.blobs.register(
        call.sha256, call.source, call.size, filename=call.filename, mime_type=call.mime_type
    )
    return _listed(context, added)


@answers(blob.Check)
async def check(context: Context, call: blob.Check, _caller: Caller) -> blob.Blob:
    return await context.blobs.find(call.sha256)


@answers(blob.Download)
async def download(context: Context, call: blob.Download, _caller: Caller) -> Response:
    found = await context.blobs.find(call.sha256)
    if found.source != MANAGED:
        raise Conflict(f"blob {found.sha256} is not held by OSAPI: it lies at {found.source}")
    return uploads.download(
        context.blobs.read(found),
        size=found.size,
        sha256=found.sha256,
        filename=found.filename or found.sha256,
    )


@answers(blob.Delete)
async def delete(context: Context, call: blob.Delete, _caller: Caller) -> None:
    await context.blobs.delete(call.sha256)
    context.blob_index.forget(call.sha256)


def _listed(context: Context, added: blob.BlobUploaded) -> blob.BlobUploaded:
    """Let lists have it at once, not only when the broker tells."""
    fields = {field.name: getattr(added, field.name) for field in attrs.fields(blob.Blob)}
    context.blob_index.put(blob.Blob(**fields))
    return added
