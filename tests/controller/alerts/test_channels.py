"""Each way to tell, against a real receiver."""

import base64
import email
import email.policy
import hashlib
import hmac
import io
import json
import logging
import socket
from datetime import UTC, datetime

import pytest
import receivers
import trio
from structlog.testing import capture_logs

from controller.alerts.channel import Undelivered
from controller.alerts.notifier import Way, channel, sample
from osapi.calls.alert import Alert
from osapi.calls.notification import Notification
from osapi.config.notifications import Apprise, Notifier, Smtp, Webhook
from osapi.durations import Duration

LIBRARY = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
"""apprise imports it where it is there still."""

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
FIRED = Notification(
    id="9f86d081884c7d65",
    event="fired",
    timestamp=NOON,
    alert=Alert(
        id="60303ae22b998861",
        component="agent",
        hostname="web-01",
        condition="DiskPressure",
        status="firing",
        fired_at=NOON,
        machine_id="machine-1",
        labels={"group": "web"},
        reason="/ is 95% full, more than 90%",
    ),
)
EVIL = Notification(
    id="1",
    event="fired",
    timestamp=NOON,
    alert=Alert(
        id="2",
        component="agent",
        hostname="web\r\nBcc: all@example.org",
        condition="DiskPressure",
        status="firing",
        fired_at=NOON,
        reason="full\n.\nQUIT",
    ),
)


def way(**settings):
    found = Notifier(**settings)
    return Way("ops", found, channel(found))


def webhook(server, **more):
    return way(type="webhook", webhook=Webhook(url=server.url, **more))


@pytest.fixture
def our_log():
    """What a controller that debugs has in its log; pytest's own looks behind our back."""
    root, text = logging.getLogger(), io.StringIO()
    handler, level = logging.StreamHandler(text), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.removeHandler(handler)
    root.setLevel(level)


async def test_a_webhook_gets_json_that_it_can_verify(our_log):
    with receivers.hook() as server:
        await webhook(server, secret="s3cret").attempt(FIRED)

    [(headers, body)] = server.got
    told = json.loads(body)
    assert headers["content-type"] == "application/json"
    assert headers["webhook-id"] == told["id"] == FIRED.id
    assert (told["event"], told["alert"]["hostname"]) == ("fired", "web-01")
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(b"s3cret", signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert "SECRET" not in our_log.getvalue()
    assert abs(int(headers["webhook-timestamp"]) - datetime.now(UTC).timestamp()) < 60


async def test_a_webhook_without_a_secret_is_not_signed():
    with receivers.hook() as server:
        await webhook(server).attempt(FIRED)

    [(headers, _)] = server.got
    assert "webhook-signature" not in headers


@pytest.mark.parametrize(
    ("status", "final"),
    [
        (400, True),
        (404, True),
        (410, True),
        (302, True),
        (408, False),
        (429, False),
        (500, False),
        (503, False),
    ],
)
async def test_refusals_that_pass_are_told_from_those_that_do_not(status, final):
    answer = receivers.hook(status, Retry_After="7", Location="/elsewhere")
    with answer as server, pytest.raises(Undelivered) as caught:
        await webhook(server).attempt(FIRED)

    assert caught.value.final is final
    assert caught.value.retry_after == 7
    assert str(status) in str(caught.value)
    assert "SECRET" not in str(caught.value)
    assert len(server.got) == 1


async def test_a_webhook_that_is_not_there_or_says_nothing_is_told_in_time_and_without_its_token():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/hook?token=SECRET"
        found = way(type="webhook", timeout=Duration(0.2), webhook=Webhook(url=url))
        with pytest.raises(Undelivered, match=r"within 200ms|127\.0\.0\.1") as late:
            await found.attempt(FIRED)
    with pytest.raises(Undelivered) as gone:
        await found.attempt(FIRED)

    assert not late.value.final
    assert not gone.value.final
    assert "SECRET" not in f"{late.value} {gone.value}"


def smtp(port, **more):
    settings = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "osapi@example.org"}
    return way(type="smtp", smtp=Smtp(**settings | {"recipients": ["ops@example.org"]} | more))


async def test_mail_says_what_is_wrong():
    with receivers.mailbox() as (box, port):
        await smtp(port, recipients=["ops@example.org", "boss@example.org"]).attempt(FIRED)

    [(recipients, content)] = box.got
    mail = email.message_from_bytes(content, policy=email.policy.default)
    assert recipients == ["ops@example.org", "boss@example.org"]
    assert mail["Subject"] == "[OSAPI] FIRING: DiskPressure on web-01"
    assert mail["Message-ID"] == f"<{FIRED.id}@example.org>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "/ is 95% full, more than 90%" in mail.get_content()


