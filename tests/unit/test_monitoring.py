"""The dashboard, the alert rules and the page of metrics beside what the daemons really tell."""

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest
import trio
import yaml

from agent.metrics import AgentMetrics
from controller.alerts.index import Alerts
from controller.drive import Driver
from controller.hosts import Hosts
from controller.lag import Lag
from controller.metrics import ControllerMetrics
from controller.projection import Jobs
from osapi.broker_metrics import BrokerMetrics
from osapi.bus.server import Running

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "metrics.md"
MONITORING = files("osapi") / "monitoring"
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text())
RULES = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"][0]["rules"]
NAME = re.compile(r"\b(?:osapi|process|python)_[a-z_]+\b")
OF_SERIES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}

BOUND = {
    "component",
    "version",
    "subsystem",
    "operation",
    "method",
    "status",
    "state",
    "type",
    "condition",
    "bucket",
}
BOUND |= {"direction"}
PYTHON = {"implementation", "major", "minor", "patchlevel", "system", "machine", "release", "processor"}


class NoBus:
    connected, connections = False, 0


async def gathered():
    """All that the three daemons tell, by name."""
    controller, agent = ControllerMetrics({}), AgentMetrics({})
    jobs, hosts = Jobs(), Hosts(35)
    driver = Driver(None, None, None, jobs, hosts, None, "x")
    controller.follow(jobs, hosts, driver, Alerts(None), Lag({"jobs": "KV_jobs"}, jobs.applied))
    agent.follow(trio.CapacityLimiter(1), NoBus())
    broker = BrokerMetrics({}, Running())
    for each in (controller, agent, broker):
        each.follow_bus(NoBus())
    return {family.name: family for each in (controller, agent, broker) for family in each.collect()}


@pytest.fixture(scope="module")
def told():
    return trio.run(gathered)


@pytest.fixture(scope="module")
def series(told):
    """The names that one can query."""
    return {name + end for name, family in told.items() for end in OF_SERIES.get(family.type, ("",))}


def expressions():
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        yield variable["name"], str(variable["query"])


def test_what_dashboard_and_rules_ask_for_is_told(series):
    unknown = [(where, names) for where, asked in expressions() if (names := {*NAME.findall(asked)} - series)]

    assert unknown == []


def test_all_that_is_told_is_on_the_page_and_nothing_else(told):
    rows = re.findall(r"^\| `(osapi_\w+?)(?:{[\w, ]*})?` \|", PAGE.read_text(), re.MULTILINE)

    own = {
        name + ("_total" if told[name].type == "counter" else "")
        for name in told
        if name.startswith("osapi_")
    }
    assert set(rows) == own
    assert len(rows) == len(own)


def test_no_label_is_without_a_bound(told):
    labels = {label for family in told.values() for sample in family.samples for label in sample.labels}

    assert labels - {"le"} <= BOUND | PYTHON


def test_the_panels_of_the_dashboard_do_not_lie_on_each_other():
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells, panel["title"]
        taken |= cells


def test_every_alert_says_what_is_wrong():
    assert all({"summary"} <= rule["annotations"].keys() and rule["labels"]["severity"] for rule in RULES)
    assert len({rule["alert"] for rule in RULES}) == len(RULES)


async def test_the_index_is_behind_from_when_the_broker_was_seen_to_have_more(autojump_clock):
    applied = {"jobs": 5}
    lag = Lag({"jobs": "KV_jobs"}, applied)
    lag.reached("jobs", 7)  # two entries were deleted before this controller began
    at_first = lag.seconds("jobs")

    lag.reached("jobs", 9)
    await trio.sleep(3)
    lag.reached("jobs", 12)
    behind = lag.seconds("jobs")
    applied["jobs"] = 9

    assert (at_first, behind, lag.seconds("jobs")) == (0, 3, 0)


async def test_a_bucket_that_was_made_again_begins_anew(autojump_clock):
    applied = {"jobs": 500}
    lag = Lag({"jobs": "KV_jobs"}, applied)
    lag.reached("jobs", 500)

    lag.reached("jobs", 2)
    applied["jobs"] = 2
    lag.reached("jobs", 4)
    await trio.sleep(2)

    assert lag.seconds("jobs") == 2
