"""A real SMTP server on a port of its own, that can be told to misbehave."""

from __future__ import annotations

import asyncio
import email
import email.policy
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Postbox:
    """What the server took, and how it behaves: `refuse` maps an address to the answer its RCPT gets."""

    port: int
    received: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str, list[str]]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    connections: int = 0
    refuse: dict[str, str] = field(default_factory=dict)
    refuse_sender: str | None = None
    # The answer to the text; None takes it.
    answer: str | None = None
    hang_up_after_text: bool = False
    hang_up_before_text: bool = False
    slow: float = 0.0
    signed_in: list[tuple[bytes, bytes]] = field(default_factory=list)
    on_text: Callable[[], None] | None = None

    @property
    def url(self) -> str:
        return f"smtp+plain://127.0.0.1:{self.port}"

    @property
    def addresses(self) -> list[str]:
        """To whom mails went, in order."""
        return [address for _sender, addresses in self.envelopes for address in addresses]


class _Handler:
    def __init__(self, box: Postbox) -> None:
        self.box = box

    async def handle_EHLO(  # noqa: N802 (names are aiosmtpd's)
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.box.connections += 1
        return responses

    async def handle_MAIL(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.box.refuse_sender:
            return self.box.refuse_sender
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.box.hang_up_before_text:
            server.transport.abort()
        if address in self.box.refuse:
            return self.box.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        await asyncio.sleep(self.box.slow)
        if self.box.on_text:
            await asyncio.get_running_loop().run_in_executor(None, self.box.on_text)
        if self.box.answer:
            return self.box.answer
        content = envelope.content
        assert isinstance(content, bytes)
        self.box.raw.append(content)
        self.box.received.append(email.message_from_bytes(content, policy=email.policy.default))  # type: ignore[arg-type]
        self.box.envelopes.append((envelope.mail_from or "", list(envelope.rcpt_tos)))
        if self.box.hang_up_after_text:
            server.transport.abort()
        return "250 OK"


def texts(mail: EmailMessage) -> list[str]:
    """What the parts of a mail say, with plain line ends."""
    return [str(part.get_content()).replace("\r\n", "\n") for part in mail.iter_parts()]  # type: ignore[attr-defined]


def wait_for(fact: Callable[[], bool]) -> None:
    """Wait until something is so, at most ten seconds."""
    give_up_at = time.monotonic() + 10
    while not fact():
        assert time.monotonic() < give_up_at
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def postbox(certificate: Path | None = None, password: str | None = None, at_once: bool = False) -> Iterator[Postbox]:
    """A server on 127.0.0.1; with a certificate it offers STARTTLS, or speaks TLS `at_once`; with a password it wants a sign-in."""
    box = Postbox(free_port())
    options: dict[str, Any] = {"enable_SMTPUTF8": True}
    if certificate and at_once:
        options["ssl_context"] = server_context(certificate)
    elif certificate:
        options["tls_context"] = server_context(certificate)
    if password is not None:

        def sign_in(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any) -> AuthResult:
            assert isinstance(given, LoginPassword)
            box.signed_in.append((given.login, given.password))
            return AuthResult(success=given.password == password.encode(), handled=False)

        options |= {"authenticator": sign_in, "auth_require_tls": certificate is not None, "auth_required": True}
    controller = Controller(_Handler(box), hostname="127.0.0.1", port=box.port, **options)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


def server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return context


def make_certificate(folder: Path, names: str = "IP:127.0.0.1,DNS:localhost") -> Path:
    """A certificate signed by itself, its key beside it with the suffix .key."""
    file = folder / "mail.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=mail"
    subprocess.run(
        [*command.split(), "-addext", f"subjectAltName={names}", "-out", file, "-keyout", file.with_suffix(".key")],
        check=True,
        capture_output=True,
    )
    return file
