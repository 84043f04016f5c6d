"""Accounts and groups on a real host: who is there, and can log in, as getent, su and sudo see it."""

import os
import subprocess

import pytest
from logins import TYPED, account, asking, files, is_there, leaves, locked, opens, restored, typed
from processes import eventually

PASSWORD = "pa:ss 'w\"$(touch /canary)\\ é"


@pytest.fixture
def t1(t1):
    with restored(t1):
        yield t1


@pytest.fixture
def ask(http, t1):
    return asking(http, t1)


@pytest.fixture
def alice(ask):
    """An account with a password, that may use sudo."""
    ask("POST", "/user", name="alice", uid=1500, shell="/bin/bash", groups=["sudo"], password=PASSWORD)


def test_an_account_is_made_left_alone_and_deleted_with_its_home(ask, t1):
    asked = {
        "name": "alice", "uid": 1500, "home": "/srv/alice", "shell": "/bin/bash", "groups": ["sudo", "users"],
        "password": PASSWORD,
    }  # fmt: skip
    assert ask("POST", "/user", **asked)["changed"] is True
    assert account(t1, "alice") == (1500, "/srv/alice", "/bin/bash", ["alice", "sudo", "users"])
    assert (
        t1.run("stat", "--format", "%U %G", "/srv/alice", "/srv/alice/.bashrc") == "alice alice\nalice alice"
    )
    assert opens(t1, "alice", PASSWORD)
    assert not opens(t1, "alice", PASSWORD[:-1])

    assert ask("POST", "/user", **asked)["changed"] is False
    assert ask("POST", "/user", name="alice")["changed"] is False
    assert "shell is /bin/bash, not /bin/sh" in ask(
        "POST", "/user", name="alice", shell="/bin/sh", refused=409
    )
    assert "another password" in ask("POST", "/user", name="alice", password="other", refused=409)

    ask("POST", "/user", name="bob", uid=1501, groups=["sudo"], password="battery staple")
    leaves(t1, "alice")
    assert ask("DELETE", "/user/alice")["changed"] is True
    assert not is_there(t1, "alice")
    assert not is_there(t1, "alice", "group")
    assert t1.sh("ls /srv") == ""
    assert ask("DELETE", "/user/alice")["changed"] is False
    assert "there is no user alice" in ask("GET", "/user/alice", refused=404)


def test_an_account_is_changed_in_what_differs(ask, t1, alice):
    ask("POST", "/user", name="bob", uid=1501, groups=["users"], password="battery staple")
    t1.sh("runuser -u bob -- sh -c 'echo kept > /home/bob/file'")
    wanted = {"shell": "/bin/bash", "home": "/srv/bob", "groups": ["cdrom", "audio"]}

    assert ask("PUT", "/user/bob", **wanted)["changed"] is True
    assert account(t1, "bob") == (1501, "/srv/bob", "/bin/bash", ["bob", "cdrom", "audio"])
    assert t1.run("runuser", "--login", "bob", "--command", "cat file") == "kept"
    assert t1.sh("ls /home") == "alice"
    assert ask("PUT", "/user/bob", **wanted)["changed"] is False

    assert ask("PUT", "/user/bob", lock=True, groups=[])["changed"] is True
    assert (locked(t1, "bob"), opens(t1, "bob", "battery staple")) == (True, False)
    assert account(t1, "bob")[3] == ["bob"]
    assert ask("PUT", "/user/bob", lock=True)["changed"] is False
    assert ask("PUT", "/user/bob", lock=False)["changed"] is True
    assert opens(t1, "bob", "battery staple")
    assert ask("PUT", "/user/bob", lock=False)["changed"] is False

    assert ask("PUT", "/user/gone", lock=True, refused=404)
    assert "no program /bin/nope" in ask("PUT", "/user/bob", shell="/bin/nope", refused=404)
    assert "is there already" in ask("PUT", "/user/bob", home="/etc", refused=409)
    assert account(t1, "bob")[1:3] == ("/srv/bob", "/bin/bash")


def test_the_list_says_what_getent_id_and_passwd_say(ask, t1, alice):
    found = {each["name"]: each for each in ask("GET", "/user")["users"]}

    status = (line.split()[:2] for line in t1.run("passwd", "--status", "--all").splitlines())
    assert {name: each["locked"] for name, each in found.items()} == {
        n: letter == "L" for n, letter in status
    }
    assert [
        (each["name"], "x", str(each["uid"]), str(each["gid"]), each["home"], each["shell"])
        for each in found.values()
    ] == [
        (*fields[:4], *fields[5:])
        for fields in (line.split(":") for line in t1.read("/etc/passwd").splitlines())
    ]
    assert {name: each["groups"] for name, each in found.items()} == {
        name: t1.run("id", "--groups", "--name", name).split() for name in found
    }
    assert [ask("GET", "/user/alice")["users"]] == [[found["alice"]]]


