"""How fast OSAPI is: `./justw bench`, or `./justw bench --short` for the form that CI runs.

Real processes, default durability (every write on the disk before it is acknowledged). Each figure stands beside
the baselines of the same run, for the machines it runs on are noisy: HTTP alone, and the broker's bare writes.
Prints a table; writes bench/results/latest.json and latest.svg.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import trio

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "e2e"))

from blobs import SHORT, WHOLE, blobs  # noqa: E402 - the path comes first
from load import get, once  # noqa: E402
from picture import draw  # noqa: E402
from processes import Installation, eventually, installation  # noqa: E402

OSAPI = str(Path(sys.executable).with_name("osapi"))
GET = [OSAPI, "client", "node", "hostname", "get"]
UNLIMITED = {
    "OSAPI_CONTROLLER_API_RATE_LIMIT_PER_SECOND": "1000000",
    "OSAPI_CONTROLLER_API_RATE_LIMIT_BURST": "1000000",
}


class Figures:
    """What was measured: a name, a value, its unit, and the most or least it is meant to be."""

    def __init__(self) -> None:
        self.rows: list[dict[str, object]] = []

    def add(self, name: str, value: float, unit: str, meant: str = "") -> float:
        self.rows.append({"name": name, "value": round(value, 4), "unit": unit, "meant": meant})
        print(f"  {name:58} {value:10.2f} {unit:8} {meant}", flush=True)
        return value


def timed(words: list[str], env: dict[str, str], rounds: int) -> float:
    """The median time of a program, in seconds."""
    times = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        subprocess.run(words, env={**os.environ, **env}, capture_output=True, check=True)
        times.append(time.perf_counter() - began)
    return sorted(times[1:])[rounds // 2]


def one_host(site: Installation, figures: Figures, requests: int) -> None:
    url, token = site.url, site.token
    for clients in (1, 32):
        alone = trio.run(lambda n=clients: get(url, "/api/health", token, clients=n, requests=requests))
        name = f"{clients} client{'s' if clients > 1 else ''}"
        figures.add(f"HTTP alone, {name}", alone.per_second, "1/s", "baseline")
        jobs = trio.run(
            lambda n=clients: get(url, "/api/node/_all/uptime", token, clients=n, requests=requests)
        )
        figures.add(f"jobs on one host, {name}", jobs.per_second, "1/s")
        if clients == 1:
            figures.add("  p50", jobs.quantile(0.5) * 1000, "ms", "≤ 10")
            figures.add("  p99", jobs.quantile(0.99) * 1000, "ms", "≤ 40")
        else:
            figures.add("  p50", jobs.quantile(0.5) * 1000, "ms")
            figures.add("  p99", jobs.quantile(0.99) * 1000, "ms")
            figures.add("  jobs / HTTP alone", jobs.per_second / alone.per_second, "", "≥ 0.4")


def writes(site: Installation, figures: Figures) -> None:
    """How many durable writes a job costs: what the buckets' streams have counted."""

    def written() -> int:
        with site.http() as http:
            buckets = http.get("/api/health/status").json()["kv_buckets"]
        return sum(bucket["keys"] for bucket in buckets if bucket["name"] in {"job-queue", "job-responses"})

    before = written()
    trio.run(lambda: get(site.url, "/api/node/_all/uptime", site.token, clients=4, requests=100))
    figures.add("durable writes a job", (written() - before) / 100, "", "2")


def fleets(figures: Figures, sizes: list[int]) -> None:
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder, installation(Path(folder)) as site:
            site.env |= UNLIMITED | {
                "OSAPI_NATS_REGISTRY_TTL": "10m"
            }  # so many agents share one process's beats
            site.broker()
            site.controller()
            swarm = subprocess.Popen(
                [sys.executable, str(HERE / "swarm.py"), str(size), "bench"],
                env={**os.environ, **site.env, **signed_in(site, "AGENT"), "OSAPI_STATE_DIR": folder},
            )
            try:
                seconds = ask_all(site, size)
                if size == 10:
                    figures.add(
                        "osapi client node hostname get, 10 hosts", timed(GET, site.env, 5), "s", "≤ 0.5"
                    )
            finally:
                swarm.kill()
                swarm.wait()
        figures.add(f"_all on {size} agents", seconds, "s", {100: "≤ 0.3", 1000: "≤ 2"}.get(size, ""))


def ask_all(site: Installation, size: int) -> float:
    """The median of five questions to all hosts, in seconds."""
    eventually(lambda: ready(site) == size, within=120)
    times = []
    for _ in range(5):
        seconds, answer = trio.run(once, site.url, "/api/node/_all/uptime", site.token)
        failed = [item for item in answer["results"] if item["status"] != "ok"]
        assert len(answer["results"]) == size, f"{len(answer['results'])} of {size} hosts"
        assert not failed, f"{len(failed)} failed: {failed[:3]}"
        times.append(seconds)
    return sorted(times)[2]


