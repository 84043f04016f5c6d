"""Kernel parameters: what is set now, what is set at boot, and what is given back."""

import attrs
import pytest
from scripted import ScriptedHost

from agent import sysctld
from agent.dispatch import perform
from osapi.errors import CommandFailed, Refused
from osapi.jobs import State
from osapi.operations import sysctl
from osapi.operations.sysctl import Setting

FORWARD = "net.ipv4.ip_forward"
PORTS = "net.ipv4.ip_local_port_range"
VLAN = "net.ipv4.conf.eth0/100.rp_filter"
FILE = f"/etc/sysctl.d/osapi-{FORWARD}.conf"
WRITE = ("sysctl", "--write", "--")

INVALID = 'sysctl: setting key "net.ipv4.ip_forward": Invalid argument\n'
"""What sysctl of Debian 12 and 13 says of a value that the kernel does not take; it exits with 1."""


@attrs.frozen(kw_only=True, eq=False)
class KernelHost(ScriptedHost):
    """A host with parameters: no value has letters in it, and those that are listed in `fixed` stay as they are."""

    fixed: set[str] = attrs.field(factory=set)

    async def run(self, *argv, privileged=False, input=None, timeout=60, check=True):
        self.ran.append(argv)
        assert (argv[:-1], privileged) == (WRITE, True)
        key, _, value = argv[-1].partition("=")
        if value.isalpha():
            raise CommandFailed(argv, 1, INVALID)
        if key not in self.fixed:
            self.kernel(key).write_text("\t".join(value.split()) + "\n")
        return f"{key} = {value}\n"

    def kernel(self, key):
        """The file that the kernel has for a parameter."""
        return self.root / "proc/sys" / sysctld.place(key)


@attrs.frozen(kw_only=True, eq=False)
class SecretiveHost(KernelHost):
    """One whose parameters only root may read."""

    async def read(self, name):
        if name.startswith("/proc/sys/"):
            raise Refused(f"{name}: permission denied")
        return await super().read(name)

    async def run(self, *argv, privileged=False, input=None, timeout=60, check=True):
        if argv[:3] == ("sysctl", "--values", "--"):
            assert privileged
            return self.kernel(argv[-1]).read_text()
        return await super().run(*argv, privileged=privileged)


@pytest.fixture
def host(host):
    """A host with three parameters."""
    host = KernelHost(root=host.root, family="debian", hostname="web-01")
    for key, value in {FORWARD: "0\n", PORTS: "32768\t60999\n", VLAN: "2\n"}.items():
        host.kernel(key).parent.mkdir(parents=True, exist_ok=True)
        host.kernel(key).write_text(value)
    return host


def keep(key=FORWARD, value="1"):
    return sysctl.Create(key=key, value=value)


async def test_a_parameter_is_set_now_and_at_each_boot_and_only_once(host):
    first = await perform(host, keep())
    again = await perform(host, keep())

    assert first.result == sysctl.SettingChanged(key=FORWARD, changed=True)
    assert again.result == sysctl.SettingChanged(key=FORWARD, changed=False)
    assert host.ran == [(*WRITE, f"{FORWARD}=1")]
    assert host.kernel(FORWARD).read_text() == "1\n"
    header, setting = (await host.read(FILE)).splitlines()
    assert (header[0], setting) == ("#", f"{FORWARD} = 1")


async def test_what_has_the_value_already_is_kept_all_the_same(host):
    performed = await perform(host, keep(value="0"))

    assert (performed.changed, host.ran) == (True, [])
    assert await host.read(FILE)


async def test_words_are_the_same_whatever_is_between_them(host):
    first = await perform(host, keep(PORTS, " 1024  65000 "))
    again = await perform(host, keep(PORTS, "1024\t65000"))

    assert (first.changed, again.changed) == (True, False)
    assert host.ran == [(*WRITE, f"{PORTS}=1024 65000")]
    assert (await perform(host, sysctl.Get(key=PORTS))).result == Setting(key=PORTS, value="1024 65000")


async def test_a_dot_in_the_name_of_an_interface_is_a_slash(host):
    await perform(host, keep(VLAN, "1"))

    assert (host.root / "proc/sys/net/ipv4/conf/eth0.100/rp_filter").read_text() == "1\n"
    assert await host.glob("/etc/sysctl.d/*") == [
        "/etc/sysctl.d/osapi-net.ipv4.conf.eth0%2F100.rp_filter.conf"
    ]
    assert (await perform(host, sysctl.List())).result == [Setting(key=VLAN, value="1")]


async def test_the_running_value_and_the_file_are_put_right_by_the_next_run(host):
    await perform(host, keep())
    host.kernel(FORWARD).write_text("0\n")
    host.has({FILE: f"{FORWARD}=1\n"})

    drifted = await perform(host, sysctl.Get(key=FORWARD))
    repaired = await perform(host, keep())

    assert drifted.result == Setting(key=FORWARD, value="0", kept="1")
    assert repaired.changed
    assert host.kernel(FORWARD).read_text() == "1\n"
    assert (await host.read(FILE)).startswith("# Written by OSAPI")
    assert not (await perform(host, keep())).changed


