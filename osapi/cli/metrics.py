"""`osapi metrics`: what Prometheus and Grafana are given to watch OSAPI with."""

from importlib.resources import files

import asyncclick as click


def _printing(name: str, file: str, help: str, epilog: str) -> click.Command:
    def callback() -> None:
        click.echo(files("osapi").joinpath("monitoring", file).read_text(encoding="utf-8"), nl=False)

    return click.Command(name, callback=callback, help=help, epilog=f"\b\nExample:\n  {epilog}")


dashboard = _printing(
    "dashboard",
    "dashboard.json",
    "Print a dashboard for Grafana, which asks for its data source when it is imported.",
    "osapi metrics dashboard > osapi.json",
)
alerts = _printing(
    "alerts",
    "alerts.yaml",
    "Print alert rules for Prometheus.",
    "osapi metrics alerts > /etc/prometheus/osapi.rules.yaml",
)
