"""What hosts are told to do: seen in the host, done again and left alone, undone."""

import pytest
from booted import AGENT_USER
from processes import eventually


@pytest.fixture
def change(site):
    """What t1 answers to a modification."""

    def ask(*words, on="t1"):
        [item] = site.ask(*words, on=on)
        assert item["status"] == "ok"
        return item

    return ask


def zone(host):
    """The time zone, by systemd, by the link and by Debian's file."""
    return (
        host.run("timedatectl", "show", "--property=Timezone", "--value"),
        host.run("readlink", "--canonicalize", "/etc/localtime").removeprefix("/usr/share/zoneinfo/"),
        host.read("/etc/timezone"),
    )


def names(host):
    """The host name, by systemd, by the kernel and for the next boot."""
    return host.run("hostnamectl", "hostname"), host.run("uname", "--nodename"), host.read("/etc/hostname")


@pytest.fixture
def in_utc(site, t1):
    """t1, in the zone that it came with; and again at the end."""
    t1.run("timedatectl", "set-timezone", "Etc/UTC")
    t1.sh("echo Etc/UTC > /etc/timezone")
    yield t1
    t1.run("timedatectl", "set-timezone", "Etc/UTC")
    t1.sh("echo Etc/UTC > /etc/timezone")


def test_a_time_zone_is_set_once_and_undone(change, in_utc):
    first = change("timezone", "update", "--timezone", "Europe/Berlin")
    assert first["changed"] is True
    assert zone(in_utc) == ("Europe/Berlin",) * 3
    assert in_utc.run("date", "+%Z") in {"CET", "CEST"}

    again = change("timezone", "update", "--timezone", "Europe/Berlin")
    assert again["changed"] is False
    assert zone(in_utc) == ("Europe/Berlin",) * 3

    back = change("timezone", "update", "--timezone", "Etc/UTC")
    assert back["changed"] is True
    assert zone(in_utc) == ("Etc/UTC",) * 3


def test_a_time_zone_that_somebody_changed_is_put_right(change, in_utc):
    change("timezone", "update", "--timezone", "Europe/Berlin")
    in_utc.run("timedatectl", "set-timezone", "Asia/Tokyo")

    found = change("timezone", "update", "--timezone", "Europe/Berlin")

    assert found["changed"] is True
    assert zone(in_utc) == ("Europe/Berlin",) * 3


def test_a_dry_run_changes_nothing_and_its_plan_is_what_is_then_done(change, in_utc):
    traces = "stat --format '%n %y %z %i' /etc/timezone /etc/localtime"
    before = in_utc.sh(traces)

    plan = change("timezone", "update", "--timezone", "America/Lima", "--dry-run")["plan"]

    assert in_utc.sh(traces) == before
    assert zone(in_utc) == ("Etc/UTC",) * 3
    change("timezone", "update", "--timezone", "America/Lima")
    assert plan["commands"] == [["timedatectl", "set-timezone", "America/Lima"]]
    told = in_utc.run("journalctl", "--unit", "systemd-timedated", "--output", "cat")
    assert told.count("Changed time zone to 'America/Lima'") == 1
    [file] = plan["files"]
    assert (file["path"], file["action"]) == ("/etc/timezone", "changed")
    assert file["diff"].splitlines()[-2:] == ["-Etc/UTC", f"+{in_utc.read('/etc/timezone')}"]
    assert zone(in_utc) == ("America/Lima",) * 3


def test_a_zone_that_does_not_exist_is_refused_and_nothing_changes(site, in_utc):
    done = site.cli(
        "client", "node", "timezone", "update", "--timezone", "Europe/Berln", "--target", "t1", check=1
    )

    assert "Europe/Berlin" in done.stdout + done.stderr
    assert zone(in_utc) == ("Etc/UTC",) * 3


def test_every_host_of_a_group_is_changed(site, t1, t2, t3):
    items = site.ask("timezone", "update", "--timezone", "Europe/Paris", on="group:web")

    assert [(item["hostname"], item["changed"]) for item in items] == [("t1", True), ("t2", True)]
    assert (zone(t1), zone(t2)) == (("Europe/Paris",) * 3,) * 2
    assert zone(t3) == ("Etc/UTC",) * 3
    items = site.ask("timezone", "update", "--timezone", "Etc/UTC", on="_all")
    assert [(item["hostname"], item["changed"]) for item in items] == [
        ("t1", True),
        ("t2", True),
        ("t3", False),
    ]


