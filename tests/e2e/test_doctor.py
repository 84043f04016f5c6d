"""`osapi doctor` beside real daemons: what it finds where all is well, and where something was spoilt."""

import json
import os
import socket
import time

from osapi.tokens import issue

ROLES = ("--role", "broker", "--role", "controller", "--role", "agent", "--role", "client")


def doctor(site, *words, code=0, **env):
    done = site.cli("doctor", "--json", *words, check=code, **env)
    return json.loads(done.stdout)


def statuses(found):
    """The worst status of each check, but for what depends on the machine that the test runs on."""
    kept = [
        f
        for f in found["findings"]
        if f["check"] not in {"ntp", "disk", "open files"} and "unit" not in f["check"]
    ]
    order = ("ok", "skip", "warn", "fail")
    checks = dict.fromkeys(f["check"] for f in kept)
    return {
        check: max((f["status"] for f in kept if f["check"] == check), key=order.index) for check in checks
    }


def finding(found, check):
    [one] = [f for f in found["findings"] if f["check"] == check and f["status"] == "fail"]
    return one


def test_where_all_is_well_nothing_is_wrong(stack):
    before = sorted((path, path.stat().st_mtime_ns) for path in (stack.folder / "state").glob("*.key"))

    found = doctor(stack)
    shown = stack.cli("doctor", check=0).stdout

    assert set(found["roles"]) == {"broker", "controller", "agent", "client"}
    assert [
        each for each in found["findings"] if each["status"] != "ok" and each["check"] in statuses(found)
    ] == []
    assert {
        "config",
        "state",
        "broker",
        "jetstream",
        "buckets",
        "clock",
        "fsync",
        "token",
        "controller",
        "agents",
    } <= {*statuses(found)}
    assert f"port {stack.port}" in shown
    assert "fail" not in shown
    assert before == sorted(
        (path, path.stat().st_mtime_ns) for path in (stack.folder / "state").glob("*.key")
    )


def test_with_the_daemons_down_it_says_what_is_missing_and_how_to_start_it(site):
    found = doctor(site, *ROLES, code=1)

    assert statuses(found) | {"machine id": "ok"} == {
        "config": "ok", "state": "skip", "machine id": "ok", f"port {site.broker_port}": "ok",
        f"port {site.port}": "ok", "fsync": "ok", "broker": "fail", "token": "fail", "controller": "fail",
    }  # fmt: skip
    assert finding(found, "broker")["fix"].startswith("start it: osapi nats server start")
    assert not (site.folder / "state").exists()


def test_wrong_permissions_a_taken_port_a_refused_login_and_a_bad_token_are_found(site):
    site.broker()
    key = site.folder / "state" / "broker.password"
    key.chmod(0o644)
    expired = issue("0123456789abcdef" * 4, "ann", ["read"], lifetime=0.001)
    time.sleep(0.01)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", site.port))
        taken.listen()
        found = doctor(
            site, *ROLES, code=1,
            OSAPI_CONTROLLER_NATS_AUTH_TYPE="user_pass",
            OSAPI_CONTROLLER_NATS_AUTH_USERNAME="osapi",
            OSAPI_CONTROLLER_NATS_AUTH_PASSWORD="wrong",
            OSAPI_CONTROLLER_CLIENT_URL="http://127.0.0.1:1",
            OSAPI_CONTROLLER_CLIENT_SECURITY_BEARER_TOKEN=expired,
            OSAPI_AGENT_MAX_JOBS="none",
        )  # fmt: skip

    assert finding(found, "state")["fix"] == f"chmod 600 {key}"
    assert f"(pid {os.getpid()}" in finding(found, f"port {site.port}")["found"]
    assert "refuses the login" in finding(found, "broker")["found"]
    assert finding(found, "token")["found"].startswith("that of ann has expired")
    assert finding(found, "controller")["found"].startswith("no controller answers at http://127.0.0.1:1")
    assert "agent.max_jobs" in finding(found, "config")["found"]
    assert statuses(found)[f"port {site.broker_port}"] == "ok"
