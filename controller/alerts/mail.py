"""The notifier `smtp`: mail in plain text, by a server that takes it from us (RFC 5321, RFC 3207)."""

import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import partial

import attrs
import trio

from controller.alerts.channel import Undelivered, body, subject, threads
from osapi.calls.notification import Notification
from osapi.config.notifications import Smtp
from osapi.jobs import now

SUBMITTED_TLS = "tls"


@attrs.define
class Mail:
    """A server of mail and those who get it; its name is checked, and so is its certificate, where it has TLS."""

    settings: Smtp
    type: str = "smtp"
    _threads: trio.CapacityLimiter = attrs.field(factory=threads)

    @property
    def to(self) -> str:
        return ", ".join(self.settings.recipients)

    async def tell(self, notification: Notification, timeout: float) -> None:
        message = self.message(notification)
        await trio.to_thread.run_sync(
            partial(self._send, message, timeout), limiter=self._threads, abandon_on_cancel=True
        )

    def message(self, notification: Notification) -> EmailMessage:
        """The mail; its Message-ID is that of what is told, so that a second one of it can be known."""
        found = EmailMessage(policy=SMTP)
        found["From"] = self.settings.sender
        found["To"] = self.settings.recipients
        found["Subject"] = subject(notification)
        found["Date"] = format_datetime(now())
        found["Message-ID"] = f"<{notification.id}@{self.settings.sender.rpartition('@')[2]}>"
        found["Auto-Submitted"] = "auto-generated"  # RFC 3834: no replies from those on holiday
        found.set_content(body(notification))
        return found

    def _send(self, message: EmailMessage, timeout: float) -> None:
        """Blocks, for as long as `timeout` at each step."""
        where = f"{self.settings.host}:{self.settings.port}"
        try:
            with self._connected(timeout) as server:
                if self.settings.username:
                    server.login(self.settings.username, self.settings.password)
                refused = server.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            raise self._refused(where, error.recipients, all_of_them=True) from None
        except smtplib.SMTPResponseException as error:
            said = text(error.smtp_error)
            raise Undelivered(f"{where}: {error.smtp_code} {said}", final=error.smtp_code >= 500) from None
        except (smtplib.SMTPException, OSError) as error:
            raise Undelivered(f"{where}: {error}") from None
        if refused:
            raise self._refused(where, refused, all_of_them=False)

    def _connected(self, timeout: float) -> smtplib.SMTP:
        found = self.settings
        if found.security == SUBMITTED_TLS:
            return smtplib.SMTP_SSL(found.host, found.port, timeout=timeout, context=self._trusted())
        server = smtplib.SMTP(found.host, found.port, timeout=timeout)
        try:
            if found.security == "starttls":
                server.starttls(context=self._trusted())
        except BaseException:
            server.close()
            raise
        return server

    def _trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.settings.ca_file or None)

    def _refused(
        self, where: str, refused: dict[str, tuple[int, bytes]], *, all_of_them: bool
    ) -> Undelivered:
        """Some addresses did not get it; it is not sent to the others a second time."""
        told = ", ".join(f"{who}: {code} {text(said)}" for who, (code, said) in refused.items())
        passing = all_of_them and all(code < 500 for code, _ in refused.values())
        return Undelivered(f"{where} refused {told}", final=not passing)


def text(said: bytes | str) -> str:
    """What a server said, on one line."""
    return " ".join((said.decode(errors="replace") if isinstance(said, bytes) else said).split())
