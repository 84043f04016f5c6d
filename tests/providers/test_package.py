"""Packages: what becomes of what dpkg and apt of Debian 12 and 13 print."""

import attrs
import pytest
from apt_prints import (
    APP,
    APP_2,
    BARE,
    BROKEN,
    DOWNGRADES,
    ESSENTIAL,
    HEAD,
    HELD,
    INSTALLS,
    LIB,
    LOCKED,
    NO_PACKAGE,
    NO_VERSION,
    REMOVES,
    REMOVES_PYTHON,
    REPLACES,
    UNMET,
    UPGRADABLE,
    Programs,
)

from agent import apt
from agent.dispatch import perform
from agent.providers.package import INSTALL, INSTALL_VERSION, KEEP, REMOVE, UPDATE
from osapi.errors import CommandFailed
from osapi.jobs import State
from osapi.operations import package
from osapi.operations.package import PackageChange


@pytest.fixture(params=BARE)
def bare(request):
    """What dpkg-query prints on a host of either Debian."""
    return BARE[request.param]


@pytest.fixture
def with_programs(host):
    """The host with other programs."""

    def make(answers, then=None, **changes):
        answers = {("dpkg", "--print-architecture"): "amd64\n", **answers}
        return attrs.evolve(host, answers=Programs(answers, then or {}), ran=[], **changes)

    return make


def looking(*words):
    return (*apt.LOOK, *words)


def marked(*names):
    return ("apt-mark", "showauto", "--", *names)


async def test_list_shows_what_is_installed_and_foreign_architectures_by_name(with_programs, bare):
    host = with_programs({apt.QUERY: bare + BROKEN + LIB})

    found = (await perform(host, package.List())).result.packages

    assert [each.name for each in found] == ["cron", "dpkg", "libc6", "libc6:i386", "lab-app", "lab-lib"]
    assert (found[0].status, found[4].status) == ("installed", "half-configured")
    assert found[0].description == "process scheduling daemon"
    assert (found[4].size, found[5].size) == (4096, None)


@pytest.mark.parametrize("name", ["libc6", "libc6:amd64", "lab-lib:all"])
async def test_get_takes_the_name_with_the_architecture_too(with_programs, bare, name):
    host = with_programs({apt.QUERY: bare + LIB})

    [found] = (await perform(host, package.Get(name=name))).result.packages

    assert found.name == name.partition(":")[0]


@pytest.mark.parametrize("name", ["nosuch", "lab-old", "libc6:arm64"])
async def test_get_of_what_is_not_installed_is_not_found(with_programs, bare, name):
    performed = await perform(with_programs({apt.QUERY: bare}), package.Get(name=name))

    assert (performed.state, performed.code) == (State.FAILED, "not_found")
    assert name in performed.error


async def test_updates_are_what_apt_could_upgrade(with_programs, bare):
    host = with_programs({apt.QUERY: bare + APP, ("apt", "list", "--upgradable"): UPGRADABLE})

    found = (await perform(host, package.Updates())).result.updates

    assert [(each.name, each.current_version, each.new_version) for each in found] == [
        ("lab-app", "1.0", "2.0"),
        ("libc6", "2.41-12+deb13u4", "2.41-12+deb13u5"),
        ("libc6:i386", "2.41-12+deb13u4", "2.41-12+deb13u5"),
    ]


async def test_install_tells_what_became_of_all_packages(with_programs, bare):
    install = (*INSTALL, "lab-app")
    host = with_programs(
        {apt.QUERY: bare, looking("install", "--", "lab-app"): INSTALLS}, {install: bare + APP + LIB}
    )

    performed = await perform(host, package.Install(name="lab-app"))

    assert install in host.ran
    assert performed.result == package.PackageChanged(
        name="lab-app",
        changes=[PackageChange(name="lab-app", after="1.0"), PackageChange(name="lab-lib", after="1:3-1")],
    )


async def test_install_asks_apt_for_nothing_that_is_there(with_programs, bare):
    host = with_programs({apt.QUERY: bare + APP + LIB, marked("lab-app", "cron"): ""})

    performed = await perform(host, package.Install(name="lab-app=1.0", more=["cron"]))

    assert (performed.state, performed.changed, performed.result.changes) == (State.COMPLETED, False, None)
    assert host.ran == [apt.QUERY, marked("lab-app", "cron")]


