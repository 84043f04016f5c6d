"""What systemctl of Debian 12 and 13 prints, as captured there; and one that keeps track of a few units."""

import json

import attrs

from agent import units

CRON = {
    "Debian 12": """\
MainPID=43
Id=cron.service
Description=Regular background program processing daemon
LoadState=loaded
ActiveState=active
FragmentPath=/lib/systemd/system/cron.service
UnitFileState=enabled
CanReload=no
NeedDaemonReload=no
SuccessAction=none
InvocationID=bd81f930b1e5451c9c9fa183dbcf33c8
""",
    "Debian 13": """\
MainPID=70
Id=cron.service
Description=Regular background program processing daemon
LoadState=loaded
ActiveState=active
FragmentPath=/usr/lib/systemd/system/cron.service
UnitFileState=enabled
CanReload=no
NeedDaemonReload=no
SuccessAction=none
InvocationID=a2bfff7d41d24ab0a190a1d4c6a0d680
""",
}
FAILED = """\
MainPID=0
Id=osapi-fail.service
Description=osapi-fail.service
LoadState=loaded
ActiveState=failed
FragmentPath=/etc/systemd/system/osapi-fail.service
UnitFileState=static
CanReload=no
NeedDaemonReload=no
SuccessAction=none
InvocationID=dc38a67fe3d94e20b96c7d1299c9add7
"""
TIMER_TWO_CALENDARS = """\
Unit=osapi-t.service
TimersCalendar={ OnCalendar=Mon *-*-* 12:00:00 ; next_elapse=Mon 2026-11-23 12:00:00 UTC }
TimersCalendar={ OnCalendar=*-*-* 00:00:00 ; next_elapse=(null) }
Id=osapi-t.timer
Description=osapi-t.timer
LoadState=loaded
ActiveState=inactive
FragmentPath=/etc/systemd/system/osapi-t.timer
UnitFileState=disabled
CanReload=no
NeedDaemonReload=no
SuccessAction=none
InvocationID=
"""

COMMANDS = {
    "nats.service": """\
ExecStart={ path=/usr/local/bin/nats-server ; argv[]=/usr/local/bin/nats-server 1000 ; ignore_errors=no ; \
start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }
""",
    "web.service": """\
ExecStart={ path=/bin/false ; argv[]=/bin/false ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; \
code=(null) ; status=0/0 }
ExecStart={ path=/opt/osapi/.venv/bin/osapi ; argv[]=/opt/osapi/.venv/bin/osapi controller start \
-f /etc/osapi/osapi.yaml ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }
""",
    "client.service": """\
ExecStart={ path=/opt/osapi/.venv/bin/osapi ; argv[]=/opt/osapi/.venv/bin/osapi client node service start ; \
ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; pid=0 ; code=(null) ; status=0/0 }
""",
}
"""What some units start, two of them a part of OSAPI."""

VERIFY = {
    "nothing to start": (
        "/FOLDER/osapi-app.service:4: Unknown key 'ExecStrt' in section [Service], ignoring.\n"
        "osapi-app.service: Service has no ExecStart=, ExecStop=, or SuccessAction=. Refusing.\n"
        "Unit osapi-app.service has a bad unit file setting.\n"
    ),
    "no path": (
        "/FOLDER/osapi-app.service:2: Neither a valid executable name nor an absolute path: bin/true\n"
        "osapi-app.service: Unit configuration has fatal error, unit will not be started.\n"
        "Unit osapi-app.service has a bad unit file setting.\n"
    ),
    "empty": "Unit osapi-app.service is masked.\n",
}
"""What systemd-analyze says of what cannot be loaded; and of what can, when what it needs is there."""
VERIFY_LATER = {
    "program": "osapi-app.service: Command /usr/bin/app is not executable: No such file or directory\n",
    "unit": "osapi-app.service: Failed to create osapi-app.service/start: Unit nosuch.service not found.\n",
    "and is passed over": (
        "/lib/systemd/system/other.service:5: Neither a valid executable name nor an absolute path: x\n"
        "/FOLDER/osapi-app.service:5: Unknown key 'Fooo' in section [Service], ignoring.\n"
        "osapi-app.service: Command /usr/bin/app is not executable: No such file or directory\n"
    ),
}


@attrs.define(eq=False, slots=False)
class Systemd(dict):
    """What programs print on a host with some units; `systemctl` changes them, and `says` goes before all of it.

    A unit that `fails` is failed once it is started; `commands` has what some start, as `systemctl show` has it.
    """

    known: dict[str, units.Unit] = attrs.field(factory=dict)
    says: dict[tuple[str, ...], str | Exception] = attrs.field(factory=dict)
    fails: set[str] = attrs.field(factory=set)
    commands: dict[str, str] = attrs.field(factory=dict)
    starts: int = 0

    def __getitem__(self, argv):
        if argv in self.says:
            return self.says[argv]
        match argv:
            case (*show, name) if tuple(show) == units.SHOW:
                return "\n".join(map(block, self.matching(name)))
            case (*show, name) if tuple(show) == units.COMMANDS:
                return self.commands.get(name, "\n")
            case ("systemctl", "is-enabled", "--", name):
                return f"{self.known[name].file_state}\n" if name in self.known else ""
            case ("systemctl", "list-unit-files", *_):
                return json.dumps([{"unit_file": u.id, "state": u.file_state} for u in self.known.values()])
            case ("systemctl", *options, "--", name):
                self.change([word for word in options if word in CHANGES], name)
                return ""
            case ("systemctl", "daemon-reload") | ("systemd-analyze", "verify", *_):
                return ""
        raise KeyError(argv)

    def matching(self, name):
        if "*" in name:
            head, tail = name.split("*")
            return [u for u in self.known.values() if u.id.startswith(head) and u.id.endswith(tail)]
        return [self.known.get(name) or units.Unit(id=name, load="not-found", active="inactive")]

    def change(self, verbs, name):
        for unit in filter(lambda unit: unit.id in self.known, self.matching(name)):
            for verb in verbs:
                new = CHANGES[verb]
                if verb in {"start", "restart"}:
                    self.starts += 1
                    new = {
                        "active": "failed" if name in self.fails else "active",
                        "invocation": f"{self.starts}",
                    }
                self.known[unit.id] = attrs.evolve(self.known[unit.id], **new)


CHANGES = {
    "start": {},
    "restart": {},
    "stop": {"active": "inactive"},
    "reload": {},
    "enable": {"file_state": "enabled"},
    "disable": {"file_state": "disabled"},
    "mask": {"load": "masked", "file_state": "masked", "file": "/etc/systemd/system/masked"},
    "unmask": {"load": "loaded", "file_state": "enabled", "file": "/lib/systemd/system/again"},
}


def block(unit: units.Unit) -> str:
    """A unit as `systemctl show` prints it."""
    timed = f"Unit={unit.starts}\n" if unit.starts else ""
    timed += (
        f"TimersCalendar={{ OnCalendar={unit.calendar} ; next_elapse=(null) }}\n" if unit.calendar else ""
    )
    return f"""\
{timed}MainPID={unit.pid}
Id={unit.id}
Description={unit.description}
LoadState={unit.load}
ActiveState={unit.active}
FragmentPath={unit.file}
UnitFileState={unit.file_state}
CanReload={"yes" if unit.can_reload else "no"}
NeedDaemonReload={"yes" if unit.is_outdated else "no"}
SuccessAction={unit.action}
InvocationID={unit.invocation}
"""