def test_a_password_is_set_once_and_leaves_no_trace(site, http, ask, t1, alice):
    secret = "correct-horse-of-the-test"

    answer = http.post("/api/node/t1/user/alice/password", json={"password": secret})
    assert answer.json()["results"][0]["changed"] is True
    assert (opens(t1, "alice", secret), opens(t1, "alice", PASSWORD)) == (True, False)
    assert ask("POST", "/user/alice/password", password=secret)["changed"] is False
    typed(t1, secret)
    assert t1.sh(f"runuser -u alice -- sudo -S -k id -un <{TYPED} 2>/dev/null") == "root"

    record = http.get(f"/api/job/{answer.json()['job_id']}").text
    assert (secret in record, "****" in record) == (False, True)
    kept = subprocess.run(["grep", "-rl", secret, site.folder], capture_output=True, text=True, check=False)
    assert (kept.returncode, kept.stdout) == (1, "")
    assert t1.sh(f"grep -rl {secret} /var/lib/osapi* /var/log /run/systemd /etc 2>/dev/null || true") == ""
    assert secret not in t1.run("journalctl", "--output", "export", "--unit", "osapi-agent", "--all")


def test_a_password_on_a_locked_account_opens_it(ask, t1):
    ask("POST", "/user", name="bob", uid=1501)
    assert "no password that could be opened" in ask("PUT", "/user/bob", lock=False, refused=409)
    assert locked(t1, "bob")

    assert ask("POST", "/user", name="bob", uid=1501, password="new")["changed"] is True

    assert opens(t1, "bob", "new")
    ask("PUT", "/user/bob", lock=True)
    assert ask("POST", "/user/bob/password", password="new")["changed"] is True
    assert opens(t1, "bob", "new")


def test_the_command_line_takes_a_password_from_its_input(site, t1):
    node = ("client", "node", "user")
    where = ("--target", "t1", "--name", "bob")

    site.cli(*node, "create", *where, "--uid", "1501", "--password", "-", typed="first one\n", check=0)
    assert opens(t1, "bob", "first one")
    site.cli(*node, "password", *where, "--password", "-", typed=f"{PASSWORD}\n", check=0)
    assert opens(t1, "bob", PASSWORD)
    site.cli(*node, "update", *where, "--lock", check=0)
    assert locked(t1, "bob")
    site.cli(*node, "update", *where, "--unlock", "--groups", "users,audio", check=0)
    shown = site.cli(*node, "get", *where, check=0).stdout
    assert (locked(t1, "bob"), account(t1, "bob")[3]) == (False, ["bob", "audio", "users"])
    assert [line.split()[2:] for line in shown.splitlines() if "/home/bob" in line] == [
        ["bob", "1501", "/home/bob", "/bin/sh", "bob,", "audio,", "users"]
    ]
    site.cli(*node, "update", *where, "--groups", "", check=0)
    assert account(t1, "bob")[3] == ["bob"]


def test_the_last_who_can_use_sudo_and_the_system_are_left_alone(ask, t1, alice):
    before = files(t1)
    for method, path, body in [
        ("DELETE", "/user/alice", {"force": True}),
        ("PUT", "/user/alice", {"lock": True}),
        ("PUT", "/user/alice", {"groups": []}),
        ("PUT", "/user/alice", {"shell": "/usr/sbin/nologin"}),
        ("PUT", "/group/sudo", {"members": []}),
        ("DELETE", "/group/sudo", {"force": True}),
    ]:
        assert "nobody could use sudo any more" in ask(method, path, fails=True, **body)
    for name in ("root", "daemon", "nobody", "sshd"):
        ask("DELETE", f"/user/{name}", fails=True)
        ask("PUT", f"/user/{name}", fails=True, lock=False)
        ask("POST", f"/user/{name}/password", fails=True, password="x")
    assert "root; it stays" in ask("DELETE", "/user/root", fails=True, force=True)
    assert "of the system" in ask("DELETE", "/group/adm", fails=True)
    assert files(t1) == before

    assert ask("POST", "/user/root/password", password="of root", force=True)["changed"] is True
    assert opens(t1, "root", "of root")


def test_an_account_that_somebody_uses_stays(ask, t1):
    ask("POST", "/user", name="bob", uid=1501)
    t1.run("systemd-run", "--uid=bob", "--unit=of-bob", "sleep", "1000")
    eventually(lambda: t1.sh("pgrep -U bob || true"))

    assert "user bob is currently used by process" in ask("DELETE", "/user/bob", fails=True)

    assert is_there(t1, "bob")
    t1.run("systemctl", "stop", "of-bob")


