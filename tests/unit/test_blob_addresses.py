"""Which addresses and URLs a registered blob may be fetched from."""

from ipaddress import ip_address

import pytest

from osapi.blobs.addresses import networks, refusal
from osapi.blobs.s3 import endpoint
from osapi.blobs.web import Place
from osapi.config import check
from osapi.config.blobs import BlobReferences, BlobS3
from osapi.config.kinds import S3_ENDPOINT
from osapi.errors import Refused

HTTPS = BlobReferences()
HTTP = BlobReferences(http=True)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("::1", "loopback"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("169.254.169.254", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("100.100.100.200", "metadata"),
        ("192.0.0.192", "metadata"),
        ("168.63.129.16", "metadata"),
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("::", "unspecified"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("100::1", "reserved"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "metadata"),
        ("::127.0.0.1", "loopback"),
        ("::ffff:0:127.0.0.1", "loopback"),
        ("2002:7f00:1::", "loopback"),
        ("2002:a9fe:a9fe::1", "metadata"),
        ("64:ff9b::7f00:1", "loopback"),
        ("64:ff9b::a9fe:a9fe", "metadata"),
        ("64:ff9b:1::a9fe:a9fe", "metadata"),
        ("2001:0:7f00:1::", "loopback"),
        ("2001:0:808:808:0:0:80ff:fffe", "loopback"),
        ("2001:db8::5efe:127.0.0.1", "loopback"),
        ("2001:db8::200:5efe:127.0.0.1", "loopback"),
    ],
)
def test_this_machine_its_link_and_metadata_are_refused_in_every_form(address, reason):
    assert reason in refusal(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "2606:4700::1",
        "fd12:3456::1",
        "::ffff:10.0.0.1",
        "64:ff9b::808:808",
        "2002:808:808::1",
    ],
)
def test_the_internet_and_private_networks_are_allowed(address):
    assert refusal(ip_address(address)) is None


def test_what_the_configuration_names_is_allowed_also_inside_another_form():
    allowed = networks(["127.0.0.1", "169.254.0.0/16", "fe80::/10"])

    for address in ("127.0.0.1", "::ffff:127.0.0.1", "169.254.169.254", "64:ff9b::a9fe:a9fe", "fe80::1"):
        assert refusal(ip_address(address), allowed) is None
    assert "loopback" in refusal(ip_address("127.0.0.2"), allowed)
    assert "loopback" in refusal(ip_address("::1"), allowed)


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("https://files.example", "files.example", 443, "/"),
        ("https://files.example/a/b?c=d#e", "files.example", 443, "/a/b?c=d"),
        ("https://files.example:8443/a", "files.example", 8443, "/a"),
        ("https://FILES.example./a", "files.example.", 443, "/a"),
        ("https://[2001:db8::1]:8443/a", "2001:db8::1", 8443, "/a"),
        ("https://127.1/a", "127.1", 443, "/a"),
        ("https://xn--bcher-kva.example/ä", "xn--bcher-kva.example", 443, "/%C3%A4"),
    ],
)
def test_a_url_is_taken_apart(url, host, port, path):
    place = Place.parse(url, HTTPS)

    assert (place.host, place.port, place.path) == (host, port, path)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://files.example/a", "http is not allowed"),
        ("ftp://files.example/a", "ftp is not allowed"),
        ("//files.example/a", "no scheme is not allowed"),
        ("https://user@files.example/a", "user name or password"),
        ("https://user:word@files.example/a", "user name or password"),
        ("https://files.example@127.0.0.1/a", "user name or password"),
        ("https://files.example\\@127.0.0.1/a", "backslashes"),
        ("https:\\\\127.0.0.1/a", "backslashes"),
        ("https://files.example/a b", "spaces"),
        ("https://files.example/a\r\nHost: other", "control characters"),
        ("https:///a", "no host"),
        ("https://:443/a", "no host"),
        ("https://[::1/a", "not a URL"),
        ("https://[fe80::1%25eth0]/a", "no host"),
        ("https://files.example:99999/a", "not a URL"),
        ("https://files.example:x/a", "not a URL"),
        ("https://bücher.example/a", "xn--"),
        ("https://\uff11\uff12\uff17.0.0.1/a", "xn--"),
        ("https://127。0。0。1/a", "xn--"),
        ("https://a%2e.example/a", "no host"),
        ("https://" + "a" * 300 + "/a", "no host"),
    ],
)
def test_a_url_that_is_ambiguous_or_says_too_much_is_refused(url, reason):
    with pytest.raises(Refused, match=reason):
        Place.parse(url, HTTPS)


def test_http_is_allowed_where_it_is_configured():
    assert Place.parse("http://files.example/a", HTTP).port == 80


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("", "https://s3.eu-north-1.amazonaws.com"),
        ("s3.amazonaws.com", "https://s3.eu-north-1.amazonaws.com"),
        ("s3.example", "https://s3.example"),
        ("minio:9000", "https://minio:9000"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("https://[::1]:9000", "https://[::1]:9000"),
    ],
)
def test_an_s3_server_is_amazons_or_the_one_that_is_named(given, url):
    assert endpoint(BlobS3(endpoint=S3_ENDPOINT.read(given), region="eu-north-1")) == url


@pytest.mark.parametrize(
    "given",
    [
        "http://",
        "ftp://s3.example",
        "not a host",
        "http://s3.example/path",
        "s3.example:99999",
        "s3:0",
        "..",
        "http://[1",
    ],
)
def test_what_is_no_address_of_a_server_is_refused(given):
    [problem] = check(None, {"OSAPI_BLOBS_S3_ENDPOINT": given}).problems

    assert "is not the address of an S3 server" in problem
