"""Fixtures of the system tests: three booted hosts, and what they are managed with."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import booted
import httpx
import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test waits for the root file system, which is made once on a machine."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[booted.Site]:
    """A broker, a controller, and three hosts: t1 and t2 in group web, t3 in group db."""
    with booted.site(tmp_path_factory.mktemp("site")) as found:
        for number, group in enumerate(("web.dev.eu", "web.prod", "db"), 1):
            found.new(f"t{number}", f"10.77.2.{number}", {"group": group, "site": "lab"})
        for host in found.hosts.values():
            found.ready(host)
        yield found
        assert not [log for log in found.logs() if "Traceback" in log.read_text()]


@pytest.fixture(autouse=True)
def all_are_ready(site: booted.Site) -> None:
    """Whatever the test before left."""
    for host in site.hosts.values():
        site.mend(host)


@pytest.fixture
def http(site: booted.Site) -> Iterator[httpx.Client]:
    with site.http() as client:
        yield client


@pytest.fixture
def put(http: httpx.Client) -> Callable[..., None]:
    """Have a text in the object store."""

    def upload(name: str, text: str, content_type: str = "raw") -> None:
        form = {"name": name, "content_type": content_type}
        answer = http.post("/api/file", params={"force": "true"}, data=form, files={"file": text.encode()})
        assert answer.status_code == 201, answer.text

    return upload


@pytest.fixture
def t1(site: booted.Site) -> booted.Host:
    return site.hosts["t1"]


@pytest.fixture
def t2(site: booted.Site) -> booted.Host:
    return site.hosts["t2"]


@pytest.fixture
def t3(site: booted.Site) -> booted.Host:
    return site.hosts["t3"]


@pytest.fixture
def small(site: booted.Site, tmp_path: Path) -> Iterator[booted.Host]:
    """A host with a disk of 32 MB."""
    image, folder = tmp_path / "disk", tmp_path / "mounted"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(32 * 1024 * 1024)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, folder], check=True)
    try:
        host = site.new("t5", "10.77.2.5", {"group": "small"}, nspawn=f"--bind={folder}:{booted.DISK}")
        try:
            site.ready(host)
            yield host
        finally:
            site.remove(host)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
