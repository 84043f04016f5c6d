"""Which deployments are behind their object, as the records of the agents tell."""

import json
from datetime import UTC, datetime

import attrs
import pytest

from controller.deployments import Deployments, provider
from osapi import wire
from osapi.bus import Entry, layout
from osapi.calls.file import StaleDeployment
from osapi.deployments import Deployment

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
OLD, NEW, RENDERED = "a" * 64, "b" * 64, "c" * 64


def deployed(name="app.conf", path="/etc/app/app.conf", **other):
    made = Deployment(
        object_name=name,
        path=path,
        sha256=RENDERED,
        source_sha256=OLD,
        content_type="template",
        deployed_at=NOON,
    )
    return attrs.evolve(made, **other)


def entry(made, host="m1", revision=1):
    return Entry(layout.deployment(host, made.path), wire.encode(made), revision, 0.0)


def index(*entries):
    deployments = Deployments()
    for each in entries:
        deployments.apply(each)
    return deployments


def stale(deployments, **current):
    return deployments.stale({"app.conf": OLD} | current, lambda machine_id: f"host of {machine_id}")


def test_what_was_made_of_the_object_as_it_is_is_not_stale_whatever_it_was_rendered_to():
    assert stale(index(entry(deployed()))) == []


def test_what_was_made_of_other_content_is_stale_and_both_are_named():
    found = stale(index(entry(deployed())), **{"app.conf": NEW})

    assert found == [
        StaleDeployment(
            object_name="app.conf",
            hostname="host of m1",
            provider="file",
            path="/etc/app/app.conf",
            deployed_sha=OLD,
            current_sha=NEW,
            deployed_at=NOON,
        )
    ]


def test_of_an_object_that_is_gone_there_is_no_current_content():
    [found] = stale(index(entry(deployed("gone"))))

    assert (found.object_name, found.current_sha) == ("gone", "")


def test_they_are_sorted_by_object_host_and_path():
    entries = [
        entry(deployed(name, path), host)
        for path in ("/b", "/a")
        for host in ("m2", "m1")
        for name in ("second", "first")
    ]
    shown = [(each.object_name, each.hostname[-2:], each.path) for each in stale(index(*entries))]

    assert shown == sorted(shown)
    assert len(shown) == 4  # one record of each path of each host, whatever it was made of


def test_what_was_undeployed_or_whose_record_is_deleted_is_not_stale():
    made = deployed("gone")
    undeployed = deployed("gone", undeployed_at=NOON)

    assert stale(index(entry(undeployed))) == []
    assert stale(index(entry(made), entry(undeployed, revision=2))) == []
    assert stale(index(entry(made), Entry(entry(made).key, None, 2, 0.0))) == []
    assert len(stale(index(entry(undeployed), entry(made, revision=2)))) == 1


def test_what_was_made_of_no_object_is_not_stale():
    assert stale(index(entry(deployed("")))) == []


def test_the_records_of_older_installations_are_read():
    older = {
        "object_name": "app.conf",
        "path": "/etc/app/app.conf",
        "sha256": OLD,
        "mode": "0644",
        "deployed_at": "2026-01-01T12:00:00Z",
        "content_type": "raw",
        "metadata": {"schedule": "* * * * *"},
    }
    key = layout.deployment("web-01.example.com", "/etc/app/app.conf")
    deployments = index(Entry(key, json.dumps(older).encode(), 1, 0.0))

    [found] = stale(deployments, **{"app.conf": NEW})
    assert stale(deployments) == []
    assert (found.deployed_sha, found.hostname) == (OLD, "host of web-01.example.com")


@pytest.mark.parametrize(
    "value",
    [b"", b"{not json", b"{}", b"null", wire.encode(deployed(path="/elsewhere")), b"[" * 100_000],
)
def test_a_record_that_cannot_be_read_is_passed_over_and_replaces_the_one_before(value):
    key = entry(deployed("gone")).key

    deployments = index(entry(deployed("gone")), Entry(key, value, 2, 0.0), Entry("x", b"{}", 3, 0.0))

    assert list(deployments) == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/etc/systemd/system/app.service", "service"),
        ("/usr/local/share/ca-certificates/ca.crt", "certificate"),
        ("/etc/cron.d/backup", "cron"),
        ("/etc/cron.weekly/backup", "cron"),
        ("/etc/cron.yearly/backup", "file"),
        ("/etc/systemd/system", "file"),
        ("/etc/app.conf", "file"),
    ],
)
def test_the_provider_is_told_by_the_folder(path, name):
    assert provider(path) == name
