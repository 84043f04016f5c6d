"""Accounts of a host, as its own programs see them: getent, id, passwd, su."""

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from booted import Host
from processes import eventually

ASIDE = "/run/users-of-the-tests"
"""Where the files of accounts are kept as they were."""
FILES = "/etc/passwd /etc/shadow /etc/group /etc/gshadow /etc/subuid /etc/subgid"
TYPED = "/run/typed-by-the-tests"

Ask = Callable[..., Any]


@contextmanager
def restored(host: Host) -> Iterator[Host]:
    """A host with the accounts that it came with, and root's keys; and again at the end."""
    host.sh(f"rm -rf {ASIDE}; mkdir -m 700 {ASIDE}; cp -a {FILES} {ASIDE}; mkdir -m 700 -p /root/.ssh")
    yield host
    host.sh("for uid in 1500 1501 1502 1503; do pkill -KILL -U $uid || true; done")
    host.sh(f"cp -a {ASIDE}/* /etc; rm -rf {ASIDE} {TYPED} /home/* /srv/* /root/.ssh")
    assert host.sh("ls / | grep canary || true") == ""


def asking(http: httpx.Client, host: Host) -> Ask:
    """What a host answers to an operation on accounts; or why it does not do it."""

    def ask(
        method: str,
        path: str,
        *,
        dry: bool = False,
        refused: int | None = None,
        fails: bool = False,
        **body: Any,
    ) -> Any:
        query = {"dry_run": "true"} if dry else {}
        sent: dict[str, Any] = (
            {"params": query | body} if method == "DELETE" else {"params": query, "json": body or None}
        )
        answer = http.request(method, f"/api/node/{host.name}{path}", **sent)
        if refused:
            assert answer.status_code == refused, answer.text
            return answer.json()["detail"]
        assert answer.status_code == 200, answer.text
        [item] = answer.json()["results"]
        assert item["status"] == ("failed" if fails else "ok"), item.get("error")
        return item["error"] if fails else item

    return ask


def account(host: Host, name: str) -> tuple[int, str, str, list[str]]:
    """What getent and id say of an account: uid, home, shell, groups."""
    _, _, uid, _, _, home, shell = host.run("getent", "passwd", name).split(":")
    return int(uid), home, shell, host.run("id", "--groups", "--name", name).split()


def is_there(host: Host, name: str, database: str = "passwd") -> bool:
    return host.sh(f"getent {database} {name} >/dev/null && echo yes || echo no") == "yes"


def opens(host: Host, name: str, password: str) -> bool:
    """Whether su takes a password, asked by somebody who needs one."""
    typed(host, password)
    line = f"su --shell /bin/sh --command 'id -un' {name} <{TYPED} 2>/dev/null"
    return host.sh(f"runuser -u nobody -- sh -c {shlex.quote(line)} || true") == name


def typed(host: Host, password: str) -> None:
    """Have a password on hand that no command line shows, which the journal keeps (_CMDLINE)."""
    host.sh(f"printf '%s\\n' {shlex.quote(password)} >{TYPED}")


def leaves(host: Host, name: str) -> None:
    """Have an account log out, with the systemd that was started for it."""
    host.sh(f"loginctl terminate-user {name} || true")
    eventually(lambda: not host.sh(f"pgrep -U {name} || true"))


def locked(host: Host, name: str) -> bool:
    return host.run("passwd", "--status", name).split()[1] == "L"


def files(host: Host) -> str:
    """All that says who is there."""
    return host.sh(f"cat {FILES}")
