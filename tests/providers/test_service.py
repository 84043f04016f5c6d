"""Services: what systemctl of Debian 12 and 13 says of them, what is done to them, and unit files of our own."""

import os

import attrs
import pytest
from deploying import done, failed, on_disk
from systemd_prints import COMMANDS, CRON, FAILED, TIMER_TWO_CALENDARS, VERIFY, VERIFY_LATER, Systemd

from agent import privileges, units
from agent.dispatch import perform
from agent.units import Unit
from osapi.errors import CommandFailed
from osapi.jobs import State
from osapi.operations import service

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="unit files are root's")

SSH = Unit(
    id="ssh.service",
    load="loaded",
    active="active",
    file_state="enabled",
    description="OpenBSD Secure Shell server",
    pid=50,
    file="/lib/systemd/system/ssh.service",
    can_reload=True,
    invocation="0",
)
AGENT = attrs.evolve(SSH, id="osapi-agent.service", file="/etc/systemd/system/osapi-agent.service", pid=7)
BROKER, CONTROLLER, CLIENT = (attrs.evolve(SSH, id=name) for name in COMMANDS)
OWN = attrs.evolve(SSH, id="osapi-app.service", file="/etc/systemd/system/osapi-app.service", pid=0)

UNIT = b"[Unit]\nDescription=App on {{ .Hostname }}\n[Service]\nExecStart=/usr/bin/app --cpus 2\n"
FILE = "/etc/systemd/system/osapi-app.service"
VERIFIED = "/var/lib/osapi/agent/versions/verify-osapi-app.service"
VERIFYING = ("systemd-analyze", "verify", "--man=no", f"{VERIFIED}/osapi-app.service")

CHANGES = [
    service.Start,
    service.Stop,
    service.Restart,
    service.Reload,
    service.Enable,
    service.Disable,
    service.Mask,
    service.Unmask,
]


@pytest.fixture
def systemd():
    return Systemd(
        known={
            unit.id: unit
            for unit in (SSH, AGENT, BROKER, CONTROLLER, CLIENT, attrs.evolve(SSH, id="app.service"))
        },
        commands=COMMANDS,
    )


@pytest.fixture
def host(host, systemd):
    """A host that was booted with systemd, with the agent in a unit of its own, and an object to deploy."""
    host = attrs.evolve(host, answers=systemd)
    host.boots_with_systemd()
    host.has({"/proc/self/cgroup": "9:name=systemd:/\n0::/system.slice/osapi-agent.service\n"})
    host.store.put("unit", UNIT, "template")
    return host


@pytest.fixture
async def owning(host, systemd):
    """The same host, with a service app that OSAPI has made; it does not run."""
    await done(host, service.Create(name="app", object="unit"))
    systemd.known[OWN.id] = attrs.evolve(OWN, active="inactive", file_state="disabled")
    host.ran.clear()
    return host


def changes(host):
    """What was run that changes something."""
    patterns = [*privileges.by_domain()["service"], *privileges.by_domain()["service_file"]]
    return [
        " ".join(ran) for ran in host.ran if any(privileges.matches(pattern, ran) for pattern in patterns)
    ]


@pytest.mark.parametrize("debian", CRON)
def test_what_systemctl_shows_is_understood(debian):
    cron, failing, timer = units.parse("\n".join([CRON[debian], FAILED, TIMER_TWO_CALENDARS]))

    assert (cron.id, cron.active, cron.file_state, cron.runs) == ("cron.service", "active", "enabled", True)
    assert (cron.description, cron.can_reload) == ("Regular background program processing daemon", False)
    assert cron.pid in {43, 70}
    assert (failing.has_stopped, failing.runs) == (True, False)
    assert (timer.starts, timer.calendar) == ("osapi-t.service", "Mon *-*-* 12:00:00, *-*-* 00:00:00")


async def test_list_shows_what_is_loaded_and_what_could_be(host, systemd):
    systemd.known["gone.service"] = Unit(id="gone.service", load="not-found", active="failed")
    systemd.known["lost.service"] = Unit(id="lost.service", load="not-found", active="active")
    systemd.says["systemctl", "list-unit-files", "--type=service", "--output=json"] = """[
        {"unit_file": "ssh.service", "state": "enabled", "preset": null},
        {"unit_file": "sshd.service", "state": "alias", "preset": null},
        {"unit_file": "getty@.service", "state": "enabled", "preset": "enabled"},
        {"unit_file": "rsync.service", "state": "disabled", "preset": "enabled"}]"""

    found = {each.name: each for each in (await done(host, service.List())).services}

    names = {"app", "client", "lost", "nats", "osapi-agent", "rsync", "ssh", "web"}
    assert list(found) == sorted(f"{name}.service" for name in names)
    assert found["ssh.service"] == service.ServiceInfo(
        name="ssh.service", status="active", enabled=True, description="OpenBSD Secure Shell server", pid=50
    )
    assert (found["rsync.service"].status, found["rsync.service"].enabled) == ("inactive", False)
    assert [name for name, each in found.items() if each.managed] == []


