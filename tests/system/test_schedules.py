"""What real hosts do at certain times: cron and systemd's timers."""

import re

import pytest
from processes import eventually

SCRIPT = """\
#!/bin/sh
echo "{{ .Vars.word }} $(id --user --name) on {{ .Hostname }}" >> /tmp/told-$(id --user --name)
"""
NIGHTLY = "17 3 * * *"
TABLE = "/etc/cron.d/nightly"
OBJECT = "/usr/local/lib/osapi/cron/nightly"
MINUTE = 75
"""Seconds in which cron has looked at the clock once."""


@pytest.fixture
def ask(http):
    """What t1 answers about a schedule; with `fails`, why it does not do what is asked."""

    def ask(verb, path, fails=None, dry=False, **body):
        json = {"json": body} if verb in {"POST", "PUT"} else {}
        answer = http.request(
            verb, f"/api/node/t1/schedule/{path}", params={"dry_run": "true"} if dry else {}, **json
        )
        if fails in {404, 409}:
            assert answer.status_code == fails, answer.text
            return answer.json()["detail"]
        items = answer.json()["results"]
        assert [item.get("code") for item in items] == [fails] * len(items), answer.text
        return items if verb == "GET" else items[0]["error"] if fails else items[0]

    return ask


@pytest.fixture
def host(put, ask, t1):
    """t1 with objects to run in the store, and without entries and timers of ours, also afterwards."""
    put("script", SCRIPT, "template")
    put("table", "# Ours\n* * * * * daemon echo from-a-table > /tmp/table-$(id -un)\n@yearly root true\n")
    before = traces(t1)
    yield t1
    for name in ("nightly", "minutely", "table"):
        ask("DELETE", f"cron/{name}")
    ask("DELETE", "timer/nightly")
    assert traces(t1) == before
    t1.sh("rm -f /tmp/told-* /tmp/table-*")


def traces(host):
    return host.sh(
        "find /etc/cron.* /etc/systemd/system /usr/local/lib -printf '%p %m %u %l\\n' | grep -v ' 755 root $'; "
        "ls /var/lib/systemd/timers | grep osapi || true"
    )


def changed(ask, verb, path, **body):
    """Whether it changed something, and whether it did so again."""
    return ask(verb, path, **body)["changed"], ask(verb, path, **body)["changed"]


def test_cron_runs_what_it_is_given_as_whom_it_is_told(ask, host):
    asked = {"object": "script", "schedule": "* * * * *", "user": "daemon", "vars": {"word": "tick"}}
    assert changed(ask, "POST", "cron", name="minutely", **asked) == (True, False)
    table = {"object": "table", "schedule": "* * * * *"}
    assert changed(ask, "POST", "cron", name="table", **table) == (True, False)

    eventually(lambda: host.read("/tmp/told-daemon"), within=MINUTE)
    eventually(lambda: host.read("/tmp/table-daemon"), within=MINUTE)

    assert host.read("/tmp/told-daemon").splitlines()[0] == "tick daemon on t1"
    assert host.read("/tmp/table-daemon") == "from-a-table"
    ran = host.run("journalctl", "--unit=cron", "--output=cat", "--grep=CMD")
    assert "(daemon) CMD (/usr/local/lib/osapi/cron/minutely)" in ran
    assert not re.search(
        "bad|error|insecure", host.run("journalctl", "--unit=cron", "--output=cat"), re.IGNORECASE
    )
    assert {(item["name"], item["schedule"], item["user"]) for item in ask("GET", "cron")} == {
        ("minutely", "* * * * *", "daemon"),
        ("table", "* * * * *; @yearly", "daemon, root"),
    }


