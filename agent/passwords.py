"""Passwords of accounts: set by chpasswd(8), and compared by crypt(3) of the host's own library, as login(1) does."""

import ctypes
from functools import cache
from hmac import compare_digest

from agent.accounts import Accounts
from agent.host import Host
from osapi.errors import BadInput

SET = ("chpasswd",)
LIBRARY = "libcrypt.so.1"
WORKSPACE = 32768
"""Bytes that crypt_rn works in: CRYPT_OUTPUT_SIZE and all else of struct crypt_data (crypt.h)."""
LONGEST = 511
"""Bytes of a password that PAM takes (PAM_MAX_RESP_SIZE, with the NUL at the end)."""


def check(password: str | None) -> None:
    """`BadInput` for a password that the host would not take for its length."""
    if password and len(password.encode()) > LONGEST:
        raise BadInput(f"password: it is longer than {LONGEST} bytes in UTF-8", "password")


async def is_set(host: Host, known: Accounts, name: str, password: str) -> bool:
    """Whether that is the password of an account; False where the agent may not know."""
    hashed = (known.passwords or {}).get(name, "")
    return await host.in_thread(lambda: matches(password, hashed))


async def put(host: Host, name: str, password: str) -> None:
    """Make it the password of an account, which opens a locked one."""
    await host.change(*SET, input=f"{name}:{password}\n")


def matches(password: str, hashed: str) -> bool:
    """Whether `hashed`, a field of shadow(5), is that of `password`; this blocks, as it is made to take long.

    What is locked or empty matches nothing, nor does what the host's library cannot compute.
    """
    computed = _crypt(password.encode(), hashed.encode()) if hashed else None
    return computed is not None and compare_digest(computed, hashed.encode())


def _crypt(phrase: bytes, setting: bytes) -> bytes | None:
    library = _library()
    if library is None:
        return None
    workspace = ctypes.create_string_buffer(WORKSPACE)
    found: bytes | None = library.crypt_rn(phrase, setting, workspace, WORKSPACE)
    return found


@cache
def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(LIBRARY)
        library.crypt_rn.restype = ctypes.c_char_p
        library.crypt_rn.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int)
    except (OSError, AttributeError):  # not there, or older than libxcrypt
        return None
    return library
