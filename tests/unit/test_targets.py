"""Which hosts a target means."""

import attrs
import pytest

from osapi.errors import BadInput, Conflict
from osapi.targets import many, resolve


@attrs.frozen
class Host:
    machine_id: str
    hostname: str
    labels: dict[str, str] = attrs.field(factory=dict)
    schedulable: bool = True


WEB_1 = Host("m1", "web-01", {"group": "web.dev.eu"})
WEB_2 = Host("m2", "web-02", {"group": "web"})
SHOP = Host("m3", "shop", {"group": "webshop", "site": "a"})
AWAY = Host("m4", "away", {"group": "web", "site": "b"}, schedulable=False)
HOSTS = [WEB_1, WEB_2, SHOP, AWAY]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("_all", [WEB_1, WEB_2, SHOP]),
        ("_any", [WEB_1, WEB_2, SHOP]),
        ("web-01", [WEB_1]),
        ("m1", [WEB_1]),
        ("away", [AWAY]),
        ("m4", [AWAY]),
        ("group:web", [WEB_1, WEB_2]),
        ("group:web.dev", [WEB_1]),
        ("group:web.dev.eu", [WEB_1]),
        ("group:webshop", [SHOP]),
        ("site:a", [SHOP]),
    ],
)
def test_a_target_means_these_hosts(target, expected):
    assert resolve(target, HOSTS) == expected


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("nowhere", "no host is known as that"),
        ("WEB-01", "no host is known as that"),
        ("", "no host is known as that"),
        ("web-01\n", "no host is known as that"),
        ("_some", "no host is known as that"),
        ("group:we", "no host carries that label"),
        ("group:web.de", "no host carries that label"),
        ("group:web.dev.eu.north", "no host carries that label"),
        ("group:dev", "no host carries that label"),
        ("Group:web", "no host carries that label"),
        ("colour:red", "no host carries that label"),
        ("site:b", "no agent that carries it is ready"),
        (":", "is not a label"),
        ("group:", "is not a label"),
        (":web", "is not a label"),
        ("group:web.", "is not a label"),
        ("group:.web", "is not a label"),
        ("group:web..dev", "is not a label"),
        ("group:web:dev", "is not a label"),
        ("group:*", "is not a label"),
        ("group:>", "is not a label"),
        ("group.x:web", "is not a label"),
        ("group:web\n", "is not a label"),
        ("group:wéb", "is not a label"),
    ],
)
def test_a_target_that_means_no_host_is_refused(target, reason):
    with pytest.raises(BadInput, match=reason) as refused:
        resolve(target, HOSTS)

    assert refused.value.field == "target"
    assert repr(target) in str(refused.value)


@pytest.mark.parametrize("target", ["_all", "_any"])
@pytest.mark.parametrize("hosts", [[], [AWAY]])
def test_all_and_any_need_an_agent_that_is_ready(target, hosts):
    with pytest.raises(BadInput, match="no agent is ready"):
        resolve(target, hosts)


def test_a_name_that_two_hosts_have_is_refused_with_their_machine_ids():
    twins = [Host("m2", "twin"), Host("m1", "twin")]

    with pytest.raises(Conflict, match="'twin' is the name of 2 hosts; name one by machine id: m1, m2"):
        resolve("twin", twins)

    assert resolve("m1", twins) == [twins[1]]


def test_a_machine_id_means_that_machine_also_where_another_goes_by_it():
    named = [Host("m1", "web"), Host("m2", "m1")]

    assert resolve("m1", named) == [named[0]]


@pytest.mark.parametrize(
    ("target", "expected"),
    [("_all", True), ("group:web", True), ("_any", False), ("web-01", False), ("m1", False)],
)
def test_only_all_and_labels_mean_many(target, expected):
    assert many(target) is expected
