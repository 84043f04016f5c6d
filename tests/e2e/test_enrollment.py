"""Agents that are taken in, and jobs that only the controller can have sent: daemons, and a client of the broker."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import attrs
import pytest
import trio
from processes import Daemon, Installation, eventually, installation

from osapi import signing, wire
from osapi.bus import Bus, Message
from osapi.bus.connect import connect
from osapi.bus.layout import Subjects
from osapi.config import Auth, NatsConnection
from osapi.jobs import Job, Reply, Taking, now
from osapi.keys import CONTROLLER, KeyDirectory, KeyPair

SUBJECTS = Subjects()


class Signing(Installation):
    """An installation whose controller signs jobs, and whose agents want that."""

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    def signing_controller(self, **env: str) -> Daemon:
        pki = {
            "OSAPI_CONTROLLER_PKI_ENABLED": "true",
            "OSAPI_CONTROLLER_PKI_KEY_DIR": str(self.keys),
        }
        return self.controller(**{**pki, **env})

    def asking_agent(self, name: str) -> Daemon:
        return self.agent(
            name, OSAPI_AGENT_PKI_ENABLED="true", OSAPI_AGENT_PKI_KEY_DIR=str(self.agent_keys(name))
        )

    def agent_keys(self, name: str) -> Path:
        return self.folder / f"keys-{name}"

    def enrolled_agent(self, name: str) -> Daemon:
        agent = self.asking_agent(name)
        own = self.fingerprint(name)
        self.cli("client", "agent", "accept", "--hostname", name, "--fingerprint", own, check=0)
        self.until(name, "Ready")
        return agent

    def state_of(self, name: str) -> str | None:
        with self.http() as http:
            return http.get(f"/api/agent/{name}").json().get("state")

    def until(self, name: str, state: str) -> None:
        eventually(lambda: self.state_of(name) == state)

    def appended(self, name: str) -> Path:
        return self.folder / f"{name}.out"

    def append(self, name: str, target: str | None = None) -> dict[str, str]:
        """Have a line written by a command of that host; its answer."""
        body = {"command": f"echo done >> {self.appended(name)}"}
        with self.http() as http:
            answer = http.post(f"/api/node/{target or name}/command/shell", json=body)
        found: dict[str, str] = answer.json()["results"][0] if "results" in answer.json() else answer.json()
        return found

    def lines(self, name: str) -> int:
        file = self.appended(name)
        return len(file.read_text().splitlines()) if file.exists() else 0

    def fingerprint(self, name: str) -> str:
        """What the command prints on the host itself."""
        words = ("client", "agent", "key", "fingerprint", "--json")
        done = self.cli(*words, check=0, OSAPI_AGENT_PKI_KEY_DIR=str(self.agent_keys(name)))
        return str(json.loads(done.stdout)["fingerprint"])

    def restart(self, daemon: Daemon, **env: str) -> Daemon:
        daemon.stop()
        daemon.env |= env
        return daemon.start().until_ready()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Signing]:
    """A broker of one's own."""
    with installation(tmp_path) as found:
        found.__class__ = Signing
        assert isinstance(found, Signing)
        found.broker()
        yield found


def test_an_agent_runs_jobs_once_it_is_accepted_and_goes_on_after_restarts(site):
    controller, agent = site.signing_controller(), site.asking_agent("web-01")
    waiting = eventually(lambda: site.json("client", "agent", "list", "--pending")["agents"])
    own = site.fingerprint("web-01")

    before = site.append("web-01"), site.append("web-01", target="_all")
    site.cli("client", "agent", "accept", "--hostname", "web-01", check=0)
    site.until("web-01", "Ready")
    after = [site.append("web-01"), site.append("web-01", target="_any")]
    site.restart(agent)
    site.restart(controller)
    site.until("web-01", "Ready")
    after += [site.append("web-01"), site.append("web-01", target="_any")]

    assert [(each["hostname"], each["fingerprint"]) for each in waiting] == [("web-01", own)]
    assert [answer["status"] for answer in before] == [409, 400]
    assert "waits to be accepted" in before[0]["detail"]
    assert [answer["status"] for answer in after] == ["ok"] * 4
    assert site.lines("web-01") == 4
    with site.http() as http:
        assert http.get("/api/agent/web-01").json()["fingerprint"] == own
        assert http.get("/api/agent/pending").json() == {"agents": [], "total": 0}
        assert http.post("/api/agent/web-01/accept").status_code == 404


