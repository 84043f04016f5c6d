"""Packages on a real host, from a repository of a few: installed, seen by dpkg, left alone, taken back."""

import pytest
import repository
from processes import eventually

GO = "/run/go"
HOLD = (
    "import fcntl, os, time\n"
    "file = open('{}', 'a')\n"
    "fcntl.lockf(file, fcntl.LOCK_EX)\n"
    "open('/run/held', 'w')\n"
    f"while not os.path.exists('{GO}'): time.sleep(0.1)\n"
)


@pytest.fixture(scope="module")
def offered(site, tmp_path_factory):
    """A repository, which is all that t1 knows of, and the lists of which it has."""
    with repository.served(tmp_path_factory.mktemp("repository")) as found:
        conf = {"conffiles": "/etc/lab-app.conf"}
        found.add("lab-app", "1.0", Depends="lab-lib", files={"etc/lab-app.conf": "one\n"}, **conf)
        found.add("lab-app", "2.0", Depends="lab-lib", files={"etc/lab-app.conf": "two\n"}, **conf)
        found.add("lab-lib", "1:3-1")
        found.add("lab-rival", "1.0", Conflicts="lab-app")
        found.add("lab-needs", "1.0", Depends="nosuch-lib")
        found.add("lab-broken", "1.0", postinst="echo no room for it >&2; exit 3")
        found.add("lab-slow", "1.0", postinst=f"[ -e {GO} ] || sleep 4715")
        found.publish()
        t1 = site.hosts["t1"]
        with found.source_of(t1):
            t1.run("apt-get", "-q", "update")
            yield found


@pytest.fixture
def t1(site, offered):
    """t1, without any of these packages; and again at the end."""
    t1 = site.hosts["t1"]
    yield t1
    t1.run("touch", GO)
    t1.sh(
        "DEBIAN_FRONTEND=noninteractive dpkg --purge --force-all lab-app lab-lib lab-rival lab-broken lab-slow"
    )
    t1.run("rm", "-f", GO, "/run/held")


@pytest.fixture
def package(http, t1):
    """What t1 answers to an operation on packages; or why it does not do it."""

    def ask(method, path="", *, dry=False, refused=None, fails=False, **body):
        query = {"dry_run": "true"} if dry else {}
        answer = http.request(method, f"/api/node/t1/package{path}", params=query, json=body or None)
        if refused:
            assert answer.status_code == refused, answer.text
            return answer.json()["detail"]
        assert answer.status_code == 200, answer.text
        [item] = answer.json()["results"]
        assert item["status"] == ("failed" if fails else "ok"), item
        return item["error"] if fails else item

    return ask


@pytest.fixture
def begin(site, http, t1):
    """Begin an operation without waiting for its end; the id of the job."""

    def ask(method, path="", **body):
        async_ = {"Prefer": "respond-async"}
        answer = http.request(method, f"/api/node/t1/package{path}", headers=async_, json=body or None)
        assert answer.status_code == 202, answer.text
        return answer.json()["job_id"]

    return ask


def version(host, name):
    """What dpkg says is completely installed, and what lies on the disk; nothing where neither is."""
    said = host.sh(
        f"dpkg-query --show --showformat='${{db:Status-Abbrev}} ${{Version}}' {name} 2>/dev/null || true"
    )
    on_disk = host.read(f"/usr/share/{name}/version")
    return on_disk if said == f"ii  {on_disk}" else said


def became(item):
    return [(change["name"], change.get("before"), change.get("after")) for change in item["changes"]]


def test_a_package_comes_with_what_it_needs_once_and_goes_with_who_needs_it(package, t1):
    planned = package("POST", dry=True, name="lab-app")
    assert (version(t1, "lab-app"), version(t1, "lab-lib")) == ("", "")

    first = package("POST", name="lab-app")
    again = package("POST", name="lab-app")
    shown = package("GET", "/lab-app")["packages"]

    assert became(planned) == became(first) == [("lab-app", None, "2.0"), ("lab-lib", None, "1:3-1")]
    assert planned["plan"]["commands"][0][-3:] == ["install", "--", "lab-app"]
    assert (planned["changed"], first["changed"], again["changed"]) == (True, True, False)
    assert (version(t1, "lab-app"), version(t1, "lab-lib")) == ("2.0", "1:3-1")
    assert [(each["name"], each["version"], each["status"]) for each in shown] == [
        ("lab-app", "2.0", "installed")
    ]
    planned = package("DELETE", "/lab-lib", dry=True)
    assert version(t1, "lab-lib") == "1:3-1"
    gone, again = package("DELETE", "/lab-lib"), package("DELETE", "/lab-lib")
    assert became(planned) == became(gone) == [("lab-app", "2.0", None), ("lab-lib", "1:3-1", None)]
    assert (gone["changed"], again["changed"]) == (True, False)
    assert t1.sh("ls -d /usr/share/lab-* 2>/dev/null || echo none") == "none"
    assert "not installed" in package("GET", "/lab-app", refused=404)