def test_a_host_is_renamed_once_and_the_agent_goes_by_the_new_name(site, change, t3):
    machine_id = t3.machine_id
    planned = change("hostname", "update", "--name", "db-01", "--dry-run", on=machine_id)["plan"]
    assert names(t3) == ("t3",) * 3
    assert planned["commands"] == [["hostnamectl", "set-hostname", "db-01"]]
    assert [file["path"] for file in planned["files"]] == ["/etc/hosts"]

    first = change("hostname", "update", "--name", "db-01", on=machine_id)
    assert first["changed"] is True
    assert names(t3) == ("db-01",) * 3
    assert t3.run("getent", "hosts", "127.0.1.1").split() == ["127.0.1.1", "db-01"]
    assert "+127.0.1.1\tdb-01" in planned["files"][0]["diff"]

    again = change("hostname", "update", "--name", "db-01", on=machine_id)
    assert again["changed"] is False

    with site.http() as http:
        eventually(lambda: http.get(f"/api/agent/{machine_id}").json()["hostname"] == "db-01")
    assert site.ask("hostname", "get", on="db-01")[0]["hostname"] == "db-01"
    assert site.cli("client", "node", "hostname", "get", "--target", "t3").returncode == 2

    back = change("hostname", "update", "--name", "t3", on="db-01")
    assert back["changed"] is True
    assert names(t3) == ("t3",) * 3
    with site.http() as http:
        eventually(lambda: http.get(f"/api/agent/{machine_id}").json()["hostname"] == "t3")


@pytest.mark.parametrize(("signal", "number"), [("USR1", 10), ("KILL", 9)])
def test_a_process_is_ended_by_the_signal_it_is_sent(site, t1, signal, number):
    unit = f"victim-{signal}"
    t1.run("systemd-run", f"--unit={unit}", "--property=RemainAfterExit=yes", "sleep", "1000")
    pid = t1.unit("MainPID", unit)

    [item] = site.ask("process", "signal", "--pid", pid, "--signal", signal, on="t1")

    assert (item["status"], item["changed"], item["pid"], item["signal"]) == ("ok", True, int(pid), signal)
    eventually(lambda: t1.unit("ExecMainStatus", unit) == str(number))
    assert t1.unit("Result", unit) == "signal"
    gone = site.cli("client", "node", "process", "get", "--pid", pid, "--target", "t1", check=1)
    assert pid in gone.stdout + gone.stderr


def test_neither_the_first_process_nor_the_agent_is_sent_a_signal(site, t1):
    before, pid = t1.boot_id, t1.unit("MainPID")

    for refused in ("1", pid):
        site.cli(
            "client",
            "node",
            "process",
            "signal",
            "--pid",
            refused,
            "--signal",
            "KILL",
            "--target",
            "t1",
            check=1,
        )

    assert (t1.boot_id, t1.unit("MainPID")) == (before, pid)


def test_a_program_runs_in_the_host_with_its_arguments_as_they_are(site, t1):
    given = "a b; touch never $(touch never) 'x\\"
    t1.run("mkdir", "--mode=1777", "/srv/hostile")

    [item] = site.ask(
        "command",
        "exec",
        "--command",
        "touch",
        "--args",
        "--",
        "--args",
        given,
        "--cwd",
        "/srv/hostile",
        on="t1",
    )

    assert (item["exit_code"], item["changed"]) == (0, True)
    assert t1.run("ls", "--quoting-style=literal", "/srv/hostile") == given
    t1.run("rm", "-r", "/srv/hostile")


def test_a_command_line_runs_in_the_host_as_the_user_of_its_agent(site, t1):
    t1.run("chmod", "1777", "/srv")
    line = "echo out; echo err >&2; id --user --name > who; pwd > where; exit 7"

    [item] = site.ask("command", "shell", "--command", line, "--cwd", "/srv", on="t1")

    assert (item["stdout"], item["stderr"], item["exit_code"]) == ("out\n", "err\n", 7)
    assert (t1.read("/srv/who"), t1.read("/srv/where")) == (AGENT_USER or "root", "/srv")
    shown = site.cli(
        "client", "node", "command", "shell", "--command", line, "--stdout", "--target", "t1", check=7
    )
    assert shown.stdout == "[t1] out\n"
    t1.sh("rm -f /srv/who /srv/where /who /where")