async def test_install_of_what_came_with_another_package_keeps_it_from_going_with_that(with_programs, bare):
    keep = (*KEEP, "lab-lib")
    host = with_programs({apt.QUERY: bare + LIB, marked("lab-lib"): "lab-lib\n", keep: ""})

    performed = await perform(host, package.Install(name="lab-lib"))

    assert performed.changed
    assert host.ran[-1] == keep


async def test_an_older_version_that_is_asked_for_takes_the_place_of_a_newer_one(with_programs, bare):
    install = (*INSTALL_VERSION, "lab-app=1.0")
    host = with_programs(
        {
            apt.QUERY: bare + APP_2,
            looking("--allow-downgrades", "install", "--", "lab-app=1.0"): DOWNGRADES,
        },
        {install: bare + APP},
    )

    performed = await perform(host, package.Install(name="lab-app=1.0"))

    assert performed.result.changes == [PackageChange(name="lab-app", before="2.0", after="1.0")]


async def test_a_package_that_was_left_half_installed_is_set_up(with_programs, bare):
    install = (*INSTALL, "lab-app")
    look = looking("install", "--", "lab-app")
    answers = {apt.QUERY: bare + BROKEN, look: f"{HEAD}Conf lab-app (1.0 10.77.0.1 [all])\n"}
    host = with_programs(answers, {install: bare + APP})

    performed = await perform(host, package.Install(name="lab-app"))

    assert performed.result.changes == [PackageChange(name="lab-app", after="1.0")]


async def test_install_that_would_remove_another_package_is_refused(with_programs, bare):
    host = with_programs({apt.QUERY: bare + APP, looking("install", "--", "lab-rival"): REPLACES})

    performed = await perform(host, package.Install(name="lab-rival"))

    assert (performed.state, performed.code) == (State.FAILED, "refused")
    assert "would remove lab-app" in performed.error
    assert not any(argv[:3] == INSTALL[:3] for argv in host.ran)


@pytest.mark.parametrize(
    ("complaint", "code", "words"),
    [
        (NO_PACKAGE, "not_found", "there is no package lab-ap in the lists"),
        (NO_VERSION, "not_found", "there is no version 9 of lab-app"),
        (UNMET, "command_failed", "lab-needs : Depends: nosuch-lib but it is not installable"),
        (HELD, "command_failed", "held packages will be changed:\n  lab-app"),
    ],
)
async def test_what_apt_cannot_install_is_told_with_the_reason(with_programs, bare, complaint, code, words):
    host = with_programs({apt.QUERY: bare, looking("install", "--", "lab-app"): complaint})

    performed = await perform(host, package.Install(name="lab-app"))

    assert (performed.state, performed.code) == (State.FAILED, code)
    assert words in performed.error


async def test_a_package_cannot_be_wanted_in_two_versions(with_programs, bare):
    performed = await perform(
        with_programs({apt.QUERY: bare}), package.Install(name="lab-app=1.0", more=["cron", "lab-app=2.0"])
    )

    assert (performed.code, "lab-app" in performed.error) == ("bad_input", True)


async def test_remove_tells_what_went_with_it(with_programs, bare):
    remove = (*REMOVE, "lab-lib")
    host = with_programs(
        {apt.QUERY: bare + APP + LIB, looking("remove", "--", "lab-lib"): REMOVES}, {remove: bare}
    )

    performed = await perform(host, package.Remove(name="lab-lib"))

    assert performed.result == package.PackageChanged(
        name="lab-lib",
        changes=[PackageChange(name="lab-app", before="1.0"), PackageChange(name="lab-lib", before="1:3-1")],
    )


@pytest.mark.parametrize("name", ["nosuch", "lab-old"])
async def test_remove_of_what_is_not_there_changes_nothing(with_programs, bare, name):
    host = with_programs({apt.QUERY: bare})

    performed = await perform(host, package.Remove(name=name))

    assert (performed.state, performed.changed, host.ran) == (State.COMPLETED, False, [apt.QUERY])


@pytest.mark.parametrize("debian", REMOVES_PYTHON)
async def test_what_the_agent_runs_on_is_not_removed(with_programs, debian):
    host = with_programs(
        {apt.QUERY: BARE[debian] + LIB, looking("remove", "--", "lab-lib"): REMOVES_PYTHON[debian]}
    )

    performed = await perform(host, package.Remove(name="lab-lib"))

    assert (performed.code, "python3, python3-minimal" in performed.error) == ("refused", True)


