"""What a person sees of packages, of the journal and of what is scheduled."""

from textwrap import dedent, indent

from answering import JOB, envelope, item


def shown(text):
    return f"\n  Job ID: {JOB}\n\n" + indent(dedent(text).lstrip("\n"), "  ")


def test_an_installation_shows_what_became_of_each_package(controller, osapi):
    changes = [
        {"name": "curl", "before": "7.88.1", "after": "7.88.2"},
        {"name": "jq", "after": "1.6"},
        {"name": "vim", "before": "9.0"},
    ]
    controller.says(
        "POST", "/api/node/_all/package", envelope(item("web", name="curl", changed=True, changes=changes))
    )

    done = osapi("client", "node", "package", "install", "--name", "curl", "--more", "jq,vim=9.1")

    assert controller.asked[0].body == {"name": "curl", "more": ["jq", "vim=9.1"]}
    assert done.out == shown("""
          HOSTNAME  STATUS   NAME  CHANGES
          web       changed  curl  curl 7.88.1 → 7.88.2, jq new 1.6, vim gone

          1 host: 1 changed
        """)


def test_updates_and_what_is_installed_get_a_row_each(controller, osapi):
    update = {"name": "curl", "current_version": "7.88.1", "new_version": "7.88.2"}
    known = {"name": "curl", "version": "7.88.1", "status": "installed", "size": 512000}
    controller.says("GET", "/api/node/_all/package/update", envelope(item("web", updates=[update])))
    controller.says("GET", "/api/node/_all/package", envelope(item("web", packages=[known])))

    updates = osapi("client", "node", "package", "updates")
    packages = osapi("client", "node", "package", "list")

    assert updates.out.splitlines()[3:5] == [
        "  HOSTNAME  STATUS  NAME  CURRENT  NEW",
        "  web       ok      curl  7.88.1   7.88.2",
    ]
    assert packages.out.splitlines()[3:5] == [
        "  HOSTNAME  STATUS  NAME  VERSION  STATUS",
        "  web       ok      curl  7.88.1   installed",
    ]


def test_entries_of_the_journal_and_who_told_them_get_a_row_each(controller, osapi):
    entry = {"timestamp": "2026-11-22T14:40:51+00:00", "unit": "sh", "priority": "err", "message": "an error"}
    controller.says("GET", "/api/node/_all/log/unit/ssh", envelope(item("web", entries=[entry])))
    controller.says("GET", "/api/node/_all/log/source", envelope(item("web", sources=["cron", "sshd"])))

    entries = osapi("client", "node", "log", "unit", "--name", "ssh", "--priority", "err")
    sources = osapi("client", "node", "log", "source")

    assert controller.asked[0].query == {"lines": "100", "priority": "err"}
    assert entries.out.splitlines()[3:5] == [
        "  HOSTNAME  STATUS  TIMESTAMP                  UNIT  MESSAGE",
        "  web       ok      2026-11-22T14:40:51+00:00  sh    an error",
    ]
    assert sources.out.splitlines()[3:6] == [
        "  HOSTNAME  STATUS  SOURCE",
        "  web       ok      cron",
        "  web       ok      sshd",
    ]


def test_what_is_scheduled_is_shown(controller, osapi):
    controller.says(
        "POST", "/api/node/_all/power/reboot", envelope(item("web", changed=True, action="reboot", delay=600))
    )

    done = osapi("client", "node", "power", "reboot", "--delay", "600")

    assert controller.asked[0].body == {"delay": 600}
    assert done.out.splitlines()[3:5] == [
        "  HOSTNAME  STATUS   ACTION  DELAY",
        "  web       changed  reboot  600",
    ]