async def test_what_our_file_no_longer_says_is_said_again(host):
    host.has({FILE: "# nothing\n"})

    assert (await perform(host, keep())).changed
    assert f"{FORWARD} = 1\n" in await host.read(FILE)


async def test_create_leaves_another_value_that_is_kept_alone(host):
    await perform(host, keep(value="1"))
    before = host.holds()

    performed = await perform(host, keep(value="2"))

    assert (performed.code, host.holds()) == ("conflict", before)
    assert "kept at '1', not at '2'" in performed.error


async def test_update_gives_what_is_kept_another_value(host):
    missing = await perform(host, sysctl.Update(key=FORWARD, value="2"))
    await perform(host, keep())

    first = await perform(host, sysctl.Update(key=FORWARD, value="2"))
    again = await perform(host, sysctl.Update(key=FORWARD, value="2"))

    assert (missing.code, first.changed, again.changed) == ("not_found", True, False)
    assert host.kernel(FORWARD).read_text() == "2\n"
    assert f"{FORWARD} = 2\n" in await host.read(FILE)


async def test_what_the_kernel_does_not_take_is_not_kept_and_the_value_that_is_there_is_named(host):
    performed = await perform(host, keep(value="abc"))

    assert performed.error == f"{FORWARD} cannot be 'abc', it is still '0': Invalid argument"
    assert await host.read(FILE) is None


async def test_a_value_that_does_not_come_about_is_not_kept(host):
    host.fixed.add(FORWARD)

    performed = await perform(host, keep(value="7"))

    assert (performed.state, performed.code) == (State.FAILED, "failed")
    assert f"{FORWARD} was set to '7', and is '0'" in performed.error
    assert await host.read(FILE) is None


@pytest.mark.parametrize("key", ["net.ipv4.no_such", "net.ipv4", "net.ipv4.conf.eth0.100.rp_filter"])
async def test_a_parameter_that_is_not_there_is_not_found_by_its_name(host, key):
    performed = await perform(host, keep(key))

    assert performed.code == "not_found"
    assert f"no kernel parameter {key} on this host" in performed.error


@pytest.mark.parametrize(("mode", "word"), [(0o444, "read"), (0o200, "written")])
async def test_what_cannot_be_set_or_looked_at_is_refused(host, mode, word):
    host.kernel(FORWARD).chmod(mode)

    performed = await perform(host, keep())

    assert (performed.code, host.ran) == ("refused", [])
    assert f"can only be {word}" in performed.error


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kernel.modprobe", "/tmp/x"),
        ("kernel.core_pattern", "|/bin/sh -c x"),
        ("kernel.core_pattern", " | x"),
    ],
)
async def test_no_program_is_set_that_the_kernel_would_run(host, key, value):
    host.has({"/proc/sys/kernel/modprobe": "", "/proc/sys/kernel/core_pattern": "core\n"})

    performed = await perform(host, keep(key, value))

    assert (performed.code, host.ran) == ("refused", [])


async def test_where_core_files_go_can_be_set(host):
    host.has({"/proc/sys/kernel/core_pattern": "core\n"})

    assert (await perform(host, keep("kernel.core_pattern", "core.%p"))).changed


async def test_a_parameter_that_only_root_may_read_is_read_as_root(host):
    secretive = SecretiveHost(root=host.root, family="debian")

    first = await perform(secretive, keep())
    again = await perform(secretive, keep())

    assert (first.changed, again.changed) == (True, False)
    assert (await perform(secretive, sysctl.Get(key=FORWARD))).result.value == "1"


async def test_a_file_that_is_read_after_ours_and_says_otherwise_is_named(host):
    later = "/usr/lib/sysctl.d/zz-last.conf"
    host.has({later: "net/ipv4/ip_forward = 0\n", "/etc/sysctl.d/99-first.conf": f"{FORWARD}=0\n"})

    performed = await perform(host, keep())

    assert (performed.code, host.ran) == ("conflict", [])
    assert f"{later} sets {FORWARD} to '0' at each boot" in performed.error
    assert (await perform(host, keep(value="0"))).changed


async def test_delete_gives_back_what_the_other_files_say(host):
    host.has({"/usr/lib/sysctl.d/50-default.conf": "-net.ipv4.ip_forward = 0\n"})
    await perform(host, keep())

    first = await perform(host, sysctl.Delete(key=FORWARD))
    again = await perform(host, sysctl.Delete(key=FORWARD))

    assert (first.changed, again.changed) == (True, False)
    assert host.ran[1:] == [(*WRITE, f"{FORWARD}=0")]
    assert (await host.read(FILE), host.kernel(FORWARD).read_text()) == (None, "0\n")


async def test_delete_leaves_the_value_of_which_no_other_file_says_anything(host):
    await perform(host, keep())

    performed = await perform(host, sysctl.Delete(key=FORWARD))

    assert (performed.changed, len(host.ran)) == (True, 1)
    assert host.kernel(FORWARD).read_text() == "1\n"