@pytest.mark.parametrize("name", ["ssh", "ssh.service"])
async def test_a_service_is_found_by_its_name(host, name):
    found = (await done(host, service.Get(name=name))).service

    assert (found.name, found.status, found.managed) == ("ssh.service", "active", False)


@pytest.mark.parametrize("name", ["app", "app.service", "osapi-app"])
async def test_a_service_that_osapi_has_made_goes_before_another_of_that_name(owning, name):
    found = (await done(owning, service.Get(name=name))).service

    assert (found.name, found.managed) == ("osapi-app.service", True)


@pytest.mark.parametrize("asked", [service.Get, *CHANGES])
async def test_a_service_that_is_not_there_is_not_found(host, asked):
    assert "no service nosuch" in await failed(host, asked(name="nosuch"), "not_found")
    assert changes(host) == []


async def test_a_template_is_no_service_that_could_be_started(host):
    assert "worker@1" in await failed(host, service.Start(name="worker@"), "bad_input")


@pytest.mark.parametrize(
    ("asked", "before", "command"),
    [
        (service.Start, {"active": "inactive"}, "start"),
        (service.Start, {"active": "failed"}, "start"),
        (service.Stop, {"active": "active"}, "stop"),
        (service.Stop, {"active": "activating"}, "stop"),
        (service.Enable, {"file_state": "disabled"}, "enable"),
        (service.Disable, {"file_state": "enabled"}, "disable"),
        (service.Mask, {"file_state": "enabled"}, "mask"),
        (service.Unmask, {"load": "masked", "file": "/etc/systemd/system/ssh.service"}, "unmask"),
    ],
)
async def test_a_service_is_changed_once(host, systemd, asked, before, command):
    systemd.known["ssh.service"] = attrs.evolve(SSH, **before)

    first, again = await done(host, asked(name="ssh")), await done(host, asked(name="ssh"))

    assert (first.changed, again.changed) == (True, False)
    assert changes(host) == [f"systemctl {command} -- ssh.service"]


@pytest.mark.parametrize(("asked", "verb"), [(service.Restart, "restart"), (service.Reload, "reload")])
async def test_a_service_is_restarted_whenever_that_is_asked_for(host, asked, verb):
    first, again = await done(host, asked(name="ssh")), await done(host, asked(name="ssh"))

    assert (first.changed, again.changed) == (True, True)
    assert changes(host) == [f"systemctl {verb} -- ssh.service"] * 2


@pytest.mark.parametrize("asked", [service.Stop, service.Disable, service.Mask])
@pytest.mark.parametrize("name", ["osapi-agent", "nats", "web.service"])
async def test_what_osapi_runs_in_is_left_alone(host, asked, name):
    assert "part of OSAPI" in await failed(host, asked(name=name), "refused")
    assert changes(host) == []


async def test_what_only_uses_osapi_is_stopped(host):
    assert (await done(host, service.Stop(name="client"))).changed


async def test_the_agent_is_restarted_once_it_has_answered(host):
    await done(host, service.Restart(name="osapi-agent"))

    assert changes(host) == ["systemctl --no-block restart -- osapi-agent.service"]


@pytest.mark.parametrize(
    ("asked", "state", "code", "said"),
    [
        (service.Start, {"load": "masked", "active": "inactive"}, "conflict", "unmask it"),
        (service.Restart, {"load": "masked"}, "conflict", "unmask it"),
        (service.Enable, {"load": "masked", "file_state": "masked"}, "conflict", "unmask it"),
        (service.Enable, {"file_state": "static"}, "refused", "[Install]"),
        (service.Mask, {"file": "/etc/systemd/system/ssh.service"}, "conflict", "disable and stop it"),
        (service.Unmask, {"load": "masked"}, "refused", "by its package"),
        (service.Reload, {"can_reload": False}, "refused", "restart it"),
        (service.Reload, {"active": "inactive"}, "conflict", "start it"),
        (service.Start, {"active": "inactive", "action": "reboot-force"}, "refused", "power"),
    ],
)
async def test_what_cannot_be_done_is_told_before_it_is_tried(host, systemd, asked, state, code, said):
    systemd.known["ssh.service"] = attrs.evolve(SSH, **state)

    assert said in await failed(host, asked(name="ssh"), code)
    assert changes(host) == []


