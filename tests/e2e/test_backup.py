"""`osapi backup` and `osapi restore`: a whole installation to a file, and to another machine."""

import json
import os
import tarfile

import pytest
from processes import Installation, installation

PASSPHRASE = "correct horse battery"
TYPED = {"typed": PASSPHRASE + "\n"}
READ = ("--passphrase-file", "-")


def told(site):
    """All that the controller knows, but for what only time changes."""
    agents = site.json("client", "agent", "list")["agents"]
    sought = ("job", "list"), ("file", "list"), ("file", "stale"), ("blob", "list")
    found = {words: site.json("client", *words) for words in sought}
    found["agents"] = sorted((each["machine_id"], each["hostname"]) for each in agents)
    found["content"] = site.cli("client", "file", "download", "--name", "motd", "--to", "-", check=0).stdout
    return found


def audited(site):
    """The entries of the audit log, oldest first."""
    exported = site.cli("client", "audit", "export", "--output", "-", check=0).stdout
    return [json.loads(line) for line in exported.splitlines()]


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """An installation in which some was done, and that works until the last test stops it."""
    with installation(tmp_path_factory.mktemp("filled")) as site:
        site.broker()
        site.controller()
        site.agent("web-01")
        fill(site)
        yield site


def fill(site):
    content, place = site.folder / "content", str(site.folder / "motd")
    content.write_text(os.urandom(400_000).hex())
    upload = ("client", "file", "upload", "--file", str(content), "--name", "motd")
    site.json("client", "node", "hostname", "get")
    site.json(*upload)
    site.json("client", "node", "file", "deploy", "--object", "motd", "--path", place)
    content.write_text(os.urandom(400_000).hex())
    site.json(*upload, "--force")
    site.json("client", "blob", "upload", "--file", str(content))


@pytest.fixture
def other(tmp_path):
    """Another machine, with nothing but a broker."""
    folder = tmp_path / "other"
    folder.mkdir()
    found = Installation(folder)
    found.broker()
    yield found
    found.close()


@pytest.fixture
def saved(filled, tmp_path):
    """Two backups of the same, one of them encrypted."""
    filled.cli("backup", str(tmp_path / "closed.backup"), "--encrypt", check=0, **TYPED)
    filled.cli("backup", str(tmp_path / "open.backup"), check=0)
    return tmp_path / "closed.backup", tmp_path / "open.backup"


def spoilt(file):
    """A backup that differs in one bit, and one that ends too early."""
    data = file.read_bytes()
    with tarfile.open(file) as tar:
        largest = max(tar, key=lambda member: member.size)
    place = largest.offset_data + largest.size // 2
    other, short = file.with_name("other.backup"), file.with_name("short.backup")
    other.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    short.write_bytes(data[: len(data) // 2])
    return largest.name, other, short


def test_a_damaged_backup_or_a_wrong_passphrase_changes_nothing(filled, saved, other, tmp_path):
    closed, plain = saved
    name, damaged, short = spoilt(plain)

    for words, typed, code, why in (
        ((damaged,), "", 1, f"{name} is damaged: it has not the SHA-256"),
        ((short,), "", 1, "is no backup, or"),
        ((filled.folder / "content",), "", 1, "is no backup, or"),
        ((closed, *READ), "wrong horse\n", 1, "it is damaged, or the passphrase is another one"),
        ((closed,), "", 2, "it is encrypted: name a file with --passphrase-file"),
    ):
        refused = other.cli("restore", *map(str, words), typed=typed)
        assert (refused.returncode, why in refused.stderr) == (code, True), refused.stderr

    nothing = other.cli("backup", str(tmp_path / "none.backup"))
    assert "the broker has nothing of this installation" in nothing.stderr


def test_force_saves_what_was_there_and_no_file_is_written_over(filled, saved, other):
    closed, plain = saved
    again = filled.cli("backup", str(closed))
    other.cli("restore", str(closed), *READ, check=0, **TYPED)

    forced = json.loads(other.cli("restore", str(plain), "--force", "-j", check=0).stdout)
    other.controller()

    assert (again.returncode, again.stderr) == (2, f"Error: {closed} is there already; name another file\n")
    assert tarfile.is_tarfile(forced["saved"])
    assert told(other) == told(filled)


def test_an_installation_is_saved_while_it_works_and_brought_back_to_a_fresh_broker(filled, other, tmp_path):
    file, token = tmp_path / "all.backup", filled.token
    before, trail = told(filled), audited(filled)
    saved = json.loads(
        filled.cli("backup", str(file), "--with-keys", "--encrypt", "-j", check=0, **TYPED).stdout
    )
    agent, controller = filled.daemons[2], filled.daemons[1]
    busy = filled.cli("restore", str(file), *READ, **TYPED)
    agent.stop()
    controller.stop()

    full = filled.cli("restore", str(file), *READ, **TYPED)
    tried = other.cli("restore", str(file), *READ, "--dry-run", check=0, **TYPED)
    nothing = other.cli("backup", str(tmp_path / "none.backup"))
    done = other.cli("restore", str(file), *READ, check=0, **TYPED)
    other.controller()

    assert (file.stat().st_mode & 0o777, saved["encrypted"]) == (0o600, True)
    assert (busy.returncode, "agents.machine-web-01, controller." in busy.stderr) == (1, True)
    assert "They must be stopped" in busy.stderr
    assert (full.returncode, "--force saves them to a file" in full.stderr) == (1, True)
    assert f"{file}: would be restored" in tried.stdout
    assert (nothing.returncode, (tmp_path / "none.backup").exists()) == (1, False)
    assert f"{file}: restored" in done.stdout
    assert told(other) == before
    assert audited(other)[: len(trail)] == trail
    assert other.cli("client", "audit", "verify").returncode == 0
    with other.http(token) as http:
        assert http.get("/api/agent").status_code == 200
    assert "audit.key" in json.dumps(saved)
