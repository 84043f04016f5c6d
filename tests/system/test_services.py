"""Services of real hosts: started and stopped as systemd has it, and unit files of our own."""

from urllib.parse import quote

import pytest
from processes import eventually

UNIT = """\
[Unit]
Description=App on {{ .Hostname }}

[Service]
ExecStart=/usr/bin/app --cpus {{ .Facts.cpu_count }}

[Install]
WantedBy=multi-user.target
"""
FILE = "/etc/systemd/system/osapi-my-app.service"
OWN = "osapi-my-app"
VERBS = {"get": "GET", "delete": "DELETE", "update": "PUT"}


@pytest.fixture
def service(http):
    """What a host answers about one of its services; with `fails`, why it does not do what is asked."""

    def ask(action, name="", *, on="t1", fails=None, dry=False, **body):
        path = f"/api/node/{on}/service"
        if action == "create":
            verb, body = "POST", {"name": name, **body}
        else:
            verb = VERBS.get(action, "POST")
            path += f"/{name}" if action in VERBS else f"/{name}/{action}"
        json = {"json": body} if verb in {"POST", "PUT"} else {}
        answer = http.request(verb, path, params={"dry_run": "true"} if dry else {}, **json)
        if fails in {404, 409}:
            assert answer.status_code == fails, answer.text
            return answer.json()["detail"]
        [item] = answer.json()["results"]
        assert item.get("code") == fails, answer.text
        return item["error"] if fails else item

    return ask


@pytest.fixture
def app(service, put, t1):
    """t1 with a program, and the unit file for it in the object store; nothing of it is left there."""
    put("my-unit", UNIT, "template")
    t1.sh("printf '#!/bin/sh\\nexec sleep 1000\\n' > /usr/bin/app; chmod 0755 /usr/bin/app")
    yield t1
    service("delete", "my-app")
    t1.run("rm", "-f", "/usr/bin/app")
    assert t1.sh("ls -d /etc/systemd/system/osapi-*e /etc/systemd/system/*/osapi-*").split() == [
        "/etc/systemd/system/multi-user.target.wants/osapi-agent.service",
        "/etc/systemd/system/osapi-agent.service",
    ]


def state(host, unit):
    return host.unit("ActiveState", unit), host.unit("UnitFileState", unit)


def changed(ask, *words, **body):
    """Whether it changed something, and whether it did so again."""
    return ask(*words, **body)["changed"], ask(*words, **body)["changed"]


def test_the_session_of_existing_users_works_as_it_is_written(site, service, t1, tmp_path):
    (tmp_path / "app.service").write_text(UNIT)
    file = ("--name", "my-unit", "--file", str(tmp_path / "app.service"), "--content-type", "template")
    site.cli("client", "file", "upload", *file, "--force", check=0)

    create = (
        "client",
        "node",
        "service",
        "create",
        "--target",
        "t1",
        "--name",
        "my-app",
        "--object",
        "my-unit",
    )
    site.cli(*create, check=0)

    assert t1.unit("Description", OWN) == "App on t1"
    assert f"ExecStart=/usr/bin/app --cpus {t1.run('nproc')}" in t1.read(FILE)
    assert state(t1, OWN) == ("inactive", "disabled")
    shown = site.cli("client", "node", "service", "get", "--name", "my-app", "--target", "t1", check=0)
    assert "App on t1" in shown.stdout
    site.cli("client", "node", "service", "delete", "--name", "my-app", "--target", "t1", check=0)
    assert t1.unit("LoadState", OWN) == "not-found"
    assert service("delete", "my-app")["changed"] is False


def test_a_service_of_our_own_comes_and_goes(service, app):
    assert changed(service, "create", "my-app", object="my-unit") == (True, False)
    assert changed(service, "start", "my-app") == (True, False)
    assert changed(service, "enable", "my-app") == (True, False)
    assert state(app, OWN) == ("active", "enabled")
    found = service("get", "my-app")["service"]
    assert (found["name"], found["pid"], found["managed"]) == (
        f"{OWN}.service",
        int(app.unit("MainPID", OWN)),
        True,
    )
    assert app.run("readlink", f"/proc/{found['pid']}/exe") == "/usr/bin/sleep"

    assert changed(service, "stop", "my-app") == (True, False)
    assert state(app, OWN) == ("inactive", "enabled")
    service("start", "my-app")
    pid = app.unit("MainPID", OWN)
    assert changed(service, "restart", "my-app") == (True, True)
    assert app.unit("MainPID", OWN) not in {pid, "0"}
    assert changed(service, "disable", "my-app") == (True, False)
    assert state(app, OWN) == ("active", "disabled")
    service("enable", "my-app")
    assert changed(service, "delete", "my-app") == (True, False)

    assert app.sh(f"systemctl cat {OWN} 2>&1 || true") == f"No files found for {OWN}.service."
    assert app.sh("pgrep -f '^sleep 1000' || echo none") == "none"


