"""Networks of hosts: addresses, routes, name servers, and whether something answers.

How addresses are written here: IPv4 with dots, IPv6 as of RFC 4291, section 2.2, without an IPv4 tail and a zone.
"""

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_GROUP = r"[0-9A-Fa-f]{1,4}"

IPV4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
IPV6 = "|".join(
    [
        rf"(?:{_GROUP}:){{7}}{_GROUP}",
        rf"(?:{_GROUP}:){{1,7}}:",
        *(rf"(?:{_GROUP}:){{1,{7 - last}}}(?::{_GROUP}){{1,{last}}}" for last in range(1, 7)),
        rf":(?:(?::{_GROUP}){{1,7}}|:)",
    ]
)
ADDRESS = f"{IPV4}|{IPV6}"
CIDR = rf"{IPV4}/(?:3[0-2]|[12]?[0-9])|(?:{IPV6})/(?:12[0-8]|1[01][0-9]|[1-9]?[0-9])"
"""An address and how many bits of it are those of the network."""

INTERFACE = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}"
"""What the kernel calls an interface (dev_valid_name), as far as such names are in use."""
