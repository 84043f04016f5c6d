"""Files on real hosts: one template for a fleet, drift seen and put right, staleness, and what is never lost."""

import hashlib

import pytest
from booted import AGENT_USER
from processes import eventually

TEMPLATE = """\
# {{ .Hostname }} of {{ .Vars.site }}
cpus = {{ .Facts.cpu_count }}
{{ if eq .Facts.service_mgr "systemd" }}init = systemd
{{ end }}"""
PATH = "/etc/fleet/app.conf"
OWNER = AGENT_USER or "root"
"""Whose new files are: the agent's."""
LAB = "site:lab"


@pytest.fixture
def upload(site, tmp_path):
    """Put a text into the object store."""

    def put(name, text, *options):
        file = tmp_path / "upload"
        file.write_text(text)
        return site.json("client", "file", "upload", "--name", name, "--file", str(file), *options)

    return put


@pytest.fixture
def file(site):
    """What hosts answer to an operation on files."""

    def ask(*words, on="t1"):
        return site.ask("file", *words, on=on)

    return ask


@pytest.fixture
def deployed(site, upload, file):
    """The template on three hosts; gone again at the end."""
    upload("app.conf.tmpl", TEMPLATE, "--content-type", "template", "--force")
    words = ("deploy", "--object-name", "app.conf.tmpl", "--path", PATH, "--content-type", "template")

    def deploy(*options, on=LAB):
        return file(*words, "--var", "site=lab", *options, on=on)

    assert [item["changed"] for item in deploy("--mode", "0640", "--group", "daemon")] == [True] * 3
    yield deploy
    file("undeploy", "--path", PATH, on=LAB)


def refused(site, *words):
    """What t1 says of an operation that it does not do."""
    return site.cli("client", "node", "file", *words, "--target", "t1", check=1).stderr


def held(host):
    """What the file holds, and whose it is, as other programs see it."""
    return host.read(PATH), host.run("stat", "--format", "%a %U %G", PATH)


def test_a_template_is_rendered_for_each_host_of_a_label_and_the_second_run_changes_nothing(site, deployed):
    for host in site.hosts.values():
        cpus = host.run("nproc")
        assert held(host) == (f"# {host.name} of lab\ncpus = {cpus}\ninit = systemd", f"640 {OWNER} daemon")

    again = deployed("--mode", "0640", "--group", "daemon")

    assert [item["changed"] for item in again] == [False] * 3


def test_what_somebody_edited_is_reported_and_put_right(file, deployed, t1, t2):
    t1.sh(f"echo edited >> {PATH}")
    t2.run("chmod", "0644", PATH)

    found = {item["hostname"]: item for item in file("status", "--path", PATH, on=LAB)}

    assert {name: item["status"] for name, item in found.items()} == {
        "t1": "drifted", "t2": "drifted", "t3": "in-sync",
    }  # fmt: skip
    assert (found["t1"]["differs"], found["t2"]["differs"]) == (["content"], ["mode"])
    mended = {item["hostname"]: item["changed"] for item in deployed("--mode", "0640", "--group", "daemon")}
    assert mended == {"t1": True, "t2": True, "t3": False}
    assert "edited" not in t1.read(PATH)
    assert [item["status"] for item in file("status", "--path", PATH, on=LAB)] == ["in-sync"] * 3


def test_an_object_that_was_uploaded_again_makes_its_deployments_stale(site, upload, deployed):
    assert site.json("client", "file", "stale")["stale"] == []

    upload("app.conf.tmpl", TEMPLATE + "new = yes\n", "--content-type", "template", "--force")

    eventually(lambda: len(site.json("client", "file", "stale")["stale"]) == 3)
    stale = site.json("client", "file", "stale")["stale"]
    assert {(item["object_name"], item["hostname"], item["path"]) for item in stale} == {
        ("app.conf.tmpl", name, PATH) for name in site.hosts
    }
    deployed()
    eventually(lambda: site.json("client", "file", "stale")["stale"] == [])


def test_undeploy_removes_only_what_was_deployed_and_leaves_the_record(site, file, deployed, t1):
    t1.sh("mkdir -p /etc/fleet && echo mine > /etc/fleet/mine.conf")

    foreign = refused(site, "undeploy", "--path", "/etc/fleet/mine.conf")
    [gone] = file("undeploy", "--path", PATH)
    [again] = file("undeploy", "--path", PATH)

    assert "was not deployed by OSAPI" in foreign
    assert t1.read("/etc/fleet/mine.conf") == "mine"
    assert (gone["changed"], again["changed"]) == (True, False)
    assert t1.sh(f"test -e {PATH} || echo none") == "none"
    [status] = file("status", "--path", PATH)
    assert status["status"] == "missing"
    t1.run("rm", "/etc/fleet/mine.conf")


def test_undo_brings_back_the_version_before(file, deployed, upload, t1):
    before = held(t1)
    upload("app.conf.tmpl", "other\n", "--content-type", "raw", "--force")
    file("deploy", "--object", "app.conf.tmpl", "--path", PATH, "--content-type", "raw", "--mode", "0600")
    assert held(t1) == ("other", f"600 {OWNER} daemon")

    [undone] = file("undo", "--path", PATH)

    assert undone["changed"] is True
    assert held(t1) == before


def test_sudoers_that_visudo_refuses_are_not_put_in_place(site, upload, t1):
    upload("sudoers.bad", "alice ALL=(ALL NOPASSWD ALL\n", "--force")

    shown = site.cli(
        "client", "node", "file", "deploy", "--object", "sudoers.bad", "--path", "/etc/sudoers.d/alice",
        "--target", "t1", check=1,
    )  # fmt: skip

    assert "visudo refuses the new content" in shown.stdout
    assert t1.sh("test -e /etc/sudoers.d/alice || echo none") == "none"


def test_a_blob_is_written_and_a_line_is_kept_in_it(site, file, tmp_path, t1):
    (tmp_path / "sshd.conf").write_text("#PermitRootLogin yes\nPort 22\n")
    blob = site.json("client", "blob", "upload", str(tmp_path / "sshd.conf"))
    path = "/srv/made/sshd.conf"

    [written] = file("write", path, "--source-sha", blob["sha256"], "--mode", "0600")
    [edited] = file("line", path, "--regexp", "^#?PermitRootLogin", "--line", "PermitRootLogin no")
    [again] = file("line", path, "--regexp", "^#?PermitRootLogin", "--line", "PermitRootLogin no")

    assert (written["changed"], edited["changed"], again["changed"]) == (True, True, False)
    assert t1.read(path) == "PermitRootLogin no\nPort 22"
    assert t1.run("stat", "--format", "%a", path) == "600"
    [stat] = file("stat", path)
    assert stat["checksum"] == hashlib.sha256(b"PermitRootLogin no\nPort 22\n").hexdigest()
    [deleted] = file("delete", "/srv/made", "--recursive")
    assert deleted["changed"] is True
    assert t1.sh("test -e /srv/made || echo none") == "none"


@pytest.mark.parametrize(
    "path",
    [
        "/proc/sys/kernel/domainname",
        "/etc/shadow",
        "/var/lib/osapi-agent/agent/journal.db",
        "/srv/link/domainname",
    ],
)
def test_what_must_not_be_touched_is_refused(site, t1, path):
    t1.sh("ln -sfn /proc/sys/kernel /srv/link")

    shown = site.cli(
        "client", "node", "file", "write", path, "--content", "x", "--target", "t1", "--json", check=1
    )

    assert '"code":"refused"' in shown.stdout
    t1.run("rm", "/srv/link")
