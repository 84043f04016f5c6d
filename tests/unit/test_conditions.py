"""What holds of a host and a process, by its measurements and thresholds."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.conditions import read_only
from osapi import conditions
from osapi.config.schema import Conditions, ProcessConditions
from osapi.durations import Duration
from osapi.operations.node import DiskUsage, LoadAverage, MemoryUsage
from osapi.registry import NodeCondition, ProcessUsage

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LIMITS = Conditions()
MIB = 1024 * 1024


def disk(name, used, free):
    return DiskUsage(name=name, total=100, used=used, free=free)


@pytest.mark.parametrize(
    ("used", "reason"),
    [(0, None), (90, None), (91, "91% of the memory is used, more than 90%"), (100, "100% of")],
)
def test_memory_pressure_begins_above_its_threshold(used, reason):
    found = conditions.memory_pressure(MemoryUsage(total=100, free=0, used=used), LIMITS, NOON)

    assert found.type == "MemoryPressure"
    assert found.status is (reason is not None)
    assert (found.reason or "").startswith(reason or "")


@pytest.mark.parametrize(
    ("load", "cpus", "reason"),
    [
        (8.0, 4, None),
        (8.01, 4, "load 8.01 on 4 CPUs, more than 8"),
        (2.5, 1, "load 2.50 on 1 CPUs, more than 2"),
        (99.0, 0, None),
    ],
)
def test_load_is_high_above_two_tasks_a_cpu_and_not_while_their_number_is_unknown(load, cpus, reason):
    found = conditions.high_load(LoadAverage(one=load, five=0, fifteen=0), cpus, LIMITS, NOON)

    assert (found.status, found.reason) == (reason is not None, reason)


@pytest.mark.parametrize(
    ("disks", "reason"),
    [
        ([], None),
        ([disk("/", 90, 10)], None),
        ([disk("/", 50, 50), disk("/srv", 95, 5)], "/srv is 95% full, more than 90%"),
        ([disk("/", 95, 5), disk("/srv", 99, 1)], "/ is 95% full, more than 90%, and 1 more"),
        ([disk("/kept-for-root", 88, 2)], "/kept-for-root is 98% full, more than 90%"),
        ([disk("/empty", 0, 0)], None),
    ],
)
def test_the_first_disk_that_is_too_full_is_named(disks, reason):
    found = conditions.disk_pressure(disks, LIMITS, NOON)

    assert (found.status, found.reason) == (reason is not None, reason)


@pytest.mark.parametrize(
    ("skew", "reason"),
    [
        (5, None),
        (-5, None),
        (6.25, "the clock is 6.2 s behind the broker's, more than 5 s"),
        (-3600, "the clock is 3600.0 s ahead of the broker's, more than 5 s"),
    ],
)
def test_a_clock_that_is_wrong_says_by_how_much(skew, reason):
    found = conditions.clock_skew(timedelta(seconds=skew), LIMITS, NOON)

    assert (found.status, found.reason) == (reason is not None, reason)


def test_what_was_not_measured_is_not_held_against_a_host():
    found = [conditions.memory_pressure(None, LIMITS, NOON), conditions.high_load(None, 2, LIMITS, NOON)]

    assert [each.status for each in found] == [False, False]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (ProcessConditions(), {}),
        (ProcessConditions(memory_pressure_bytes=64 * MIB), {"ProcessMemoryPressure": True}),
        (ProcessConditions(memory_pressure_bytes=512 * MIB), {"ProcessMemoryPressure": False}),
        (
            ProcessConditions(memory_pressure_bytes=512 * MIB, high_cpu_percent=50),
            {"ProcessMemoryPressure": False, "ProcessHighCPU": True},
        ),
    ],
)
def test_conditions_of_a_process_are_told_where_they_have_a_threshold(limits, expected):
    usage = ProcessUsage(cpu_percent=75.0, rss_bytes=128 * MIB)

    found = conditions.process_conditions(usage, limits, NOON)

    assert {each.type: each.status for each in found} == expected
    assert all((each.reason is not None) is each.status for each in found)


def test_a_condition_is_so_since_it_became_so_and_not_since_the_last_beat():
    later, latest = NOON + timedelta(seconds=10), NOON + timedelta(seconds=20)
    limits = Conditions(clock_skew_threshold=Duration(1))

    def beat(skew, at, before):
        return conditions.carried([conditions.clock_skew(timedelta(seconds=skew), limits, at)], before)

    first = beat(2, NOON, [])
    second = beat(3, later, first)
    third = beat(0, latest, second)

    assert [(each.status, each.last_transition_time) for each in (*first, *second, *third)] == [
        (True, NOON),
        (True, NOON),
        (False, latest),
    ]
    assert second[0].reason != first[0].reason


@given(st.lists(st.booleans(), min_size=1))
def test_a_transition_is_at_each_change_and_nowhere_else(statuses):
    before: list[NodeCondition] = []
    since = 0
    for second, status in enumerate(statuses):
        at = NOON + timedelta(seconds=second)
        before = conditions.carried([conditions.condition("X", at, "so" if status else None)], before)
        since = since if second and status == statuses[second - 1] else second
        assert before[0].last_transition_time == NOON + timedelta(seconds=since)


def test_what_is_mounted_to_be_read_only_cannot_get_fuller():
    mounts = (
        "/dev/vda1 / ext4 rw,relatime 0 0\n"
        "/dev/vdb /usr ext4 ro,relatime 0 0\n"
        "/dev/vdc /mnt/my\\040disk ext4 rw,errors=remount-ro 0 0\n"
        "/dev/vdd /srv ext4 rw 0 0\n"
        "/dev/vdd /srv ext4 ro 0 0\n"
    )

    assert read_only(mounts) == {"/usr", "/srv"}
