"""What a person sees of answers, and what a program gets."""

import json
from textwrap import dedent, indent

import pytest
import yaml
from answering import JOB, envelope, item

from osapi.cli import formats

DISKS = [
    {"name": "/", "total": 1 << 40, "used": 1 << 39, "free": 1 << 39},
    {"name": "/srv", "total": 8 << 30, "used": 1 << 30, "free": 7 << 30},
]
NODE = {
    "uptime": "26h3m4s",
    "os_info": {"distribution": "Debian GNU/Linux", "version": "12"},
    "load_average": {"1min": 0.1, "5min": 0.25, "15min": 1.5},
    "memory": {"total": 8 << 30, "used": 3 << 30, "free": 1 << 30},
    "disks": DISKS[:1],
}
PLAN = {
    "files": [{"path": "/etc/timezone", "action": "write", "diff": "@@ -1 +1 @@\n-UTC\n+Europe/Berlin\n"}],
    "commands": [["timedatectl", "set-timezone", "Europe/Berlin"]],
}


def shown(text):
    """A text as it stands in a test, after the line that names the job."""
    return f"\n  Job ID: {JOB}\n\n" + indent(dedent(text).lstrip("\n"), "  ")


def test_each_thing_of_a_list_gets_a_row_in_units_for_people(controller, osapi):
    controller.says("GET", "/api/node/_all/disk", envelope(item("web-01", disks=DISKS)))

    done = osapi("client", "node", "disk", "get")

    assert done.code == 0
    assert done.out == shown("""
          HOSTNAME  STATUS  MOUNT  TOTAL    USED     USAGE
          web-01    ok      /      1.0 TiB  512 GiB  50.0%
          web-01    ok      /srv   8.0 GiB  1.0 GiB  12.5%

          1 host: 1 ok
        """)


def test_hosts_that_answer_the_same_share_a_row(controller, osapi):
    same = [item(f"web-{n:02}", uptime="1h") for n in (1, 2, 3, 5)]
    controller.says("GET", "/api/node/_all/uptime", envelope(*same, item("db", uptime="2h")))

    done = osapi("client", "node", "uptime")

    assert done.out == shown("""
          HOSTNAME        STATUS  UPTIME
          db              ok      2h
          web-[01-03,05]  ok      1h

          5 hosts: 5 ok
        """)


def test_a_wide_table_has_every_host_and_every_field(controller, osapi):
    same = [item(f"web-{n}", disks=DISKS[:1]) for n in (1, 2)]
    controller.says("GET", "/api/node/_all/disk", envelope(*same))

    done = osapi("client", "node", "disk", "-o", "wide")

    assert done.out == shown("""
          HOSTNAME  STATUS  MOUNT  TOTAL    USED     USAGE  FREE
          web-1     ok      /      1.0 TiB  512 GiB  50.0%  512 GiB
          web-2     ok      /      1.0 TiB  512 GiB  50.0%  512 GiB

          2 hosts: 2 ok
        """)


def test_what_went_wrong_is_told_below_the_table(controller, osapi):
    answers = [
        item("a", **NODE),
        item("b", "skipped", error="not on this family"),
        item("c1", "failed", code="no_answer", error="timeout: agent did not respond"),
        item("c2", "failed", code="no_answer", error="timeout: agent did not respond"),
    ]
    controller.says("GET", "/api/node/_all", envelope(*answers))

    done = osapi("client", "node", "status")

    assert done.code == 3
    assert done.out == shown("""
          HOSTNAME  STATUS  UPTIME   LOAD            MEM
          a         ok      26h3m4s  0.10 0.25 1.50  37.5%
          b         skip
          c[1-2]    err

          4 hosts: 1 ok, 1 skipped, 2 failed

          Details:
            b: not on this family
            c[1-2]: timeout: agent did not respond
        """)


def test_one_host_is_shown_with_all_there_is_of_it(controller, osapi):
    controller.says("GET", "/api/node/web-01", envelope(item("web-01", **NODE)))

    done = osapi("client", "node", "status", "--target", "web-01")

    assert done.out == shown("""
          Hostname: web-01
          OS: Debian GNU/Linux 12
          Uptime: 26h3m4s
          Load: 0.10 0.25 1.50
          Memory: 3.0 GiB of 8.0 GiB (37.5%)

          Disks
          DISK NAME  TOTAL    USED     FREE
          /          1.0 TiB  512 GiB  512 GiB

        """)


def test_a_dry_run_shows_what_would_be_done_once_for_all_alike(controller, osapi):
    would = [item(f"web-{n}", changed=True, timezone="Europe/Berlin", plan=PLAN) for n in (1, 2)]
    there = item("web-3", timezone="Europe/Berlin", plan={"files": [], "commands": []})
    controller.says("PUT", "/api/node/_all/timezone", envelope(*would, there))

    done = osapi("client", "node", "timezone", "update", "--timezone", "Europe/Berlin", "--dry-run")

    assert controller.asked[0].query == {"dry_run": "true"}
    assert done.out == shown("""
          HOSTNAME   STATUS        TIMEZONE
          web-[1-2]  would change  Europe/Berlin
          web-3      ok            Europe/Berlin

          3 hosts: 1 ok, 2 would change

          web-[1-2] would do:
            write /etc/timezone
            @@ -1 +1 @@
            -UTC
            +Europe/Berlin
            $ timedatectl set-timezone Europe/Berlin

          web-3 would do nothing
        """)


