"""What a key may hold: how its value is read, from YAML or from text, and how a wrong one is refused."""

import math
import re
from collections.abc import Callable, Mapping
from functools import cache
from ipaddress import ip_network
from typing import Any, Literal, get_args, get_origin
from urllib.parse import urlsplit

import attrs

from osapi import durations
from osapi.durations import Duration
from osapi.targets import LABEL

MOST_LABELS = 5
SHORTEST_KEY = 16
RECOMMENDED_KEY = 32
"""Bytes that RFC 7518 (3.2) asks for with HS256."""


@attrs.frozen
class Kind:
    """`read` returns the value, or raises `ValueError` or `TypeError`; what is `secret` is never shown."""

    what: str
    allowed: str
    read: Callable[[Any], Any]
    secret: bool = False

    def refusal(self, value: object) -> str:
        """What is said of a value that cannot be read."""
        shown = "the value" if self.secret else f"{value!r:.80}"
        return f"{shown} is not {self.what}; allowed: {self.allowed}"


def matching(pattern: str) -> Callable[[Any], str]:
    """Read text, all of which matches."""
    compiled = re.compile(pattern)

    def read(value: Any) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise ValueError
        return value

    return read


def integer(least: int, most: int = 2**63 - 1) -> Callable[[Any], int]:
    """Read a whole number within limits."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str) or not least <= int(value) <= most:
            raise ValueError
        return int(value)

    return read


def number(least: float) -> Callable[[Any], float]:
    """Read a number that is not below `least`."""

    def read(value: Any) -> float:
        if isinstance(value, bool) or not math.isfinite(float(value)) or float(value) < least:
            raise ValueError
        return float(value)

    return read


def flag(value: Any) -> bool:
    """Read yes or no."""
    words = {"true": True, "1": True, "false": False, "0": False}
    if str(value).lower() not in words:
        raise ValueError
    return words[str(value).lower()]


def duration(least: float = 0.0) -> Callable[[Any], Duration]:
    """Read a duration; of numbers only 0 has no unit."""

    def read(value: Any) -> Duration:
        found = durations.parse("0" if type(value) is int and value == 0 else value)
        if found < least:
            raise ValueError
        return found

    return read


def each(read: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    """Read a list, or text with commas."""

    def read_all(value: Any) -> list[Any]:
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        if not isinstance(value, list):
            raise TypeError
        return [read(item) for item in value]

    return read_all


def pairs(value: Any) -> dict[str, Any]:
    """Read a mapping, or text such as `group=web,rack=12`."""
    if isinstance(value, str):
        parts = [part.partition("=") for part in value.split(",") if part.strip()]
        value = {key.strip(): text.strip() for key, _, text in parts}
    if not isinstance(value, Mapping):
        raise TypeError
    return dict(value)


def labels(value: Any) -> dict[str, str]:
    found = pairs(value)
    if len(found) > MOST_LABELS:
        raise ValueError
    for key, text in found.items():
        if not isinstance(key, str) or not isinstance(text, str) or not LABEL.fullmatch(f"{key}:{text}"):
            raise ValueError
    return found


def endpoint(value: Any) -> str:
    """Read a server with or without a scheme and a port, or nothing."""
    found = matching(rf"(?:(?:https?://)?{SERVER})?")(value)
    parts = urlsplit(f"//{found.rpartition('//')[2]}")
    if parts.port == 0 or (found and not any(map(str.isalnum, parts.hostname or ""))):
        raise ValueError
    return found


def one_of(*words: str) -> Kind:
    quoted = ", ".join(word or '""' for word in words)
    return Kind("known", quoted, matching("|".join(words)))


SEGMENT = r"[A-Za-z0-9_-]+"
NAME = r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]"
SERVER = rf"(?:{NAME})(?::[0-9]{{1,5}})?"
LINE = r"[^\x00-\x1f\x7f]*"
URL = r"https?://[A-Za-z0-9.-]+(?::[0-9]+)?|https?://\[[0-9A-Fa-f:.]+\](?::[0-9]+)?"

FLAG = Kind("true or false", "true, false", flag)
TEXT = Kind("a line of text", "text, in quotes where it looks like a number", matching(LINE))
SECRET = Kind("a line of text", "text, in quotes where it looks like a number", matching(LINE), secret=True)
TOKEN = Kind("a token", "letters, digits, '.', '_' and '-'", matching(r"[\w.-]*"), secret=True)
KEY = Kind(
    "a signing key",
    f"{SHORTEST_KEY} characters or more",
    matching(rf"[^\x00-\x1f]{{{SHORTEST_KEY},}}|"),
    secret=True,
)
NKEYS = Kind(
    "a list of public nkeys of users", "U and 55 of A-Z, 2-7", each(matching(r"U[A-Z2-7]{55}")), secret=True
)
PORT = Kind("a port", "1 to 65535", integer(1, 65535))
PERCENT = Kind("a percentage", "1 to 100", integer(1, 100))
COUNT = Kind("a whole number above 0", "1 or more", integer(1))
SIZE = Kind("a size", "whole numbers from 0, which is no limit", integer(0))
LIMIT = Kind("a number", "0 for no limit, or more", number(0.0))
ABOVE_ZERO = Kind("a number above 0", "such as 0.5 or 200", number(math.ulp(0.0)))
REPLICAS = Kind("a number of replicas", "1 to 5", lambda value: integer(0, 5)(value) or 1)
DURATION = Kind("a duration", "such as 90s, 1h30m or 7d, or 0", duration())
PERIOD = Kind("a duration above 0", "such as 250ms, 90s or 1h30m", duration(1e-9))
PERIODS = Kind("a list of durations", "such as 30s, 2m", each(duration()))
WORDS = Kind("a list of words", "words without spaces or commas", each(matching(r"[^\s,]+")))
LABELS = Kind(
    "a set of labels",
    f"up to {MOST_LABELS} of key: value, both of letters, digits, '_' and '-', the value with inner dots too",
    labels,
)
ORIGINS = Kind("a list of origins", "* or such as https://example.org", each(matching(rf"\*|{URL}")))
WEB = Kind("a URL", "such as http://127.0.0.1:8080", matching(rf"(?:{URL})(?:/[^\s?#]*)?"))
ADDRESS = Kind("an address to listen on", "an IP address or a host name", matching(r"[A-Za-z0-9.:-]*"))
SERVERS = Kind(
    "a list of brokers",
    "host, host:port or [IPv6]:port, with commas between",
    matching(rf"{SERVER}(?:\s*,\s*{SERVER})*"),
)
NAMESPACE = Kind("a namespace", "letters, digits, '_' and '-'", matching(rf"(?:{SEGMENT})?"))
BUCKET = Kind("the name of a bucket or stream", "letters, digits, '_' and '-'", matching(SEGMENT))
SUBJECT = Kind(
    "a subject",
    "words of letters, digits, '_' and '-' with dots between",
    matching(rf"{SEGMENT}(?:\.{SEGMENT})*"),
)
HOSTNAME = Kind(
    "a host name",
    "letters, digits, '-' and '.', a letter or digit first",
    matching(r"(?:[A-Za-z0-9][A-Za-z0-9.-]{0,252})?"),
)
PATH = Kind("an absolute path", "such as /srv/blobs", matching(r"/[^\x00-\x1f\x7f]*"))
PATHS = Kind("a list of absolute paths", "such as /etc, /srv/*/conf", each(matching(r"/[^\x00-\x1f\x7f]*")))
S3_NAME = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
S3_BUCKET = Kind("the name of a bucket of S3", "3 to 63 of a-z, 0-9, '.' and '-'", matching(S3_NAME))
S3_BUCKETS = Kind("a list of buckets of S3", "each 3 to 63 of a-z, 0-9, '.' and '-'", each(matching(S3_NAME)))
S3_ENDPOINT = Kind(
    "the address of an S3 server", "such as s3.amazonaws.com, minio:9000 or http://127.0.0.1:9000", endpoint
)
REGION = Kind("a region of S3", "such as us-east-1", matching(SEGMENT))
NETWORKS = Kind(
    "a list of addresses and networks",
    "such as 127.0.0.1 or 169.254.0.0/16",
    each(lambda value: str(ip_network(value, strict=False))),
)
MACHINE_ID = Kind("a machine id", "up to 64 letters, digits, '_' and '-'", matching(r"[A-Za-z0-9_-]{0,64}"))

PLAIN: dict[Any, Kind] = {bool: FLAG, str: TEXT, Duration: DURATION}
"""What is read where a field says no more than its type."""


@cache
def kind_of(annotation: Any) -> Kind | None:
    """The kind of a field, None of one that is a section."""
    for note in getattr(annotation, "__metadata__", ()):
        if isinstance(note, Kind):
            return note
    if get_origin(annotation) is Literal:
        return one_of(*get_args(annotation))
    return PLAIN.get(annotation)
