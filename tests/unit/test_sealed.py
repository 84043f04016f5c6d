"""Secrets of jobs: only the host that they are for can open them, and only for what they are for."""

import secrets

import pytest

from osapi.errors import BadInput, ConfigError, Refused
from osapi.sealed import Opener, seal

SECRETS = {"password": "correct horse ü"}


def sealed(key, operation="user.create", machine_id="m1"):
    return seal(SECRETS, key=key, operation=operation, machine_id=machine_id)


def host():
    return Opener.of(secrets.token_hex(32))


def test_what_is_sealed_for_a_host_it_opens():
    opener = host()

    box = sealed(opener.public)

    assert opener.open(box, operation="user.create", machine_id="m1") == SECRETS
    assert "horse" not in box
    assert sealed(opener.public) != box


def test_the_same_seed_is_the_same_key():
    seed = secrets.token_hex(32)

    assert Opener.of(seed).public == Opener.of(seed).public


@pytest.mark.parametrize(("operation", "machine_id"), [("user.set-password", "m1"), ("user.create", "m2")])
def test_a_box_is_refused_for_what_it_was_not_sealed_for(operation, machine_id):
    opener = host()
    box = sealed(opener.public)

    with pytest.raises(Refused, match="sealed for another"):
        opener.open(box, operation=operation, machine_id=machine_id)


def test_another_host_cannot_open_it():
    box = sealed(host().public)

    with pytest.raises(Refused, match="not sealed for this host"):
        host().open(box, operation="user.create", machine_id="m1")


@pytest.mark.parametrize("box", ["", "AAAA", "no base64!", "ü", "A" * 200])
def test_what_is_no_box_is_refused(box):
    with pytest.raises(Refused):
        host().open(box, operation="user.create", machine_id="m1")


@pytest.mark.parametrize("key", ["", "AAAA", "no base64!", "ü"])
def test_what_is_no_key_seals_nothing(key):
    with pytest.raises(BadInput, match="host m1"):
        sealed(key)


@pytest.mark.parametrize("seed", ["", "garbage", "00"])
def test_a_damaged_key_stops_the_start(seed):
    with pytest.raises(ConfigError, match="32 bytes in hex"):
        Opener.of(seed)
