"""SSH keys: lines that ssh-keygen of OpenSSH 9.2 has made and shown, read, added and removed."""

import os
import random
from base64 import b64encode

import attrs
import pytest
import trio
from people import ALICE, ALICE_GROUP, at, give, populated

from agent.authorized_keys import lines, parse
from agent.dispatch import perform
from osapi.jobs import State
from osapi.operations import user

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICbuXWgg9awHvXPwNaVFerK/ma/lqPx5NCBPgHmC0zaY"
ECDSA = (
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEbLV9QwS157a5ioJoboGXTqIQVqY9UZg+6VhB1j"
    "4/3HXVeTze9kIis070F0P+6RYHTedHb4Q5YNILdJSP2+KCg="
)
RSA = (
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDUYcLCpbJQDMkBjlNkQDpIsYv7ynL/mlAGPH2Zy/SFvGEc9zITNQnuUIvvrNZyI9E0ao/5KyDC"
    "P1NlUcFcoUCpf8p50uFHVUfeA0/i/3BFQnNg2OM8JsP+1mnELj/vVpk5AjHBVa6xDzVbw3uz1aey3HBu7bd1QgjsOCUxxBZAja7GNXKuNG/ztfaM"
    "96TBubwf/4U171djsrTHkLrRjwcOoURkaNN6ZwIz09WLn41Tw7EuFKgjoZ2NUnzhgmB2agcj+Nv/syCF2uuswW6yB56t1nRviYUYKywxnG7V3g29"
    "gaXyPxGFHpI8nMwM+Kr00ZWqPK4Io7+HSlZ1BXhIkFAR"
)
COMMAND = """from="10.0.0.0/8,192.168.0.1",command="echo \\"a b\\" 'c'",no-pty"""
FILE = f"""\
# keys of alice
{ED25519} alice@laptop

{COMMAND} {ECDSA} alice on her phone
   restrict {RSA} 
not a key
ssh-ed25519 AAAA damaged
"""  # noqa: W291 - ssh-keygen ends a key without a comment so
LAPTOP = "SHA256:ev8YqXZg2q6BFweW65YCfBCVJUelY6Lh2jOv/QmBzUU"
PHONE = "SHA256:Ij6R5PfOjSs1b3v5VvAQdAcdp4e6wMugrXxoP7pbm6Q"
OLD = "SHA256:1H1nUr3XPV+BAobBrSKKQFKn2X8mC+7LB/+7NR7ERwo"

PATH = "/home/alice/.ssh/authorized_keys"
NEW = user.SshKeyAdd(name="alice", key=f"{ED25519} alice@laptop")


@pytest.fixture
def host(host):
    return populated(host)


def keys(host, text, *, owner=ALICE, mode=0o600):
    """Give alice an authorized_keys file."""
    folder = at(host, PATH).parent
    if not folder.exists():
        folder.mkdir(mode=0o700)
        give(folder)
    at(host, PATH).write_bytes(text.encode() if isinstance(text, str) else text)
    at(host, PATH).chmod(mode)
    give(at(host, PATH), owner)


def looks(path):
    found = path.lstat()
    return found.st_uid, found.st_gid, found.st_mode & 0o7777


async def test_keys_are_listed_as_ssh_keygen_shows_them(host):
    keys(host, FILE)

    performed = await perform(host, user.SshKeyList(name="alice"))

    assert performed.result.keys == [
        user.SshKey(type="ssh-ed25519", fingerprint=LAPTOP, comment="alice@laptop"),
        user.SshKey(
            type="ecdsa-sha2-nistp256", fingerprint=PHONE, comment="alice on her phone", options=COMMAND
        ),
        user.SshKey(type="ssh-rsa", fingerprint=OLD, options="restrict"),
    ]
    assert host.ran == []


@pytest.mark.parametrize("name", ["alice", "nobody", "daemon"])
async def test_who_has_no_such_file_has_no_keys(host, name):
    performed = await perform(host, user.SshKeyList(name=name))

    assert performed.result == user.SshKeys(keys=[])


@pytest.mark.parametrize(
    "ask",
    [
        user.SshKeyList(name="dora"),
        user.SshKeyAdd(name="dora", key=ED25519),
        user.SshKeyRemove(name="dora", fingerprint=LAPTOP),
    ],
)
async def test_keys_of_nobody_are_not_found(host, ask):
    performed = await perform(host, ask)

    assert (performed.state, performed.code) == (State.FAILED, "not_found")


async def test_the_first_key_makes_the_file_and_its_folder_for_the_account_alone(host):
    performed = await perform(host, NEW)

    assert performed.result == user.SshKeyChanged(changed=True, fingerprint=LAPTOP)
    assert at(host, PATH).read_text() == f"{ED25519} alice@laptop\n"
    assert looks(at(host, PATH)) == (ALICE, ALICE_GROUP, 0o600)
    assert looks(at(host, PATH).parent) == (ALICE, ALICE_GROUP, 0o700)


