"""Speak to the mail server: one connection for many mails, and for each a plain answer what became of it.

The order of commands is that of RFC 5321. What matters most is the moment after the text went out: when the connection is lost
there, nobody knows whether the mail will arrive, and it must not be sent again.
"""

from __future__ import annotations

import base64
import re
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from enum import Enum
from typing import Self
from urllib.parse import unquote, urlsplit

import msgspec

from bibliothek.i18n import _
from bibliothek.mail.message import POLICY

# How long to wait for the connection and for each answer, in seconds. The answer to a whole text may take longer, because
# many servers look for spam first (RFC 5321, section 4.5.3.2.6 allows ten minutes).
PATIENCE = 15.0
PATIENCE_AFTER_TEXT = 60.0
PATIENCE_AT_THE_END = 2.0

_PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}
_LONGEST_REASON = 200


class Outcome(Enum):
    """What became of one mail."""

    SENT = "sent"
    FAILED = "failed"  # refused for good
    LATER = "later"  # not accepted now; try again
    UNKNOWN = "unknown"  # perhaps accepted; must not be sent again


class Result(msgspec.Struct, frozen=True):
    """An outcome with the reason, in the mail server's words without addresses; None when the mail was sent."""

    outcome: Outcome
    reason: str | None = None


class Unreachable(Exception):
    """No connection that mails could be sent over: down, not trusted, or the sign-in was refused. The text says why."""


class Server(msgspec.Struct, frozen=True):
    """Where mails are handed in. `security` is the scheme of the SMTP URL."""

    security: str
    host: str
    port: int
    user: str = ""
    password: str = ""

    @classmethod
    def of_url(cls, url: str) -> Self:
        """`smtp://` (STARTTLS is a must), `smtps://` or `smtp+plain://`, `user:password@` percent-encoded."""
        parts = urlsplit(url)
        return cls(
            security=parts.scheme,
            host=parts.hostname or "",
            port=parts.port or _PORTS[parts.scheme],
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
        )

    def __repr__(self) -> str:
        return f"Server({self.security}, {self.host}, {self.port})"


class Line:
    """An open connection. After a connection was lost, `is_open` is false and another one is needed."""

    def __init__(self, smtp: smtplib.SMTP) -> None:
        self._smtp = smtp

    @property
    def is_open(self) -> bool:
        return self._smtp.sock is not None

    def send(self, email: EmailMessage, sender: str, address: str) -> Result:
        """Hand over one mail; `sender` and `address` are the bare addresses of the envelope."""
        try:
            return self._envelope(email, sender, address)
        except smtplib.SMTPException:
            # Hung up, or an answer that is none, before the text went out.
            self._smtp.close()
            return Result(Outcome.LATER, _("Die Verbindung zum Mailserver ist abgerissen."))

    def _envelope(self, email: EmailMessage, sender: str, address: str) -> Result:
        ascii_only = (sender + address).isascii()
        if not ascii_only and not self._smtp.has_extn("smtputf8"):
            return Result(Outcome.FAILED, _("Der Mailserver kann keine Umlaute in Adressen."))
        self._smtp.command_encoding = "ascii" if ascii_only else "utf-8"
        options = [] if ascii_only else ["SMTPUTF8", "BODY=8BITMIME"]
        # A refused sender is the library's fault, not the mail's: somebody will put it right, so it waits.
        code, answer = self._smtp.mail(sender, options)
        if code != 250:
            return self._refused(code, answer, address, for_good=False)
        code, answer = self._smtp.rcpt(address)
        if code not in (250, 251):
            return self._refused(code, answer, address, for_good=500 <= code < 600)
        return self._text(_wire(email, ascii_only), address)

    def _text(self, text: bytes, address: str) -> Result:
        code, answer = self._smtp.docmd("DATA")
        if code != 354:
            return self._refused(code, answer, address, for_good=500 <= code < 600)
        assert self._smtp.sock is not None
        self._smtp.sock.settimeout(PATIENCE_AFTER_TEXT)
        try:
            self._smtp.send(text)
            code, answer = self._smtp.getreply()
        except smtplib.SMTPException:
            code, answer = -1, b""
        if not 200 <= code < 600:
            self._smtp.close()
            return Result(Outcome.UNKNOWN, _("Die Verbindung riss ab, als die Nachricht schon unterwegs war."))
        self._smtp.sock.settimeout(PATIENCE)
        if code < 300:
            return Result(Outcome.SENT)
        return self._refused(code, answer, address, for_good=500 <= code < 600)

    def _refused(self, code: int, answer: bytes, address: str, for_good: bool) -> Result:
        """Not taken. The server is asked to forget this mail; one that says 421 or nonsense is left."""
        try:
            if code == 421 or not 200 <= code < 600:
                self._smtp.close()
            else:
                self._smtp.rset()
        except smtplib.SMTPException:
            self._smtp.close()
        return Result(Outcome.FAILED if for_good else Outcome.LATER, reason(code, answer, address))


