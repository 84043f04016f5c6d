"""Who may do what, and how often: tokens into callers, callers against permissions, a rate for each token."""

from collections import OrderedDict

import attrs
import trio

from osapi.errors import NotAllowed, NotAuthenticated, TooManyRequests
from osapi.permissions import Policy
from osapi.tokens import Verifier

REMEMBERED = 10_000
"""Tokens whose rate is kept in memory."""


@attrs.frozen
class Caller:
    """Who asks, and what that one may do."""

    user: str
    permissions: frozenset[str]
    roles: tuple[str, ...] = ()

    def need(self, permission: str) -> None:
        """Raise `NotAllowed` where a permission is missing."""
        if permission not in self.permissions:
            raise NotAllowed(
                f"{self.user} lacks the permission {permission}; ask for a token whose role has it"
            )


@attrs.define
class Rates:
    """A rate for each token, with bursts: the generic cell rate algorithm, one moment in time for each."""

    per_second: float
    burst: int
    _next: OrderedDict[str, float] = attrs.field(factory=OrderedDict)

    def spend(self, token: str) -> None:
        """Count a request; `TooManyRequests` where the token has none left."""
        now, step = trio.current_time(), 1 / self.per_second
        due = max(self._next.get(token, now), now) + step
        if (over := due - now - self.burst * step) > 0:
            raise TooManyRequests(
                f"more than {self.per_second:g} requests a second (and bursts of {self.burst}) with one token",
                retry_after=over,
            )
        self._next[token] = due
        self._next.move_to_end(token)
        if len(self._next) > REMEMBERED:
            self._next.popitem(last=False)


@attrs.frozen
class Access:
    """Turns the Authorization header of a request into a caller."""

    verifier: Verifier
    policy: Policy
    rates: Rates

    def caller(self, authorization: str | None) -> Caller:
        """Who asks; `NotAuthenticated` where that is not proven (RFC 6750)."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise NotAuthenticated("a bearer token is needed: Authorization: Bearer TOKEN")
        claims = self.verifier.verify(token.strip())
        self.rates.spend(token)
        return Caller(claims.subject, self.policy.of(claims), claims.roles)