def test_another_object_is_in_force_once_the_service_is_started_again(service, put, app):
    service("create", "my-app", object="my-unit")
    service("start", "my-app")
    put("my-unit", UNIT.replace("App on", "Application on"), "template")

    assert changed(service, "update", "my-app", object="my-unit") == (True, False)

    assert app.unit("Description", OWN) == "Application on t1"
    assert app.unit("NeedDaemonReload", OWN) == "no"
    app.sh(f"echo '# edited' >> {FILE}")
    assert changed(service, "update", "my-app", object="my-unit") == (True, False)
    assert "edited" not in app.read(FILE)


def test_any_service_of_the_host_is_found_by_its_name(site, service, t1):
    names = {found["name"]: found for found in site.ask("service", "list", on="t1")[0]["services"]}
    assert {"cron.service", "ssh.service", "osapi-agent.service"} <= names.keys()
    assert names["cron.service"]["pid"] == int(t1.unit("MainPID", "cron"))
    assert (names["cron.service"]["enabled"], names["cron.service"]["managed"]) == (True, False)

    assert changed(service, "stop", "cron") == (True, False)
    assert t1.unit("ActiveState", "cron") == "inactive"
    assert changed(service, "mask", "cron") == (True, False)
    assert "unmask it" in service("start", "cron", fails=409)
    assert changed(service, "unmask", "cron.service") == (True, False)
    assert changed(service, "disable", "cron") == (True, False)
    assert changed(service, "enable", "cron") == (True, False)
    assert changed(service, "start", "cron") == (True, False)
    assert state(t1, "cron") == ("active", "enabled")

    pid = t1.unit("MainPID", "ssh")
    assert service("reload", "sshd")["changed"] is True
    assert t1.unit("MainPID", "ssh") == pid
    assert "Received SIGHUP; restarting." in t1.run("journalctl", "--unit=ssh", "--output=cat")
    assert "no service nosuch" in service("get", "nosuch", fails=404)


def test_a_template_has_instances(service, put, t1):
    put("worker", "[Service]\nExecStart=/bin/sleep 10%i\n[Install]\nWantedBy=multi-user.target\n")
    assert changed(service, "create", "worker@", object="worker") == (True, False)

    for number in (1, 2):
        assert changed(service, "start", f"worker@{number}") == (True, False)
        assert changed(service, "enable", f"worker@{number}") == (True, False)

    assert t1.run("systemctl", "is-active", "osapi-worker@1", "osapi-worker@2") == "active\nactive"
    assert t1.run("ps", "-o", "args=", "-p", t1.unit("MainPID", "osapi-worker@2")) == "/bin/sleep 102"
    assert changed(service, "delete", "worker@") == (True, False)
    assert t1.sh("pgrep -f '^/bin/sleep 10[12]' || echo none") == "none"
    assert t1.sh("ls /etc/systemd/system/*/osapi-worker* 2>/dev/null || echo none") == "none"


