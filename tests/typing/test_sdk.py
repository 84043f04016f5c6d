"""The SDK's types, checked by `mypy --strict`; and the same snippet run on trio and on asyncio."""

import asyncio
import hashlib
import json
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import assert_type

import pytest
import trio

from osapi.calls import agent, blob, health, job
from osapi.calls import file as files
from osapi.client import Client, Streamed
from osapi.operations import command, file, hostname, node, process, sysctl, timezone
from osapi.results import Changed, Outcome, Results, Status
from osapi.transfers import Downloaded, download, upload, upload_blob, upload_file

JOB = "6f9619ff-8b86-4011-b42d-00c04fc964ff"
ITEM = {"hostname": "web-01", "status": "ok", "changed": False}
DISK = {"name": "/", "total": 10, "used": 4, "free": 6}
EVENT = b'id: 1\nevent: started\ndata: {"job_id": "x"}\n\n'

CONTENT = b"listen 80;\n" * 100_000
UPLOADED = {
    "name": "app.conf",
    "sha256": hashlib.sha256(CONTENT).hexdigest(),
    "size": len(CONTENT),
    "changed": True,
}

ANSWERS = {
    "/api/file/app.conf/content": CONTENT,
    "/api/node/_all/disk": json.dumps({"job_id": JOB, "results": [{**ITEM, "disks": [DISK]}]}).encode(),
    "/api/agent": json.dumps({"agents": [], "total": 0}).encode(),
    "/api/events": EVENT * 3,
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(ANSWERS[self.path])

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.end_headers()
        self.wfile.write(json.dumps({**UPLOADED, "content_type": "raw"}).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


async def snippet(url: str) -> list[node.DiskUsage]:
    """As a user would write it."""
    async with Client(url, "token") as osapi:
        results = await osapi.run(node.Disk(), on="_all")
        agents = await osapi.run(agent.List())
        async with osapi.events() as events:
            first = await anext(events)
    assert (agents.total, first.event) == (0, "started")
    assert results.results[0].status is Status.OK
    return results.results[0].result.disks if results.results[0].result else []


async def moving(url: str, folder: Path) -> Downloaded:
    """Files, as a user would move them."""
    async with Client(url, "token") as osapi:
        stored = await upload_file(osapi, "app.conf", folder / "app.conf", force=True)
        return await download(osapi, files.Download(name=stored.name), folder / "copy")


def test_it_runs_on_trio(url: str) -> None:
    assert trio.run(snippet, url) == [node.DiskUsage(name="/", total=10, used=4, free=6)]


def test_it_runs_on_asyncio(url: str) -> None:
    assert asyncio.run(snippet(url)) == [node.DiskUsage(name="/", total=10, used=4, free=6)]


@pytest.mark.parametrize("library", ["trio", "asyncio"])
def test_files_move_on_both(url: str, tmp_path: Path, library: str) -> None:
    (tmp_path / "app.conf").write_bytes(CONTENT)

    done = trio.run(moving, url, tmp_path) if library == "trio" else asyncio.run(moving(url, tmp_path))

    assert done.sha256 == UPLOADED["sha256"]
    assert (tmp_path / "copy").read_bytes() == CONTENT


async def operations_come_back_as_they_are_declared(osapi: Client) -> None:
    disks = await osapi.run(node.Disk(), on="_any")
    assert_type(disks, Results[node.Disks])
    assert_type(disks.results, list[Outcome[node.Disks]])
    assert_type(disks.results[0].result, node.Disks | None)
    assert_type(await osapi.run(node.Status()), Results[node.NodeReport])
    assert_type(await osapi.run(process.List()), Results[process.Processes])
    assert_type(await osapi.run(sysctl.List()), Results[list[sysctl.Setting]])
    assert_type(await osapi.run(hostname.Update(hostname="a"), dry_run=True), Results[Changed])
    assert_type(await osapi.run(timezone.Get(), wait=2.5, expires=60), Results[timezone.Timezone])
    assert_type(await osapi.run(command.Exec(command="id", args=["-u"])), Results[command.CommandResult])
    assert_type(await osapi.run(file.Status(path="/etc/motd")), Results[file.FileStatus])
    assert_type(await osapi.run(file.Write(path="/etc/motd", content="hi\n")), Results[file.FileChanged])


async def calls_come_back_as_they_are_declared(osapi: Client) -> None:
    assert_type(await osapi.run(agent.List()), agent.Agents)
    assert_type(await osapi.run(job.Get(id=JOB)), job.JobDetail)
    assert_type(await osapi.run(health.Status()), health.Health)
    assert_type(await osapi.submit(command.Shell(command="true"), on="group:web"), str)
    assert_type(await osapi.request(node.Disk()), bytes)
    async with osapi.events(JOB) as events:
        assert_type(events, AsyncIterator[Streamed])


async def files_come_and_go_as_they_are_declared(osapi: Client, pieces: AsyncIterator[bytes]) -> None:
    def told(done: int, total: int) -> None:
        assert done <= total

    assert_type(await upload(osapi, files.Upload(name="a"), "a.conf", told=told), files.FileUploaded)
    assert_type(await upload(osapi, blob.Upload(), pieces), blob.BlobUploaded)
    assert_type(await upload_file(osapi, "a", Path("a.conf"), "template"), files.FileUploaded)
    assert_type(await upload_blob(osapi, "a.img", mime_type="application/gzip"), blob.BlobUploaded)
    assert_type(await download(osapi, blob.Download(sha256="0" * 64), "a.img", force=True), Downloaded)
    assert_type(await osapi.run(blob.Check(sha256="0" * 64)), blob.Blob)
    with Path("a.conf").open("wb") as opened:  # noqa: ASYNC230 - it is read by mypy alone
        assert_type(await download(osapi, files.Download(name="a"), opened), Downloaded)


async def mistakes_are_found_before_they_are_made(osapi: Client) -> None:
    timezone.Update()  # type: ignore[call-arg]
    timezone.Update(timezone=3)  # type: ignore[arg-type]
    process.Signal(pid=7, signal="STOP")  # type: ignore[arg-type]
    await osapi.run(agent.List(), on="_all")  # type: ignore[call-overload]
    await osapi.submit(agent.List())  # type: ignore[arg-type]
    await osapi.run("disk")  # type: ignore[call-overload]
    await upload_file(osapi, "a", "a.conf", "binary")  # type: ignore[arg-type]
    await download(osapi, files.Get(name="a"), "a.conf")  # type: ignore[arg-type]