def test_schedule_and_user_are_changed_by_themselves(ask, host):
    ask("POST", "cron", name="nightly", object="script", schedule=NIGHTLY, vars={"word": "x"})

    assert changed(ask, "PUT", "cron/nightly", schedule="0 4 * * mon-fri") == (True, False)
    assert changed(ask, "PUT", "cron/nightly", user="daemon") == (True, False)

    assert host.read(TABLE).splitlines()[-1] == f"0 4 * * mon-fri daemon {OBJECT}"
    assert host.run("stat", "--format", "%a %U", TABLE, OBJECT) == "644 root\n755 root"
    [found] = ask("GET", "cron/nightly")
    assert (found["schedule"], found["user"], found["object"]) == ("0 4 * * mon-fri", "daemon", "script")
    assert changed(ask, "DELETE", "cron/nightly") == (True, False)
    ask("GET", "cron/nightly", fails=404)


def test_run_parts_finds_what_runs_by_interval(site, ask, host):
    asked = {"name": "nightly", "object": "script", "vars": {"word": "daily"}}
    assert changed(ask, "POST", "cron", interval="daily", **asked) == (True, False)

    assert "/etc/cron.daily/nightly" in host.run("run-parts", "--test", "/etc/cron.daily").splitlines()
    host.sh("run-parts --regex '^nightly$' /etc/cron.daily")
    assert host.read("/tmp/told-root") == "daily root on t1"
    shown = site.cli("client", "node", "schedule", "cron", "list", "--target", "t1", check=0).stdout
    assert re.search(r"nightly +daily +script +root", shown), shown
    assert "/etc/cron.daily/nightly" in ask(
        "POST", "cron", name="nightly", object="script", schedule=NIGHTLY, fails=409
    )


def test_what_belongs_to_packages_is_left_alone(ask, host):
    before = traces(host)

    for name, when in (("e2scrub_all", {"schedule": NIGHTLY}), ("dpkg", {"interval": "daily"})):
        asked = {"name": name, "object": "script", "vars": {"word": "x"}, **when}
        assert f"/{name} is there" in ask("POST", "cron", fails=409, **asked)
        assert f"/{name} is there" in ask("DELETE", f"cron/{name}", fails=409)
        ask("PUT", f"cron/{name}", object="script", fails=404)

    assert traces(host) == before


@pytest.mark.parametrize(
    ("asked", "fails"),
    [
        ({"schedule": "61 * * * *"}, "bad_input"),
        ({"schedule": NIGHTLY, "user": "nosuch-user"}, 404),
        ({"schedule": NIGHTLY, "object": "table"}, 409),
        ({"schedule": NIGHTLY, "interval": "daily"}, "bad_input"),
    ],
)
def test_what_cron_would_not_run_leaves_nothing_behind(ask, host, asked, fails):
    before = traces(host)

    ask(
        "POST", "cron", fails=fails, **{"name": "nightly", "object": "script", "vars": {"word": "x"}, **asked}
    )

    assert traces(host) == before


@pytest.mark.parametrize(
    "asked",
    [
        {"name": "../../etc/passwd"},
        {"name": "a.b"},
        {"name": "x\ny"},
        {"schedule": "* * * * * root touch /tmp/canary\n"},
        {"schedule": "$(id) * * * *"},
        {"user": "root\n* * * * * root touch /tmp/canary"},
        {"user": "root touch /tmp/canary #"},
        {"user": "-x"},
    ],
)
def test_nothing_that_is_given_becomes_another_line_or_path(http, host, asked):
    before = traces(host)
    body = {"name": "nightly", "object": "script", "schedule": NIGHTLY, **asked}

    answer = http.post("/api/node/t1/schedule/cron", json=body)

    assert answer.status_code == 400, answer.text
    assert traces(host) == before
    assert host.sh("ls /tmp/canary 2>/dev/null || echo none") == "none"


def test_a_dry_run_of_cron_changes_nothing_and_its_plan_is_what_is_then_done(ask, host):
    before, asked = (
        traces(host),
        {"name": "nightly", "object": "script", "schedule": NIGHTLY, "vars": {"word": "x"}},
    )

    planned = {file["path"]: file["diff"] for file in ask("POST", "cron", dry=True, **asked)["plan"]["files"]}

    assert traces(host) == before
    ask("POST", "cron", **asked)
    for path in (TABLE, OBJECT):
        added = [
            line[1:]
            for line in planned[path].splitlines()
            if line.startswith("+") and not line.startswith("+++ ")
        ]
        assert "\n".join(added) == host.read(path)