def test_who_is_rejected_or_comes_with_another_key_runs_nothing(site):
    site.signing_controller()
    agent = site.enrolled_agent("web-01")
    before = site.fingerprint("web-01")
    agent.stop()
    kept = site.agent_keys("web-01").rename(site.folder / "kept")
    agent.start().until_ready()
    site.until("web-01", "Pending")

    [waiting] = site.json("client", "agent", "list", "--pending")["agents"]
    refused = site.append("web-01")
    site.cli("client", "agent", "reject", "--hostname", "web-01", check=0)
    eventually(lambda: agent.said("rejected by"))
    left = site.json("client", "agent", "list", "--pending")["agents"]
    agent.stop()
    site.agent_keys("web-01").rename(site.folder / "gone")
    kept.rename(site.agent_keys("web-01"))
    agent.start().until_ready()
    site.until("web-01", "Ready")

    assert waiting["former_fingerprint"] == before != waiting["fingerprint"]
    assert refused["status"] == 409
    assert left == []
    assert site.append("web-01")["status"] == "ok"
    assert site.lines("web-01") == 1


def test_the_key_is_rotated_all_who_ask_are_accepted_and_what_is_not_signed_is_told(site):
    controller = site.signing_controller(OSAPI_CONTROLLER_PKI_AUTO_ACCEPT="true")
    agent = site.asking_agent("web-01")
    site.until("web-01", "Ready")

    first = site.append("web-01")
    site.cli("controller", "key", "rotate", check=0, **controller.env)
    site.restart(controller)
    site.until("web-01", "Ready")
    rotated = site.append("web-01")
    site.restart(agent)
    restarted = site.append("web-01")
    site.restart(controller, OSAPI_CONTROLLER_PKI_ENABLED="false")
    site.until("web-01", "Ready")
    unsigned = site.append("web-01"), site.append("web-01", target="_any")
    pending = site.cli("client", "agent", "list", "--pending")

    assert [answer["status"] for answer in (first, rotated, restarted)] == ["ok"] * 3
    assert [answer["status"] for answer in unsigned] == ["failed"] * 2
    assert all("controller.pki.enabled: true" in answer["error"] for answer in unsigned)
    assert pending.returncode == 1
    assert "set controller.pki.enabled: true" in pending.stderr
    assert site.lines("web-01") == 3


async def test_a_client_of_the_broker_has_no_job_done_that_the_controller_did_not_sign(site):
    site.signing_controller()
    for name in ("web-01", "web-02"):
        site.enrolled_agent(name)
    pair = KeyDirectory(site.keys).known_pair(CONTROLLER)
    async with broker_client(site) as bus:
        heard = await overheard(bus, site)
        job = wire.decode(Job, heard.data)
        other = attrs.evolve(job, id="00000000-0000-4000-8000-000000000001")
        late = attrs.evolve(other, expires=now() - timedelta(seconds=1))

        unsigned = await sent(bus, attrs.evolve(heard, data=wire.encode(other), headers={}))
        altered = await sent(bus, attrs.evolve(heard, data=wire.encode(other)))
        aimed = await sent(bus, attrs.evolve(heard, subject=SUBJECTS.host("modify", "machine-web-02")))
        forged = await sent(bus, signed(KeyPair.generate(), heard.subject, other))
        expired = await sent(bus, signed(pair, heard.subject, late))
        replayed = await sent(bus, heard)
        again = await sent(bus, signed(pair, heard.subject, job))
        anew = await trio.to_thread.run_sync(site.append, "web-01")

    assert [reply.taking for reply in (unsigned, altered, aimed, forged)] == [Taking.REFUSED] * 4
    assert expired.taking is Taking.EXPIRED
    assert replayed is None
    assert again.taking is Taking.DONE
    assert anew["status"] == "ok"
    assert (site.lines("web-01"), site.lines("web-02")) == (2, 0)


@asynccontextmanager
async def broker_client(site: Signing) -> AsyncIterator[Bus]:
    """Somebody who has the password of the broker."""
    password = (site.folder / "state" / "broker.password").read_text().strip()
    auth = Auth(type="user_pass", username="osapi", password=password)
    bus = connect(NatsConnection(port=site.broker_port, auth=auth))
    async with trio.open_nursery() as nursery:
        await nursery.start(adapted, bus)
        yield bus
        nursery.cancel_scope.cancel()


async def adapted(bus: Bus, task_status: trio.TaskStatus[None]) -> None:
    await bus.run(task_status)


async def overheard(bus: Bus, site: Signing) -> Message:
    """A real job, on its way to web-01, where it is then done."""
    async with bus.subscribe("jobs.modify.host.machine-web-01") as messages:
        await bus.flush()
        answer = await trio.to_thread.run_sync(site.append, "web-01")
        assert answer["status"] == "ok"
        return await messages.receive()


def signed(pair: KeyPair, subject: str, job: Job) -> Message:
    data = wire.encode(job)
    return Message(subject, data, headers=signing.sign(pair, subject, data, now()))


async def sent(bus: Bus, message: Message) -> Reply | None:
    """What the agent replies; None where it does not."""
    mine = "replies.mallory.1"
    async with bus.subscribe(mine) as replies:
        await bus.publish(message.subject, message.data, reply=mine, headers=message.headers)
        with trio.move_on_after(3):
            return wire.decode(Reply, (await replies.receive()).data)
    return None
