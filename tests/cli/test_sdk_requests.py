"""The SDK on trio: what it sends, what it makes of answers, and of their absence."""

import threading

import pytest
import trio
from answering import JOB, envelope, frame, item

from osapi import errors
from osapi.calls import agent, health, job
from osapi.client import Client, Terms
from osapi.operations import command, hostname, node, process, timezone
from osapi.results import Changed, Status

EVENTS = f"/api/job/{JOB}/events"


@pytest.fixture
async def osapi(controller):
    async with Client(controller.url, "secret") as client:
        yield client


async def test_a_question_goes_to_its_path_and_comes_back_typed(controller, osapi):
    disk = {"name": "/", "total": 10, "used": 4, "free": 6}
    controller.says("GET", "/api/node/_any/disk", envelope(item(disks=[disk])))

    results = await osapi.run(node.Disk(), on="_any")

    assert results.job_id == JOB
    assert results.results[0].status is Status.OK
    assert results.results[0].result == node.Disks(disks=[node.DiskUsage(**disk)])
    assert controller.asked[0].headers["authorization"] == "Bearer secret"
    assert "prefer" not in controller.asked[0].headers


async def test_a_change_sends_its_fields_as_json_and_its_terms_beside(controller, osapi):
    controller.says("PUT", "/api/node/group%3Aweb/timezone", envelope(item(changed=True, timezone="UTC")))

    results = await osapi.run(
        timezone.Update(timezone="UTC"),
        on="group:web",
        dry_run=True,
        wait=2.5,
        expires=600,
        idempotency_key="k",
    )

    [asked] = controller.asked
    assert results.results[0].changed
    assert asked.body == {"timezone": "UTC"}
    assert asked.query == {"dry_run": "true", "expires": "600.000s"}
    assert (asked.headers["prefer"], asked.headers["idempotency-key"]) == ("wait=3", "k")


async def test_fields_that_the_path_has_do_not_travel_twice(controller, osapi):
    controller.says("POST", "/api/node/_all/process/7/signal", envelope(item(pid=7, signal="HUP")))

    await osapi.run(process.Signal(pid=7, signal="HUP"))

    assert controller.asked[0].body == {"signal": "HUP"}


@pytest.mark.parametrize(
    ("name", "segment"), [("a/b", "a%2Fb"), ("..", "%2E%2E"), ("ü?#", "%C3%BC%3F%23"), ("a b", "a%20b")]
)
async def test_a_name_cannot_become_another_path(controller, osapi, name, segment):
    controller.says("GET", f"/api/agent/{segment}", {"hostname": name, "status": "Ready"})

    found = await osapi.run(agent.Get(hostname=name))

    assert found.hostname == name


async def test_a_question_to_the_controller_has_its_fields_in_the_query(controller, osapi):
    controller.says("GET", "/api/job", {"total_items": 0, "status_counts": {}, "items": []})

    page = await osapi.run(job.List(status="failed", limit=5))

    assert page == job.JobPage(total_items=0, status_counts={}, items=[])
    assert controller.asked[0].query == {"status": "failed", "limit": "5", "offset": "0"}


async def test_nothing_comes_back_of_a_deletion(controller, osapi):
    controller.says("DELETE", f"/api/job/{JOB}", status=204)

    assert await osapi.run(job.Delete(id=JOB)) is None


async def test_what_is_not_well_formed_is_not_sent(controller, osapi):
    with pytest.raises(errors.BadInput, match="IANA name") as caught:
        await osapi.run(timezone.Update(timezone="Europe/Ber lin"))

    assert caught.value.field == "timezone"
    assert controller.asked == []


async def test_a_job_is_submitted_without_waiting_for_it(controller, osapi):
    path = "/api/node/_all/command/exec"
    controller.says("POST", path, envelope(), status=202, Location=f"/api/job/{JOB}")

    assert await osapi.submit(command.Exec(command="true")) == JOB
    assert controller.asked[0].headers["prefer"] == "respond-async"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadInput),
        (401, errors.NotAuthenticated),
        (403, errors.NotAllowed),
        (404, errors.NotFound),
        (409, errors.Conflict),
        (413, errors.TooLarge),
        (429, errors.TooManyRequests),
        (503, errors.Unavailable),
        (507, errors.NoSpace),
        (500, errors.Error),
        (418, errors.Error),
    ],
)
async def test_a_problem_is_raised_as_the_error_that_it_tells_of(controller, osapi, status, kind):
    controller.says("GET", "/api/agent", {"status": status, "code": status, "detail": "so it is"}, status)

    with pytest.raises(errors.Error, match="so it is") as caught:
        await osapi.run(agent.List())

    assert type(caught.value) is kind


async def test_a_problem_names_the_field_and_the_time_to_come_back(controller, osapi):
    bad = {"code": 400, "detail": "hostname: no", "errors": [{"field": "hostname", "message": "no"}]}
    controller.says("PUT", "/api/node/_all/hostname", bad, 400)
    controller.says("GET", "/api/agent", {"code": 503, "detail": "away"}, 503, **{"Retry-After": "7"})

    with pytest.raises(errors.BadInput) as refused:
        await osapi.run(hostname.Update(hostname="a"))
    with pytest.raises(errors.Unavailable) as away:
        await osapi.run(agent.List())

    assert refused.value.field == "hostname"
    assert away.value.retry_after == 7


