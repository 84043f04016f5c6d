"""Tokens: what is valid, and why the rest is not."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest

from osapi import tokens
from osapi.errors import BadInput, NotAuthenticated
from osapi.tokens import Verifier, issue, verify

KEY = "0123456789abcdef" * 4


def claims(**changes):
    now = datetime.now(UTC)
    good = {
        "iss": "osapi",
        "aud": ["https://localhost", "http://localhost"],
        "sub": "alice",
        "iat": now,
        "exp": now + timedelta(hours=1),
        "roles": ["read"],
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def signed(algorithm="HS256", key=KEY, **changes):
    return jwt.encode(claims(**changes), key, algorithm)


def by_hand(header, payload, key=KEY):
    """A token as only an attacker writes it."""

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    text = part(header) + b"." + part(payload)
    mac = hmac.new(key.encode(), text, hashlib.sha256).digest()
    return (text + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


def test_a_token_says_who_somebody_is_and_what_they_may_do():
    before = datetime.now(UTC).replace(microsecond=0)

    found = verify(KEY, issue(KEY, "alice", ["write", "ops"], ["node:read"], 2 * 86400))

    assert (found.subject, found.roles, found.permissions) == ("alice", ("write", "ops"), ("node:read",))
    assert found.issuer == "osapi"
    assert set(found.audience) == {"http://localhost", "https://localhost"}
    assert found.issued >= before
    assert found.expires - found.issued == timedelta(days=2)


def test_a_token_lasts_ninety_days_unless_told_otherwise():
    found = verify(KEY, issue(KEY, "alice", ["read"]))

    assert found.expires - found.issued == timedelta(days=90)
    assert found.permissions == ()


def test_tokens_of_existing_installations_are_valid():
    now = int(datetime.now(UTC).timestamp())
    body = {"roles": ["admin"], "iss": "osapi", "sub": "integration@test", "aud": ["http://localhost"]}

    found = verify(KEY, by_hand({"alg": "HS256", "typ": "JWT"}, body | {"iat": now, "exp": now + 60}))

    assert found.roles == ("admin",)
    assert verify(KEY, signed(aud="https://localhost")).audience == ("https://localhost",)
    assert verify(KEY, signed(permissions=[])).permissions == ()


def test_a_short_key_signs_as_others_would():
    token = by_hand({"alg": "HS256"}, claims(iat=None, exp=2**33), key="0123456789abcdef")

    assert verify("0123456789abcdef", token).subject == "alice"


def test_an_issuing_clock_that_is_ahead_is_forgiven():
    assert verify(KEY, signed(iat=datetime.now(UTC) + timedelta(seconds=5))).subject == "alice"


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("", "it is damaged"),
        ("abc", "it is damaged"),
        ("a.b.c", "it is damaged"),
        ("é.b.c", "it is not up to 8192 ASCII characters"),
        ("\udcff", "it is not up to 8192 ASCII characters"),
        ("a" * 9000, "it is not up to 8192 ASCII characters"),
        (signed(key="another key of a good length, too"), "it is signed with another key"),
        (signed()[:-6] + "AAAAAA", "it is signed with another key"),
        (jwt.encode(claims(), None, "none"), "its algorithm is not HS256"),
        (by_hand({"alg": "none"}, claims(iat=None, exp=2**33)), "its algorithm is not HS256"),
        (by_hand({"alg": "None"}, claims(iat=None, exp=2**33)), "its algorithm is not HS256"),
        (by_hand({"alg": "RS256"}, claims(iat=None, exp=2**33)), "its algorithm is not HS256"),
        (by_hand({}, claims(iat=None, exp=2**33)), "its algorithm is not HS256"),
        (signed("HS384"), "its algorithm is not HS256"),
        (signed("HS512", key=KEY * 2), "its algorithm is not HS256"),
        (signed(iss="someone"), "its issuer .iss. is not osapi"),
        (signed(iss=None), "the claim iss is missing"),
        (
            signed(aud=["https://example.org"]),
            "its audience .aud. is none of https://localhost, http://localhost",
        ),
        (signed(aud=None), "the claim aud is missing"),
        (signed(sub=None), "the claim sub is missing"),
        (signed(sub=""), "its subject .sub. is empty"),
        (signed(exp=None), "the claim exp is missing"),
        (by_hand({"alg": "HS256"}, claims(iat=None, exp="soon")), "the claim exp is not a time"),
        (by_hand({"alg": "HS256"}, claims(iat=None, exp=1e300)), "the claim exp is not a time"),
        (signed(nbf=datetime.now(UTC) + timedelta(hours=1)), "it is not valid yet"),
        (signed(roles=None), "the claim roles is not a list of strings"),
        (signed(roles="admin"), "the claim roles is not a list of strings"),
        (signed(roles=[1]), "the claim roles is not a list of strings"),
        (signed(permissions="node:read"), "the claim permissions is not a list of strings"),
        (by_hand({"alg": "HS256"}, ["no", "claims"]), "it is damaged"),
    ],
)
def test_a_token_that_is_not_valid_is_refused_with_the_reason_and_without_the_token(token, reason):
    with pytest.raises(NotAuthenticated, match=rf"^invalid token: (?:{reason})$"):
        verify(KEY, token)


def test_a_token_that_has_expired_says_since_when():
    over = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)

    with pytest.raises(NotAuthenticated, match="token expired at 2024-05-06 07:08:09 UTC; ask for a new one"):
        verify(KEY, signed(exp=over))


@pytest.mark.parametrize(
    ("subject", "roles", "lifetime", "reason"),
    [
        (" ", ["read"], 1, "subject: empty"),
        ("alice", [], 1, "roles: none given"),
        ("alice", ["read"], 0, "expires: 0s is no time to live; allowed: up to 100 years"),
        ("alice", ["read"], 1e15, "expires: 1e.15s is no time to live"),
    ],
)
def test_a_token_for_nobody_or_nothing_is_not_issued(subject, roles, lifetime, reason):
    with pytest.raises(BadInput, match=reason):
        issue(KEY, subject, roles, lifetime=lifetime)


def test_a_verifier_remembers_valid_tokens_and_nothing_else():
    verifier = Verifier(KEY)
    token = issue(KEY, "alice", ["read"])

    first = verifier.verify(token)

    assert verifier.verify(token) is first
    for _ in range(2):
        with pytest.raises(NotAuthenticated, match="another key"):
            verifier.verify(issue("another key of a good length, too", "alice", ["admin"]))
    assert len(verifier._known) == 1


def test_a_remembered_token_expires_all_the_same():
    verifier = Verifier(KEY)
    token = issue(KEY, "alice", ["read"])
    known = verifier.verify(token)

    verifier._known[token] = tokens.Claims(
        **{
            name: getattr(known, name)
            for name in ("subject", "roles", "permissions", "issuer", "audience", "issued")
        },
        expires=datetime.now(UTC),
    )

    with pytest.raises(NotAuthenticated, match="token expired at"):
        verifier.verify(token)


def test_a_verifier_remembers_only_so_many_tokens():
    verifier = Verifier(KEY)

    for number in range(tokens.MOST_CACHED + 10):
        verifier.verify(issue(KEY, f"user-{number}", ["read"]))

    assert len(verifier._known) == tokens.MOST_CACHED
