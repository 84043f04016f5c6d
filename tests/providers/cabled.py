"""A host that netplan configures, on a cable to its broker; and what programs of booted hosts have printed."""

from ipaddress import ip_address
from pathlib import Path

import attrs

CAPTURED = Path(__file__).parent / "network" / "captured"
RELEASES = ("debian-12", "debian-13")

APPLY = ("netplan", "apply")
GENERATE = ("netplan", "generate", "--root-dir", "/var/lib/osapi/agent/versions/netplan")
PENDING = "/var/lib/osapi/agent/versions/netplan.json"
BASE = """\
network:
  version: 2
  renderer: networkd
  ethernets:
    eth0:
      dhcp4: false
      accept-ra: false
      addresses: [10.77.2.1/16]
      routes: [{to: default, via: 10.77.0.1}]
"""


@attrs.define
class Cable:
    """The way to a broker at 10.77.0.1: it is there while no file of netplan has the word that `breaks` it."""

    folder: Path
    breaks: str = "nothing does"
    asked: int = 0

    @property
    def pause(self):
        """None, unless the clock of the test has to go on."""
        return 0.0 if self.breaks == "nothing does" else 1.0

    async def addresses(self):
        return [ip_address("10.77.0.1")]

    async def reachable(self):
        self.asked += 1
        return not any(self.breaks in path.read_text() for path in self.folder.glob("*.yaml"))


def captured(release, name):
    """What a program printed on a booted host of a release."""
    return (CAPTURED / release / name).read_text()


def connect(host):
    """The same host, configured by netplan, on a cable; its programs print what those of Debian 12 do."""
    host.has(
        {"/usr/sbin/netplan": "", "/etc/netplan/01-base.yaml": BASE, "/sys/class/net/eth0/mtu": "1500\n"}
    )
    host.answers.update({APPLY: "", GENERATE: ""})
    shows(host, "debian-12")
    return attrs.evolve(host, uplink=Cable(host.root / "etc/netplan"))


def shows(host, release):
    """Have ip(8) of a host print what that of a release did."""
    host.answers["ip", "-json", "-details", "address", "show"] = captured(release, "ip-address.json")
    for version in (4, 6):
        argv = ("ip", "-json", f"-{version}", "route", "show", "table", "all")
        host.answers[argv] = captured(release, f"ip-{version}-route.json")
