"""What dpkg and apt of Debian 12 and 13 print, as captured there."""

from agent import apt
from agent.providers.package import UPDATE
from osapi.errors import CommandFailed

BARE = {
    "Debian 12": """\
cron	amd64	3.0pl1-162	installed	217	process scheduling daemon
dpkg	amd64	1.21.23	installed	6409	Debian package management system
lab-old	all	1.0	config-files	12	left behind
libc6	amd64	2.36-9+deb12u14	installed	13001	GNU C Library: Shared libraries
libc6	i386	2.36-9+deb12u14	installed	12001	GNU C Library: Shared libraries
""",
    "Debian 13": """\
cron	amd64	3.0pl1-197	installed	249	process scheduling daemon
dpkg	amd64	1.22.22	installed	6587	Debian package management system
lab-old	all	1.0	config-files	12	left behind
libc6	amd64	2.41-12+deb13u4	installed	13226	GNU C Library: Shared libraries
libc6	i386	2.41-12+deb13u4	installed	12226	GNU C Library: Shared libraries
""",
}
LIB = "lab-lib	all	1:3-1	installed		lab-lib of the tests\n"
APP = "lab-app	all	1.0	installed	4	lab-app of the tests\n"
APP_2 = APP.replace("1.0", "2.0")
BROKEN = "lab-app	all	1.0	half-configured	4	lab-app of the tests\n"

HEAD = "Reading package lists...\nBuilding dependency tree...\nReading state information...\n"
INSTALLS = f"""{HEAD}\
The following additional packages will be installed:
  lab-lib
The following NEW packages will be installed:
  lab-app lab-lib
0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.
Inst lab-lib (1:3-1 10.77.0.1 [all])
Inst lab-app (1.0 10.77.0.1 [all])
Conf lab-lib (1:3-1 10.77.0.1 [all])
Conf lab-app (1.0 10.77.0.1 [all])
"""
DOWNGRADES = f"""{HEAD}\
The following packages will be DOWNGRADED:
  lab-app
0 upgraded, 0 newly installed, 1 downgraded, 0 to remove and 0 not upgraded.
Inst lab-app [2.0] (1.0 10.77.0.1 [all])
Conf lab-app (1.0 10.77.0.1 [all])
"""
REPLACES = f"""{HEAD}\
The following packages will be REMOVED:
  lab-app
The following NEW packages will be installed:
  lab-rival
0 upgraded, 1 newly installed, 1 to remove and 0 not upgraded.
Remv lab-app [1.0]
Inst lab-rival (1.0 10.77.0.1 [all])
Conf lab-rival (1.0 10.77.0.1 [all])
"""
REMOVES = f"""{HEAD}\
The following packages will be REMOVED:
  lab-app lab-lib
0 upgraded, 0 newly installed, 2 to remove and 0 not upgraded.
Remv lab-app [1.0]
Remv lab-lib [1:3-1]
"""
REMOVES_PYTHON = {
    "Debian 12": """\
Remv netplan.io [0.106-2+deb12u1]
Remv python3 [3.11.2-1+b1] [python3-lib2to3:amd64 python3-pkg-resources:amd64 python3-mdurl:amd64 ]
Remv python3-mdurl [0.1.2-1] [python3-pkg-resources:amd64 python3-netifaces:amd64 ]
Remv python3-minimal [3.11.2-1+b1] [python3-pkg-resources:amd64 python3-netifaces:amd64 ]
Remv python3-pkg-resources [66.1.1-1+deb12u2]
""",
    "Debian 13": """\
Remv netplan.io [1.1.2-7]
Remv python3 [3.13.5-1] [python3-cffi-backend:amd64 ]
Remv python3-cffi-backend [1.17.1-3]
Remv python3-minimal [3.13.5-1]
""",
}
UPGRADABLE = """\
Listing...
lab-app/unknown 2.0 all [upgradable from: 1.0]
libc6/stable-security,now 2.41-12+deb13u5 amd64 [upgradable from: 2.41-12+deb13u4]
libc6/stable-security 2.41-12+deb13u5 i386 [upgradable from: 2.41-12+deb13u4]
"""
NO_PACKAGE = CommandFailed(apt.LOOK, 100, "E: Unable to locate package lab-ap\n", HEAD)
NO_VERSION = CommandFailed(apt.LOOK, 100, "E: Version '9' for 'lab-app' was not found\n", HEAD)
UNMET = CommandFailed(
    apt.LOOK,
    100,
    "E: Unable to correct problems, you have held broken packages.\n",
    f"""{HEAD}\
or been moved out of Incoming.
The following information may help to resolve the situation:

The following packages have unmet dependencies:
 lab-needs : Depends: nosuch-lib but it is not installable
""",
)
HELD = CommandFailed(
    apt.LOOK,
    100,
    "E: Held packages were changed and -y was used without --allow-change-held-packages.\n",
    f"{HEAD}The following held packages will be changed:\n  lab-app\n"
    "The following packages will be upgraded:\n  lab-app\n",
)
ESSENTIAL = CommandFailed(
    apt.LOOK,
    100,
    "E: Essential packages were removed and -y was used without --allow-remove-essential.\n",
    f"""{HEAD}\
The following packages will be REMOVED:
  libpam-systemd systemd-sysv
WARNING: The following essential packages will be removed.
This should NOT be done unless you know exactly what you are doing!
  systemd-sysv
0 upgraded, 0 newly installed, 2 to remove and 1 not upgraded.
""",
)
LOCKED = CommandFailed(
    UPDATE,
    100,
    "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 421 (apt-get)\n"
    "E: Unable to lock directory /var/lib/apt/lists/\n",
)


class Programs(dict):
    """What programs print; `then` has what dpkg-query prints once a program has run."""

    def __init__(self, answers, then):
        super().__init__(answers)
        self.then = then

    def __getitem__(self, argv):
        if argv in self.then:
            self[apt.QUERY] = self.then[argv]
            return ""
        return super().__getitem__(argv)