@pytest.mark.parametrize(("sudo", "state"), [((), State.COMPLETED), (("sudo", "-n"), State.FAILED)])
async def test_sudo_is_kept_where_the_agent_needs_it(with_programs, bare, sudo, state):
    answers = {
        apt.QUERY: bare + LIB,
        looking("remove", "--", "lab-lib"): "Remv sudo [1.9]\nRemv lab-lib [1:3-1]\n",
    }
    host = with_programs(answers, {(*REMOVE, "lab-lib"): bare}, sudo=sudo)

    assert (await perform(host, package.Remove(name="lab-lib"))).state == state


async def test_what_is_essential_is_not_removed(with_programs, bare):
    host = with_programs({apt.QUERY: bare, looking("remove", "--", "cron"): ESSENTIAL})

    performed = await perform(host, package.Remove(name="cron"))

    assert performed.state == State.FAILED
    assert performed.error.endswith("doing!\n  systemd-sysv")


async def test_what_an_earlier_job_left_half_done_is_completed_first(with_programs, bare):
    remove = (*REMOVE, "lab-app")
    interrupted = CommandFailed(
        remove,
        100,
        "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem.\n",
    )
    answers = {apt.QUERY: bare + BROKEN, looking("remove", "--", "lab-app"): "Remv lab-app [1.0]\n"}
    host = with_programs({**answers, remove: interrupted, apt.COMPLETE: ""})

    performed = await perform(host, package.Remove(name="lab-app"))

    assert host.ran[-3:] == [remove, apt.COMPLETE, remove]
    assert (performed.state, performed.code) == (State.FAILED, "command_failed")


async def test_what_dpkg_stumbled_upon_is_told(with_programs, bare):
    remove = (*REMOVE, "lab-app")
    failed = CommandFailed(
        remove,
        100,
        "E: Sub-process /usr/bin/dpkg returned an error code (1)\n",
        "(Reading database ... 5%\rRemoving lab-app (1.0) ...\r\nno disk\r\ndpkg: error processing package lab-app\n",
    )
    answers = {
        apt.QUERY: bare + APP,
        looking("remove", "--", "lab-app"): "Remv lab-app [1.0]\n",
        remove: failed,
    }

    performed = await perform(with_programs(answers), package.Remove(name="lab-app"))

    assert "no disk\ndpkg: error processing package lab-app" in performed.error


async def test_update_says_whether_the_lists_are_others(with_programs):
    host = with_programs({UPDATE: ""})
    host.has({"/var/lib/apt/lists/deb.debian.org_debian_dists_bookworm_InRelease": "Date: today\n"})

    same = await perform(host, package.Update())
    new = await perform(attrs.evolve(host, answers=Fetching(host)), package.Update())

    assert (same.changed, new.changed) == (False, True)


class Fetching(dict):
    """apt-get, which comes back with another list."""

    def __init__(self, host):
        super().__init__({UPDATE: ""})
        self.host = host

    def __getitem__(self, argv):
        self.host.has({"/var/lib/apt/lists/deb.debian.org_debian_dists_bookworm_InRelease": "Date: now\n"})
        return super().__getitem__(argv)


async def test_update_waits_for_who_fetches_lists_already(with_programs, autojump_clock):
    host = with_programs({UPDATE: LOCKED})

    performed = await perform(host, package.Update())

    assert 10 < len(host.ran) < 100
    assert (performed.state, performed.code) == (State.FAILED, "command_failed")
    assert performed.error.startswith("apt-get exited with 100: E: Could not get lock")


async def test_a_dry_run_tells_what_would_become_of_packages(with_programs, bare):
    answers = {
        apt.QUERY: bare,
        looking("install", "--", "lab-app"): INSTALLS,
        looking("remove", "--", "cron"): "Remv cron [3.0pl1-162]\n",
    }
    install = await perform(with_programs(answers, dry=True), package.Install(name="lab-app"))
    remove = await perform(with_programs(answers, dry=True), package.Remove(name="cron"))

    assert [change.name for change in install.result.changes] == ["lab-app", "lab-lib"]
    assert install.plan.commands == [[*INSTALL, "lab-app"]]
    assert remove.result.changes == [PackageChange(name="cron", before="3.0pl1-162")]
    assert remove.plan.commands == [[*REMOVE, "cron"]]


async def test_other_families_are_skipped(with_programs):
    performed = await perform(with_programs({}, family="redhat"), package.List())

    assert (performed.state, performed.code) == (State.SKIPPED, "unsupported")
