"""Tokens: who somebody is and what they may do, signed by a controller (JWT, RFC 7519; HS256 of RFC 7518)."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import jwt

from osapi.errors import BadInput, NotAuthenticated

ALGORITHM = "HS256"
ISSUER = "osapi"
AUDIENCE = ("https://localhost", "http://localhost")
LIFETIME = 90 * 86400.0
LONGEST_LIFETIME = 100 * 365 * 86400.0

MOST_CACHED = 1024
LONGEST = 8192
"""Characters of a token; no header line of that size is taken anyway."""

REASONS = {
    jwt.InvalidSignatureError: "it is signed with another key",
    jwt.InvalidAlgorithmError: f"its algorithm is not {ALGORITHM}",
    jwt.ImmatureSignatureError: "it is not valid yet",
    jwt.InvalidIssuerError: f"its issuer (iss) is not {ISSUER}",
    jwt.InvalidAudienceError: f"its audience (aud) is none of {', '.join(AUDIENCE)}",
}


@attrs.frozen(kw_only=True)
class Claims:
    """What a valid token says; `permissions`, where there are any, stand in for those of the roles."""

    subject: str
    roles: tuple[str, ...]
    permissions: tuple[str, ...]
    issuer: str
    audience: tuple[str, ...]
    issued: datetime | None
    expires: datetime


def issue(
    key: str,
    subject: str,
    roles: Sequence[str],
    permissions: Sequence[str] = (),
    lifetime: float = LIFETIME,
) -> str:
    """A token for a subject, valid for `lifetime` seconds; `BadInput` where it has no name, role or time."""
    if not subject.strip():
        raise BadInput("subject: empty; allowed: the name of a person or program", "subject")
    if not roles:
        raise BadInput("roles: none given; allowed: one or more", "roles")
    if not 0 < lifetime <= LONGEST_LIFETIME:
        raise BadInput(f"expires: {lifetime:g}s is no time to live; allowed: up to 100 years", "expires")
    now = datetime.now(UTC)
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": list(AUDIENCE),
        "sub": subject,
        "iat": now,
        "exp": now + timedelta(seconds=lifetime),
        "roles": list(roles),
    }
    if permissions:
        claims["permissions"] = list(permissions)
    return jwt.encode(claims, _hmac_key(key), ALGORITHM)


def verify(key: str, token: str) -> Claims:
    """What a token says; `NotAuthenticated` tells why it is not valid, and never repeats it."""
    if len(token) > LONGEST or not token.isascii():
        raise NotAuthenticated(f"invalid token: it is not up to {LONGEST} ASCII characters")
    try:
        found = jwt.decode(
            token,
            _hmac_key(key),
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            # When it was issued is for people; a clock that is a second behind shall not refuse it.
            options={"require": ["exp", "iss", "aud", "sub"], "verify_exp": False, "verify_iat": False},
        )
    except jwt.MissingRequiredClaimError as error:
        raise NotAuthenticated(f"invalid token: the claim {error.claim} is missing") from None
    except jwt.InvalidTokenError as error:
        raise NotAuthenticated(f"invalid token: {REASONS.get(type(error), 'it is damaged')}") from None
    return _current(_claims(found))


class Verifier:
    """`verify` with one key, which remembers the tokens it has found valid."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._known: dict[str, Claims] = {}

    def verify(self, token: str) -> Claims:
        if known := self._known.get(token):
            return _current(known)
        claims = verify(self._key, token)
        if len(self._known) >= MOST_CACHED:
            del self._known[next(iter(self._known))]
        self._known[token] = claims
        return claims


def _hmac_key(key: str) -> bytes:
    """HMAC itself fills short keys with zeros (RFC 2104), so this changes no signature; PyJWT would warn of
    them at every request, where `osapi config check` does so once.
    """
    return key.encode().ljust(32, b"\0")


def _current(claims: Claims) -> Claims:
    if claims.expires <= datetime.now(UTC):
        raise NotAuthenticated(f"token expired at {claims.expires:%Y-%m-%d %H:%M:%S} UTC; ask for a new one")
    return claims


def _claims(found: dict[str, Any]) -> Claims:
    audience = found["aud"]
    if not found["sub"]:
        raise NotAuthenticated("invalid token: its subject (sub) is empty")
    return Claims(
        subject=found["sub"],
        roles=_strings(found, "roles"),
        permissions=_strings(found, "permissions") if found.get("permissions") is not None else (),
        issuer=found["iss"],
        audience=(audience,) if isinstance(audience, str) else tuple(audience),
        issued=_time(found, "iat") if "iat" in found else None,
        expires=_time(found, "exp"),
    )


def _strings(found: dict[str, Any], claim: str) -> tuple[str, ...]:
    value = found.get(claim)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise NotAuthenticated(f"invalid token: the claim {claim} is not a list of strings")
    return tuple(value)


def _time(found: dict[str, Any], claim: str) -> datetime:
    try:
        return datetime.fromtimestamp(found[claim], UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise NotAuthenticated(f"invalid token: the claim {claim} is not a time") from None
