"""The distribution, as os-release(5) names it."""

import re
from collections.abc import Mapping

NAMES = "/etc/os-release", "/usr/lib/os-release"
"""Where it is written; the first that is there counts."""

FAMILIES = {
    "debian": "debian",
    "ubuntu": "debian",
    "rhel": "redhat",
    "fedora": "redhat",
    "centos": "redhat",
    "suse": "suse",
    "opensuse": "suse",
    "arch": "arch",
    "alpine": "alpine",
}
"""Distributions that others say they are like, and the name providers know all of them by."""

_LINE = re.compile(r"""([A-Za-z0-9_]+)=(["']?)(.*)\2""")


def parse(text: str) -> dict[str, str]:
    """The assignments of an os-release file, unquoted; other lines are passed over."""
    found = (_LINE.fullmatch(line.strip()) for line in text.split("\n"))
    return {
        match[1]: match[3] if match[2] == "'" else re.sub(r"\\([\\\"'$`])", r"\1", match[3])
        for match in found
        if match
    }


def family(release: Mapping[str, str]) -> str:
    """The family a distribution belongs to, such as `debian`; its own id where it is none we know."""
    own = release.get("ID") or "linux"
    ids = [own, *release.get("ID_LIKE", "").split()]
    return next((FAMILIES[id] for id in ids if id in FAMILIES), own)
