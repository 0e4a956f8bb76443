"""E-mail through an SMTP server.

A message whose acceptance was not confirmed is `uncertain` and is not sent again: SMTP has no idempotency key, although
each message has the same `Message-ID` at every attempt.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from copilot_pipeline.config.urls import is_loopback
from copilot_pipeline.delivery.model import SENT, Delivery, SendResult, SendStatus, SinkProblem
from copilot_pipeline.errors import ConfigurationError

TIMEOUT_SECONDS = 30.0
ReadFile = Callable[[str], bytes | None]
_BREAK = re.compile(r"[\r\n]+")


class EmailSink:
    """One SMTP server; one connection per message. TLS is required except to this machine."""

    kind = "email"
    batch_size = 1

    def __init__(self, url: str, sender: str, read_file: ReadFile, *, context: ssl.SSLContext | None = None) -> None:
        """`url` is `smtps://user:password@host:465`, or `smtp://…:587` for STARTTLS. `read_file` reads attachments.

        Raises `ConfigurationError` if the address is not one.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ConfigurationError(
                "SMTP_URL must be smtps://user:password@host:465 or smtp://user:password@host:587 (STARTTLS), with "
                "special characters of user and password as %XX"
            )
        self._host, self._is_tls = parts.hostname, parts.scheme == "smtps"
        self._port = parts.port or (465 if self._is_tls else 587)
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._sender = sender
        self._read_file = read_file
        self._context = context or ssl.create_default_context()

    def send(self, batch: Sequence[Delivery]) -> list[SendResult]:
        """Send each message once."""
        return [self._send(delivery) for delivery in batch]

    def require_probe(self) -> None:
        """Do nothing: each message has a connection of its own, whose greeting shows that the server responds."""

    def close(self) -> None:
        """Do nothing: connections end with their message."""

    def _send(self, delivery: Delivery) -> SendResult:
        message = self._message(delivery)
        if message is None:
            return SendResult(SendStatus.FAILED, "the report's file is no longer there")
        try:
            server = self._connect()
        except smtplib.SMTPAuthenticationError:
            return SendResult(SendStatus.RETRY, "user or password is not accepted", problem=SinkProblem.CREDENTIALS)
        except (OSError, smtplib.SMTPException) as error:
            reason = f"no connection to the mail server ({type(error).__name__})"
            return SendResult(SendStatus.RETRY, reason, problem=SinkProblem.UNAVAILABLE)
        try:
            return _transmit(server, self._sender, str(message["To"]), message.as_bytes())
        finally:
            server.close()

    def _connect(self) -> smtplib.SMTP:
        if self._is_tls:
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self._host, self._port, timeout=TIMEOUT_SECONDS, context=self._context
            )
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=TIMEOUT_SECONDS)
        try:
            server.ehlo()
            if not self._is_tls and (server.has_extn("starttls") or not is_loopback(self._host)):
                server.starttls(context=self._context)  # raises if the server offers none
                server.ehlo()
            if self._user:
                server.login(self._user, self._password)
        except BaseException:
            server.close()
            raise
        return server

    def _message(self, delivery: Delivery) -> EmailMessage | None:
        payload = delivery.payload
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = payload["to"]
        message["Subject"] = _BREAK.sub(" ", payload["subject"])
        message["Message-ID"] = f"<{delivery.message_id}@{self._sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(payload["text"])
        if payload.get("attach"):
            content = self._read_file(payload["attach"])
            if content is None:
                return None
            name = payload["attach"].rpartition("/")[2]
            message.add_attachment(content, maintype="text", subtype="html", filename=name)
        return message


def _transmit(server: smtplib.SMTP, sender: str, recipient: str, content: bytes) -> SendResult:
    """Send one message on an open connection. Before its data is complete, it was not sent."""
    try:
        for code, _ in (server.mail(sender), server.rcpt(recipient)):
            if code >= 300:
                return _refused(code)
    except (OSError, smtplib.SMTPException):
        reason = "the mail server closed the connection"
        return SendResult(SendStatus.RETRY, reason, problem=SinkProblem.UNAVAILABLE)
    try:
        code, _ = server.data(content)
    except smtplib.SMTPDataError as error:  # before the content
        return _refused(error.smtp_code)
    except (OSError, smtplib.SMTPException):
        reason = "the mail server did not confirm the message"
        return SendResult(SendStatus.UNCERTAIN, reason, problem=SinkProblem.UNAVAILABLE)
    return SENT if code < 300 else _refused(code)


def _refused(code: int) -> SendResult:
    if code >= 500:
        return SendResult(SendStatus.FAILED, f"the mail server refused the message ({code})")
    problem = SinkProblem.UNAVAILABLE
    return SendResult(SendStatus.RETRY, f"the mail server deferred the message ({code})", problem=problem)