async def test_what_was_masked_until_the_next_boot_is_unmasked(host, systemd):
    systemd.known["ssh.service"] = attrs.evolve(SSH, load="masked", file="/run/systemd/system/ssh.service")

    assert (await done(host, service.Unmask(name="ssh"))).changed
    assert changes(host) == ["systemctl --runtime unmask -- ssh.service"]


JOURNAL = ("journalctl", "--quiet", "--no-pager", "--output=cat", "--lines=10", "--unit=ssh.service")


async def test_a_start_that_fails_tells_what_the_journal_has_of_it(host, systemd):
    systemd.known["ssh.service"] = attrs.evolve(SSH, active="inactive")
    start = ("systemctl", "start", "--", "ssh.service")
    systemd.says |= {
        start: CommandFailed(start, 1, "Job for ssh.service failed.\n"),
        JOURNAL: "about to fail\nssh.service: Main process exited, status=3\n",
    }

    error = await failed(host, service.Start(name="ssh"), "command_failed")

    assert "Job for ssh.service failed.\nabout to fail\n" in error


@pytest.mark.parametrize("asked", [service.Start, service.Restart])
async def test_a_service_that_fails_right_after_its_start_is_told(host, systemd, asked):
    systemd.known["ssh.service"] = attrs.evolve(SSH, active="failed")
    systemd.fails.add("ssh.service")
    systemd.says[JOURNAL] = CommandFailed(JOURNAL, 1, "insufficient permissions")

    assert "ssh.service failed at once" in await failed(host, asked(name="ssh"), "failed")


@pytest.mark.parametrize("asked", CHANGES)
async def test_a_dry_run_shows_the_command_and_runs_none(host, systemd, asked):
    masked = {"load": "masked", "file": "/etc/systemd/system/ssh.service"}
    off = {"active": "failed"} if asked is service.Start else {"file_state": "disabled"}
    systemd.known["ssh.service"] = attrs.evolve(
        SSH,
        **(masked if asked is service.Unmask else off if asked in {service.Start, service.Enable} else {}),
    )

    performed = await perform(attrs.evolve(host, dry=True), asked(name="ssh"))

    assert (performed.state, performed.changed) == (State.COMPLETED, True)
    assert performed.plan.commands == [["systemctl", asked.__name__.lower(), "--", "ssh.service"]]
    assert changes(host) == []


async def test_create_makes_a_unit_file_of_a_template_once(host):
    first = await done(host, service.Create(name="app", object="unit"))
    again = await done(host, service.Create(name="app.service", object="unit"))

    assert (first.changed, first.name, again.changed) == (True, "app", False)
    assert on_disk(host, FILE).read_text().startswith("[Unit]\nDescription=App on web-01\n")
    assert on_disk(host, FILE).stat().st_mode & 0o777 == 0o644
    assert host.store.deployments[FILE].object_name == "unit"
    assert host.ran.count(VERIFYING) == 1
    assert changes(host) == ["systemctl daemon-reload"]
    assert not on_disk(host, VERIFIED).exists()


async def test_create_puts_right_what_somebody_has_edited(owning):
    on_disk(owning, FILE).write_text("[Service]\n")

    assert (await done(owning, service.Create(name="app", object="unit"))).changed
    assert b"ExecStart" in on_disk(owning, FILE).read_bytes()


async def test_systemd_reads_again_what_it_missed(owning, systemd):
    systemd.known[OWN.id] = attrs.evolve(OWN, is_outdated=True)

    assert not (await done(owning, service.Create(name="app", object="unit"))).changed
    assert changes(owning) == ["systemctl daemon-reload"]


async def test_a_unit_file_that_osapi_has_not_made_is_left_alone(host):
    host.has({FILE: "mine\n"})

    for asked in (service.Create(name="app", object="unit"), service.Delete(name="app")):
        assert FILE in await failed(host, asked, "conflict")
    assert "osapi-app.service" in await failed(host, service.Update(name="app", object="unit"), "not_found")
    assert (on_disk(host, FILE).read_text(), changes(host)) == ("mine\n", [])


