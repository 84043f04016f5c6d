"""The lines of an authorized_keys file: options, a public key and a comment (sshd(8), RFC 4253 section 6.6).

What is no key is passed over, as sshd does, and stays as it is, byte by byte.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from hashlib import sha256

import attrs

from osapi.errors import BadInput

FIELDS = {
    "ssh-ed25519": 2,
    "ssh-rsa": 3,
    "ssh-dss": 5,
    "ecdsa-sha2-nistp256": 3,
    "ecdsa-sha2-nistp384": 3,
    "ecdsa-sha2-nistp521": 3,
    "sk-ssh-ed25519@openssh.com": 3,
    "sk-ecdsa-sha2-nistp256@openssh.com": 4,
}
"""Fields of a public key of each type, its name among them (RFC 4253, 5656 and 8709; PROTOCOL.u2f of OpenSSH)."""

OPTIONS = re.compile(r'((?:\\.|"(?:\\.|[^"\\])*"|[^"\\\s])+)\s+(.*)')
"""Options end at the first space that is not in quotes."""


@attrs.frozen
class PublicKey:
    """A key; `options` are what stands in front of it, as it stands there."""

    type: str
    blob: bytes
    comment: str = ""
    options: str = ""

    @property
    def fingerprint(self) -> str:
        """As ssh-keygen(1) shows it."""
        return f"SHA256:{b64encode(sha256(self.blob).digest()).decode().rstrip('=')}"


def lines(data: bytes) -> Iterator[tuple[bytes, PublicKey | None]]:
    """Each line with its end, and the key that is in it."""
    for line in (
        data.splitlines(keepends=True) if b"\r" not in data else re.findall(rb"[^\n]*\n|[^\n]+", data)
    ):
        yield line, parse(line.decode(errors="replace"))


def parse(line: str) -> PublicKey | None:
    """The key in a line; None where there is none."""
    text = line.strip()
    if text.startswith("#"):
        return None
    if found := _key(text, ""):
        return found
    after = OPTIONS.fullmatch(text)
    return _key(after[2], after[1]) if after else None


def wanted(text: str) -> PublicKey:
    """The key that somebody asks for; `BadInput` where it is none, or of a type that is not known."""
    found = parse(text)
    if found is None:
        raise BadInput("key: this is no line of authorized_keys: [options] type base64 [comment]", "key")
    if found.type not in FIELDS:
        raise BadInput(f"key: the type {found.type} is not known; there are {', '.join(FIELDS)}", "key")
    return found


def _key(text: str, options: str) -> PublicKey | None:
    """A key in front of a comment: its type must be the one that is inside, and nothing of it missing."""
    name, encoded, comment = [*text.split(None, 2), "", "", ""][:3]
    try:
        blob = b64decode(encoded, validate=True)
        inside = list(_strings(blob))
    except (ValueError, IndexError):
        return None
    if not inside or inside[0] != name.encode() or len(inside) != FIELDS.get(name, len(inside)):
        return None
    return PublicKey(name, blob, comment, options)


def _strings(blob: bytes) -> Iterator[bytes]:
    """What a blob consists of: strings, each after its length in four bytes (RFC 4251 section 5)."""
    while blob:
        length = int.from_bytes(blob[:4])
        string, blob = blob[4 : 4 + length], blob[4 + length :]
        if len(string) != length:
            raise ValueError("it is cut off")
        yield string
