"""Which distribution a host has."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.host import Host
from agent.release import family, parse


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("ID=debian\n", "debian"),
        ("ID=ubuntu\nID_LIKE=debian\n", "debian"),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', "debian"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "redhat"),
        ("ID=fedora\n", "redhat"),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "suse"),
        ("ID=gentoo\n", "gentoo"),
        ("", "linux"),
    ],
)
def test_detect_knows_the_family_and_the_name(tmp_path, release, expected):
    (tmp_path / "proc/sys/kernel").mkdir(parents=True)
    (tmp_path / "proc/sys/kernel/hostname").write_text("web-01\n")
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/os-release").write_text(release)

    host = Host.detect(tmp_path, labels={"group": "web"}, output_limit=7)

    assert (host.family, host.hostname, host.labels, host.output_limit) == (
        expected, "web-01", {"group": "web"}, 7,
    )  # fmt: skip


WORD = st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cc", "Cs", "Zl", "Zp"]))


@given(st.dictionaries(st.from_regex(r"[A-Z_]{1,9}", fullmatch=True), WORD))
def test_what_os_release_quotes_is_read_back(values):
    quoted = {name: re.sub(r"([\\\"$`])", r"\\\1", value) for name, value in values.items()}
    text = "".join(f'{name}="{value}"\n' for name, value in quoted.items())

    assert parse("# a comment\n\n" + text) == values


@given(st.text())
def test_any_os_release_has_a_family(text):
    assert family(parse(text))
