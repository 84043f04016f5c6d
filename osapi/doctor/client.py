"""The controller, as the command line of this user reaches it: URL, token, readiness, and who runs which version."""

import base64
import json
import time
from collections import Counter
from typing import Any

import trio

from osapi import __version__
from osapi.calls import agent, health, version
from osapi.client import Client
from osapi.conditions import Kind
from osapi.configfile import client_settings
from osapi.doctor.findings import Finding, Machine, fail, ok, skip, warn
from osapi.errors import ConfigError, Error, NotAllowed, NotAuthenticated, Unavailable

PATIENCE = 10.0
"""Seconds in which the controller must have answered all questions."""

SOON = 7 * 86400.0
"""Seconds before its end at which a token is to be renewed."""

GENERATE = "osapi token generate on the controller's machine, then osapi context set NAME --token -"


async def client(machine: Machine) -> list[Finding]:
    """Whether this user's commands reach a controller that lets them in."""
    if not {"client", "controller"} & machine.roles:
        return []
    try:
        url, bearer = client_settings(
            machine.file,
            machine.environ,
            machine.state("controller"),
            context=machine.context,
            anonymous=True,
        )
    except ConfigError as error:
        return [fail("token", str(error), "become its owner, or choose a context: osapi context use NAME")]
    found = [token(bearer, url)]
    try:
        with trio.fail_after(PATIENCE):
            async with Client(url, bearer) as osapi:
                found += await _asked(osapi, url, bearer)
    except (Error, trio.TooSlowError) as error:
        reason = str(error).partition("\n")[0] or f"no answer within {PATIENCE:g} s"
        told = reason if url in reason else f"{url}: {reason}"
        found.append(fail("controller", told, "start it, or name another: --url, or osapi context use NAME"))
    return found


def token(bearer: str, url: str) -> Finding:
    """How long a token is good for, as it says itself; whether it is accepted, the controller says."""
    if not bearer:
        return fail("token", f"there is none for {url}", GENERATE)
    try:
        claims = json.loads(base64.urlsafe_b64decode(bearer.split(".")[1] + "=="))
        left, who = float(claims["exp"]) - time.time(), str(claims.get("sub"))
    except (IndexError, ValueError, KeyError, TypeError):
        return fail("token", f"the one for {url} is no token", GENERATE)
    if left <= 0:
        return fail("token", f"that of {who} has expired {_days(-left)} ago", GENERATE)
    told = f"{who}'s is good for {_days(left)}"
    return warn("token", told, GENERATE) if left < SOON else ok("token", told)


def _days(seconds: float) -> str:
    return f"{seconds / 86400:.0f} days" if seconds >= 2 * 86400 else f"{seconds / 3600:.0f} hours"


async def _asked(osapi: Client, url: str, bearer: str) -> list[Finding]:
    try:
        await osapi.run(health.Ready())
    except Unavailable as error:
        if str(error).startswith("no controller answers"):
            raise
        return [fail("controller", f"{url} is not ready: {error}", "mend the broker")]
    if not bearer:
        return [ok("controller", f"{url} is ready")]
    try:
        its = (await osapi.run(version.Get())).version
        found = [_version(url, its)]
    except NotAllowed:
        return [skip("controller", f"{url} is ready; this token may not ask for more")]
    except NotAuthenticated as error:
        return [fail("controller", f"{url} does not accept the token: {error}", GENERATE)]
    try:
        agents = await osapi.run(agent.List())
    except NotAllowed:
        return [*found, skip("agents", "this token may not list them")]
    return [*found, *fleet(agents.agents, its)]


def _version(url: str, its: str) -> Finding:
    told = f"{url} is ready, version {its}"
    if its != __version__:
        return warn("controller", f"{told}, and this is {__version__}", "install the same version on both")
    return ok("controller", told)


def fleet(agents: list[Any], its: str) -> list[Finding]:
    """Who is away, who runs another version than the controller, and who has the same machine id as another."""
    away = [each.hostname for each in agents if each.status != "Ready"]
    other = Counter(each.version for each in agents if each.version and each.version != its)
    twins = [
        each.hostname
        for each in agents
        if any(held.type == Kind.DUPLICATE_MACHINE_ID and held.status for held in each.conditions or ())
    ]
    found = []
    if twins:
        fix = "on one of each: rm /etc/machine-id && systemd-machine-id-setup, then restart the agent"
        found.append(fail("agents", f"machine ids are there twice: {_some(twins)}", fix))
    if other:
        told = ", ".join(f"{count} with {number}" for number, count in sorted(other.items()))
        found.append(warn("agents", f"another version than the controller's {its}: {told}", "upgrade them"))
    if away:
        fix = "osapi client agent get NAME; systemctl status osapi-agent there"
        found.append(warn("agents", f"{len(away)} of {len(agents)} are away: {_some(away)}", fix))
    return found or [ok("agents", f"{len(agents)}, all there with the controller's version")]


def _some(names: list[str], most: int = 3) -> str:
    return ", ".join(sorted(names)[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