async def test_a_unit_of_that_name_in_another_folder_is_not_put_aside(host, systemd):
    systemd.known[OWN.id] = attrs.evolve(OWN, file="/lib/systemd/system/osapi-app.service")

    error = await failed(host, service.Create(name="app", object="unit"), "conflict")

    assert "/lib/systemd/system/osapi-app.service" in error
    assert not on_disk(host, FILE).exists()


@pytest.mark.parametrize("said", VERIFY.values(), ids=VERIFY)
@pytest.mark.parametrize("dry", [False, True])
async def test_what_systemd_could_not_load_is_refused(host, systemd, said, dry):
    systemd.says[VERIFYING] = CommandFailed(VERIFYING, 1, said.replace("/FOLDER", VERIFIED))

    error = await failed(attrs.evolve(host, dry=dry), service.Create(name="app", object="unit"), "refused")

    assert said.splitlines()[0].removeprefix("/FOLDER/") in error
    assert not on_disk(host, FILE).exists()
    assert not on_disk(host, VERIFIED).exists()


@pytest.mark.parametrize("said", VERIFY_LATER.values(), ids=VERIFY_LATER)
async def test_what_a_service_needs_may_come_later(host, systemd, said):
    systemd.says[VERIFYING] = CommandFailed(VERIFYING, 1, said.replace("/FOLDER", VERIFIED))

    assert (await done(host, service.Create(name="app", object="unit"))).changed


async def test_update_takes_another_object(owning):
    owning.store.put("other", b"[Service]\nExecStart=/bin/true\n")

    updated = await done(owning, service.Update(name="app", object="other"))

    assert updated.changed
    assert on_disk(owning, FILE).read_bytes() == b"[Service]\nExecStart=/bin/true\n"
    assert changes(owning) == ["systemctl daemon-reload"]


async def test_delete_stops_and_disables_it_and_removes_its_file(owning, systemd):
    systemd.known[OWN.id] = OWN

    first, again = (
        await done(owning, service.Delete(name="app")),
        await done(owning, service.Delete(name="app")),
    )

    assert (first.changed, again.changed) == (True, False)
    assert not on_disk(owning, FILE).exists()
    assert changes(owning) == [
        "systemctl stop -- osapi-app.service",
        "systemctl disable -- osapi-app.service",
        "systemctl daemon-reload",
    ]


async def test_the_unit_of_the_agent_is_not_deleted_though_osapi_has_made_it(owning, systemd):
    owning.has({"/proc/self/cgroup": "0::/system.slice/osapi-app.service\n"})

    assert "part of OSAPI" in await failed(owning, service.Delete(name="app"), "refused")
    assert on_disk(owning, FILE).exists()


async def test_a_template_is_deleted_with_all_that_was_made_of_it(host, systemd):
    await done(host, service.Create(name="w@", object="unit"))
    instances = {f"osapi-w@{n}.service": attrs.evolve(OWN, id=f"osapi-w@{n}.service") for n in (1, 2)}
    systemd.known |= instances | {"osapi-w@.service": Unit(id="osapi-w@.service", file_state="indirect")}
    host.ran.clear()

    found = (await done(host, service.Get(name="w@1"))).service
    await done(host, service.Delete(name="w@"))

    assert (found.name, found.managed) == ("osapi-w@1.service", True)
    assert changes(host) == [
        "systemctl stop -- osapi-w@*.service",
        "systemctl disable -- osapi-w@.service",
        "systemctl daemon-reload",
    ]
    assert not on_disk(host, "/etc/systemd/system/osapi-w@.service").exists()


async def test_a_dry_run_shows_the_unit_file_and_writes_none(host):
    performed = await perform(attrs.evolve(host, dry=True), service.Create(name="app", object="unit"))

    assert performed.changed
    assert [plan.path for plan in performed.plan.files] == ["/etc/systemd", "/etc/systemd/system", FILE]
    assert "+Description=App on web-01" in performed.plan.files[-1].diff
    assert performed.plan.commands == [["systemctl", "daemon-reload"]]
    assert (host.store.written, on_disk(host, "/etc/systemd").exists()) == (0, False)


@pytest.mark.parametrize("asked", [service.List(), *(asked(name="ssh") for asked in CHANGES)])
async def test_without_systemd_it_is_skipped(host, asked):
    on_disk(host, "/run/systemd/system").rmdir()

    assert (await perform(host, asked)).state == State.SKIPPED
