"""SSH keys on a real host: whom sshd lets in, and where a user cannot lead the agent."""

import pytest
from logins import asking, files, restored


@pytest.fixture
def t1(t1):
    with restored(t1):
        yield t1


@pytest.fixture
def ask(http, t1):
    return asking(http, t1)


@pytest.fixture
def alice(ask):
    ask("POST", "/user", name="alice", uid=1500, shell="/bin/bash")


@pytest.fixture
def key(t1):
    """A key pair in the host: the path of its private key, and the line of its public one."""
    t1.sh("rm -f /run/key /run/key.pub; ssh-keygen -q -t ed25519 -N '' -C 'of the tests' -f /run/key")
    t1.sh("systemctl start ssh")
    return t1.read("/run/key.pub")


def enters(t1, name):
    """What somebody with the key who logs in through sshd is; nothing where sshd does not let them."""
    options = "-o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
    return t1.sh(f"ssh {options} -i /run/key {name}@127.0.0.1 id -un 2>/dev/null || true")


def test_a_key_opens_an_account_until_it_is_removed(ask, t1, alice, key):
    fingerprint = t1.run("ssh-keygen", "-lf", "/run/key.pub").split()[1]
    assert (enters(t1, "alice"), ask("GET", "/user/alice/ssh-key")["keys"]) == ("", [])

    added = ask("POST", "/user/alice/ssh-key", key=key)
    assert (added["changed"], added["fingerprint"]) == (True, fingerprint)
    assert enters(t1, "alice") == "alice"
    looks = t1.run("stat", "--format", "%a %U %G", "/home/alice/.ssh", "/home/alice/.ssh/authorized_keys")
    assert looks == "700 alice alice\n600 alice alice"
    assert ask("POST", "/user/alice/ssh-key", key=key)["changed"] is False
    assert "with the options" not in ask("POST", "/user/alice/ssh-key", key=f"restrict {key}", refused=409)
    assert ask("GET", "/user/alice/ssh-key")["keys"] == [
        {"type": "ssh-ed25519", "fingerprint": fingerprint, "comment": "of the tests"}
    ]

    t1.sh("chmod 777 /home/alice/.ssh")
    assert enters(t1, "alice") == ""
    assert ask("POST", "/user/alice/ssh-key", key=key)["changed"] is True
    assert enters(t1, "alice") == "alice"

    path = f"/user/alice/ssh-key/{fingerprint.replace('/', '%2F').replace('+', '%2B')}"
    assert ask("DELETE", path)["changed"] is True
    assert enters(t1, "alice") == ""
    assert ask("DELETE", path)["changed"] is False
    assert t1.run("stat", "--format", "%a %U %G", "/home/alice/.ssh/authorized_keys") == "600 alice alice"


def test_options_in_front_of_a_key_are_what_sshd_goes_by(ask, t1, alice, key):
    ask("POST", "/user/alice/ssh-key", key=f'command="echo \\"forced\\" by $USER",no-pty {key}')

    assert enters(t1, "alice") == "forced by alice"
    [shown] = ask("GET", "/user/alice/ssh-key")["keys"]
    assert shown["options"] == 'command="echo \\"forced\\" by $USER",no-pty'


@pytest.mark.parametrize(
    "trick",
    [
        "ln -s /root/.ssh .ssh",
        "mkdir .ssh; ln -s /root/.ssh/authorized_keys .ssh/authorized_keys",
        "mkdir .ssh; ln -s /etc/shadow .ssh/authorized_keys",
        "mkdir .ssh; mkfifo .ssh/authorized_keys",
        "mkdir -p .ssh/authorized_keys",
        "mkdir .ssh; truncate -s 1T .ssh/authorized_keys",
        "touch .ssh",
    ],
)
def test_a_user_cannot_lead_the_agent_out_of_the_home(ask, t1, alice, key, trick):
    t1.sh("echo '# of root' > /root/.ssh/authorized_keys; chmod 600 /root/.ssh/authorized_keys")
    t1.run("runuser", "--login", "alice", "--command", trick)
    before, looks = files(t1), t1.run("stat", "--format", "%n %a %U %Y", "/root/.ssh", "/etc/shadow")

    assert ask("POST", "/user/alice/ssh-key", fails=True, key=key)
    fingerprint = t1.run("ssh-keygen", "-lf", "/run/key.pub").split()[1]
    ask(
        "DELETE",
        f"/user/alice/ssh-key/{fingerprint.replace('/', '%2F').replace('+', '%2B')}",
        fails=trick != "touch .ssh",
    )

    assert t1.read("/root/.ssh/authorized_keys") == "# of root"
    assert (files(t1), t1.run("stat", "--format", "%n %a %U %Y", "/root/.ssh", "/etc/shadow")) == (
        before,
        looks,
    )
    assert enters(t1, "root") == ""


def test_what_only_root_may_read_is_not_copied_into_the_home(ask, t1, alice, key):
    t1.run("runuser", "--login", "alice", "--command", "mkdir .ssh")
    t1.sh("cd /home/alice/.ssh; echo secret > authorized_keys; chmod 600 authorized_keys")

    assert "user alice may not read it" in ask("POST", "/user/alice/ssh-key", fails=True, key=key)

    assert t1.run("stat", "--format", "%a %U", "/home/alice/.ssh/authorized_keys") == "600 root"


def test_keys_can_be_looked_at_and_changed_in_a_dry_run(ask, t1, alice, key):
    plan = ask("POST", "/user/alice/ssh-key", dry=True, key=key)["plan"]

    assert {file["path"]: file["action"] for file in plan["files"]} == {
        "/home/alice/.ssh": "created",
        "/home/alice/.ssh/authorized_keys": "created",
    }
    assert f"+{key}" in "".join(file.get("diff") or "" for file in plan["files"])
    assert t1.sh("ls -A /home/alice | grep ssh || true") == ""
