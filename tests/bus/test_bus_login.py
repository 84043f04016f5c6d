"""How a bus introduces itself, and what it says when it is not let in."""

import nkeys
import pytest
import trio

from osapi.bus.bridge import NatsBus
from osapi.errors import ConfigError

PASSWORD = "s3cret \"'\\$x"


@pytest.fixture
def key_pair(tmp_path):
    """The file with the seed of a user, and the public key."""
    seed = nkeys.encode_seed(bytes(range(32)), nkeys.PREFIX_BYTE_USER)
    path = tmp_path / "user.nk"
    path.write_bytes(seed + b"\n")
    return path, nkeys.from_seed(bytearray(seed)).public_key.decode()


@pytest.fixture
async def guarded(broker, key_pair):
    """A broker that wants to know who comes."""
    users = [{"user": "osapi", "password": PASSWORD}, {"nkey": key_pair[1]}]
    broker.settings = {"authorization": {"users": users}}
    await broker.restart()
    return broker


async def _refused(bus):
    with trio.fail_after(20), pytest.raises(ConfigError) as caught:
        await bus.run(trio.TASK_STATUS_IGNORED)
    return str(caught.value)


async def test_a_user_with_the_right_password_is_let_in(guarded, connect):
    bus = await connect(guarded, user="osapi", password=PASSWORD)

    await bus.flush()
    assert bus.connected


async def test_the_owner_of_an_nkey_is_let_in(guarded, connect, key_pair):
    bus = await connect(guarded, nkey_file=str(key_pair[0]))

    await bus.flush()
    assert bus.connected


async def test_a_refused_login_is_one_clear_line_without_the_password(guarded, tmp_path):
    stranger = tmp_path / "stranger.nk"
    stranger.write_bytes(nkeys.encode_seed(b"x" * 32, nkeys.PREFIX_BYTE_USER))

    said = [
        await _refused(NatsBus([guarded.url], name="a")),
        await _refused(NatsBus([guarded.url], name="a", user="osapi", password="wrong one")),
        await _refused(NatsBus([guarded.url], name="a", nkey_file=str(stranger))),
        await _refused(NatsBus([guarded.url.replace("//", "//osapi:wrong one@")], name="a")),
    ]

    for line in said:
        assert line.startswith(f"the broker at 127.0.0.1:{guarded.port} refuses the login")
        assert "wrong one" not in line
        assert "\n" not in line


async def test_a_file_that_holds_no_nkey_is_an_error_of_configuration(broker, tmp_path):
    (tmp_path / "odd.nk").write_text("hello")

    missing = await _refused(NatsBus([broker.url], name="a", nkey_file=str(tmp_path / "none.nk")))
    odd = await _refused(NatsBus([broker.url], name="a", nkey_file=str(tmp_path / "odd.nk")))

    assert missing == f"nkey_file {tmp_path}/none.nk: No such file or directory"
    assert f"nkey_file {tmp_path}/odd.nk: holds no seed of an nkey" in odd


async def test_a_server_that_is_no_url_is_an_error_of_configuration():
    for server in ("", "nats://", "nats://host:port"):
        with pytest.raises(ConfigError, match="no server"):
            NatsBus([server], name="a")


async def test_a_login_that_is_refused_later_does_not_end_the_bus(guarded, connect, until):
    bus = await connect(guarded, user="osapi", password=PASSWORD)
    let_in = guarded.settings
    guarded.settings = {"authorization": {"users": [{"user": "other", "password": "x"}]}}
    await guarded.restart()
    await until(lambda: not bus.connected)
    await trio.sleep(1)
    assert not bus.connected
    guarded.settings = let_in

    await guarded.restart()

    with trio.fail_after(20):
        await bus.until_connected()
