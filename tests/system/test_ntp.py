"""The clock of a real host: chrony there takes the time from chrony on another one, which nobody told but OSAPI."""

import pytest
from processes import eventually

FILE = "/etc/chrony/sources.d/osapi-ntp.sources"
SERVER = "/etc/chrony/conf.d/lab.conf"


@pytest.fixture(scope="module")
def server(site):
    """The address of t3, which gives the time to others."""
    t3 = site.hosts["t3"]
    t3.sh(f"printf 'local stratum 8\\nallow 10.77.0.0/16\\n' > {SERVER} && systemctl restart chrony")
    yield t3.address
    t3.sh(f"rm {SERVER} && systemctl restart chrony")


@pytest.fixture
def t2(t2):
    """t2, where chrony runs and knows no servers."""

    def clear():
        t2.sh(f"rm -f {FILE}; systemctl start chrony; chronyc reload sources")

    clear()
    yield t2
    clear()


@pytest.fixture
def ntp(http, t2):
    """What t2 answers; or why it does not do it."""

    def ask(method, *servers, dry=False, refused=None):
        query = {"dry_run": "true"} if dry else {}
        body = {"servers": list(servers)} if servers else None
        answer = http.request(method, "/api/node/t2/ntp", params=query, json=body)
        assert answer.status_code == (refused or 200), answer.text
        return answer.json()["detail"] if refused else answer.json()["results"][0]

    return ask


def sources(host):
    """The servers that chrony knows, by itself."""
    return host.sh("chronyc -n sources | awk '/^[\\^=]/ {print $2}'").split()


def test_a_host_takes_the_time_from_the_servers_that_it_is_told(ntp, t2, server):
    assert ntp("GET") == {"hostname": "t2", "status": "ok", "changed": False, "synchronized": False}
    planned = ntp("POST", server, dry=True)
    assert (sources(t2), t2.read(FILE)) == ([], "")

    first, again = ntp("POST", server), ntp("POST", server)

    assert (first["changed"], again["changed"], sources(t2)) == (True, False, [server])
    assert planned["plan"]["commands"] == [["chronyc", "reload", "sources"]]
    assert f"+server {server} iburst" in planned["plan"]["files"][-1]["diff"]
    t2.run("chronyc", "waitsync", "20", "0", "0", "1")
    found = eventually(lambda: (seen := ntp("GET"))["synchronized"] and seen)
    assert (found["stratum"], found["current_source"], found["servers"]) == (9, server, [server])
    assert abs(float(found["offset"].removesuffix("s"))) < 1


def test_other_servers_take_their_place_and_are_given_up(ntp, t2, server):
    assert "has set no time servers" in ntp("PUT", server, refused=404)
    assert not ntp("DELETE")["changed"]
    ntp("POST", server)
    assert f"the servers are {server} already" in ntp("POST", "10.77.0.9", refused=409)

    changes = [ntp("PUT", "10.77.0.9", "fd00::9")["changed"] for _ in range(2)]

    assert (changes, sources(t2)) == ([True, False], ["10.77.0.9", "fd00::9"])
    removed = [ntp("DELETE")["changed"] for _ in range(2)]
    assert (removed, sources(t2), t2.read(FILE)) == ([True, False], [], "")


def test_what_somebody_did_to_the_file_is_put_right(ntp, t2, server):
    ntp("POST", server)
    t2.sh(f"echo 'server {server} offline' > {FILE}")

    assert ntp("POST", server)["changed"]

    assert t2.read(FILE).splitlines()[1:] == [f"server {server} iburst"]


def test_where_chrony_does_not_run_it_takes_them_when_it_starts(ntp, t2, server):
    t2.run("systemctl", "stop", "chrony")

    unknown = ntp("GET")
    changed = ntp("POST", server)["changed"]
    t2.run("systemctl", "start", "chrony")

    assert (unknown["status"], "chrony does not run; start it" in unknown["error"]) == ("failed", True)
    assert (changed, sources(t2)) == (True, [server])


@pytest.mark.parametrize(
    "hostile",
    ["a\nkeyfile /etc/shadow", "a b", "-x", "a;reboot", "$(reboot)", "#", "", "a" * 254, "!a", "../x"],
)
def test_a_server_cannot_become_an_option_or_another_line(ntp, t2, server, hostile):
    ntp("POST", server, hostile, refused=400)

    assert t2.read(FILE) == ""


def test_what_is_no_address_fails(ntp, t2):
    answer = ntp("POST", "1:::2")

    assert (answer["status"], answer["code"], t2.read(FILE)) == ("failed", "bad_input", "")
