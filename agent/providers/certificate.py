"""Certificate authorities that a host trusts, through update-ca-certificates(8): files, links to them, one bundle."""

from collections.abc import Sequence
from datetime import UTC, datetime

from agent import trust
from agent.deploy import Wanted, deploy, undeploy
from agent.dispatch import performs
from agent.host import Host
from osapi.errors import Conflict, NotFound, Unsupported
from osapi.operations import certificate
from osapi.operations.certificate import Authorities, Authority, AuthorityChanged

UPDATE = ("update-ca-certificates",)
AFRESH = ("update-ca-certificates", "--fresh")
"""The same, and links by the hash of a subject are right, of what has another one now or is gone."""
PRIVILEGED = (UPDATE, AFRESH)

PROGRAM = "/usr/sbin/update-ca-certificates"
CHOSEN = "/etc/ca-certificates.conf"
SYSTEM = "/usr/share/ca-certificates"
LOCAL = "/usr/local/share/ca-certificates"
TRUSTED = "/etc/ssl/certs"
BUNDLE = f"{TRUSTED}/ca-certificates.crt"
PREFIX = "osapi-"


@performs(certificate.List, "debian")
async def list(host: Host, _: certificate.List) -> Authorities:
    paths = [*await host.glob(f"{LOCAL}/**/*.crt"), *await _chosen(host)]
    texts = {path: text for path in paths if (text := await host.read(path))}
    known = await host.in_thread(lambda: {path: trust.authorities(text) for path, text in texts.items()})
    found = [await _authority(host, path, held) for path, held in known.items()]
    return Authorities(certificates=sorted(found, key=lambda each: (each.source != "custom", each.name)))


@performs(certificate.Create, "debian")
async def create(host: Host, p: certificate.Create) -> AuthorityChanged:
    path = _path(p.name)
    if not await _is_own(host, path) and await host.stat(path, follow=False):
        raise Conflict(f"{path} is there, and OSAPI has not deployed it to this host; remove it first")
    return AuthorityChanged(name=p.name, changed=await _trust(host, path, p.object))


@performs(certificate.Update, "debian")
async def update(host: Host, p: certificate.Update) -> AuthorityChanged:
    path = _path(p.name)
    if not await _is_own(host, path):
        raise NotFound(f"there is no certificate authority {p.name} that OSAPI has added")
    return AuthorityChanged(name=p.name, changed=await _trust(host, path, p.object))


@performs(certificate.Delete, "debian")
async def delete(host: Host, p: certificate.Delete) -> AuthorityChanged:
    path = _path(p.name)
    removed = await undeploy(host, path)
    linked = await host.link(_link(path)) is not None
    if linked:
        await host.change(*AFRESH)
    return AuthorityChanged(name=p.name, changed=removed or linked)


def _path(name: str) -> str:
    return f"{LOCAL}/{PREFIX}{name}.crt"


def _link(path: str) -> str:
    """What leads to a certificate from among those that are trusted."""
    return f"{TRUSTED}/{path.rpartition('/')[2].removesuffix('.crt')}.pem"


async def _is_own(host: Host, path: str) -> bool:
    record = await host.store.deployment(path)
    return record is not None and record.present


async def _trust(host: Host, path: str, object_name: str) -> bool:
    """Have a certificate there, and trusted; True if that changed anything."""
    if not await host.stat(PROGRAM):
        raise Unsupported("ca-certificates is not installed on this host; install that package")
    wanted = Wanted(object_name=object_name, path=path, mode="0644", owner="root", group="root", check=_check)
    deployed = await deploy(host, wanted)
    trusted = await _is_trusted(host, path)
    if not trusted:
        await host.change(*(AFRESH if await host.link(_link(path)) else UPDATE))
    return deployed.changed or not trusted


async def _check(content: bytes) -> None:
    trust.check(content.decode(errors="replace"), datetime.now(UTC))


async def _is_trusted(host: Host, path: str) -> bool:
    """Whether it is linked to, and in the bundle, which is what update-ca-certificates writes last."""
    lines = (await host.read_bytes(path) or b"").rstrip(b"\n") + b"\n"
    return await host.link(_link(path)) == path and lines in (await host.read_bytes(BUNDLE) or b"")


async def _chosen(host: Host) -> Sequence[str]:
    """The certificates of packages that the administrator has not deselected."""
    lines = (await host.read(CHOSEN) or "").splitlines()
    return [f"{SYSTEM}/{line}" for line in lines if line and line[0] not in "#!"]


async def _authority(host: Host, path: str, held: Sequence[trust.Certificate]) -> Authority:
    record = await host.store.deployment(path) if path.startswith(f"{LOCAL}/{PREFIX}") else None
    own = record if record and record.present else None
    relative = path.removeprefix(f"{LOCAL}/").removeprefix(f"{SYSTEM}/").removesuffix(".crt")
    return Authority(
        name=relative.removeprefix(PREFIX) if own else relative,
        source="custom" if own else "system",
        object=own.object_name if own else None,
        subject=held[0].subject if held else None,
        expires=held[0].expires if held else None,
    )
