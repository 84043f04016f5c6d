"""The file of a backup: what was put in comes out, and nothing else does."""

import tarfile
from datetime import UTC, datetime

import pytest

from osapi.backup.archive import Archive, Manifest, Writer
from osapi.backup.keys import Keyring
from osapi.backup.sealing import Damaged, Derivation, acceptable
from osapi.errors import BadInput, ConfigError
from osapi.keys import CONTROLLER, KeyDirectory

PARTS = {
    "streams/KV_a": [b"one" * 50_000, b"two"],
    "streams/empty": [],
    "keys/state/signing.key": [b"secret"],
}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "a.backup"


@pytest.fixture(params=[None, "correct horse"])
def passphrase(request):
    return request.param


def quick():
    """A key that takes little to derive."""
    return Derivation(salt="AAAAAAAAAAAAAAAAAAAAAA==", passes=1, memory=8192)


def write(file, passphrase=None, parts=PARTS):
    with Writer(file, passphrase, quick) as writer:
        found = []
        for name, pieces in parts.items():
            writer.begin(name)
            for piece in pieces:
                writer.write(piece)
            found.append(writer.end(state={"messages": 1} if name.startswith("streams") else None))
        writer.finish(Manifest(made=datetime.now(UTC), version="1", parts=found))


def test_what_was_written_is_read(file, passphrase):
    write(file, passphrase)

    with Archive(file, lambda: passphrase) as archive:
        archive.verify(lambda _: None)
        found = {part.name: b"".join(archive.pieces(part.name)) for part in archive.manifest.parts}

    assert found == {name: b"".join(pieces) for name, pieces in PARTS.items()}
    assert archive.sealed == (passphrase is not None)
    assert (b"secret" in file.read_bytes()) == (passphrase is None)
    assert file.stat().st_mode & 0o777 == 0o600


def test_any_tar_lists_it(file, passphrase):
    write(file, passphrase)

    with tarfile.open(file) as tar:
        assert tar.getnames() == ["osapi-backup.json", *PARTS, "manifest.json", "manifest.json.sha256"]


def test_one_byte_that_differs_anywhere_in_what_it_holds_is_found(file, passphrase):
    write(file, passphrase, {"streams/KV_a": [b"contents"]})
    whole = file.read_bytes()
    with tarfile.open(file) as tar:
        places = [member.offset_data + at for member in tar for at in range(0, member.size, 7)]

    for place in places:
        data = bytearray(whole)
        data[place] ^= 0x41
        file.write_bytes(data)
        with pytest.raises((Damaged, BadInput)), Archive(file, lambda: passphrase) as archive:
            archive.verify(lambda _: None)


def test_a_file_that_ends_too_early_is_none(file, passphrase):
    write(file, passphrase)
    whole = file.read_bytes()

    for size in range(0, len(whole) - 1024, 5_001):
        file.write_bytes(whole[:size])
        with pytest.raises(Damaged), Archive(file, lambda: passphrase):
            pass


def test_what_is_in_no_manifest_is_refused(file):
    write(file)
    with tarfile.open(file, "a") as tar:
        tar.add(__file__, "streams/KV_b")

    with (
        Archive(file, lambda: "") as archive,
        pytest.raises(Damaged, match="KV_b is in it, and not in its manifest"),
    ):
        archive.verify(lambda _: None)


def test_parts_cannot_be_exchanged(file):
    write(file, "correct horse", {"streams/KV_a": [b"same size"], "streams/KV_b": [b"same SIZE"]})
    with tarfile.open(file) as tar:
        one, other = (tar.getmember(f"streams/KV_{name}") for name in "ab")
    data = bytearray(file.read_bytes())
    a = slice(one.offset_data, one.offset_data + one.size)
    b = slice(other.offset_data, other.offset_data + other.size)
    data[a], data[b] = data[b], data[a]
    file.write_bytes(data)

    with (
        Archive(file, lambda: "correct horse") as archive,
        pytest.raises(Damaged, match="cannot be decrypted"),
    ):
        archive.verify(lambda _: None)


def test_nothing_is_left_of_one_that_was_not_finished_and_none_is_written_over(file, tmp_path):
    with Writer(file, None) as writer:
        writer.begin("streams/KV_a")
    left = list(tmp_path.iterdir())
    file.write_text("mine")

    with pytest.raises(BadInput, match="is there already; name another file"):
        write(file)

    assert (left, file.read_text()) == ([], "mine")


def test_one_of_a_later_format_is_refused(file):
    write(file)
    file.write_bytes(file.read_bytes().replace(b'"format":1', b'"format":2'))

    with pytest.raises(BadInput, match="has format 2; this version reads 1"):
        Archive(file, lambda: "")


def test_deriving_a_key_takes_no_more_than_it_may():
    with pytest.raises(Damaged, match="none of ours"):
        Derivation(salt="AA==", passes=1, memory=1 << 40).key("correct horse")
    with pytest.raises(BadInput, match="has 5 characters; allowed: 8 or more"):
        acceptable("short")


def test_keys_go_to_their_places_and_what_they_replace_is_kept(tmp_path):
    state = tmp_path / "state"
    ring = Keyring({"state": state})
    state.mkdir()
    (state / "signing.key").write_bytes(b"old")
    (state / "broker.password").write_bytes(b"of this broker")
    keys = {"keys/state/signing.key": b"new", "keys/state/audit.key": b"audit"}

    differing = ring.differing(keys)
    ring.write(keys)

    assert differing == [state / "signing.key"]
    assert {path.name: path.read_bytes() for path in state.iterdir()} == {
        "signing.key": b"new", "signing.key.replaced": b"old", "audit.key": b"audit",
        "broker.password": b"of this broker",
    }  # fmt: skip
    assert (state / "audit.key").stat().st_mode & 0o777 == 0o600
    assert dict(ring.read()) == keys
    assert ring.differing(keys) == []


def test_pairs_of_signed_jobs_come_back_as_pairs(tmp_path):
    before, after = KeyDirectory(tmp_path / "before"), KeyDirectory(tmp_path / "after")
    pair = before.pair(CONTROLLER)

    Keyring({"controller": after.path}).write(dict(Keyring({"controller": before.path}).read()))

    assert after.pair(CONTROLLER).public == pair.public
    assert (after.path / "controller.pub").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    "name", ["keys/state/../../etc/cron.key", "keys/other/a.key", "keys/state/authorized_keys", "keys/state/"]
)
def test_a_key_goes_nowhere_else(tmp_path, name):
    with pytest.raises(ConfigError, match="has no place for it"):
        Keyring({"state": tmp_path}).place(name)


def test_what_the_machine_cannot_write_is_told(tmp_path):
    with pytest.raises(FileNotFoundError):
        Writer(tmp_path / "nowhere" / "a.backup", None)
    assert list(tmp_path.iterdir()) == []
