"""Kernel parameters on real hosts, as /proc/sys and sysctl(8) have them; only those that each host has for itself."""

import pytest
from booted import AS_ROOT
from processes import eventually

FORWARD, FIN, PORTS = "net.ipv4.ip_forward", "net.ipv4.tcp_fin_timeout", "net.ipv4.ip_local_port_range"
BRIDGE = "net.ipv4.conf.br-lab/1.rp_filter"
OURS = "/etc/sysctl.d/osapi-"


def value(host, key):
    return " ".join(host.run("sysctl", "--values", key).split())


def reboot(site, host):
    before = host.boot_id
    site.begin(f"{AS_ROOT}systemctl reboot", on=host.name)
    eventually(lambda: back(host, before), within=60)
    site.ready(host)


def back(host, before):
    """Whether a host has booted again; while it is down nothing can be run in it."""
    try:
        return host.boot_id not in {"", before}
    except AssertionError:
        return False


@pytest.fixture
def t1(t1):
    """t1, without anything that OSAPI or a test has set."""

    def clear():
        t1.sh(f"rm -f {OURS}* /etc/sysctl.d/zz-lab.conf /etc/sysctl.d/10-lab.conf")
        t1.run("sysctl", "--quiet", "--write", f"{FORWARD}=0", f"{FIN}=60", f"{PORTS}=32768 60999")

    clear()
    yield t1
    clear()


@pytest.fixture
def keep(http, t1):
    """What t1 answers to an operation on parameters; or why it does not do it."""

    def ask(method, path="", *, dry=False, refused=None, fails=False, **body):
        query = {"dry_run": "true"} if dry else {}
        answer = http.request(method, f"/api/node/t1/sysctl{path}", params=query, json=body or None)
        if refused:
            assert answer.status_code == refused, answer.text
            return answer.json()["detail"]
        assert answer.status_code == 200, answer.text
        results = answer.json()["results"]
        if fails:
            assert [item["status"] for item in results] == ["failed"]
            return results[0]["error"]
        assert {item["status"] for item in results} == {"ok"}, results
        return results if (method, path) == ("GET", "") else results[0]

    return ask


def test_a_parameter_is_set_now_and_still_after_a_reboot(keep, site, t1):
    planned = keep("POST", key=FIN, value="42", dry=True)
    assert (value(t1, FIN), t1.read(f"{OURS}{FIN}.conf")) == ("60", "")

    first = keep("POST", key=FIN, value="42")
    again = keep("POST", key=FIN, value="42")

    assert planned["plan"]["commands"] == [["sysctl", "--write", "--", f"{FIN}=42"]]
    assert f"+{FIN} = 42" in planned["plan"]["files"][0]["diff"]
    assert (first["changed"], again["changed"], value(t1, FIN)) == (True, False, "42")
    t1.run("sysctl", "--write", f"{FIN}=60")
    reboot(site, t1)
    assert value(t1, FIN) == "42"
    assert not keep("POST", key=FIN, value="42")["changed"]


def test_what_drifted_is_shown_and_put_right(keep, t1):
    keep("POST", key=FORWARD, value="1")
    t1.run("sysctl", "--write", f"{FORWARD}=0")

    drifted = keep("GET", f"/{FORWARD}")
    repaired = keep("POST", key=FORWARD, value="1")

    assert (drifted["value"], drifted["kept"]) == ("0", "1")
    assert (repaired["changed"], value(t1, FORWARD)) == (True, "1")
    t1.sh(f"echo > {OURS}{FORWARD}.conf")
    assert keep("POST", key=FORWARD, value="1")["changed"]
    assert f"{FORWARD} = 1" in t1.read(f"{OURS}{FORWARD}.conf")


def test_what_is_kept_is_listed_item_by_item_for_programs_and_row_by_row_for_people(keep, site, t1):
    assert keep("GET") == [{"hostname": "t1", "status": "ok", "changed": False}]

    keep("POST", key=FORWARD, value="1")
    keep("POST", key=PORTS, value="30000   50000")

    outer = {"hostname": "t1", "status": "ok", "changed": False}
    assert keep("GET") == [
        outer | {"key": FORWARD, "value": "1"},
        outer | {"key": PORTS, "value": "30000 50000"},
    ]
    assert value(t1, PORTS) == "30000 50000"
    shown = site.cli("client", "node", "sysctl", "list", "--target", "_all", check=0).stdout
    assert [line.split() for line in shown.splitlines() if line.startswith("  t1")] == [
        ["t1", "ok", FORWARD, "1"],
        ["t1", "ok", PORTS, "30000", "50000"],
    ]
    assert "3 hosts: 3 ok" in shown


