"""Sign-in mails as they wait in the outbox: nothing is sent in these tests."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple

from sqlalchemy import select

from bibliothek.mail.models import Mail
from tests.conftest import Library


class Mailed(NamedTuple):
    """What one sign-in mail says: the path of its link, and the six digits."""

    path: str
    code: str


def with_mail(library: Library) -> Library:
    """The same library with a mail server that nobody listens on."""
    settings = replace(library.settings, smtp_url="smtp+plain://127.0.0.1:9", mail_from="bibliothek@example.org")
    return replace(library, settings=settings)


def all_mails(library: Library) -> list[Mail]:
    with library.database.reading() as db:
        return list(db.scalars(select(Mail).order_by(Mail.id)))


def last_mail(library: Library) -> Mailed:
    text = all_mails(library)[-1].text or ""
    path = re.search(r"http://localhost:8000(/anmelden/\S+)", text)
    digits = re.search(r"(\d{3}) (\d{3})", text)
    assert path
    assert digits
    return Mailed(path[1], digits[1] + digits[2])


def once_of(html: str) -> str:
    """The hidden field by which a form knows its second press."""
    found = re.search(r'name="once" value="([^"]+)"', html)
    assert found
    return found[1]
