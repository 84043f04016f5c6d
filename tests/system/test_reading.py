"""What a host tells of itself, beside what its own programs say."""

import pytest

from osapi import durations


@pytest.fixture
def one(site):
    """The answer of t1 to a question."""

    def ask(*words):
        [item] = site.ask(*words, on="t1")
        assert (item["hostname"], item["status"], item["changed"]) == ("t1", "ok", False)
        return item

    return ask


def close(found, wanted, part):
    """Whether two figures that change all the time are about the same: apart by a part of the second."""
    return abs(found - wanted) <= part * wanted


def test_the_system_is_the_one_the_distribution_names(one, t1):
    item = one("os", "get")

    name, version = t1.run("lsb_release", "--short", "--id", "--release").split()
    assert item["os_info"] == {"distribution": name.lower(), "version": version}


def test_memory_is_what_free_shows(one, t1):
    memory = one("memory", "get")["memory"]

    total, used, free = map(int, t1.sh("free --bytes | sed -n 2p").split()[1:4])
    assert memory["total"] == total
    assert close(memory["used"], used, 0.5)
    assert close(memory["free"], free, 0.5)


def test_disks_are_what_df_shows(one, t1):
    disks = {disk["name"]: disk for disk in one("disk", "get")["disks"]}

    total, used, free = map(int, t1.sh("df --block-size=1 --output=size,used,avail / | tail -n 1").split())
    assert disks["/"]["total"] == total
    assert close(disks["/"]["used"], used, 0.2)
    assert close(disks["/"]["free"], free, 0.2)


def test_the_load_is_what_the_kernel_says(one, t1):
    load = one("load", "get")["load_average"]

    said = [float(word) for word in t1.read("/proc/loadavg").split()[:3]]
    assert close(load["15min"], said[2], 0.5)
    assert set(load) == {"1min", "5min", "15min"}


def test_uptime_is_what_the_kernel_says(one, t1):
    said = durations.parse(one("uptime", "get")["uptime"])

    assert 0 <= float(t1.read("/proc/uptime").split()[0]) - said < 30


def test_the_status_is_all_of_it(site, one, t1):
    item = one("status")

    assert item["os_info"]["distribution"] == "debian"
    assert item["memory"]["total"] == int(t1.sh("free --bytes | sed -n 2p").split()[1])
    assert "/" in {disk["name"] for disk in item["disks"]}
    assert set(item["load_average"]) == {"1min", "5min", "15min"}
    assert "day" in item["uptime"]
    assert "debian 12" in site.cli("client", "node", "status", "--target", "t1", check=0).stdout.lower()


def test_name_and_labels_are_the_hosts(one, t1):
    item = one("hostname", "get")

    assert item["hostname"] == t1.run("hostnamectl", "hostname")
    assert item["labels"] == {"group": "web.dev.eu", "site": "lab"}


def test_the_time_zone_is_the_one_systemd_says(one, t1):
    item = one("timezone", "get")

    assert item["timezone"] == t1.run("timedatectl", "show", "--property=Timezone", "--value")
    assert item["utc_offset"] == t1.run("date", "+%:z")


def test_facts_of_the_host_are_what_its_programs_say(site, t1):
    agent = site.json("client", "agent", "get", "--hostname", "t1")

    assert agent["machine_id"] == t1.machine_id
    assert agent["kernel_version"] == t1.run("uname", "-r")
    assert agent["architecture"] == t1.run("uname", "-m")
    assert agent["cpu_count"] == int(t1.run("nproc", "--all"))
    assert agent["service_mgr"] == "systemd"
    assert agent["package_mgr"] == "apt"
    assert agent["primary_interface"] == t1.sh("ip route show default").split(" dev ")[1].split()[0]
    assert {"eth0": t1.address} == {each["name"]: each["ipv4"] for each in agent["interfaces"]}


def test_processes_are_those_that_ps_shows(one, t1):
    t1.run("systemd-run", "--unit=sleeper", "sleep", "4711")
    pid = int(t1.unit("MainPID", "sleeper"))

    listed = {each["pid"]: each for each in one("process", "list")["processes"]}
    shown = one("process", "get", "--pid", str(pid))["process"]

    user, name, command = t1.run("ps", "-o", "user=,comm=,args=", "-p", str(pid)).split(maxsplit=2)
    assert (shown["user"], shown["name"], shown["command"]) == (user, name, command)
    assert command.endswith("sleep 4711")
    assert listed[pid]["command"] == command
    assert listed[1]["name"] == "systemd"
    assert int(t1.unit("MainPID")) in listed
    t1.run("systemctl", "stop", "sleeper")
