"""Showing and setting the name of a host."""

import attrs
from hypothesis import given
from hypothesis import strategies as st

from agent.dispatch import perform
from agent.providers.hostname import in_step
from osapi.jobs import State
from osapi.operations import hostname

SET = ("hostnamectl", "set-hostname", "db-01")
HOSTS = "127.0.0.1\tlocalhost\n127.0.1.1\tweb-01.example.org web-01 # made by the installer\n::1\tlocalhost web-01\n"

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,5}(\.[a-z]{1,5}){0,2}", fullmatch=True)


async def test_the_name_is_that_of_the_operating_system(host):
    performed = await perform(attrs.evolve(host, hostname="as-configured"), hostname.Get())

    assert performed.result == hostname.Identity(hostname="web-01", labels=None)


async def test_the_labels_are_shown_beside_it(host):
    performed = await perform(attrs.evolve(host, labels={"group": "web"}), hostname.Get())

    assert performed.result.labels == {"group": "web"}


async def test_update_sets_the_name_and_keeps_etc_hosts_in_step(host):
    host.boots_with_systemd()
    host.has({"/etc/hostname": "web-01\n", "/etc/hosts": HOSTS})
    host.answers[SET] = ""

    performed = await perform(host, hostname.Update(hostname="db-01"))

    assert (performed.state, performed.changed) == (State.COMPLETED, True)
    assert host.ran == [SET]
    assert await host.read("/etc/hosts") == (
        "127.0.0.1\tlocalhost\n"
        "127.0.1.1\tdb-01.example.org db-01 # made by the installer\n"
        "::1\tlocalhost web-01\n"
    )


async def test_update_changes_nothing_where_the_name_is_so_already(host):
    host.has({"/etc/hostname": "web-01\n", "/etc/hosts": HOSTS})

    performed = await perform(host, hostname.Update(hostname="web-01"))

    assert (performed.state, performed.changed, host.ran) == (State.COMPLETED, False, [])


async def test_update_puts_right_the_name_of_the_next_boot(host):
    host.boots_with_systemd()
    host.has({"/etc/hostname": "# ours\nother\n"})
    host.answers["hostnamectl", "set-hostname", "web-01"] = ""

    performed = await perform(host, hostname.Update(hostname="web-01"))

    assert performed.changed
    assert await host.read("/etc/hosts") is None


async def test_update_puts_right_an_etc_hosts_that_drifted(host):
    host.has({"/etc/hosts": "127.0.1.1 other\n"})

    performed = await perform(host, hostname.Update(hostname="web-01"))

    assert performed.changed
    assert await host.read("/etc/hosts") == "127.0.1.1\tweb-01 other\n"


async def test_update_is_skipped_where_systemd_does_not_run(host):
    performed = await perform(host, hostname.Update(hostname="db-01"))

    assert (performed.state, performed.code) == (State.SKIPPED, "unsupported")
    assert "systemd" in performed.error


async def test_a_dry_run_shows_the_command_and_the_diff_and_does_neither(host, rehearsing):
    host.boots_with_systemd()
    host.has({"/etc/hosts": HOSTS})
    before = host.holds()

    performed = await perform(rehearsing, hostname.Update(hostname="db-01"))

    assert (host.holds(), host.ran) == (before, [])
    assert performed.changed
    assert performed.plan.commands == [[*SET]]
    [file] = performed.plan.files
    assert "-127.0.1.1\tweb-01.example.org web-01 # made by the installer\n" in file.diff
    assert "+127.0.1.1\tdb-01.example.org db-01 # made by the installer\n" in file.diff


@given(
    old=NAMES, new=NAMES, aliases=st.lists(NAMES, max_size=3), domain=st.sampled_from(["", ".example.org"])
)
def test_in_step_the_host_finds_itself_and_a_second_time_changes_nothing(old, new, aliases, domain):
    hosts = f"127.0.0.1 localhost\n127.0.1.1 {old}{domain} {' '.join(aliases)}\n10.0.0.1 {old}\n"

    found = in_step(hosts, old, new)

    first, own, last = found.splitlines()
    assert new in own.split()
    assert (first, last) == ("127.0.0.1 localhost", f"10.0.0.1 {old}")
    assert in_step(found, new, new) == found


@given(st.text())
def test_without_a_line_of_its_own_etc_hosts_stays_as_it_is(hosts):
    assert in_step(hosts, "web", "db") == hosts or "127.0.1.1" in hosts