def test_what_does_not_start_tells_why(service, put, t1):
    put("failing", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo the disk is full of eels; exit 3'\n")
    put("absent", "[Service]\nExecStart=/usr/bin/nosuch\n")

    service("create", "failing", object="failing")
    service("create", "absent", object="absent")

    assert "the disk is full of eels" in service("start", "failing", fails="command_failed")
    assert "status=203/EXEC" in service("start", "absent", fails="failed")
    for name in ("failing", "absent"):
        service("delete", name)


@pytest.mark.parametrize(
    "text",
    [
        "[Service]\nExecStrt=/bin/true\n",
        "[Service]\nExecStart=bin/true\n",
        "garbage\n",
        "[Unit]\nAfter=x.service\n",
    ],
)
def test_a_unit_file_that_systemd_could_not_load_leaves_the_old_one(service, put, app, text):
    service("create", "my-app", object="my-unit")
    before = app.read(FILE)
    put("broken", text)

    for dry in (True, False):
        assert "would not load osapi-my-app.service" in service(
            "update", "my-app", object="broken", fails="refused", dry=dry
        )

    assert app.read(FILE) == before
    assert (
        app.sh("find /var/lib/osapi-agent /tmp /run -name '*my-app*' | grep -v ^/run/systemd || echo none")
        == "none"
    )


def test_what_osapi_runs_in_is_not_stopped(service, t1):
    t1.sh("ln -s /bin/sleep /usr/local/bin/nats-server")
    t1.run("systemd-run", "--unit=broker", "/usr/local/bin/nats-server", "1000")
    before = t1.unit("MainPID"), t1.unit("MainPID", "broker"), t1.unit("UnitFileState")

    for name in ("osapi-agent", "osapi-agent.service", "broker"):
        for action in ("stop", "disable", "mask"):
            assert "part of OSAPI" in service(action, name, fails="refused")
    assert "not deployed it" in service("delete", "agent", fails=409)

    assert (t1.unit("MainPID"), t1.unit("MainPID", "broker"), t1.unit("UnitFileState")) == before
    t1.run("systemctl", "stop", "broker")
    t1.run("rm", "/usr/local/bin/nats-server")


def test_the_agent_restarts_itself_once_it_has_answered(site, service, t1):
    pid, restarts = t1.unit("MainPID"), t1.log().count("Started osapi-agent")

    assert service("restart", "osapi-agent")["changed"] is True

    eventually(lambda: t1.unit("MainPID") not in {pid, "0"}, within=60)
    site.ready(t1)
    assert t1.log().count("Started osapi-agent") == restarts + 1
    assert service("get", "osapi-agent")["service"]["status"] == "active"


def test_a_unit_file_that_is_not_ours_is_left_alone(service, put, t1):
    put("my-unit", UNIT, "template")
    t1.sh(f"printf '[Service]\\nExecStart=/bin/true\\n' > {FILE}; systemctl daemon-reload")
    before = t1.read(FILE)

    assert FILE in service("create", "my-app", object="my-unit", fails=409)
    assert FILE in service("delete", "my-app", fails=409)
    service("update", "my-app", object="my-unit", fails=404)

    assert t1.read(FILE) == before
    t1.sh(f"rm {FILE}; systemctl daemon-reload")


def test_a_dry_run_changes_nothing_and_its_plan_is_what_is_then_done(service, app):
    traces = "ls -lR /etc/systemd; systemctl list-unit-files; systemctl list-units"
    before = app.sh(traces)

    planned = service("create", "my-app", object="my-unit", dry=True)["plan"]
    stopped = service("stop", "cron", dry=True)["plan"]

    assert app.sh(traces) == before
    service("create", "my-app", object="my-unit")
    [file] = planned["files"]
    added = [
        line[1:] for line in file["diff"].splitlines() if line.startswith("+") and not line.startswith("+++ ")
    ]
    assert (file["path"], file["action"]) == (FILE, "created")
    assert "\n".join(added) == app.read(FILE)
    assert planned["commands"] == [["systemctl", "daemon-reload"]]
    assert stopped["commands"] == [["systemctl", "stop", "--", "cron.service"]]
    assert app.unit("ActiveState", "cron") == "active"


@pytest.mark.parametrize(
    "name", ["--help", "-H", "x;reboot", "$(reboot)", "../../etc/passwd", "a\nb", "ssh cron", "*", ""]
)
def test_a_name_that_is_none_is_refused(http, t1, name):
    before = t1.boot_id, t1.run("systemctl", "list-units", "--failed", "--no-legend")

    for verb, path, json in [
        ("POST", "/service", {"name": name, "object": "my-unit"}),
        ("POST", f"/service/{quote(name, safe='')}/stop", None),
    ]:
        answer = http.request(verb, f"/api/node/t1{path}", json=json)
        assert answer.status_code in {400, 404, 405}, answer.text

    assert (t1.boot_id, t1.run("systemctl", "list-units", "--failed", "--no-legend")) == before
