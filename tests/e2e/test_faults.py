"""Daemons that die, and what becomes of their jobs."""

import signal
import socket

import psutil
from processes import eventually

HOST = socket.gethostname()


def shell(http, command, *, wait=None, target="web", **query):
    prefer = "respond-async" if wait is None else f"wait={wait}"
    return http.post(
        f"/api/node/{target}/command/shell",
        json={"command": command, "timeout": 300},
        params=query,
        headers={"Prefer": prefer},
    )


def job(http, job_id):
    return http.get(f"/api/job/{job_id}").json()


def ended(http, job_id, within=30):
    return eventually(
        lambda: (found := job(http, job_id))["status"] not in {"submitted", "processing", 503} and found,
        within=within,
    )


def begun(path):
    eventually(lambda: path.exists() and path.read_text())


def runs(process):
    """Whether a process does anything still; one that only waits to be reaped by its new parent does not."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_a_command_whose_agent_is_killed_ends_as_unknown_and_does_not_run_again(site, tmp_path):
    site.broker(), site.controller()
    agent = site.agent("web")
    log = tmp_path / "log"
    with site.http() as http:
        job_id = shell(http, f"echo ran >> {log}; sleep 1234").json()["job_id"]
        begun(log)
        agent.kill()
        leftover = [p for p in psutil.process_iter(["cmdline"]) if "1234" in (p.info["cmdline"] or [])]
        for process in leftover:
            process.kill()

        site.agent("web")
        found = ended(http, job_id)

        assert found["agent_states"]["web"]["status"] == "unknown"
        assert "stopped in the middle" in found["error"]
        assert log.read_text() == "ran\n"


def test_a_question_whose_agent_is_killed_is_asked_again(site):
    site.broker(), site.controller()
    agent = site.agent("web")
    with site.http() as http:
        agent.kill()
        job_id = http.get("/api/node/web/disk?expires=60s", headers={"Prefer": "respond-async"}).json()[
            "job_id"
        ]

        site.agent("web")

        assert ended(http, job_id)["status"] == "completed"


def test_a_job_for_a_host_that_is_away_is_done_when_it_is_back(site, tmp_path):
    site.broker(), site.controller()
    site.agent("web").stop()
    log = tmp_path / "log"
    with site.http() as http:
        eventually(lambda: http.get("/api/agent/web").json()["status"] == "NotReady")
        job_id = shell(http, f"echo ran >> {log}", expires="5m").json()["job_id"]
        assert job(http, job_id)["status"] == "submitted"

        site.agent("web")

        assert ended(http, job_id)["status"] == "completed"
        assert log.read_text() == "ran\n"


def test_a_job_that_nobody_took_in_time_is_expired_and_never_runs(site, tmp_path):
    site.broker(), site.controller()
    site.agent("web").stop()
    log = tmp_path / "log"
    with site.http() as http:
        job_id = shell(http, f"echo ran >> {log}", expires="1s").json()["job_id"]

        assert ended(http, job_id)["agent_states"]["web"]["status"] == "expired"

        site.agent("web")
        assert http.get("/api/node/web/uptime").json()["results"][0]["status"] == "ok"
        assert not log.exists()


def test_a_job_goes_on_while_the_controller_is_killed_and_comes_back(site, tmp_path):
    site.broker()
    controller = site.controller()
    site.agent("web")
    go, log = tmp_path / "go", tmp_path / "log"
    with site.http() as http:
        job_id = shell(http, f"echo ran >> {log}; while [ ! -e {go} ]; do sleep 0.05; done").json()["job_id"]
        begun(log)
    controller.kill()
    site.controller("again")
    with site.http() as http:
        eventually(lambda: job(http, job_id)["status"] == "processing")
        go.touch()

        assert ended(http, job_id)["status"] == "completed"
        assert log.read_text() == "ran\n"


def test_a_job_submitted_right_before_the_controller_dies_is_done_after_it_is_back(site, tmp_path):
    site.broker()
    controller = site.controller()
    agent = site.agent("web")
    agent.stop()
    log = tmp_path / "log"
    with site.http() as http:
        job_id = shell(http, f"echo ran >> {log}", expires="5m").json()["job_id"]
    controller.kill()
    site.agent("web")

    site.controller("again")

    with site.http() as http:
        assert ended(http, job_id)["status"] == "completed"
        assert log.read_text() == "ran\n"


def test_an_outage_of_the_broker_is_told_and_survived(site):
    broker = site.broker()
    site.controller(), site.agent("web")
    with site.http() as http:
        job_id = shell(http, "echo before", wait=10).json()["job_id"]
        broker.kill()

        refused = eventually(lambda: (found := http.get("/api/node/web/disk")).status_code == 503 and found)
        assert "Retry-After" in refused.headers
        assert http.get("/api/health").status_code == 200
        assert http.get("/api/health/ready").status_code == 503

        site.broker()
        eventually(lambda: http.get("/api/health/ready").status_code == 200)
        answer = eventually(
            lambda: (
                (found := http.get("/api/node/web/disk")).status_code == 200 and found.json()["results"][0]
            )
        )
        assert answer["status"] == "ok"
        assert job(http, job_id)["result"]["stdout"] == "before\n"


def test_an_answer_that_the_broker_missed_is_delivered_when_it_is_back(site, tmp_path):
    broker = site.broker()
    site.controller(), site.agent("web")
    go, log = tmp_path / "go", tmp_path / "log"
    with site.http() as http:
        job_id = shell(http, f"echo ran >> {log}; while [ ! -e {go} ]; do sleep 0.05; done").json()["job_id"]
        begun(log)
        broker.kill()
        go.touch()
        site.broker()

        assert ended(http, job_id)["status"] == "completed"
        assert log.read_text() == "ran\n"


def test_two_controllers_serve_the_same_jobs(site, tmp_path):
    site.broker(), site.controller()
    key = (site.folder / "state" / "signing.key").read_text().strip()
    password = (site.folder / "state" / "broker.password").read_text().strip()
    from processes import Installation

    other = Installation(site.folder)
    second = site.daemon(
        "second",
        "controller",
        "start",
        OSAPI_STATE_DIR=str(tmp_path / "second"),
        OSAPI_CONTROLLER_API_PORT=str(other.port),
        OSAPI_CONTROLLER_API_SECURITY_SIGNING_KEY=key,
        OSAPI_CONTROLLER_NATS_AUTH_TYPE="user_pass",
        OSAPI_CONTROLLER_NATS_AUTH_USERNAME="osapi",
        OSAPI_CONTROLLER_NATS_AUTH_PASSWORD=password,
    )
    eventually(lambda: second.said("OSAPI is up"))
    site.agent("web")
    log = tmp_path / "log"
    with site.http() as one, other.http() as two:
        eventually(lambda: two.get("/api/agent/web").status_code == 200)
        for http in (one, two) * 5:
            assert shell(http, f"echo ran >> {log}", wait=10).json()["results"][0]["status"] == "ok"

        assert log.read_text() == "ran\n" * 10
        ids = {item["id"] for item in one.get("/api/job").json()["items"]}
        eventually(lambda: {item["id"] for item in two.get("/api/job").json()["items"]} == ids)


def test_sigterm_lets_a_running_job_end(site, tmp_path):
    site.broker(), site.controller()
    agent = site.agent("web")
    go, log = tmp_path / "go", tmp_path / "log"
    with site.http() as http:
        job_id = shell(http, f"echo ran >> {log}; while [ ! -e {go} ]; do sleep 0.05; done").json()["job_id"]
        begun(log)
        agent.send(signal.SIGTERM)
        go.touch()

        assert agent.wait() == 0
        assert ended(http, job_id)["status"] == "completed"


def test_ctrl_c_ends_everything_and_a_restart_works_at_once(site):
    everything = site.everything()
    broker = [
        p for p in psutil.Process(everything.process.pid).children(recursive=True) if "nats" in p.name()
    ]
    everything.send(signal.SIGINT)

    assert everything.wait(10) == 0
    assert not any(map(runs, broker))
    assert "Traceback" not in everything.text
    site.everything()
    assert site.json("client", "node", "hostname", "get")["results"][0]["status"] == "ok"


def test_a_killed_start_leaves_no_broker_and_a_restart_works_at_once(site):
    everything = site.everything()
    broker = [
        p for p in psutil.Process(everything.process.pid).children(recursive=True) if "nats" in p.name()
    ]
    assert broker
    everything.kill()

    site.everything()

    assert not any(map(runs, broker))
    assert site.json("client", "node", "hostname", "get")["results"][0]["status"] == "ok"


def test_a_second_daemon_of_the_same_identity_is_refused_with_a_clear_line(site):
    site.everything()

    again = site.daemon("again", "start")
    assert again.wait() == 2
    assert "already runs" in again.text
    assert "Traceback" not in again.text

    twin = site.daemon(
        "twin",
        "agent",
        "start",
        OSAPI_STATE_DIR=str(site.folder / "twin"),
        OSAPI_AGENT_NATS_AUTH_TYPE="user_pass",
        OSAPI_AGENT_NATS_AUTH_USERNAME="osapi",
        OSAPI_AGENT_NATS_AUTH_PASSWORD=(site.folder / "state" / "broker.password").read_text().strip(),
    )
    assert twin.wait() == 2
    assert "another agent" in twin.text
    assert "Traceback" not in twin.text


def test_a_daemon_tells_systemd_when_it_is_ready(site, tmp_path):
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(30)
        site.daemon("broker", "nats", "server", "start", NOTIFY_SOCKET=str(path))

        assert listener.recv(100) == b"READY=1"


def test_a_wrong_configuration_stops_the_start_with_one_line(site, tmp_path):
    file = tmp_path / "osapi.yaml"
    file.write_text("controller:\n  api:\n    prot: 80\n")

    done = site.cli("start", "-f", str(file), check=2)
    missing = site.cli("start", "-f", str(tmp_path / "none.yaml"), check=2)

    assert "controller.api.prot" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "none.yaml" in missing.stderr