def test_a_dry_run_changes_nothing_and_its_plan_is_what_is_then_done(ask, t1):
    asked = {"name": "bob", "uid": 1501, "password": PASSWORD, "groups": ["audio"]}
    before = files(t1)

    plan = ask("POST", "/user", dry=True, **asked)["plan"]
    assert files(t1) == before
    assert t1.sh("ls /home") == ""
    assert plan["commands"] == [
        ["useradd", "--create-home", "--uid", "1501", "--user-group", "--groups", "audio", "--", "bob"],
        ["chpasswd"],
    ]

    ask("POST", "/user", **asked)
    told = t1.run("journalctl", "--identifier", "useradd", "--output", "cat", "--since", "-1min")
    assert "new user: name=bob, UID=1501" in told
    assert "add 'bob' to group 'audio'" in told
    assert not ask("POST", "/user", dry=True, **asked)["plan"]["commands"]


def test_accounts_that_are_made_at_once_are_all_made(site, t1):
    jobs = [
        site.json("client", "node", "user", "create", "--name", f"u{n}", "--detach", "--target", "t1")[
            "job_id"
        ]
        for n in range(5)
    ]

    assert {site.ended(job)["status"] for job in jobs} == {"completed"}
    assert all(is_there(t1, f"u{n}") for n in range(5))


HOSTILE = [
    "-r", "--help", "x;touch /canary", "$(touch /canary)", "a b", "a:b", "a,b", "../x", ".", "0", "1500", "a\nb", "",
    "a" * 33, "root:x", "é", "a$b",
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/user", {"name": None}),
        ("/user", {"name": "bob", "home": None}),
        ("/user", {"name": "bob", "shell": None}),
        ("/user", {"name": "bob", "groups": [None]}),
        ("/group", {"name": None}),
    ],
)
def test_hostile_values_are_refused_and_change_nothing(http, t1, path, body):
    before = files(t1)

    for text in HOSTILE:
        given = {
            key: text if value is None else [text] if value == [None] else value
            for key, value in body.items()
        }
        answer = http.post(f"/api/node/t1{path}", json=given)
        assert answer.status_code in {400, 404}, (given, answer.text)

    assert files(t1) == before


@pytest.mark.parametrize("password", ["a\nroot:owned", "a\r\nroot:owned", "\0", "a\0b", "", "x" * 512])
def test_a_password_is_one_line(http, t1, password):
    before = files(t1)

    answers = [
        http.post("/api/node/t1/user", json={"name": "bob", "password": password}),
        http.post("/api/node/t1/user/root/password", json={"password": password, "force": True}),
    ]

    assert [answer.status_code for answer in answers] == [400, 400]
    assert files(t1) == before


def test_groups_are_made_filled_emptied_and_deleted(ask, t1, alice):
    ask("POST", "/user", name="bob", uid=1501)
    assert ask("POST", "/group", name="ops", gid=4711)["changed"] is True
    assert t1.run("getent", "group", "ops") == "ops:x:4711:"
    assert ask("POST", "/group", name="ops")["changed"] is False
    assert "gid is 4711, not 4712" in ask("POST", "/group", name="ops", gid=4712, refused=409)
    assert ask("POST", "/group", name="svc", system=True)["changed"] is True
    assert int(t1.run("getent", "group", "svc").split(":")[2]) < 1000

    assert ask("PUT", "/group/ops", members=["bob", "alice"])["changed"] is True
    assert sorted(t1.run("getent", "group", "ops").split(":")[3].split(",")) == ["alice", "bob"]
    assert t1.run("id", "--groups", "--name", "bob") == "bob ops"
    assert ask("PUT", "/group/ops", members=["alice", "bob"])["changed"] is False
    assert ask("PUT", "/group/ops", members=["nosuch"], refused=404)
    [shown] = ask("GET", "/group/ops")["groups"]
    assert (shown["gid"], sorted(shown["members"])) == (4711, ["alice", "bob"])
    assert ask("PUT", "/group/ops", members=[])["changed"] is True
    assert t1.run("getent", "group", "ops") == "ops:x:4711:"

    assert "own group of bob" in ask("DELETE", "/group/bob", refused=409)
    assert ask("DELETE", "/group/ops")["changed"] is True
    assert not is_there(t1, "ops", "group")
    assert ask("DELETE", "/group/ops")["changed"] is False
    assert ask("PUT", "/group/ops", members=[], refused=404)
    names = [each["name"] for each in ask("GET", "/group")["groups"]]
    assert names == t1.sh("cut -d: -f1 /etc/group").splitlines()


def test_every_host_makes_the_account(site, t2, t3):
    names = [host.name for host in (t2, t3)]
    items = site.ask("user", "create", "--name", f"u{os.getpid()}", on="_all")

    assert {item["hostname"] for item in items if item["changed"]} >= {*names}
    assert all(is_there(host, f"u{os.getpid()}") for host in (t2, t3))
    site.ask("user", "delete", "--name", f"u{os.getpid()}", on="_all")
    assert not any(is_there(host, f"u{os.getpid()}") for host in (t2, t3))
