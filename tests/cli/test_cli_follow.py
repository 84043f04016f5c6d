"""What is shown of a job while it runs: output as it comes, progress, events, and the same question again."""

import json
import threading

from answering import JOB, envelope, frame, item

EXEC = ("client", "node", "command", "exec", "--command", "make")
EVENTS = "/api/job/*/events"
PATH = "/api/node/_all/command/exec"


def output(number, text, *, hostname="web-1", stream="stdout"):
    return frame(number, "output", hostname=hostname, number=number, data={"stream": stream, "text": text})


def ran(hostname="web-1", stdout="", stderr="", exit_code=0):
    return item(hostname, changed=True, stdout=stdout, stderr=stderr, exit_code=exit_code, duration_ms=1)


def test_output_is_printed_by_host_and_the_highest_exit_code_is_returned(controller, osapi):
    answers = [ran("web-10", "x\n", "no", 2), ran("web-9", "a\n\nb", "", 7)]
    controller.says("POST", PATH, envelope(*answers), 202)

    both = osapi(*EXEC, "--stdout", "--stderr")
    one = osapi(*EXEC, "--stderr")

    assert both.out == "[web-9] a\n[web-9] \n[web-9] b\n[web-10] x\n"
    assert both.err == one.err == "[web-10] no\n"
    assert (both.code, one.code, one.out) == (7, 7, "")


def test_a_host_that_could_not_run_it_is_told_of(controller, osapi):
    failed = item("web-2", "failed", code="timeout", error="make took longer than 1 s")
    controller.says("POST", PATH, envelope(ran("web-1", "a\n"), failed), 202)

    done = osapi(*EXEC, "--stdout")

    assert (done.code, done.out) == (3, "[web-1] a\n")
    assert done.err == "[web-2] Error: make took longer than 1 s\n"


def test_output_of_a_slow_command_is_printed_as_it_comes_and_only_once(controller, program):
    held = controller.says("POST", PATH, envelope(ran("web-1", "one\ntwo\nthree", "", 1)), 202)
    held.when = threading.Event()
    rest = [output(3, "o\nthr"), frame(4, "finished", hostname="web-1", number=4), frame(5, "completed")]
    controller.streams(
        EVENTS, frame(1, "started", hostname="web-1", number=1), output(2, "one\ntw"), held.when, *rest
    )

    process = program.start(*EXEC, "--stdout")
    first = process.stdout.readline()
    held.when.set()
    out, err = process.communicate(timeout=30)

    assert first == "[web-1] one\n"
    assert (out, err) == ("[web-1] two\n[web-1] three\n", "")
    assert process.returncode == 1


def test_output_that_was_lost_on_the_way_is_owned_up_to(controller, program):
    held = controller.says("POST", PATH, envelope(ran("web-1", "one\ntwo\nthree\n")), 202)
    held.when = threading.Event()
    gap = [output(1, "one\n"), output(3, "three\n")]
    controller.streams(EVENTS, *gap, held.when, frame(4, "completed"))

    process = program.start(*EXEC, "--stdout")
    lines = [process.stdout.readline(), process.stdout.readline()]
    held.when.set()
    out, err = process.communicate(timeout=30)

    assert (lines, out) == (["[web-1] one\n", "[web-1] three\n"], "")
    assert err == "[web-1] some of its stdout is missing above; `osapi client job get` has it\n"


def test_a_wait_longer_than_the_controllers_goes_on_by_the_same_job(controller, osapi):
    late = item("web-1", "failed", code="no_answer", error="timeout: agent did not respond")
    controller.says("POST", PATH, envelope(late), 202)
    controller.says("POST", PATH, envelope(ran("web-1", "a\n")), 202)

    done = osapi(*EXEC, "--stdout")

    first, second = controller.asked
    assert done.out == "[web-1] a\n"
    assert first.headers["osapi-job-id"] == second.headers["osapi-job-id"]
    assert first.body == second.body


