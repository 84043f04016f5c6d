"""Which hosts a job reaches: each that runs it leaves a mark, and all are looked at for it."""

import uuid

import pytest

MARKS = "/var/tmp/marks"


@pytest.fixture
def reached(site):
    """The hosts that a job for a target leaves a mark in, and the hosts that answer."""

    def leave(target):
        mark = uuid.uuid4().hex
        items = site.ask("command", "shell", "--command", f"echo {mark} >> {MARKS}", on=target)
        marked = [
            name for name, host in site.hosts.items() for line in host.read(MARKS).split() if line == mark
        ]
        return sorted(marked), [item["hostname"] for item in items]

    return leave


def test_all_is_every_host(reached):
    assert reached("_all") == (["t1", "t2", "t3"],) * 2


def test_any_is_one_host(reached):
    for _ in range(5):
        marked, answered = reached("_any")
        assert len(marked) == 1
        assert answered == marked


def test_a_host_has_a_name(reached):
    assert reached("t2") == (["t2"],) * 2


def test_a_host_has_a_machine_id(reached, t3):
    assert reached(t3.machine_id) == (["t3"],) * 2


@pytest.mark.parametrize(
    ("label", "hosts"),
    [
        ("group:web", ["t1", "t2"]),
        ("group:web.dev", ["t1"]),
        ("group:web.dev.eu", ["t1"]),
        ("group:web.prod", ["t2"]),
        ("group:db", ["t3"]),
    ],
)
def test_a_label_and_each_dotted_prefix_of_it_is_the_hosts_that_carry_it(reached, label, hosts):
    assert reached(label) == (hosts, hosts)


@pytest.mark.parametrize("nowhere", ["group:we", "group:web.dev.eu.west", "rack:1", "t4", "10.77.2.1"])
def test_what_means_no_host_is_refused_and_reaches_none(site, nowhere):
    mark = uuid.uuid4().hex

    done = site.cli(
        "client", "node", "command", "shell", "--command", f"echo {mark} >> {MARKS}", "--target", nowhere
    )

    assert done.returncode == 2
    assert nowhere in done.stderr
    assert not any(mark in host.read(MARKS) for host in site.hosts.values())
