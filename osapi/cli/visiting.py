"""What commands stand on that look at this machine and its broker themselves, rather than ask a controller."""

import logging
from pathlib import Path

import attrs

from osapi import configfile
from osapi.cli.session import Session
from osapi.config import Config, check
from osapi.embedded import secured
from osapi.errors import ConfigError
from osapi.state import StateDirectory, locate


@attrs.frozen
class Place:
    """The configuration and state directory that daemons here start with; `problems` and `notes` are of the former."""

    config: Config
    state: StateDirectory
    file: Path | None
    problems: list[str]
    notes: list[str]


def find(session: Session) -> Place:
    """As the daemons do; nothing is made, and what is wrong is told rather than raised."""
    hush(debug=session.debug)
    path = session.file or configfile.find(session.environ)
    report = check(path, session.environ)
    config, problems = report.config, list(report.problems)
    state = StateDirectory(locate(config.state_dir, session.environ))
    try:
        if path is None and state.known_broker_password():
            config = secured(config, state)
    except ConfigError as error:
        problems.append(str(error))
    return Place(config, state, path, problems, report.notes)


def hush(*, debug: bool) -> None:
    """Let the bus keep its troubles to itself: they are told as errors, or found."""
    import structlog

    from osapi.logs import configure

    if debug:
        configure(debug=True)
    else:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