def test_a_terminal_shows_how_many_hosts_have_answered(controller, program):
    held = controller.says("GET", "/api/node/_all/uptime", envelope(item("web-1", uptime="1h")))
    held.when = threading.Event()
    submitted = frame(1, "submitted", data={"hosts": 2})
    controller.streams(EVENTS, submitted, frame(3, "finished", hostname="web-1"), held.when)

    screen = program.on_terminal("client", "node", "uptime")
    screen.until("1/2 hosts answered, 1 s")
    held.when.set()
    text = screen.finish()

    assert "\r\x1b[K\r\n  \x1b[1mJob ID:\x1b[0m" in text
    assert "\x1b[32mok    \x1b[0m  1h\r\n" in text


def test_a_terminal_without_colours_gets_none_and_lines_that_fit(controller, program):
    command = "/usr/bin/python3 " + "--option " * 20
    process = {"pid": 1, "name": "python3", "user": "root", "state": "sleeping", "command": command}
    controller.says("GET", "/api/node/_all/process", envelope(item("web-1", processes=[process])))

    text = program.on_terminal("client", "node", "process", "list", NO_COLOR="1").finish()

    bare = text.replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert "\x1b" not in bare
    assert max(map(len, bare.splitlines())) == 79
    assert "/usr/bin/python3 --opt" in text
    assert text.count("…") == 1


def test_the_events_of_a_job_are_lines_until_it_has_ended(controller, osapi):
    events = [
        frame(1, "submitted", data={"operation": "command.exec", "target": "_all"}),
        frame(2, "started", hostname="web-1", number=1),
        output(2, "a\nb\n\x1b[2J"),
        frame(4, "completed"),
    ]
    controller.streams(f"/api/job/{JOB}/events", *events)

    done = osapi("client", "job", "events", "--job-id", JOB)
    raw = osapi("client", "job", "events", "--job-id", JOB, "--json")

    assert done.out.splitlines() == [
        "10:00:00  -  submitted  operation=command.exec, target=_all",
        "10:00:00  web-1  started",
        "10:00:00  web-1  stdout: a",
        "10:00:00  web-1  stdout: b",
        "10:00:00  web-1  stdout: �[2J",
        "10:00:00  -  completed",
    ]
    lines = [json.loads(line) for line in raw.out.splitlines()]
    assert [(line["id"], line["event"]) for line in lines][1:3] == [("r-2", "started"), ("r-2", "output")]


def test_the_events_of_all_jobs_are_taken_up_again_where_they_broke_off(controller, program):
    controller.streams("/api/events", frame(1, "started", hostname="a"))
    stop = threading.Event()
    controller.streams("/api/events", frame(2, "finished", hostname="a"), stop)

    process = program.start("client", "job", "watch")
    lines = [process.stdout.readline(), process.stdout.readline()]
    code = program.interrupt(process)
    stop.set()

    assert lines == [f"10:00:00  {JOB}  a  started\n", f"10:00:00  {JOB}  a  finished\n"]
    assert controller.asked[1].headers["last-event-id"] == "r-1"
    assert code == 130


def test_an_unknown_job_has_no_events(osapi):
    done = osapi("client", "job", "events", "--job-id", JOB)

    assert done.code == 1
    assert done.err.startswith("Error: nothing is at GET")


def test_watch_asks_again_until_it_is_interrupted(controller, program):
    for uptime in ("1h", "2h", "3h"):
        controller.says("GET", "/api/node/_all/uptime", envelope(item("web-1", uptime=uptime)))

    process = program.start("client", "node", "uptime", "--watch=0.05", "--json")
    found = [json.loads(process.stdout.readline())["results"][0]["uptime"] for _ in range(3)]
    code = program.interrupt(process)

    assert (found, code) == (["1h", "2h", "3h"], 130)


def test_watch_on_a_terminal_writes_over_what_was_there(controller, program):
    controller.says("GET", "/api/node/_all/uptime", envelope(item("web-1", uptime="1h")))
    controller.says("GET", "/api/node/_all/uptime", {"code": 503, "detail": "away for now"}, 503)
    controller.says("GET", "/api/node/_all/uptime", envelope(item("web-1", uptime="2h")))

    screen = program.on_terminal("client", "node", "uptime", "--watch", "0.1")
    screen.until("1h", "away for now", "2h")
    text = screen.interrupt()

    assert text.startswith("\x1b[H  Every 0.1 s, at ")
    assert text.count("\x1b[H") == text.count("\x1b[J") > 2