async def test_an_older_controller_tells_its_errors_in_one_member(controller, osapi):
    controller.says("GET", "/api/agent", {"error": "job failed: no"}, 500)

    with pytest.raises(errors.Error, match="job failed: no"):
        await osapi.run(agent.List())


async def test_a_connection_that_breaks_leaves_it_open_whether_a_change_was_made():
    async def hang_up(stream):
        await stream.receive_some()

    async with trio.open_nursery() as nursery:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, hang_up, [listener])
        async with Client(f"http://127.0.0.1:{listener.socket.getsockname()[1]}") as osapi:
            with pytest.raises(errors.Unavailable, match=r"broke: .*\n.*see `osapi client job list`"):
                await osapi.run(hostname.Update(hostname="a"))
            with pytest.raises(errors.Unavailable, match=r"broke: [^\n]*$"):
                await osapi.run(node.Uptime())
        nursery.cancel_scope.cancel()


async def test_what_is_no_controller_is_told_from_one(controller, osapi):
    controller.says("GET", "/api/agent", b"<html>Bad Gateway</html>", 502)
    controller.says("GET", "/api/job", b"<html>Welcome</html>")

    with pytest.raises(errors.Error, match=r"/api/agent answers 502 Bad Gateway"):
        await osapi.run(agent.List())
    with pytest.raises(errors.Error, match=r"is not understood: not JSON"):
        await osapi.run(job.List())


async def test_that_it_does_not_work_is_an_answer_to_who_asks_for_that(controller, osapi):
    controller.says("GET", "/api/health/ready", {"status": "not_ready", "error": "no broker"}, 503)

    assert await osapi.run(health.Ready()) == health.Readiness(status="not_ready", error="no broker")


async def test_where_nobody_listens_the_error_says_what_to_do(controller):
    with trio.socket.socket() as taken:
        await taken.bind(("127.0.0.1", 0))
        async with Client(f"http://127.0.0.1:{taken.getsockname()[1]}") as osapi:
            with pytest.raises(errors.Unavailable, match=r"connection refused\n.*osapi start"):
                await osapi.run(agent.List())


async def test_where_nobody_speaks_tls_the_error_says_so(controller):
    async with Client(controller.url.replace("http:", "https:"), "secret") as osapi:
        with pytest.raises(errors.Unavailable, match="TLS: ") as caught:
            await osapi.run(agent.List())

    assert "not permitted" not in str(caught.value)


async def test_an_answer_that_does_not_come_is_given_up_after_the_wait(controller):
    held = controller.says("GET", "/api/node/_all", envelope())
    held.when = threading.Event()
    async with Client(controller.url, timeout=-9.8) as osapi:
        with pytest.raises(errors.Unavailable, match=r"has sent nothing for 0.2 s"):
            await osapi.run(node.Status())
    held.when.set()


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://host", "http://", "http://[::"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(errors.ConfigError, match="looks like http://localhost:8080"):
        Client(url)


async def test_the_body_can_be_had_as_it_came(controller, osapi):
    controller.says("GET", "/api/node/web-01/uptime", b'{"job_id": "x",\n "results": null}\n')

    body = await osapi.request(node.Uptime(), Terms(on="web-01", job_id=JOB))

    assert body == b'{"job_id": "x",\n "results": null}\n'
    assert controller.asked[0].headers["osapi-job-id"] == JOB


async def test_events_are_read_to_their_end(controller, osapi):
    comment, multiline = b": still here\n\n", b"event: odd\ndata: [1,\ndata: 2]\n\n"
    controller.streams(EVENTS, frame(1, "submitted"), comment, multiline, frame(2, "completed"))

    async with osapi.events(JOB, after="r-0") as events:
        found = [(event.id, event.event) async for event in events]

    assert found == [("r-1", "submitted"), (None, "odd"), ("r-2", "completed")]
    assert controller.asked[0].headers["last-event-id"] == "r-0"


async def test_a_stream_can_be_left_half_way(controller, osapi):
    more = threading.Event()
    controller.streams("/api/events", frame(1, "started"), frame(2, "finished"), more)

    async with osapi.events() as events:
        first = await anext(events)
    more.set()

    assert (first.event, first.data["job_id"]) == ("started", JOB)


async def test_a_stream_can_be_cancelled_while_nothing_comes(controller, osapi):
    more = threading.Event()
    controller.streams("/api/events", frame(1, "started"), more)
    seen = []

    with trio.move_on_after(0.2) as scope:
        async with osapi.events() as events:
            seen = [await anext(events)]
            await anext(events)
    more.set()

    assert (len(seen), scope.cancelled_caught) == (1, True)


async def test_a_stream_that_is_refused_raises_why(osapi):
    with pytest.raises(errors.NotFound, match="nothing is at GET"):
        async with osapi.events("0" * 8):
            pass


async def test_a_result_that_is_no_more_than_changed_is_decoded(controller, osapi):
    controller.says("PUT", "/api/node/a/hostname", envelope(item(changed=True)))

    results = await osapi.run(hostname.Update(hostname="b"), on="a")

    assert results.results[0].result == Changed(changed=True)