def test_what_a_terminal_would_obey_does_not_reach_it(controller, osapi):
    controller.says("GET", "/api/node/_all/uptime", envelope(item("a\x1b[2J", uptime="1h\x07")))

    done = osapi("client", "node", "uptime")

    assert "  a�[2J     ok      1h�\n" in done.out


def test_a_list_of_jobs_has_its_counts(controller, osapi):
    job = {"id": JOB, "status": "failed", "created": "2020-01-02T03:04:05Z", "target": "_all"}
    page = {
        "total_items": 12,
        "status_counts": {"submitted": 0, "partial_failure": 2},
        "items": [job | {"operation": {"type": "node.disk"}}],
    }
    controller.says("GET", "/api/job", page)

    done = osapi("client", "job", "list", "--limit", "1")

    assert done.out == (
        "  Total: 12\n  Showing: 1\n  Partial failure: 2\n\n"
        "  JOB ID                                STATUS  CREATED     TARGET  OPERATION\n"
        f"  {JOB}  failed  2020-01-02  _all    node.disk\n\n"
    )


def test_an_answer_of_the_controller_is_lines_or_a_table(controller, osapi):
    controller.says("GET", "/api/version", {"version": "0.1.0"})
    keys = [{"key": "fqdn", "description": "Full name", "builtin": True}]
    controller.says("GET", "/api/facts/keys", {"keys": keys})

    assert osapi("client", "version").out == "  Version: 0.1.0\n\n"
    assert osapi("client", "facts", "keys").out == (
        "  KEY   DESCRIPTION  BUILTIN\n  fqdn  Full name    yes\n\n"
    )


def test_json_is_the_body_as_it_came(controller, osapi):
    body = b'{"results":[{"hostname": "a", "status":"ok","later":[1]}],\n "job_id":"x"}\n'
    controller.says("GET", "/api/node/_all/os", body)

    assert osapi("client", "node", "os", "get", "--json").out.encode() == body


def test_yaml_says_the_same(controller, osapi):
    controller.says("GET", "/api/node/_all/uptime", envelope(item("ü", uptime="1h")))

    done = osapi("client", "node", "uptime", "-o", "yaml")

    assert yaml.safe_load(done.out) == envelope(item("ü", uptime="1h"))
    assert "hostname: ü" in done.out


def test_programs_read_of_jobs_what_they_always_read(controller, osapi):
    page = {"total_items": 1, "status_counts": {"failed": 1}, "items": [{"id": JOB}]}
    controller.says("GET", "/api/job", page)
    controller.says("DELETE", f"/api/job/{JOB}", status=204)

    listed = json.loads(osapi("client", "job", "list", "--status", "failed", "-j").out)
    deleted = json.loads(osapi("client", "job", "delete", "--job-id", JOB, "-j").out)

    assert list(listed) == sorted(listed)
    assert listed == {
        "displayed_jobs": 1,
        "filter_applied": "failed",
        "jobs": [{"id": JOB}],
        "limit_applied": 10,
        "offset_applied": 0,
        "status_counts": {"failed": 1},
        "total_jobs": 1,
    }
    assert (deleted["job_id"], deleted["status"]) == (JOB, "deleted")


def test_the_health_that_is_not_good_is_shown_and_is_a_failure(controller, osapi):
    entries = [
        {
            "type": kind,
            "hostname": "a",
            "status": "Ready",
            "age": "9s",
            "cpu_percent": 1.26,
            "mem_bytes": 1 << 20,
        }
        for kind in ("agent", "nats")
    ]
    body = {
        "status": "degraded",
        "version": "0.1.0",
        "uptime": "1h",
        "components": {"controller.nats": {"status": "error", "error": "away"}},
        "registry": entries,
    }
    controller.says("GET", "/api/health/status", body, 503)

    whole, part = osapi("client", "health"), osapi("client", "nats", "status")

    assert whole.code == 1
    assert "  controller.nats  error   away\n" in whole.out
    assert part.out == (
        "  TYPE  HOSTNAME  STATUS  AGE  CPU   MEM\n  nats  a         Ready   9s   1.3%  1.0 MiB\n\n"
    )


@pytest.mark.parametrize(
    ("names", "folded"),
    [
        (["a"], "a"),
        (["web-1", "web-2", "web-3"], "web-[1-3]"),
        (["web-09", "web-10", "web-12", "db"], "db, web-[09-10,12]"),
        (["n1.eu", "n2.eu", "n2.us"], "n[1-2].eu, n2.us"),
        (["web-10", "web-8", "web-9"], "web-[8-10]"),
        (["web-9", "web-08", "web-07"], "web-[07-08], web-9"),
        ([f"host-of-some-{c}-kind" for c in "abcdef"], "6 hosts"),
    ],
)
def test_names_of_hosts_are_told_in_short(names, folded):
    assert formats.fold(names) == folded


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (123 << 20, "123 MiB"), (5 << 60, "5120 PiB")],
)
def test_sizes_are_told_in_units_for_people(amount, text):
    assert formats.size(amount) == text
