"""Certificates in PEM (RFC 7468), and what must hold of one that a host is to trust as an authority."""

import re
import ssl
import time
from datetime import UTC, datetime
from typing import Any

import attrs

from osapi.errors import Refused

BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----", re.ASCII)
BEGIN = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----")

SHORT = {
    "commonName": "CN", "organizationName": "O", "organizationalUnitName": "OU", "countryName": "C",
    "localityName": "L", "stateOrProvinceName": "ST", "domainComponent": "DC", "emailAddress": "emailAddress",
}  # fmt: skip
"""Names of attributes, as RFC 4514 has them."""


@attrs.frozen(kw_only=True)
class Certificate:
    """That of an authority; `subject` is its name, `expires` the last moment in which it is valid."""

    subject: str
    expires: datetime


def read(text: str) -> list[Certificate]:
    """The certificates of authorities in a text, as OpenSSL takes them for such; others are passed over."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for block in BLOCK.findall(text):
        try:
            context.load_verify_locations(cadata=ssl.PEM_cert_to_DER_cert(block))
        except (ssl.SSLError, ValueError):
            continue
    return [_certificate(found) for found in context.get_ca_certs()]
