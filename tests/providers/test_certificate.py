"""Certificate authorities: which a host trusts, and what it takes to become one of them."""

import os
from datetime import UTC, datetime

import attrs
import pytest
from certificates import AUTHORITY, EXPIRED, LEAF, OTHER
from deploying import done, failed, on_disk

from agent.dispatch import perform
from agent.providers.certificate import AFRESH, BUNDLE, UPDATE
from osapi.jobs import State
from osapi.operations import certificate
from osapi.operations.certificate import Authority

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="what is trusted is root's")

FILE = "/usr/local/share/ca-certificates/osapi-internal.crt"
LINK = "/etc/ssl/certs/osapi-internal.pem"
NAME = r"C=DE, O=Example\, Inc, CN=Internal CA"


class Updating(dict):
    """What update-ca-certificates makes of the files of a host."""

    def __init__(self, host):
        super().__init__()
        self.root = host.root

    def __getitem__(self, argv):
        links, local = self.root / "etc/ssl/certs", self.root / "usr/local/share/ca-certificates"
        if argv == AFRESH:
            for link in links.glob("*.pem"):
                link.unlink()
        for path in local.rglob("*.crt"):
            link = links / f"{path.stem}.pem"
            link.unlink(missing_ok=True)
            link.symlink_to(f"/{path.relative_to(self.root)}")
        texts = [path.read_text() for path in local.rglob("*.crt")]
        (links / "ca-certificates.crt").write_text("".join(text.rstrip("\n") + "\n" for text in texts))
        return {UPDATE: "", AFRESH: ""}[argv]


@pytest.fixture
def host(host):
    """A host with certificates of a package, one of them deselected, and one of its administrator."""
    host.has(
        {
            "/usr/sbin/update-ca-certificates": "",
            "/etc/ca-certificates.conf": "# chosen\n\nmozilla/Other.crt\n!mozilla/Not.crt\nmozilla/Gone.crt\n",
            "/usr/share/ca-certificates/mozilla/Other.crt": OTHER,
            "/usr/share/ca-certificates/mozilla/Not.crt": OTHER,
            "/usr/local/share/ca-certificates/company/root.crt": f"The company's\n{AUTHORITY}",
            "/usr/local/share/ca-certificates/osapi-foreign.crt": "nonsense",
            BUNDLE: OTHER,
        }
    )
    host.store.put("ca.pem", AUTHORITY.encode())
    return attrs.evolve(host, answers=Updating(host))


def refers(host):
    return str(on_disk(host, LINK).readlink())


async def test_list_shows_first_what_osapi_has_added(host):
    await done(host, certificate.Create(name="internal", object="ca.pem"))

    found = (await done(host, certificate.List())).certificates

    forever = datetime(2126, 10, 29, 15, 29, 54, tzinfo=UTC)
    assert found == [
        Authority(name="internal", source="custom", object="ca.pem", subject=NAME, expires=forever),
        Authority(name="company/root", source="system", subject=NAME, expires=forever),
        Authority(name="mozilla/Other", source="system", subject="O=Example, CN=Other CA", expires=forever),
        Authority(name="osapi-foreign", source="system"),
    ]


async def test_an_authority_is_trusted_once(host):
    first = await done(host, certificate.Create(name="internal", object="ca.pem"))
    again = await done(host, certificate.Create(name="internal", object="ca.pem"))

    assert (first.changed, again.changed, host.ran) == (True, False, [UPDATE])
    assert refers(host) == FILE
    assert AUTHORITY in on_disk(host, BUNDLE).read_text()
    assert on_disk(host, FILE).stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("missing", [LINK, BUNDLE])
async def test_what_is_there_and_not_trusted_is_put_right(host, missing):
    await done(host, certificate.Create(name="internal", object="ca.pem"))
    on_disk(host, missing).unlink()

    assert (await done(host, certificate.Create(name="internal", object="ca.pem"))).changed
    assert refers(host) == FILE
    assert AUTHORITY in on_disk(host, BUNDLE).read_text()


async def test_update_takes_another_certificate_and_leaves_nothing_of_the_one_before(host):
    await done(host, certificate.Create(name="internal", object="ca.pem"))
    host.store.put("ca.pem", OTHER.encode())

    updated = await done(host, certificate.Update(name="internal", object="ca.pem"))

    assert (updated.changed, host.ran) == (True, [UPDATE, AFRESH])
    assert on_disk(host, FILE).read_text() == OTHER


async def test_update_of_what_osapi_has_not_added_is_not_found(host):
    for name in ("internal", "foreign"):
        assert name in await failed(host, certificate.Update(name=name, object="ca.pem"), "not_found")


async def test_delete_ends_the_trust_once(host):
    await done(host, certificate.Create(name="internal", object="ca.pem"))
    host.ran.clear()

    first = await done(host, certificate.Delete(name="internal"))
    again = await done(host, certificate.Delete(name="internal"))

    assert (first.changed, again.changed, host.ran) == (True, False, [AFRESH])
    assert not on_disk(host, FILE).exists()
    assert not on_disk(host, LINK).is_symlink()


async def test_what_a_killed_agent_left_behind_is_removed(host):
    await done(host, certificate.Create(name="internal", object="ca.pem"))
    on_disk(host, FILE).unlink()

    assert (await done(host, certificate.Delete(name="internal"))).changed
    assert not on_disk(host, LINK).is_symlink()


async def test_what_osapi_has_not_added_is_left_alone(host):
    path = "/usr/local/share/ca-certificates/osapi-foreign.crt"

    for asked in (certificate.Create(name="foreign", object="ca.pem"), certificate.Delete(name="foreign")):
        assert path in await failed(host, asked, "conflict")
    assert (on_disk(host, path).read_text(), host.ran) == ("nonsense", [])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "0 certificates"),
        ("nonsense", "0 certificates"),
        (AUTHORITY + OTHER, "2 certificates"),
        (LEAF, "CA:TRUE"),
        (AUTHORITY.replace("MIIB", "MIIC"), "CA:TRUE"),
        (EXPIRED, "CN=Old CA has expired, at 2020-01-01T00:00:00+00:00"),
        (f"-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n{AUTHORITY}", "private key"),
        (AUTHORITY.replace("CERTIFICATE", "TRUSTED CERTIFICATE"), "0 certificates"),
    ],
)
@pytest.mark.parametrize("dry", [False, True])
async def test_what_is_no_authority_that_is_valid_is_refused(host, content, said, dry):
    host.store.put("bad.pem", content.encode())

    asked = certificate.Create(name="internal", object="bad.pem")

    assert said in await failed(attrs.evolve(host, dry=dry), asked, "refused")
    assert not on_disk(host, FILE).exists()
    assert host.ran == []


async def test_a_dry_run_shows_what_is_then_done(host):
    performed = await perform(
        attrs.evolve(host, dry=True), certificate.Create(name="internal", object="ca.pem")
    )

    assert [plan.path for plan in performed.plan.files] == [FILE]
    assert performed.plan.commands == [[*UPDATE]]
    assert host.ran == []


async def test_without_ca_certificates_it_is_skipped(host):
    on_disk(host, "/usr/sbin/update-ca-certificates").unlink()

    performed = await perform(host, certificate.Create(name="internal", object="ca.pem"))

    assert (performed.state, on_disk(host, FILE).exists()) == (State.SKIPPED, False)
