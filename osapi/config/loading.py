"""Reading a configuration: the file, the environment over it, and everything that is wrong with either."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from stat import S_IRGRP, S_IROTH
from typing import Any, get_args

import attrs

from osapi import configfile
from osapi.config.kinds import RECOMMENDED_KEY, Kind, kind_of
from osapi.config.rules import violations
from osapi.config.schema import Config
from osapi.configfile import variable
from osapi.durations import Duration
from osapi.errors import ConfigError

MASK = "****"

NO_EFFECT = ("agent.consumer.", "nats.stream.", "nats.dlq.")
"""Keys that are understood, since existing files have them, and change nothing."""

NOT_YET = ("controller.ui.", "nats.server.namespace")
"""What is understood as well, and what this version does nothing with."""


@attrs.frozen(kw_only=True)
class Report:
    """What was read: with problems, nothing starts; notes are for who wrote the file."""

    config: Config
    problems: list[str]
    notes: list[str]


@attrs.frozen
class Leaf:
    """A key that holds a value: its dotted name, what it may hold, and what it does hold."""

    key: str
    kind: Kind
    value: Any


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """The configuration of a file, or without one the defaults, with the environment over it.

    Raises `ConfigError` with the first problem, in one line that names file, key, value and what is allowed.
    """
    report = check(path, environ)
    if report.problems:
        raise ConfigError(report.problems[0])
    return report.config


def check(path: Path | None, environ: Mapping[str, str]) -> Report:
    """Read a configuration, and find everything that is wrong with it."""
    try:
        given = configfile.read(path) if path else {}
    except ConfigError as error:
        return Report(config=Config(), problems=[str(error)], notes=[])
    reading = _Reading(str(path or "configuration"), environ)
    config: Config = reading.section(Config(), given, "")
    for key, problem in violations(config):
        if key not in reading.refused:
            reading.refuse(key, problem)
    return Report(config=config, problems=reading.problems, notes=[*_notes(reading, config, path)])


def leaves(section: Any, at: str = "") -> Iterator[Leaf]:
    """The keys below a section."""
    for field in attrs.fields(type(section)):
        value, key = getattr(section, field.name), f"{at}{field.name}"
        if kind := kind_of(field.type):
            yield Leaf(key, kind, value)
        elif attrs.has(type(value)):
            yield from leaves(value, f"{key}.")
        else:
            for name, inner in value.items():
                yield from leaves(inner, f"{key}.{name}.")


def masked(config: Config) -> dict[str, Any]:
    """The configuration as plain values, its secrets as `****`."""
    found: dict[str, Any] = _shown(config)
    return found


def _shown(value: Any, *, secret: bool = False) -> Any:
    if attrs.has(type(value)):
        fields = attrs.fields(type(value))
        return {
            field.name: _shown(
                getattr(value, field.name), secret=bool((k := kind_of(field.type)) and k.secret)
            )
            for field in fields
        }
    if isinstance(value, list):
        return [_shown(item, secret=secret) for item in value]
    if isinstance(value, dict):
        return {name: _shown(item, secret=secret) for name, item in value.items()}
    if secret:
        return MASK if value else value
    return str(value) if isinstance(value, Duration) else value


class _Reading:
    """One reading: what was refused, and where each key was given."""

    def __init__(self, file: str, environ: Mapping[str, str]) -> None:
        self.file, self.environ = file, environ
        self.problems: list[str] = []
        self.refused: set[str] = set()
        self.sources: dict[str, str] = {}

    def refuse(self, key: str, problem: str) -> None:
        self.refused.add(key)
        self.problems.append(f"{self.sources.get(key, self.file)}: {key}: {problem}")

    def section(self, default: Any, given: Any, at: str) -> Any:
        """A section with what is given in place of its defaults."""
        fields = {field.name: field.type for field in attrs.fields(type(default))}
        given = self._mapping(given, at, fields)
        for name in given:
            if name not in fields:
                self.refuse(f"{at}{name}", _unknown(f"{at}{name}", at, fields))
        return attrs.evolve(
            default,
            **{
                name: self._value(kind, getattr(default, name), given.get(name), f"{at}{name}")
                for name, kind in fields.items()
            },
        )

    def _mapping(self, given: Any, at: str, allowed: Iterable[str]) -> Mapping[Any, Any]:
        if isinstance(given, Mapping):
            return given
        if given is not None:
            self.refuse(at.rstrip("."), f"not a section; allowed in it: {', '.join(allowed)}")
        return {}

    def _value(self, annotation: Any, default: Any, given: Any, key: str) -> Any:
        if kind := kind_of(annotation):
            return self._leaf(kind, default, given, key)
        if attrs.has(type(default)):
            return self.section(default, given, f"{key}.")
        make = get_args(annotation)[1]
        named = self._mapping(given, key, ["names of your own"])
        return {str(name): self.section(make(), inner, f"{key}.{name}.") for name, inner in named.items()}

    def _leaf(self, kind: Kind, default: Any, given: Any, key: str) -> Any:
        text = self.environ.get(variable(key))
        if not text and given is None:
            return default
        self.sources[key] = variable(key) if text else self.file
        try:
            return kind.read(text or given)
        except (ValueError, TypeError):
            self.refuse(key, kind.refusal(text or given))
            return default


def _unknown(key: str, at: str, allowed: Iterable[str]) -> str:
    from difflib import get_close_matches

    siblings = [at + name for name in get_close_matches(key.removeprefix(at), list(allowed), 1)]
    near = siblings or get_close_matches(key, [leaf.key for leaf in leaves(Config())], 1)
    guess = f"did you mean {near[0]}? " if near else ""
    return f"not a known key; {guess}allowed: {', '.join(allowed)}"


def _notes(reading: _Reading, config: Config, path: Path | None) -> Iterator[str]:
    from difflib import get_close_matches

    for key, source in reading.sources.items():
        if key.startswith(NO_EFFECT):
            yield f"{source}: {key}: has no effect"
        elif key.startswith(NOT_YET):
            yield f"{source}: {key}: has no effect in this version"
    known = [variable(leaf.key) for leaf in leaves(config)]
    for name in sorted(set(reading.environ) - set(known)):
        if name.startswith("OSAPI_") and (near := get_close_matches(name, known, 1, 0.85)):
            yield f"{name}: has no effect; did you mean {near[0]}?"
    yield from _unsafe(reading, config, path)


def _unsafe(reading: _Reading, config: Config, path: Path | None) -> Iterator[str]:
    for key, auth in (("controller", config.controller.nats.auth), ("agent", config.agent.nats.auth)):
        if auth.type == "nkey" and not os.path.exists(auth.nkey_file):  # noqa: PTH110 -- where nobody may look, too
            yield f"{key}.nats.auth.nkey_file: {auth.nkey_file} is not there, on this machine"
    if 0 < len(config.controller.api.security.signing_key.encode()) < RECOMMENDED_KEY:
        yield f"controller.api.security.signing_key: short; {RECOMMENDED_KEY} characters are safe (RFC 7518)"
    secret = any(
        leaf.kind.secret and reading.sources.get(leaf.key) == reading.file for leaf in leaves(config)
    )
    server = config.nats.server
    if path and server.auth.type == "none" and any(key.startswith("nats.server.") for key in reading.sources):
        yield f"nats.server.auth.type: none; whoever reaches {server.host}:{server.port} commands the agents"
    if path and secret and path.stat().st_mode & (S_IRGRP | S_IROTH):
        yield f"{path}: others can read it, and it holds secrets; chmod 600 {path}"
