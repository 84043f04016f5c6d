"""Rates, and what the Prefer header asks for."""

import pytest
import trio

from controller.access import Caller, Rates
from controller.routes import Preference, preference
from osapi.errors import NotAllowed, TooManyRequests


async def test_a_burst_is_served_and_then_the_rate_holds(autojump_clock):
    rates = Rates(per_second=10, burst=5)

    for _ in range(5):
        rates.spend("token")
    with pytest.raises(TooManyRequests) as refused:
        rates.spend("token")

    assert 0 < refused.value.retry_after <= 0.1
    await trio.sleep(refused.value.retry_after)
    rates.spend("token")


async def test_one_token_does_not_spend_for_another(autojump_clock):
    rates = Rates(per_second=1, burst=1)

    rates.spend("one")
    rates.spend("other")

    with pytest.raises(TooManyRequests):
        rates.spend("one")


def test_a_refusal_names_the_permission():
    with pytest.raises(NotAllowed, match="timezone:write"):
        Caller("anna", frozenset({"timezone:read"})).need("timezone:write")


@pytest.mark.parametrize(
    ("header", "meant"),
    [
        ("", Preference()),
        ("respond-async", Preference(respond_async=True)),
        ("wait=10", Preference(wait=10.0)),
        ("Respond-Async, wait=5; foo", Preference(respond_async=True)),
        ("respond-async , wait=5", Preference(respond_async=True, wait=5.0)),
        ("handling=lenient, wait=x", Preference()),
    ],
)
def test_a_preference_is_read_and_what_is_not_known_is_passed_over(header, meant):
    assert preference(header) == meant
