"""Services of systemd, and unit files."""

from typing import Annotated

import attrs

from osapi.operation import Operation, text
from osapi.operations.file import ObjectName, Vars
from osapi.results import Changed

Service = Annotated[
    str,
    text(
        r"[A-Za-z0-9:_.@\\][A-Za-z0-9:_.@\\-]*",
        "Name of the service, with or without .service; one that OSAPI has made goes before another of that name",
        example="ssh",
        most=255,
    ),
]
OwnService = Annotated[
    str,
    text(
        r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:@(?:\.service)?)?",
        "Name of the service; its unit is osapi-NAME.service, and that of NAME@ a template",
        example="my-app",
        most=200,
    ),
]


@attrs.frozen(kw_only=True)
class ServiceInfo:
    """A service; `status` is active, inactive, failed and so on, `managed` whether OSAPI has made its unit file."""

    name: str
    status: str
    enabled: bool
    description: str | None = None
    pid: int | None = None
    managed: bool = False


@attrs.frozen(kw_only=True)
class Services:
    services: list[ServiceInfo]


@attrs.frozen(kw_only=True)
class ServiceReport:
    service: ServiceInfo


@attrs.frozen(kw_only=True)
class ServiceChanged(Changed):
    name: str


class List(Operation[Services], GET="/service"):
    """List the services that the host has, also those that do not run."""


class Get(Operation[ServiceReport], GET="/service/{name}"):
    """Show one service."""

    name: Service


class Create(Operation[ServiceChanged], POST="/service"):
    """Make a unit file of an object of the object store, as osapi-NAME.service.

    An object that was uploaded as a template is rendered. What systemd could not load is refused; the program that it
    starts may come later. It is neither enabled nor started. Where OSAPI has made it before, it is put right; a unit
    of that name that OSAPI has not made is a conflict.
    """

    name: OwnService
    object: ObjectName
    vars: Vars | None = None


class Update(Operation[ServiceChanged], PUT="/service/{name}"):
    """Make a unit file that OSAPI has made anew.

    A service that runs goes on as it was started, until it is restarted.
    """

    name: OwnService
    object: ObjectName
    vars: Vars | None = None


class Delete(Operation[ServiceChanged], DELETE="/service/{name}"):
    """Stop and disable a service whose unit file OSAPI has made, and remove that.

    Of a template, all instances.
    """

    name: OwnService


class Start(Operation[ServiceChanged], POST="/service/{name}/start"):
    """Start a service.

    Where that fails, also right after the start, the error has what the journal last told of it.
    """

    name: Service


class Stop(Operation[ServiceChanged], POST="/service/{name}/stop"):
    """Stop a service.

    What OSAPI itself needs on the host is refused: its agent, controller and broker.
    """

    name: Service


class Restart(Operation[ServiceChanged], POST="/service/{name}/restart", repeatable=False):
    """Restart a service, or start it.

    The agent itself is restarted after it has answered.
    """

    name: Service


class Reload(Operation[ServiceChanged], POST="/service/{name}/reload", repeatable=False):
    """Have a service that runs read its configuration anew."""

    name: Service


class Enable(Operation[ServiceChanged], POST="/service/{name}/enable"):
    """Start a service at each boot, as its unit file says."""

    name: Service


class Disable(Operation[ServiceChanged], POST="/service/{name}/disable"):
    """Start a service at boot no longer; it goes on until it is stopped."""

    name: Service


class Mask(Operation[ServiceChanged], POST="/service/{name}/mask"):
    """Let nothing start a service any more; one that runs goes on until it is stopped."""

    name: Service


class Unmask(Operation[ServiceChanged], POST="/service/{name}/unmask"):
    """Let a service be started again."""

    name: Service
