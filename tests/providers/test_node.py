"""What a host tells of itself."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.dispatch import perform
from agent.providers.node import in_words, parse_memory, parse_mounts
from osapi.errors import NotFound
from osapi.operations import node

MEMORY = """\
MemTotal:        8000000 kB
MemFree:         1000000 kB
MemAvailable:    6000000 kB
Cached:          4500000 kB
HugePages_Total:       0
"""
FILESYSTEMS = (
    "nodev\tproc\nnodev\ttmpfs\nnodev\toverlay\nnodev\tnfs4\nnodev\tfuse\nnodev\tzfs\n\text4\n\tsquashfs\n"
)


async def test_used_memory_is_what_cannot_be_had_and_not_the_page_cache(host):
    host.has({"/proc/meminfo": MEMORY})

    performed = await perform(host, node.Memory())

    assert performed.result.memory == node.MemoryUsage(
        total=8_000_000 * 1024, free=1_000_000 * 1024, used=2_000_000 * 1024
    )


async def test_memory_that_the_kernel_does_not_tell_is_named(host):
    host.has({"/proc/meminfo": "MemTotal: 8 kB\n"})

    performed = await perform(host, node.Memory())

    assert performed.error == "/proc/meminfo has no 'MemFree'"


async def test_load_averages(host):
    host.has({"/proc/loadavg": "0.50 1.25 2.00 3/120 4711\n"})

    performed = await perform(host, node.Load())

    assert performed.result.load_average == node.LoadAverage(one=0.5, five=1.25, fifteen=2.0)


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ('VERSION_ID="12"\n', "12"),
        ("BUILD_ID=rolling\n", "rolling"),
        ("VERSION_CODENAME=sid\n", "sid"),
        ("", ""),
    ],
)
async def test_the_distribution_is_told_with_the_version_it_has(host, release, version):
    host.has({"/etc/os-release": f"ID=some\n{release}"})

    performed = await perform(host, node.OS())

    assert performed.result.os_info == node.System(distribution="some", version=version)


@pytest.mark.parametrize(
    ("seconds", "text"), [("93784.55 1.0", "26h3m4s"), ("184.9 1.0", "3m4s"), ("0.99 0.1", "0s")]
)
async def test_uptime_is_a_duration_in_whole_seconds(host, seconds, text):
    host.has({"/proc/uptime": f"{seconds}\n"})

    performed = await perform(host, node.Uptime())

    assert performed.result.uptime == text


@given(st.integers(0, 10**9))
def test_uptime_in_words_counts_every_minute(seconds):
    counts = [part.split() for part in in_words(seconds).split(", ")]

    days, hours, minutes = (int(n) for n, _ in counts)
    assert (days * 24 + hours) * 60 + minutes == seconds // 60
    assert all(unit.endswith("s") == (n != "1") for n, unit in counts)


async def test_a_disk_is_told_with_the_room_that_users_have(host):
    host.has({"/proc/self/mounts": "/dev/vda / ext4 rw 0 0\n", "/proc/filesystems": FILESYSTEMS})

    performed = await perform(host, node.Disk())

    [disk] = performed.result.disks
    found = os.statvfs(host.root)
    assert (disk.name, disk.total) == ("/", found.f_blocks * found.f_frsize)
    assert 0 <= disk.used <= disk.total
    assert disk.free <= disk.total - disk.used


async def test_a_mount_that_is_a_file_or_is_gone_is_left_out(host):
    host.has({"/etc/hosts": "", "/proc/filesystems": FILESYSTEMS})
    mounts = "/dev/vda /etc/hosts ext4 rw 0 0\n/dev/vdb /gone ext4 rw 0 0\n/dev/vda /etc ext4 rw 0 0\n"
    host.has({"/proc/self/mounts": mounts})

    performed = await perform(host, node.Disk())

    assert [disk.name for disk in performed.result.disks] == ["/etc"]


@pytest.mark.parametrize(
    ("mounts", "shown"),
    [
        ("proc /proc proc rw 0 0\ntmpfs /run tmpfs rw 0 0\n", []),
        ("overlay / overlay rw 0 0\noverlay /var/lib/docker/x overlay rw 0 0\n", [("overlay", "/")]),
        ("files:/home /home nfs4 rw 0 0\nme@there: /mnt fuse.sshfs rw 0 0\n", []),
        ("/dev/loop0 /snap/core squashfs ro 0 0\n", []),
        ("tank/data /tank zfs rw 0 0\n", [("tank/data", "/tank")]),
        ("/dev/sdb1 /mnt/my\\040disk ext4 rw 0 0\n", [("/dev/sdb1", "/mnt/my disk")]),
        ("rootfs / rootfs rw 0 0\n/dev/vda1 / ext4 rw 0 0\n", [("/dev/vda1", "/")]),
    ],
)
def test_only_disks_of_this_host_are_shown(mounts, shown):
    assert parse_mounts(mounts, FILESYSTEMS) == shown


@given(st.dictionaries(st.from_regex(r"[A-Za-z_()]{1,20}", fullmatch=True), st.integers(0, 2**50)))
def test_sizes_of_memory_are_read_as_bytes(sizes):
    text = "".join(f"{name}:{' ' * 5}{kib} kB\n" for name, kib in sizes.items())

    assert parse_memory(text) == {name: kib * 1024 for name, kib in sizes.items()}


async def test_status_leaves_out_what_cannot_be_read(host):
    host.has({"/proc/uptime": "90061.2 1.0\n", "/proc/loadavg": "0 0 0 1/1 1\n"})

    performed = await perform(host, node.Status())

    assert performed.result == node.NodeReport(
        uptime="1 day, 1 hour, 1 minute",
        os_info=node.System(distribution="debian", version="12"),
        load_average=node.LoadAverage(one=0, five=0, fifteen=0),
    )


async def test_a_part_that_is_asked_for_alone_fails_by_name(host):
    performed = await perform(host, node.Load())

    assert (performed.error, performed.code) == ("this host has no /proc/loadavg", NotFound.code)
