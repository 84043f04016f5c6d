"""The notifier `webhook`: a POST of JSON, signed as Standard Webhooks has it (standardwebhooks.com, version 1).

The signature is HMAC-SHA256 over id, timestamp and body with dots between, in base64 after `v1,`. A secret that begins
with `whsec_` is base64 of the key; any other is the key itself.
"""

import base64
import binascii
import hmac
import ssl
import time
from functools import cached_property
from http import HTTPStatus
from urllib.parse import urlsplit

import attrs
import httpx

from controller.alerts.channel import Undelivered, quiet
from osapi import __version__, wire
from osapi.calls.notification import Notification
from osapi.config.notifications import Webhook as Settings

PREFIX = "whsec_"
PATIENT = 60.0
"""Seconds that a receiver can ask to be left alone for (Retry-After)."""

AGAIN = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
"""Refusals that pass; others of 400 to 499 are final."""


def key_of(secret: str) -> bytes:
    """The key that a secret stands for."""
    if secret.startswith(PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            pass  # then it only looks like one
    return secret.encode()


def sign(secret: str, id: str, timestamp: int, body: bytes) -> str:
    """What the header `webhook-signature` holds."""
    signed = hmac.digest(key_of(secret), f"{id}.{timestamp}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(signed).decode()}"


@attrs.define
class Webhook:
    """A receiver; it is asked directly, and never led elsewhere by a redirect."""

    settings: Settings
    type: str = "webhook"

    def __attrs_post_init__(self) -> None:
        quiet("httpx", "httpcore")

    @property
    def to(self) -> str:
        parts = urlsplit(self.settings.url)
        return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")

    async def tell(self, notification: Notification, timeout: float) -> None:
        body = wire.encode(wire.plain(notification))
        headers = self.headers(notification.id, int(time.time()), body)
        try:
            async with (
                httpx.AsyncClient(verify=self._trusted, timeout=timeout, follow_redirects=False) as client,
                client.stream("POST", self.settings.url, content=body, headers=headers) as answer,
            ):
                judge(answer)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            said = str(error).replace(self.settings.url, self.to) or type(error).__name__
            raise Undelivered(f"{self.to}: {said}") from None

    def headers(self, id: str, timestamp: int, body: bytes) -> dict[str, str]:
        found = {
            "Content-Type": "application/json",
            "User-Agent": f"osapi/{__version__}",
            "webhook-id": id,
            "webhook-timestamp": str(timestamp),
        }
        if self.settings.secret:
            found["webhook-signature"] = sign(self.settings.secret, id, timestamp, body)
        return found

    @cached_property
    def _trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.settings.ca_file or None)


def judge(answer: httpx.Response) -> None:
    """Whether a receiver took it; `Undelivered` where it did not."""
    if answer.is_success:
        return
    told = f"{answer.url.host} answered {answer.status_code} {answer.reason_phrase}".rstrip()
    passing = answer.is_server_error or answer.status_code in AGAIN
    after = answer.headers.get("Retry-After", "")
    wait = min(float(after), PATIENT) if after.isdecimal() and len(after) < 10 else 0.0
    raise Undelivered(told, final=not passing, retry_after=wait)
