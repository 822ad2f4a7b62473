"""A mail: what it says (`make`), and how it is written for the wire (`to_email`).

Mails are plain: text and a simple HTML of the same words, no image, nothing from elsewhere, so that nobody sees who opened
one. The texts lie in `templates/email/<name>/{subject.txt,body.txt,body.html}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from ipaddress import ip_address
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec

from bibliothek import i18n

# Seven bits on the wire: not every server offers 8BITMIME (RFC 6152).
POLICY = SMTP.clone(cte_type="7bit")

# Control characters have no business in a header; a line break there would begin another header.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# What stands in no address that we send to: white space, control characters, and the marks that end or group addresses.
_UNFIT = re.compile(r"[\s\x00-\x1f\x7f-\x9f<>,;:\"()@\\\[\]]")
# A host in ASCII: labels of 1 to 63 letters, digits and hyphens (RFC 1035, section 2.3.4), and the underscore that some have.
_HOST = re.compile(r"[\w-]{1,63}(\.[\w-]{1,63})*", re.ASCII)


class Renders(Protocol):
    """What fills a template: `bibliothek.web.templates.Templates`."""

    def render(self, template: str, context: Mapping[str, Any]) -> str: ...


class BadMailAddress(ValueError):
    """The text is no address that a mail could be sent to. The message does not repeat it."""


class Message(msgspec.Struct, frozen=True):
    """What one mail says: a subject of one line, and the same text plain and as HTML."""

    subject: str
    text: str
    html: str


def make(templates: Renders, name: str, context: Mapping[str, Any]) -> Message:
    """The mail `name` in the language of the moment.

    `context` needs `library_name` (str) for the layout, and whatever the mail's own templates use; `lang` is added.
    """
    context = {**context, "lang": i18n.language.get()}

    def fill(part: str) -> str:
        return templates.render(f"email/{name}/{part}", context)

    return Message(one_line(fill("subject.txt")), fill("body.txt").strip() + "\n", fill("body.html"))


def one_line(text: str) -> str:
    """`text` as one line without control characters, fit for a header."""
    return " ".join(_CONTROL.sub(" ", text).split())


def to_email(message: Message, *, sender: str, address: str, message_id: str, now: datetime) -> EmailMessage:
    """`message` for the wire: multipart/alternative, UTF-8 in seven bits, CRLF (RFC 5322, RFC 2046).

    `sender` may be `address` or `Name <address>`; `message_id` comes from `message_id_of`. Marked as made by a machine
    (RFC 3834), so that out-of-office replies stay away. Raises BadMailAddress for either address.
    """
    email = EmailMessage(policy=POLICY)
    name, sender_address = parseaddr(sender)
    email["From"] = _address(sender_address, name)
    email["To"] = _address(address)
    email["Subject"] = one_line(message.subject)
    email["Date"] = format_datetime(now)
    email["Message-ID"] = message_id
    email["Auto-Submitted"] = "auto-generated"
    email.set_content(message.text)
    email.add_alternative(message.html, subtype="html")
    return email


def ascii_domain(address: str) -> str:
    """The address with its host in ASCII (`ä@bücher.example` → `ä@xn--bcher-kva.example`). Raises BadMailAddress.

    What it returns it takes again unchanged. A local part outside ASCII stays: only servers that offer SMTPUTF8 take it
    (RFC 6531).
    """
    local, at, host = address.strip().rpartition("@")
    if not at or not local or _UNFIT.search(local):
        raise BadMailAddress("no mail address")
    return f"{local}@{_ascii_host(host)}"


def _ascii_host(host: str) -> str:
    """Some single characters become several, and among them dots (… is three): only the outcome shows what a host is."""
    try:
        name = host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise BadMailAddress("no mail address") from error
    if not _HOST.fullmatch(name):
        raise BadMailAddress("no mail address")
    return name


def _address(address: str, name: str = "") -> Address:
    local, _at, host = ascii_domain(address).rpartition("@")
    return Address(one_line(name), local, host)


def message_id_of(key: str, base_url: str) -> str:
    """A Message-ID: `key` (letters and digits) at the host of BASE_URL; the same for every try to send one mail."""
    return f"<{key}@{mail_host(base_url)}>"


def mail_host(base_url: str) -> str:
    """The host of BASE_URL as mail writes it: a name in ASCII, an address in brackets (RFC 5321, section 4.1.3)."""
    host = urlsplit(base_url).hostname or "localhost"
    try:
        number = ip_address(host)
    except ValueError:
        return host.encode("idna").decode("ascii")
    return f"[IPv6:{number}]" if number.version == 6 else f"[{number}]"