@contextmanager
def connect(server: Server, own_name: str) -> Iterator[Line]:
    """An open line to `server`, closed at the end; `own_name` is how we introduce ourselves. Raises Unreachable."""
    smtp = _open(server, own_name)
    try:
        yield Line(smtp)
    finally:
        _hang_up(smtp)


def _open(server: Server, own_name: str) -> smtplib.SMTP:
    smtp: smtplib.SMTP | None = None
    try:
        if server.security == "smtps":
            smtp = smtplib.SMTP_SSL(
                server.host, server.port, own_name, timeout=PATIENCE, context=ssl.create_default_context()
            )
        else:
            smtp = smtplib.SMTP(server.host, server.port, own_name, timeout=PATIENCE)
        _introduce(smtp, server)
    except (OSError, smtplib.SMTPException) as error:
        if smtp:
            smtp.close()
        raise Unreachable(_why(error)) from error
    return smtp


def _introduce(smtp: smtplib.SMTP, server: Server) -> None:
    smtp.ehlo_or_helo_if_needed()
    if server.security == "smtp":
        # The certificate must be valid for the host's name, or we are not talking to whom we think.
        smtp.starttls(context=ssl.create_default_context())
        smtp.ehlo_or_helo_if_needed()
    if server.user and (server.user + server.password).isascii():
        smtp.login(server.user, server.password)
    elif server.user:
        _sign_in_with_umlauts(smtp, server)


def _sign_in_with_umlauts(smtp: smtplib.SMTP, server: Server) -> None:
    """AUTH PLAIN in UTF-8 (RFC 4616): smtplib's own `login` knows only ASCII."""
    token = base64.b64encode(f"\0{server.user}\0{server.password}".encode()).decode()
    code, answer = smtp.docmd("AUTH", f"PLAIN {token}")
    if code != 235:
        raise smtplib.SMTPAuthenticationError(code, answer)


def _hang_up(smtp: smtplib.SMTP) -> None:
    try:
        if smtp.sock is not None:
            smtp.sock.settimeout(PATIENCE_AT_THE_END)
            smtp.quit()
    except (OSError, smtplib.SMTPException):
        smtp.close()


def _why(error: Exception) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return _("Das Zertifikat des Mailservers ist nicht gültig.")
        case smtplib.SMTPNotSupportedError():
            return _("Der Mailserver bietet keine Verschlüsselung (STARTTLS) oder keine Anmeldung an.")
        case smtplib.SMTPAuthenticationError():
            return _(
                "Der Mailserver lehnt die Anmeldung ab: {answer}", answer=reason(error.smtp_code, error.smtp_error)
            )
        case smtplib.SMTPResponseException():
            return reason(error.smtp_code, error.smtp_error)
        case _:
            return _("Der Mailserver ist nicht zu erreichen.")


def reason(code: int, answer: bytes | str, address: str = "") -> str:
    """What the server answered, in one line, without addresses and at most 200 characters."""
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    text = re.sub(r"\S+@\S+", "…", text)
    local = address.rpartition("@")[0]
    if local:
        text = re.sub(re.escape(local), "…", text, flags=re.IGNORECASE)
    text = re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", text).strip()
    return f"{code} {text}"[:_LONGEST_REASON].strip()


def _wire(email: EmailMessage, ascii_only: bool) -> bytes:
    """The mail as it goes out: CRLF, leading dots doubled, a lone dot at the end (RFC 5321, section 4.5.2)."""
    written = email.as_bytes(policy=POLICY.clone(utf8=not ascii_only))
    return re.sub(rb"(?m)^\.", b"..", written.rstrip(b"\r\n")) + b"\r\n.\r\n"