def test_update_and_delete_are_for_what_is_kept(keep, t1):
    assert "is not kept by OSAPI" in keep("PUT", f"/{FIN}", value="50", refused=404)
    assert not keep("DELETE", f"/{FIN}")["changed"]
    keep("POST", key=FIN, value="42")
    assert "kept at '42', not at '50'" in keep("POST", key=FIN, value="50", refused=409)

    changes = [keep("PUT", f"/{FIN}", value="50")["changed"] for _ in range(2)]

    assert (changes, value(t1, FIN)) == ([True, False], "50")
    removed = [keep("DELETE", f"/{FIN}")["changed"] for _ in range(2)]
    assert (removed, value(t1, FIN)) == ([True, False], "50")
    keep("GET", f"/{FIN}", refused=404)


def test_delete_gives_back_what_systemd_would_set(keep, t1):
    t1.sh(
        f"echo 'net.ipv4.tcp_*_timeout = 33' > /etc/sysctl.d/10-lab.conf; echo '{FORWARD}=0' >> /etc/sysctl.conf"
    )
    keep("POST", key=FIN, value="42")
    keep("POST", key=FORWARD, value="1")

    planned = keep("DELETE", f"/{FIN}", dry=True)
    keep("DELETE", f"/{FIN}")
    keep("DELETE", f"/{FORWARD}")

    assert planned["plan"]["commands"] == [["sysctl", "--write", "--", f"{FIN}=33"]]
    found = value(t1, FIN), value(t1, FORWARD)
    t1.run("sysctl", "--write", f"{FIN}=60", f"{FORWARD}=1")
    t1.run("/usr/lib/systemd/systemd-sysctl", "--prefix=/net/ipv4")
    t1.sh(f"sed -i '/^{FORWARD}/d' /etc/sysctl.conf")
    assert found == (value(t1, FIN), value(t1, FORWARD)) == ("33", "0")


def test_a_file_that_would_win_at_boot_is_named(keep, t1):
    t1.sh(f"echo '{FORWARD} = 0' > /etc/sysctl.d/zz-lab.conf")

    assert "/etc/sysctl.d/zz-lab.conf" in keep("POST", key=FORWARD, value="1", refused=409)

    assert value(t1, FORWARD) == "0"


def test_what_the_kernel_refuses_is_told_with_the_value_that_is_there(keep, t1):
    error = keep("POST", key=PORTS, value="50000 30000", fails=True)

    assert error == f"{PORTS} cannot be '50000 30000', it is still '32768 60999': Invalid argument"
    assert "can only be read" in keep("POST", key="kernel.ostype", value="x", fails=True)
    assert "can only be written" in keep("POST", key="net.ipv4.route.flush", value="1", fails=True)
    assert "runs as root" in keep("POST", key="kernel.core_pattern", value="|/bin/true", fails=True)
    keep("POST", key="net.ipv4.no_such", value="1", refused=404)
    assert t1.sh(f"ls {OURS}* 2>/dev/null || true") == ""


def test_a_dot_in_the_name_of_an_interface(keep, t1):
    t1.run("ip", "link", "add", "name", "br-lab.1", "type", "bridge")
    try:
        first = keep("POST", key=BRIDGE, value="1")
        path = "/net.ipv4.conf.br-lab%2F1.rp_filter"

        assert (first["changed"], t1.read("/proc/sys/net/ipv4/conf/br-lab.1/rp_filter")) == (True, "1")
        assert keep("GET", path)["value"] == "1"
    finally:
        t1.run("ip", "link", "del", "br-lab.1")
    assert keep("GET", path)["value"] == "1"
    assert keep("DELETE", path)["changed"]


@pytest.mark.parametrize(
    "key",
    [
        "../../etc/x",
        "net.ipv4/../../../tmp/x",
        "-net.ipv4.ip_forward",
        "net.ipv4.*",
        "a.b\nc.d",
        "net..x",
        "a.b=c",
    ],
)
def test_a_key_cannot_become_another_path_or_line(keep, t1, key):
    keep("POST", key=key, value="1", refused=400)

    assert t1.sh(f"ls {OURS}* 2>/dev/null || true") == ""


@pytest.mark.parametrize("hostile", ["1\nkernel.x = 2", "\x00", "", " \t", "1\r2"])
def test_a_value_cannot_become_another_line(keep, t1, hostile):
    keep("POST", key=FIN, value=hostile, refused=400)

    assert value(t1, FIN) == "60"


@pytest.mark.parametrize(
    "hostile", ["$(touch /run/canary)", "`touch /run/canary`", "; touch /run/canary", "-w", "%s"]
)
def test_a_value_is_never_a_command_or_an_option(keep, t1, hostile):
    keep("POST", key=FIN, value=hostile, fails=True)

    assert (value(t1, FIN), t1.read("/run/canary")) == ("60", "")
    assert t1.sh(f"ls {OURS}* /run/canary 2>/dev/null || true") == ""