def test_versions_are_pinned_and_what_an_administrator_configured_stays(package, t1):
    package("POST", name="lab-app=1.0", more=["lab-lib"])
    t1.sh("echo mine > /etc/lab-app.conf")
    updates = package("GET", "/update")["updates"]

    newer = package("POST", name="lab-app=2.0")
    kept = t1.read("/etc/lab-app.conf")
    older = package("POST", name="lab-app=1.0")
    again = package("POST", name="lab-app=1.0")

    known = [each for each in updates if each["name"] == "lab-app"]
    assert known == [{"name": "lab-app", "current_version": "1.0", "new_version": "2.0"}]
    assert became(newer) == [("lab-app", "1.0", "2.0")]
    assert kept == "mine"
    assert became(older) == [("lab-app", "2.0", "1.0")]
    assert (again["changed"], version(t1, "lab-app"), t1.read("/etc/lab-app.conf")) == (False, "1.0", "mine")


def test_what_came_as_a_dependency_stays_once_it_is_asked_for(package, t1):
    package("POST", name="lab-app")
    before = t1.run("apt-mark", "showauto", "lab-lib")

    first, again = package("POST", name="lab-lib"), package("POST", name="lab-lib")

    assert (before, t1.run("apt-mark", "showauto", "lab-lib")) == ("lab-lib", "")
    assert (first["changed"], again["changed"]) == (True, False)


def test_what_cannot_or_must_not_be_installed_leaves_the_host_alone(package, t1):
    package("POST", name="lab-app")
    before = t1.run("dpkg-query", "--show")

    assert "no package lab-nosuch" in package("POST", name="lab-app", more=["lab-nosuch"], refused=404)
    assert "no version 9 of lab-app" in package("POST", name="lab-app=9", refused=404)
    assert "would remove lab-app" in package("POST", name="lab-rival", fails=True)
    assert "nosuch-lib" in package("POST", name="lab-needs", fails=True)
    assert "which the agent needs" in package("DELETE", "/python3-minimal", fails=True)
    for name in ("lab-app-", "--yes", "-o", "lab-*", "./x.deb", "lab-app;id", "lab-app lab-rival", "Lab"):
        package("POST", name=name, refused=400)
    assert "no package lab.app" in package("POST", name="lab.app", refused=404)

    assert t1.run("dpkg-query", "--show") == before


def test_a_package_that_fails_to_set_itself_up_tells_why(package, t1):
    failed = package("POST", name="lab-broken", fails=True)
    shown = package("GET", "/lab-broken")["packages"]

    gone = package("DELETE", "/lab-broken")

    assert "no room for it" in failed
    assert [each["status"] for each in shown] == ["half-configured"]
    assert (gone["changed"], version(t1, "lab-broken")) == (True, "")


@pytest.mark.parametrize(
    ("lock", "path", "body", "running"),
    [
        ("/var/lib/dpkg/lock-frontend", "", {"name": "lab-lib"}, "[n]o-remove install"),
        ("/var/lib/apt/lists/lock", "/update", {}, "[M]ode=any update"),
    ],
)
def test_who_uses_the_database_already_is_waited_for(site, begin, t1, lock, path, body, running):
    t1.run("systemd-run", "--quiet", "--collect", "python3", "-c", HOLD.format(lock))
    eventually(lambda: t1.sh("ls /run/held 2>/dev/null || true"))

    job_id = begin("POST", path, **body)
    t1.sh(f"until pgrep --full '{running}'; do :; done")
    assert site.job(job_id)["status"] == "processing"
    t1.run("touch", GO)

    assert site.ended(job_id)["status"] == "completed"


def test_an_installation_that_is_cancelled_leaves_nothing_running_and_is_completed_by_the_next(
    site, http, package, begin, t1
):
    job_id = begin("POST", name="lab-slow")
    eventually(lambda: t1.sh("pgrep --full '[s]leep 4715' || true"))

    http.post(f"/api/job/{job_id}/cancel")
    assert site.ended(job_id)["agent_states"]["t1"]["status"] == "cancelled"

    assert t1.sh("pgrep --full '[s]leep 4715' || pgrep dpkg || pgrep apt-get || true") == ""
    assert version(t1, "lab-slow") != "1.0"
    t1.run("touch", GO)
    package("POST", name="lab-slow")
    assert version(t1, "lab-slow") == "1.0"


def test_lists_are_fetched_and_say_whether_they_are_new(package, offered, t1):
    package("POST", "/update")
    again = package("POST", "/update")
    offered.add("lab-new", "1.0")
    offered.publish()

    planned = package("POST", "/update", dry=True)
    unknown = t1.sh("apt-cache policy lab-new")
    new = package("POST", "/update")

    assert (again["changed"], new["changed"]) == (False, True)
    assert planned["plan"]["commands"][0][-1] == "update"
    assert unknown == ""
    assert "Candidate: 1.0" in t1.run("apt-cache", "policy", "lab-new")


def test_a_source_that_cannot_be_reached_is_an_error(package, t1):
    source = f"{repository.SOURCES}/dead.list"
    t1.sh(f"echo 'deb [trusted=yes] file:/srv/nowhere ./' > {source}")

    failed = package("POST", "/update", fails=True)
    t1.run("rm", source)

    assert "/srv/nowhere" in failed