async def test_what_the_host_no_longer_has_is_shown_and_can_be_given_up(host):
    host.has({"/usr/lib/sysctl.d/50-default.conf": "net.ipv4.conf.*.rp_filter = 2\n"})
    await perform(host, keep(VLAN, "1"))
    host.kernel(VLAN).unlink()
    host.ran.clear()

    shown = await perform(host, sysctl.Get(key=VLAN))
    deleted = await perform(host, sysctl.Delete(key=VLAN))

    assert shown.result == Setting(key=VLAN, value="1")
    assert (deleted.changed, host.ran) == (True, [])


async def test_only_what_osapi_keeps_is_listed_and_found(host):
    host.has({"/etc/sysctl.d/50-own.conf": f"{PORTS} = 1 2\n", "/etc/sysctl.d/osapi-..%2Fx.conf": "x\n"})
    assert (await perform(host, sysctl.List())).result == []

    await perform(host, keep())
    await perform(host, keep(VLAN, "2"))

    assert (await perform(host, sysctl.List())).result == [
        Setting(key=VLAN, value="2"),
        Setting(key=FORWARD, value="1"),
    ]
    assert (await perform(host, sysctl.Get(key=PORTS))).code == "not_found"


async def test_a_dry_run_shows_the_command_and_the_file(host):
    rehearsing = attrs.evolve(host, dry=True)
    before = host.holds()

    performed = await perform(rehearsing, keep(value="abc"))

    assert (performed.changed, host.holds(), host.ran) == (True, before, [])
    assert performed.plan.commands == [[*WRITE, f"{FORWARD}=abc"]]
    assert f"+{FORWARD} = abc" in performed.plan.files[-1].diff


async def test_a_dry_run_shows_what_would_be_given_back(host):
    host.has({"/etc/sysctl.d/10-own.conf": f"{FORWARD} = 0\n"})
    await perform(host, keep())

    performed = await perform(attrs.evolve(host, dry=True), sysctl.Delete(key=FORWARD))

    assert performed.plan.commands == [[*WRITE, f"{FORWARD}=0"]]
    assert [file.action for file in performed.plan.files] == ["removed"]
    assert (await perform(host, sysctl.Get(key=FORWARD))).result.value == "1"


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("kernel.domainname", "kernel/domainname"),
        ("net.ipv4.conf.eth0/100.rp_filter", "net/ipv4/conf/eth0.100/rp_filter"),
        ("net/ipv4/conf/eth0.100/rp_filter", "net/ipv4/conf/eth0.100/rp_filter"),
        ("net.ipv4/conf.x", "net/ipv4.conf/x"),
    ],
)
def test_the_separator_that_comes_first_says_what_the_others_are(key, place):
    assert sysctld.place(key) == place


def test_the_lines_of_a_file():
    text = "# comment\n; too\n\n  a.b = 1 # not one \n-c/d=  2\t3\n-e.f\nnonsense\n= 4\n"

    found = [(line.place, line.value) for line in sysctld.parse("x", text)]

    assert found == [("a/b", "1 # not one"), ("c/d", "2 3"), ("e/f", None)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("net.ipv4.conf.eth0.rp_filter = 1\nnet.ipv4.conf.eth0.rp_filter = 2\n", "2"),
        ("net.ipv4.conf.eth0.rp_filter = 1\nnet.ipv4.conf.*.rp_filter = 2\n", "1"),
        ("net.ipv4.conf.*.rp_filter = 1\nnet.ipv4.conf.eth?.rp_filter = 2\n", "2"),
        ("-net.ipv4.conf.eth0.rp_filter\nnet.ipv4.conf.*.rp_filter = 2\n", None),
        ("net.ipv4.conf.lo.rp_filter = 1\nnet.ipv4.*.rp_filter = 2\n", None),
    ],
)
def test_a_name_decides_before_a_pattern_and_what_comes_last_before_others(text, value):
    line = sysctld.decisive(sysctld.parse("x", text), "net/ipv4/conf/eth0/rp_filter")

    assert (line and line.value) == value


async def test_files_count_by_their_names_and_one_takes_the_place_of_another_of_its_name(host):
    host.has(
        {
            "/usr/lib/sysctl.d/50-a.conf": "k.shadowed = 1\n",
            "/etc/sysctl.d/50-a.conf": "k.a = 1\n",
            "/run/sysctl.d/60-b.conf": "k.b = 1\n",
            "/usr/local/lib/sysctl.d/40-c.conf": "k.c = 1\n",
            "/usr/lib/sysctl.d/70-masked.conf": "k.masked = 1\n",
            "/etc/sysctl.d/README": "k.readme = 1\n",
            "/etc/sysctl.conf": "k.linked = 1\n",
        }
    )
    await host.symlink("/etc/sysctl.d/70-masked.conf", "/dev/null")
    await host.symlink("/etc/sysctl.d/99-sysctl.conf", "../sysctl.conf")

    found = [line.place for line in await sysctld.lines(host)]

    assert found == ["k/c", "k/a", "k/b", "k/linked"]
