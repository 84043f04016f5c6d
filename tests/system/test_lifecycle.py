"""A disk that fills up, and a host that is out of service: what their agents say, and what they take."""

from booted import DISK
from processes import eventually


def pressure(http, name):
    """What a host says of its disks: whether they are too full, which, and since when."""
    conditions = http.get(f"/api/agent/{name}").json()["conditions"]
    [found] = [each for each in conditions if each["type"] == "DiskPressure"]
    return found


def beats(http, name):
    return http.get(f"/api/agent/{name}").json()["registered_at"]


def test_a_disk_that_is_full_is_told_of_once_and_once_it_has_room_again(site, http, small):
    before = pressure(http, "t5")
    assert not before["status"]

    small.sh(f"dd if=/dev/zero of={DISK}/ballast bs=1M || true")
    full = eventually(lambda: (found := pressure(http, "t5"))["status"] and found)
    beat = beats(http, "t5")
    eventually(lambda: beats(http, "t5") > beat)
    small.run("systemctl", "restart", "osapi-agent")
    site.ready(small)
    still = pressure(http, "t5")
    small.run("rm", f"{DISK}/ballast")
    over = eventually(lambda: not (found := pressure(http, "t5"))["status"] and found)

    assert full["reason"].startswith(f"{DISK} is 100% full, more than 90%")
    assert still == full
    assert before["last_transition_time"] < full["last_transition_time"] < over["last_transition_time"]


def test_a_drained_host_is_cordoned_also_after_it_has_rebooted(site, http, t1):
    site.cli("client", "agent", "drain", "--hostname", "t1", "--wait", "30s", check=0)
    t1.reset()
    site.ready(t1)
    waits = site.begin("touch /var/tmp/was-here", "--expires", "5m", on="t1")
    asked = {item["hostname"] for item in site.ask("load", "get", on="_all")}
    shown = http.get("/api/agent/t1").json()

    assert (shown["status"], shown["state"]) == ("Ready", "Cordoned")
    assert asked == {"t2", "t3"}
    assert site.state(waits, t1) == "submitted"
    assert t1.sh("ls /var/tmp/was-here || true") == ""

    site.cli("client", "agent", "undrain", "--hostname", "t1", check=0)

    assert site.ended(waits)["status"] == "completed"
    assert t1.run("ls", "/var/tmp/was-here") == "/var/tmp/was-here"
    happened = [each["event"] for each in http.get("/api/agent/t1").json()["timeline"]]
    assert happened[-4:] == ["drain", "cordoned", "started", "undrain"]