async def test_a_key_that_is_there_is_not_added_again_whatever_its_comment(host):
    await perform(host, NEW)

    same = await perform(host, NEW)
    other = await perform(host, user.SshKeyAdd(name="alice", key=f"  {ED25519}   alice@work "))

    assert (same.changed, other.changed) == (False, False)
    assert at(host, PATH).read_text() == f"{ED25519} alice@laptop\n"


@pytest.mark.parametrize("end", ["", "\n"])
async def test_other_lines_stay_byte_by_byte(host, end):
    before = b"# caf\xe9 \xff\x00\r\n\n\t# end" + end.encode()
    keys(host, before)

    added = await perform(host, user.SshKeyAdd(name="alice", key=f"{COMMAND} {ECDSA} alice on her phone"))
    text = at(host, PATH).read_bytes()
    removed = await perform(host, user.SshKeyRemove(name="alice", fingerprint=PHONE))

    assert (added.changed, removed.changed) == (True, True)
    assert text == before.rstrip(b"\n") + f"\n{COMMAND} {ECDSA} alice on her phone\n".encode()
    assert at(host, PATH).read_bytes() == before.rstrip(b"\n") + b"\n"


async def test_a_key_that_is_there_with_other_options_is_a_conflict(host):
    keys(host, f"restrict {ED25519}\n")

    performed = await perform(host, NEW)

    assert (performed.state, performed.code) == (State.FAILED, "conflict")
    assert "already, with the options restrict; remove it first" in performed.error
    assert at(host, PATH).read_text() == f"restrict {ED25519}\n"


async def test_owner_and_mode_that_sshd_would_not_take_are_put_right(host):
    keys(host, f"{ED25519}\n", mode=0o666)
    at(host, PATH).parent.chmod(0o777)

    performed = await perform(host, NEW)

    assert performed.changed
    assert (looks(at(host, PATH))[2], looks(at(host, PATH).parent)[2]) == (0o600, 0o700)


async def test_all_lines_with_a_key_are_removed_once(host):
    keys(host, f"{FILE}restrict {ED25519} again\n")

    first = await perform(host, user.SshKeyRemove(name="alice", fingerprint=LAPTOP))
    again = await perform(host, user.SshKeyRemove(name="alice", fingerprint=LAPTOP))

    assert (first.changed, again.changed) == (True, False)
    assert at(host, PATH).read_text() == FILE.replace(f"{ED25519} alice@laptop\n", "")
    assert looks(at(host, PATH)) == (ALICE, ALICE_GROUP, 0o600)


async def test_what_was_never_there_need_not_be_removed(host):
    performed = await perform(host, user.SshKeyRemove(name="alice", fingerprint=LAPTOP))

    assert (performed.state, performed.changed) == (State.COMPLETED, False)
    assert not at(host, PATH).parent.exists()


CUT = ED25519[:-8]
DAMAGED = [
    "ssh-ed25519",
    "ssh-ed25519 alice@laptop",
    ED25519.replace("ssh-ed25519", "ssh-rsa"),
    ED25519.replace("ssh-ed25519 ", ""),
    CUT,
    f"{CUT}====",
    f"{ED25519}AAAA",
    f'command="true {ED25519}',
    f"# {ED25519}",
    "ssh-dss AAAAB3NzaC1kc3M=",
    "../../etc/shadow",
    "-----BEGIN OPENSSH PRIVATE KEY-----",
]


@pytest.mark.parametrize("key", DAMAGED)
async def test_what_is_no_key_is_refused(host, key):
    performed = await perform(host, user.SshKeyAdd(name="alice", key=key))

    assert (performed.state, performed.code) == (State.FAILED, "bad_input")
    assert not at(host, PATH).exists()


async def test_a_key_of_a_type_that_sshd_does_not_know_is_listed_and_not_added(host):
    line = "ssh-new " + b64encode(b"\0\0\0\7ssh-new\0\0\0\1x").decode()
    keys(host, f"{line}\n")

    listed = await perform(host, user.SshKeyList(name="alice"))
    added = await perform(host, user.SshKeyAdd(name="alice", key=line))

    assert [key.type for key in listed.result.keys] == ["ssh-new"]
    assert added.code == "bad_input"
    assert "the type ssh-new is not known; there are ssh-ed25519, ssh-rsa" in added.error