def test_a_timer_runs_a_script_and_can_be_changed(site, ask, host):
    asked = {"name": "nightly", "object": "script", "calendar": "Mon..Fri 03:00", "vars": {"word": "timed"}}
    assert changed(ask, "POST", "timer", user="daemon", **asked) == (True, False)
    unit = "osapi-nightly.timer"
    assert (host.unit("ActiveState", unit), host.unit("UnitFileState", unit)) == ("active", "enabled")
    assert host.unit("NextElapseUSecRealtime", unit).endswith("03:00:00 UTC")
    host.run("systemctl", "start", "osapi-nightly.service")
    assert host.read("/tmp/told-daemon") == "timed daemon on t1"

    [found] = ask("GET", "timer/nightly")
    assert (found["timer"]["name"], found["timer"]["managed"]) == (unit, True)
    assert (found["timer"]["calendar"], found["timer"]["unit"]) == (
        "Mon..Fri *-*-* 03:00:00",
        "osapi-nightly.service",
    )
    assert found["timer"]["next"].endswith("T03:00:00Z")
    names = {each["name"]: each for each in ask("GET", "timer")[0]["timers"]}
    assert {unit, "apt-daily.timer"} <= names.keys()
    assert not names["apt-daily.timer"]["managed"]
    assert (
        "apt-daily"
        in site.cli("client", "node", "schedule", "timer", "list", "--target", "t1", check=0).stdout
    )

    assert changed(ask, "POST", "timer", user="daemon", **(asked | {"calendar": "*-*-* 04:00"})) == (
        True,
        False,
    )
    assert host.unit("NextElapseUSecRealtime", unit).endswith("04:00:00 UTC")
    host.run("systemctl", "disable", "--now", unit)
    assert changed(ask, "POST", "timer", user="daemon", **(asked | {"calendar": "*-*-* 04:00"})) == (
        True,
        False,
    )
    assert host.unit("ActiveState", unit) == "active"
    assert changed(ask, "DELETE", "timer/nightly") == (True, False)
    assert host.unit("LoadState", unit) == "not-found"
    ask("GET", "timer/nightly", fails=404)


def test_a_timer_elapses(ask, host):
    ask("POST", "timer", name="nightly", object="script", calendar="*:*:0/2", vars={"word": "elapsed"})

    eventually(lambda: host.read("/tmp/told-root"), within=MINUTE)

    [found] = ask("GET", "timer/nightly")
    assert found["timer"]["last"] <= found["timer"]["next"]


@pytest.mark.parametrize(
    ("asked", "fails"),
    [
        ({"calendar": "Mon 25:00"}, "bad_input"),
        ({"calendar": "2020-01-01"}, "bad_input"),
        ({"user": "nosuch-user"}, 404),
    ],
)
def test_a_timer_that_would_never_run_leaves_nothing_behind(ask, host, asked, fails):
    before = traces(host)
    wanted = {"name": "nightly", "object": "script", "calendar": "daily", "vars": {"word": "x"}, **asked}

    ask("POST", "timer", fails=fails, **wanted)

    assert traces(host) == before


def test_a_dry_run_of_a_timer_changes_nothing(ask, host):
    before, asked = (
        traces(host),
        {"name": "nightly", "object": "script", "calendar": "daily", "vars": {"word": "x"}},
    )

    plan = ask("POST", "timer", dry=True, **asked)["plan"]

    assert traces(host) == before
    assert plan["commands"][-1] == ["systemctl", "enable", "--now", "--", "osapi-nightly.timer"]
    ask("POST", "timer", **asked)
    assert {file["path"] for file in plan["files"] if file["action"] == "created"} >= {
        "/etc/systemd/system/osapi-nightly.timer",
        "/etc/systemd/system/osapi-nightly.service",
        "/usr/local/lib/osapi/timer/nightly",
    }
