"""Key pairs in files: made once, and never anew behind anybody's back."""

import stat

import pytest

from osapi.errors import BadInput, ConfigError
from osapi.keys import CONTROLLER, FORMER, KeyDirectory, KeyPair, PublicKey

SEED = bytes(range(32))
KEY = """-----BEGIN ED25519 PRIVATE KEY-----
AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=
-----END ED25519 PRIVATE KEY-----
"""
PUB = """-----BEGIN ED25519 PUBLIC KEY-----
A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=
-----END ED25519 PUBLIC KEY-----
"""
FINGERPRINT = "SHA256:56475aa75463474c0285df5dbf2bcab73da651358839e9b77481b2eab107708c"


@pytest.fixture
def folder(tmp_path):
    return KeyDirectory(tmp_path / "pki")


@pytest.fixture
def given(folder):
    """A folder with a pair of the controller, as an administrator may have brought it."""
    folder.path.mkdir(mode=0o700)
    for name, text, mode in (("controller.key", KEY, 0o600), ("controller.pub", PUB, 0o644)):
        (folder.path / name).write_text(text)
        (folder.path / name).chmod(mode)
    return folder


def test_a_pair_is_made_once_and_only_its_owner_reads_it(folder):
    pair = folder.pair(CONTROLLER)

    again = folder.pair(CONTROLLER)

    assert again.public == pair.public
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in [folder.path, *folder.path.iterdir()]}
    assert modes == {"pki": 0o700, "controller.key": 0o600, "controller.pub": 0o644}
    assert folder.public(CONTROLLER) == pair.public


def test_the_files_of_existing_installations_are_read(given):
    pair = given.pair(CONTROLLER)

    assert pair.seed == SEED
    assert pair.public.fingerprint == FINGERPRINT
    assert (given.path / "controller.key").read_text() == KEY


def test_what_is_written_looks_the_same(folder, given):
    (given.path / "controller.pub").unlink()

    folder.keep(CONTROLLER, KeyPair.of(SEED).public)

    assert (given.path / "controller.pub").read_text() == PUB


@pytest.mark.parametrize("missing", ["controller.key", "controller.pub"])
def test_half_a_pair_is_an_error_that_names_the_file(given, missing):
    (given.path / missing).unlink()

    with pytest.raises(ConfigError, match=f"{missing}: missing"):
        given.pair(CONTROLLER)
    assert len(list(given.path.iterdir())) == 1


@pytest.mark.parametrize(
    "text", ["", "garbage", KEY.replace("PRIVATE", "PUBLIC"), KEY.replace("AAEC", "AA"), KEY[:-9]]
)
def test_a_damaged_file_is_an_error_that_names_it(given, text):
    (given.path / "controller.key").write_text(text)

    with pytest.raises(ConfigError, match=r"controller\.key: damaged"):
        given.pair(CONTROLLER)


def test_two_files_that_are_no_pair_are_an_error(given):
    given.keep(CONTROLLER, KeyPair.generate().public)

    with pytest.raises(ConfigError, match="not the public key of"):
        given.pair(CONTROLLER)


def test_links_are_refused(given):
    real = (given.path / "controller.key").rename(given.path / "elsewhere")
    (given.path / "controller.key").symlink_to(real)

    with pytest.raises(ConfigError, match="symbolic link"):
        given.pair(CONTROLLER)


@pytest.mark.parametrize(
    ("name", "mode"), [("controller.key", 0o640), ("controller.pub", 0o666), (".", 0o777)]
)
def test_what_others_could_read_or_change_is_refused(given, name, mode):
    (given.path / name).chmod(mode)

    with pytest.raises(ConfigError, match="others"):
        given.pair(CONTROLLER)


def test_rotation_keeps_the_former_pair_and_waits_for_the_next(given):
    former, new = given.rotate(grace=3600)

    assert former.public.fingerprint == FINGERPRINT
    assert given.pair(CONTROLLER).public == new.public
    assert given.known_pair(FORMER).public == former.public
    with pytest.raises(ConfigError, match="rotated within the last 3600s"):
        given.rotate(grace=3600)


def test_what_was_signed_holds_for_that_key_and_those_bytes_only():
    pair = KeyPair.generate()
    signature = pair.sign(b"data")

    assert pair.public.verifies(b"data", signature)
    assert not pair.public.verifies(b"Data", signature)
    assert not KeyPair.generate().public.verifies(b"data", signature)
    assert not pair.public.verifies(b"data", b"")


@pytest.mark.parametrize("text", ["", "AAAA", "no base64!", "ü"])
def test_what_is_no_key_is_refused(text):
    with pytest.raises(BadInput, match="32 bytes"):
        PublicKey.of(text)