@AS_ROOT
@pytest.mark.parametrize("name", ["/home/alice/.ssh", PATH])
async def test_no_link_of_the_user_is_followed(host, name):
    at(host, "/root").mkdir(mode=0o700)
    at(host, "/root/authorized_keys").write_text(f"{RSA} root\n")
    if name == PATH:
        keys(host, "")
        at(host, PATH).unlink()
    at(host, name).symlink_to("/root" if name != PATH else "/root/authorized_keys")
    give(at(host, name))

    asked = (user.SshKeyList(name="alice"), NEW, user.SshKeyRemove(name="alice", fingerprint=OLD))
    performed = [await perform(host, ask) for ask in asked]

    assert [each.code for each in performed] == ["refused"] * 3
    assert at(host, "/root/authorized_keys").read_text() == f"{RSA} root\n"
    assert looks(at(host, "/root"))[0] == 0


@AS_ROOT
async def test_what_the_user_may_not_read_is_not_copied_for_the_user(host):
    keys(host, f"secret\n{RSA}\n", owner=0, mode=0o600)

    added = await perform(host, NEW)
    removed = await perform(host, user.SshKeyRemove(name="alice", fingerprint=OLD))

    assert (added.code, removed.code) == ("refused", "refused")
    assert "user alice may not read it" in added.error
    assert looks(at(host, PATH)) == (0, ALICE_GROUP, 0o600)


@AS_ROOT
async def test_a_file_that_root_made_for_the_user_is_given_to_the_user(host):
    keys(host, f"{RSA}\n", owner=0, mode=0o644)

    performed = await perform(host, NEW)

    assert performed.changed
    assert looks(at(host, PATH)) == (ALICE, ALICE_GROUP, 0o600)
    assert at(host, PATH).read_text() == f"{RSA}\n{ED25519} alice@laptop\n"


@AS_ROOT
async def test_a_folder_of_another_user_is_not_given_away(host):
    at(host, PATH).parent.mkdir()
    give(at(host, PATH).parent, 1001)
    at(host, "/home/bob").mkdir()
    give(at(host, "/home/bob"), 1234)

    alice = await perform(host, NEW)
    bob = await perform(host, user.SshKeyAdd(name="bob", key=ED25519))

    assert (alice.code, bob.code) == ("refused", "refused")
    assert "of user bob belongs to 1234" in bob.error
    assert looks(at(host, PATH).parent)[0] == 1001


@pytest.mark.parametrize(
    ("name", "code"), [("daemon", "refused"), ("nobody", "not_found"), ("bob", "not_found")]
)
async def test_a_key_is_not_put_where_no_home_of_the_account_is(host, name, code):
    give(at(host, "/usr/sbin"), os.geteuid())

    performed = await perform(host, user.SshKeyAdd(name=name, key=ED25519))

    assert (performed.state, performed.code) == (State.FAILED, code)
    assert not at(host, "/usr/sbin/.ssh").exists()


async def test_a_file_of_any_size_does_not_fill_the_memory(host):
    keys(host, "")
    os.truncate(at(host, PATH), 1 << 40)

    performed = await perform(host, user.SshKeyList(name="alice"))

    assert (performed.state, performed.code) == (State.FAILED, "refused")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
async def test_what_is_no_file_is_refused(host, make):
    keys(host, "")
    at(host, PATH).unlink()
    make(at(host, PATH))

    performed = [await perform(host, ask) for ask in (user.SshKeyList(name="alice"), NEW)]

    assert [each.code for each in performed] == ["refused", "refused"]


async def test_a_dry_run_shows_the_file_and_leaves_it(host, rehearsing):
    keys(host, f"{RSA}\n")
    before = host.holds()

    performed = await perform(rehearsing, NEW)

    [file] = performed.plan.files
    assert (file.path, file.action) == (PATH, "changed")
    assert f"+{ED25519} alice@laptop\n" in file.diff
    assert host.holds() == before


async def test_jobs_that_change_one_file_take_turns(host):
    keys(host, f"{RSA}\n")

    async with trio.open_nursery() as nursery:
        for key in (ED25519, ECDSA):
            nursery.start_soon(perform, attrs.evolve(host), user.SshKeyAdd(name="alice", key=key))

    assert {*at(host, PATH).read_text().splitlines()} == {RSA, ED25519, ECDSA}


def test_no_bytes_break_the_parser_and_lines_add_up():
    chance = random.Random(4)
    pieces = [
        b" ",
        b"\n",
        b"\r\n",
        b'"',
        b"\\",
        b'\\"',
        b"#",
        b"=",
        b",",
        b"\xff",
        *map(str.encode, (ED25519, COMMAND)),
    ]
    for _ in range(2000):
        data = b"".join(chance.choices(pieces, k=chance.randrange(12)))

        assert b"".join(line for line, _ in lines(data)) == data


@pytest.mark.parametrize(
    "options", ["restrict", COMMAND, 'a="b c"', 'a="\\""', 'environment="A= # x",b', '"a" "b"']
)
def test_options_end_at_the_first_space_that_is_not_in_quotes(options):
    found = parse(f"{options} \t{ED25519} it's me")

    assert (found and (found.options, found.comment)) == (
        (options, "it's me") if options != '"a" "b"' else None
    )
