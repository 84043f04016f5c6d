"""Debian's Prometheus: it scrapes controller, broker and booted hosts, and makes something of rules and dashboard."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import booted
import httpx
import image
import pytest
import yaml
from processes import eventually

ADDRESS = "127.0.0.1:9099"
EVERY = "1s"
NAME = re.compile(r"\b(?:osapi|process)_[a-z_]+\b")
FILLED_IN = {"$__rate_interval": "1m", "$job": ".*", "$instance": ".*"}
VARIABLE = re.compile(r"\$\w+")
"""What Grafana puts into expressions."""


class Prometheus:
    """The server, asked over its HTTP API."""

    def __init__(self, folder: Path, site: booted.Site) -> None:
        self.folder = folder
        self.binaries = image.prometheus() / "usr" / "bin"
        rules, config = folder / "osapi.rules.yaml", folder / "prometheus.yml"
        rules.write_text(site.cli("metrics", "alerts", check=0).stdout)
        config.write_text(yaml.safe_dump(self.config(site)))
        self.checked = self.tool("check", "config", config) + self.tool("check", "rules", rules)

    def config(self, site: booted.Site) -> dict[str, Any]:
        agents = [f"{host.address}:9091" for host in site.hosts.values()]
        targets = {"controller": ["127.0.0.1:9090"], "broker": ["127.0.0.1:9092"], "agent": agents}
        return {
            "global": {"scrape_interval": EVERY, "evaluation_interval": EVERY},
            "rule_files": ["osapi.rules.yaml"],
            "scrape_configs": [
                {"job_name": f"osapi-{name}", "static_configs": [{"targets": found}]}
                for name, found in targets.items()
            ],
        }

    def tool(self, *words: str | Path) -> str:
        argv = [self.binaries / "promtool", *words]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self) -> subprocess.Popen[bytes]:
        argv = [
            self.binaries / "prometheus",
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address={ADDRESS}",
        ]
        with (self.folder / "prometheus.out").open("wb") as out:
            return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def get(self, path: str, **params: str) -> Any:
        answer = httpx.get(f"http://{ADDRESS}/api/v1/{path}", params=params).json()
        assert answer["status"] == "success", (params, answer)
        return answer["data"]

    def ready(self) -> bool:
        try:
            return httpx.get(f"http://{ADDRESS}/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        found = self.get("query", query=expression)["result"]
        return [(each["metric"], float(each["value"][1])) for each in found]


@pytest.fixture
def prometheus(site: booted.Site, tmp_path: Path) -> Iterator[Prometheus]:
    """Prometheus, once it has seen a job."""
    found = Prometheus(tmp_path, site)
    with found.start() as process:
        try:
            eventually(found.ready)
            site.ask("uptime", "get", on="_all")
            yield found
        finally:
            process.terminate()


def test_all_daemons_are_scraped_and_everything_that_is_shown_is_there(
    site: booted.Site, prometheus: Prometheus
) -> None:
    up = eventually(lambda: (found := prometheus.query("up == 1")) and len(found) == 5 and found)
    dashboard = json.loads(site.cli("metrics", "dashboard", check=0).stdout)
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    asked = set(NAME.findall(" ".join(expressions) + (prometheus.folder / "osapi.rules.yaml").read_text()))

    eventually(lambda: asked <= set(prometheus.get("label/__name__/values")))
    rules = eventually(lambda: all_rules_ran(prometheus))

    assert sorted(labels["job"] for labels, _ in up) == ["osapi-agent"] * 3 + [
        "osapi-broker",
        "osapi-controller",
    ]
    assert all(rule["health"] == "ok" for rule in rules), rules
    for expression in expressions:
        prometheus.query(VARIABLE.sub(lambda found: FILLED_IN[found[0]], expression))


def all_rules_ran(prometheus: Prometheus) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = prometheus.get("rules")["groups"][0]["rules"]
    return [] if any(rule["health"] == "unknown" for rule in rules) else rules


def test_an_agent_that_is_killed_is_noticed(
    site: booted.Site, prometheus: Prometheus, t3: booted.Host
) -> None:
    gone = f'up{{instance="{t3.address}:9091"}}'
    eventually(lambda: [value for _, value in prometheus.query(gone)] == [1.0])

    t3.run("systemctl", "kill", "--signal", "KILL", booted.UNIT)
    t3.run("systemctl", "stop", booted.UNIT)

    eventually(lambda: [value for _, value in prometheus.query(gone)] == [0.0])
    pending = eventually(lambda: prometheus.query('ALERTS{alertname="OsapiUnreachable"}'))
    assert pending[0][0]["instance"] == f"{t3.address}:9091"
