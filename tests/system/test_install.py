"""Installing on booted hosts: all three daemons, an agent with a user of its own, and the package for Debian."""

import json
import re
import shutil

import booted
import image
import pytest
from processes import eventually

OSAPI = "/opt/osapi/.venv/bin/osapi"
DAEMONS = {"nats server": "osapi-nats", "controller": "osapi-controller", "agent": "osapi-agent"}
EXPOSURE = {"osapi-nats": 1.1, "osapi-controller": 1.1, "osapi-agent": 9.6}
"""The worst that `systemd-analyze security` may say, out of ten. The agent cannot be fenced off: see its unit."""
NOTHING = (
    "find /etc /usr/lib/systemd /usr/lib/*.d /var/lib /run -maxdepth 4 -iname '*osapi*' 2>/dev/null || true"
)


def boot(folder, name, address, below, files=()):
    """A host on which no agent runs."""
    given = folder / name
    given.mkdir()
    for file in files:
        (given / "srv").mkdir()
        shutil.copy(file, given / "srv" / "osapi.deb")
    booted.lab("up", name, address, given, below=below)
    booted.lab("wait", name)
    return booted.Host(name, address, below, "")


@pytest.fixture
def bare(site, tmp_path):
    """A host with the program, and nothing that runs it."""
    yield boot(tmp_path, "bare", "10.77.4.1", site.below)
    booted.lab("down", "bare")


@pytest.fixture
def debian(site, tmp_path):
    """A host with nothing of OSAPI but the package, as a file."""
    yield boot(tmp_path, "debian", "10.77.4.2", str(image.base()), [image.package()])
    booted.lab("down", "debian")


def installs(host, *more):
    """What three installations say."""
    return {unit: host.run(OSAPI, *words.split(), "install", *more) for words, unit in DAEMONS.items()}


def exposure(host, unit):
    told = host.run("systemd-analyze", "security", "--no-pager", unit)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", told)
    assert found, told
    return float(found[1])


def ask(host, *words):
    """What a host that is all of an installation answers."""
    answer = json.loads(host.run(OSAPI, "client", "node", *words, "--json"))
    [item] = answer["results"]
    return item


def whoami(host):
    """Who runs commands there."""
    return ask(host, "command", "exec", "--command", "id", "--args=-un")["stdout"].strip()


def test_three_daemons_on_one_host_and_away_again(bare):
    refused = bare.sh(f"runuser -u nobody -- {OSAPI} agent install 2>&1 || true")
    assert refused == "Error: this needs root: use sudo; --dry-run and --root DIR do without"
    installs(bare)
    assert whoami(bare) == "root"
    assert {unit: bare.unit("ActiveState", unit) for unit in EXPOSURE} == dict.fromkeys(EXPOSURE, "active")
    users = {unit: bare.run("ps", "-o", "user=", "-p", bare.unit("MainPID", unit)) for unit in EXPOSURE}
    assert users == {"osapi-nats": "osapi", "osapi-controller": "osapi", "osapi-agent": "root"}
    assert bare.run("stat", "--format", "%U %a", "/etc/osapi/osapi.yaml") == "root 600"

    found = {unit: exposure(bare, unit) for unit in EXPOSURE}
    assert all(found[unit] <= most for unit, most in EXPOSURE.items()), found
    assert (
        bare.sh("systemd-analyze verify /etc/systemd/system/osapi-*.service 2>&1 | grep osapi || true") == ""
    )

    processes = {unit: bare.unit("MainPID", unit) for unit in EXPOSURE}
    for said in installs(bare).values():
        assert said.splitlines()[-1] == "Nothing had to be changed."
    assert {unit: bare.unit("MainPID", unit) for unit in EXPOSURE} == processes

    bare.run(OSAPI, "agent", "install", "--user", "osapi")
    assert whoami(bare) == "osapi"
    assert ask(bare, "timezone", "update", "--timezone", "Europe/Madrid")["changed"] is True
    assert bare.run("timedatectl", "show", "--property=Timezone", "--value") == "Europe/Madrid"
    assert exposure(bare, "osapi-agent") <= EXPOSURE["osapi-agent"]

    for words in DAEMONS:
        bare.run(OSAPI, *words.split(), "uninstall")
    assert bare.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "osapi*") == ""
    kept = {"/etc/osapi", "/etc/osapi/osapi.yaml", "/var/lib/osapi", "/var/lib/osapi-agent"}
    assert set(bare.sh(NOTHING).split()) == kept
    for words in DAEMONS:
        bare.run(OSAPI, *words.split(), "uninstall", "--purge")
    assert bare.sh(NOTHING) == ""


def test_the_package_installs_runs_a_job_upgrades_and_leaves_nothing(site, debian):
    nats = {"host": booted.HERE, "port": site.installation.broker_port}
    auth = {f"auth_{key}": value for key, value in booted.AUTH.items()}
    given = [f"OSAPI_AGENT_NATS_{key.upper()}={value}" for key, value in (nats | auth).items()]
    site.hosts[debian.name] = debian

    debian.sh("apt-get install --yes /srv/osapi.deb")
    assert debian.unit("ActiveState") == "inactive"
    debian.run("env", *given, "osapi", "agent", "install")
    site.ready(debian)
    [done] = site.ask("command", "exec", "--command", "uname", on=debian.name)
    assert done["stdout"] == "Linux\n"
    assert debian.run("osapi", "agent", "install").splitlines()[-1] == "Nothing had to be changed."

    debian.sh("echo '# ours' >> /etc/osapi/osapi.yaml")
    before = debian.unit("MainPID")
    upgrade = "apt-get install --yes --reinstall /srv/osapi.deb"
    [done] = site.ask(
        "command", "shell", "--timeout", "120", "--wait", "120s", "--command", upgrade, on=debian.name
    )
    assert done["exit_code"] == 0, done
    eventually(lambda: debian.unit("MainPID") not in {before, "0"})
    site.ready(debian)
    assert debian.sh("tail -1 /etc/osapi/osapi.yaml") == "# ours"
    [done] = site.ask("command", "exec", "--command", "uname", on=debian.name)
    assert done["stdout"] == "Linux\n"

    del site.hosts[debian.name]
    debian.sh("apt-get purge --yes osapi")
    assert debian.sh(f"{NOTHING}; ls -d /opt/osapi /usr/bin/osapi 2>/dev/null || true") == ""
    assert debian.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "osapi*") == ""