async def test_no_name_of_a_host_adds_a_header_or_a_command():
    with receivers.mailbox() as (box, port):
        await smtp(port).attempt(EVIL)

    [(recipients, content)] = box.got
    mail = email.message_from_bytes(content, policy=email.policy.default)
    assert recipients == ["ops@example.org"]
    assert mail["Bcc"] is None
    assert set(mail.keys()) >= {"Subject", "From", "To"}
    assert "full . QUIT" in mail.get_content()


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")
@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_mail_goes_by_tls_with_a_login(tmp_path, security):
    context, cert = receivers.certificate(tmp_path)
    with receivers.mailbox(context, starttls=security == "starttls", login=True) as (box, port):
        given = {"security": security, "ca_file": str(cert), "username": "osapi"}
        await smtp(port, password="SECRET", **given).attempt(FIRED)
        with pytest.raises(Undelivered, match="535") as refused:
            await smtp(port, password="wrong", **given).attempt(FIRED)
        with pytest.raises(Undelivered, match=r"(?i)certificate"):
            await smtp(port, password="SECRET", **given | {"ca_file": ""}).attempt(FIRED)

    assert len(box.got) == 1
    assert refused.value.final


async def test_mail_without_tls_is_not_sent_where_tls_is_wanted():
    with receivers.mailbox() as (box, port), pytest.raises(Undelivered, match=r"(?i)starttls"):
        await smtp(port, security="starttls").attempt(FIRED)

    assert box.got == []


async def test_who_does_not_get_mail_is_named():
    with receivers.mailbox() as (box, port):
        with pytest.raises(Undelivered, match=r"nobody@example\.org: 550") as some:
            await smtp(port, recipients=["ops@example.org", "nobody@example.org"]).attempt(FIRED)
        with pytest.raises(Undelivered, match="550") as none:
            await smtp(port, recipients=["nobody@example.org"]).attempt(FIRED)

    assert some.value.final
    assert none.value.final
    assert len(box.got) == 1


async def test_a_mail_server_that_says_nothing_takes_no_longer_than_it_may():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        found = way(
            type="smtp",
            timeout=Duration(0.2),
            smtp=Smtp(
                host="127.0.0.1",
                port=silent.getsockname()[1],
                security="none",
                sender="a@b.c",
                recipients=["d@e.f"],
            ),
        )
        with trio.fail_after(20), pytest.raises(Undelivered):
            await found.attempt(FIRED)


@LIBRARY
async def test_a_service_of_apprise_is_told():
    with receivers.hook(200) as server:
        url = f"json://127.0.0.1:{server.server_address[1]}/SECRETPATH"
        await way(type="apprise", apprise=Apprise(url=url)).attempt(FIRED)

    [(_, body)] = server.got
    told = json.loads(body)
    assert told["title"] == "[OSAPI] FIRING: DiskPressure on web-01"
    assert "95% full" in told["message"]
    assert told["type"] == "warning"


@LIBRARY
async def test_what_apprise_says_has_no_secret_and_stays_out_of_the_log(our_log):
    with receivers.hook(500) as server:
        url = f"json://user:SECRETWORD@127.0.0.1:{server.server_address[1]}/SECRETPATH"
        with pytest.raises(Undelivered) as caught:
            await way(type="apprise", apprise=Apprise(url=url)).attempt(FIRED)
    with pytest.raises(Undelivered, match="does not know") as unknown:
        await way(type="apprise", apprise=Apprise(url="nothing-such://SECRET")).attempt(FIRED)

    assert "500" in str(caught.value)
    assert unknown.value.final
    assert "SECRET" not in f"{caught.value} {unknown.value} {our_log.getvalue()}"


async def test_the_log_warns_of_what_fires_and_informs_of_what_is_over():
    resolved = Notification(id="2", event="resolved", timestamp=NOON, alert=FIRED.alert)
    with capture_logs() as logs:
        for told in (FIRED, resolved, sample("alice", NOON)):
            await way(type="log").attempt(told)

    assert [(each["log_level"], each["event"]) for each in logs] == [
        ("warning", "alert fired"),
        ("info", "alert resolved"),
        ("info", "alert test"),
    ]
    assert logs[0]["condition"] == "DiskPressure"