def ready(site: Installation) -> int:
    with site.http() as http:
        return int(http.get("/api/health/status").json()["agents"]["ready"])


def signed_in(site: Installation, kind: str) -> dict[str, str]:
    prefix = f"OSAPI_{kind}_NATS_AUTH_"
    password = (site.folder / "state" / "broker.password").read_text().strip()
    return {f"{prefix}TYPE": "user_pass", f"{prefix}USERNAME": "osapi", f"{prefix}PASSWORD": password}


def long_history(figures: Figures, count: int) -> None:
    with tempfile.TemporaryDirectory() as folder, installation(Path(folder)) as site:
        site.env |= UNLIMITED
        site.env["OSAPI_NATS_SERVER_SYNC_ALWAYS"] = "false"
        site.broker()
        controller = site.controller()
        env = {**os.environ, **site.env, **signed_in(site, "CONTROLLER")}
        began = time.perf_counter()
        subprocess.run([sys.executable, str(HERE / "history.py"), str(count)], env=env, check=True)
        print(f"  ({count} jobs written in {time.perf_counter() - began:.0f} s)", flush=True)
        controller.stop()
        began = time.perf_counter()
        site.controller()
        figures.add(f"restart of the controller with {count} jobs", time.perf_counter() - began, "s")
        page = trio.run(lambda: get(site.url, "/api/job?limit=100", site.token, clients=1, requests=20))
        figures.add(f"a page of 100 of {count} jobs, p50", page.quantile(0.5) * 1000, "ms", "≤ 50")
        page = trio.run(lambda: get(site.url, "/api/job", site.token, clients=1, requests=50))
        figures.add(f"a page of 10 of {count} jobs, p50", page.quantile(0.5) * 1000, "ms", "≤ 50")


def start_up(figures: Figures, rounds: int) -> None:
    times = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder, installation(Path(folder)) as site:
            began = time.perf_counter()
            site.everything()
            times.append(time.perf_counter() - began)
    figures.add("osapi start, ready", sorted(times)[rounds // 2], "s", "≤ 3")


def command_line(site: Installation, figures: Figures, rounds: int) -> None:
    figures.add("python -c pass", timed([sys.executable, "-c", "pass"], {}, rounds), "s", "baseline")
    figures.add("osapi --version", timed([OSAPI, "--version"], site.env, rounds), "s", "≤ 0.12")
    figures.add("osapi client node hostname get", timed(GET, site.env, rounds), "s", "≤ 0.35")


def idle(figures: Figures, seconds: float) -> None:
    """What agent and controller use while nothing is asked of them."""
    with tempfile.TemporaryDirectory() as folder, installation(Path(folder)) as site:
        site.broker()
        daemons = {"controller": site.controller(), "agent": site.agent("idle")}
        processes = {name: psutil.Process(daemon.process.pid) for name, daemon in daemons.items()}
        time.sleep(2)
        before = {name: sum(process.cpu_times()[:2]) for name, process in processes.items()}
        time.sleep(seconds)
        for name, process in processes.items():
            used = (sum(process.cpu_times()[:2]) - before[name]) / seconds * 100
            meant = ("≤ 60", "≤ 1") if name == "agent" else ("", "")
            figures.add(f"idle {name}, RSS", process.memory_info().rss / 1e6, "MB", meant[0])
            figures.add(f"idle {name}, CPU of one core", used, "%", meant[1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--short", action="store_true", help="the short form: fewer requests, agents and jobs"
    )
    short = parser.parse_args().short
    figures = Figures()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"\n  {machine}\n")
    with tempfile.TemporaryDirectory() as folder, installation(Path(folder)) as site:
        site.env |= UNLIMITED
        site.broker()
        site.controller()
        site.agent("bench")
        eventually(lambda: ready(site) == 1)
        one_host(site, figures, 300 if short else 2000)
        writes(site, figures)
        command_line(site, figures, 3 if short else 11)
    start_up(figures, 1 if short else 3)
    fleets(figures, [10, 100] if short else [10, 100, 1000])
    long_history(figures, 2000 if short else 100_000)
    idle(figures, 5 if short else 30)
    blobs(figures, SHORT if short else WHOLE)
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    (results / "latest.json").write_text(json.dumps(figures.rows, indent=1, ensure_ascii=False) + "\n")
    (results / "latest.svg").write_text(draw(figures.rows))


if __name__ == "__main__":
    main()
