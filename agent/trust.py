"""Certificates in PEM (RFC 7468), and what must hold of one that a host is to trust as an authority."""

import re
import ssl
from datetime import UTC, datetime
from typing import Any

import attrs

from osapi.errors import Refused

CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----", re.ASCII)
LABEL = re.compile(r"-----BEGIN ([^-\n]+)-----")

SHORT = {
    "countryName": "C", "stateOrProvinceName": "ST", "localityName": "L", "organizationName": "O",
    "organizationalUnitName": "OU", "commonName": "CN", "domainComponent": "DC",
}  # fmt: skip
SPECIAL, ESCAPED = re.compile(r"""[",+;<>\\]"""), r"\\\g<0>"
"""Names of attributes, and what is escaped in their values, as RFC 4514 has them."""


@attrs.frozen(kw_only=True)
class Certificate:
    """That of an authority: whose it is, and the last moment at which it is valid."""

    subject: str
    expires: datetime


def authorities(text: str) -> list[Certificate]:
    """The certificates of authorities in a text; what OpenSSL would not take for one is passed over."""
    return [certificate for block in CERTIFICATE.findall(text) if (certificate := _read(block))]


def check(text: str, now: datetime) -> None:
    """`Refused` where a text is not the certificate of one authority that is valid now, or may be later."""
    labels = LABEL.findall(text)
    if any("PRIVATE KEY" in label for label in labels):
        raise Refused(
            "there is a private key in it, which belongs on no other host: give the certificate alone"
        )
    if labels.count("CERTIFICATE") != 1:
        raise Refused(f"there are {labels.count('CERTIFICATE')} certificates in it (PEM); expected: one")
    [*found] = authorities(text)
    if not found:
        raise Refused(
            "there is no certificate of an authority in it: one that can be read, with CA:TRUE in its basic constraints"
        )
    if found[0].expires < now:
        raise Refused(f"the certificate of {found[0].subject} has expired, at {found[0].expires.isoformat()}")


def _read(block: str) -> Certificate | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=ssl.PEM_cert_to_DER_cert(block))
    except (ssl.SSLError, ValueError):
        return None
    known = context.get_ca_certs()
    return _certificate(known[0]) if known else None


def _certificate(found: dict[str, Any]) -> Certificate:
    """What Python tells of a certificate (ssl.SSLSocket.getpeercert)."""
    names = [pair for relative in found["subject"] for pair in relative]
    return Certificate(
        subject=", ".join(f"{SHORT.get(name, name)}={SPECIAL.sub(ESCAPED, value)}" for name, value in names),
        expires=datetime.fromtimestamp(ssl.cert_time_to_seconds(found["notAfter"]), UTC),
    )
