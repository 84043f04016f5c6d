"""Which paths users' file operations may touch: no spelling and no link gets past it."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.disk import Disk
from agent.host import Host
from agent.policy import KERNEL, Policy
from osapi.config.schema import AgentFiles
from osapi.errors import Refused

CONFIGURED = Policy(
    allow=["/etc", "/srv/*/data", "/home"],
    refuse=["/etc/shadow*", "/etc/ssh/ssh_host_*_key", "/home/*/.ssh"],
    own=["/etc/osapi"],
)


@pytest.mark.parametrize(
    "path",
    [
        "/etc",
        "/etc/motd",
        "/etc/ssh",
        "/etc/ssh/ssh_host_key",
        "/srv/app/data/x/y",
        "/home/me/.sshd",
        "/etc/osapi.d",
    ],
)
def test_what_is_allowed_passes(path):
    CONFIGURED.check(path)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/etc/shadow", "/etc/shadow* is refused by agent.files.refuse"),
        ("/etc/shadow-", "/etc/shadow* is refused by agent.files.refuse"),
        ("/etc/shadow.d/x", "/etc/shadow* is refused by agent.files.refuse"),
        ("/etc/ssh/ssh_host_rsa_key", "/etc/ssh/ssh_host_*_key is refused by agent.files.refuse"),
        ("/home/me/.ssh/authorized_keys", "/home/*/.ssh is refused by agent.files.refuse"),
        ("/etc/osapi/osapi.yaml", "/etc/osapi is the agent's own"),
        ("/srv/app", "agent.files.allow has only /etc, /srv/*/data, /home"),
        ("/srv/a/b/data", "agent.files.allow has only /etc, /srv/*/data, /home"),
        ("/etcetera", "agent.files.allow has only /etc, /srv/*/data, /home"),
        ("/", "agent.files.allow has only /etc, /srv/*/data, /home"),
        ("/etc/../root", "a name must not have `..` in it"),
    ],
)
def test_what_is_not_allowed_is_refused_and_why(path, told):
    with pytest.raises(Refused, match=re.escape(f"{path}: {told}")):
        CONFIGURED.check(path)


@pytest.mark.parametrize("path", [*KERNEL, "/proc/sys/kernel/hostname", "/dev/sda", "/sys//power/state"])
def test_what_is_the_kernels_is_refused_whatever_is_allowed(path):
    with pytest.raises(Refused, match="is the kernel's"):
        Policy().check(path)


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        ("/etc", True),
        ("/etc/ssh", True),
        ("/home/me", True),
        ("/home", True),
        ("/etc/ssl", False),
        ("/home/me/x", False),
    ],
)
def test_a_folder_with_something_refused_below_it_is_refused_as_a_whole(path, refused):
    CONFIGURED.check(path)

    if refused:
        with pytest.raises(Refused, match="may be below it"):
            CONFIGURED.check(path, tree=True)
    else:
        CONFIGURED.check(path, tree=True)


def test_nothing_is_allowed_where_nothing_is_listed():
    with pytest.raises(Refused, match=r"agent.files.allow has only nothing"):
        Policy(allow=()).check("/etc")


def test_what_is_configured_unless_told_otherwise_refuses_secrets():
    policy = Policy(allow=AgentFiles().allow, refuse=AgentFiles().refuse)

    for path in ("/etc/shadow", "/etc/gshadow-", "/etc/ssh/ssh_host_ed25519_key"):
        with pytest.raises(Refused):
            policy.check(path)


@pytest.mark.parametrize(("star", "bracket"), [("/srv/a.c", "/srv/[ab]"), ("/srv/a?c", "/srv/**")])
def test_only_a_star_stands_for_anything(star, bracket):
    policy = Policy(refuse=[star, bracket])

    policy.check("/srv")
    if bracket == "/srv/[ab]":
        policy.check("/srv/abc")
        policy.check("/srv/a")


async def test_allowed_names_the_path_the_link_and_the_rule(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/link").symlink_to("shadow")
    host = Host(root=tmp_path, policy=CONFIGURED)

    await host.allowed("/etc/motd")
    with pytest.raises(
        Refused,
        match=re.escape("/etc/link leads to /etc/shadow: /etc/shadow* is refused by agent.files.refuse"),
    ):
        await host.allowed("/etc/link")
    with pytest.raises(Refused, match="may be below it"):
        await host.allowed("/etc", tree=True)


async def test_a_dry_run_and_reading_are_held_against_it_only_where_they_ask(tmp_path):
    host = Host(root=tmp_path, policy=CONFIGURED, dry=True)

    await host.write("/proc/x", "1")

    assert await host.read("/proc/x") == "1"


LINKS = [
    ("var/run", "../run"),  # to a refused path by another name,
    ("data", "/srv/secret"),  # to a refused folder,
    ("srv/secret/inner", "/data"),  # round and round,
    ("home/me", "/srv/me"),  # what a star stands for,
    ("srv/me/.ssh", "/srv/keys"),
    ("etc/hidden", "secret.conf"),
    ("chain", "/data"),
]
REFUSED = ("/var/run/app", "/srv/secret", "/home/*/.ssh", "/etc/secret*")
TRUE_PLACES = re.compile(r"(run/app|srv/(secret|keys|me/\.ssh)|home/[^/]+/\.ssh|etc/secret[^/]*)(/.*)?")
"""Where what is refused lies on the disk, links followed."""
PARTS = st.sampled_from(
    (
        "var",
        "run",
        "data",
        "srv",
        "secret",
        "inner",
        "home",
        "me",
        ".ssh",
        "keys",
        "etc",
        "hidden",
        "x",
        "chain",
    )
)
SPELLINGS = st.lists(st.tuples(PARTS, st.sampled_from(["/", "//", "/./", "/.//./"])), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def disk():
    with TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("run/app", "var", "srv/secret", "srv/me", "srv/keys", "home", "etc"):
            (root / name).mkdir(parents=True, exist_ok=True)
        (root / "etc/secret.conf").write_text("secret")
        for name, target in LINKS:
            (root / name).symlink_to(target)
        yield Disk(root)


@settings(max_examples=200, deadline=None)
@given(spelling=SPELLINGS, end=st.sampled_from(["", "/", "/."]))
def test_no_spelling_and_no_link_gets_past_what_is_refused(disk, spelling, end):
    name = "".join(before + part for part, before in spelling) + end

    places = {"/".join(disk.resolve(name, last=last)) for last in (False, True)}
    if any(TRUE_PLACES.fullmatch(place) for place in places):
        with pytest.raises(Refused):
            Policy(refuse=REFUSED).check_on(disk, name)
        with pytest.raises(Refused):
            Policy(own=REFUSED).check_on(disk, name)
    else:
        Policy(refuse=REFUSED).check_on(disk, name)


@pytest.mark.parametrize(
    "name", ["/data/x", "/srv/me/.ssh/id", "/home/me/.ssh", "/run/app/x", "/chain", "/etc/hidden"]
)
async def test_links_to_what_is_refused_are_refused(disk, name):
    host = attrs.evolve(Host(root=disk.root), policy=Policy(refuse=REFUSED))

    with pytest.raises(Refused, match=r"is refused by agent.files.refuse"):
        await host.allowed(name)


async def test_what_is_allowed_may_itself_be_a_link_but_no_link_in_it_leads_out(disk):
    host = Host(root=disk.root, policy=Policy(allow=["/data", "/home"]))

    await host.allowed("/data/x")
    with pytest.raises(
        Refused, match=r"/home/me/x leads to /srv/me/x: agent.files.allow has only /data, /home"
    ):
        await host.allowed("/home/me/x")
