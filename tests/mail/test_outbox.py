"""What waits is sent once, by whoever claims it, and its text is erased at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select

from bibliothek.mail import outbox
from bibliothek.mail.message import Message
from bibliothek.mail.models import Mail
from tests.conftest import Library
from tests.mail.server import Postbox

HELLO = Message("Grüße", "Hallo\n", "<p>Hallo</p>")


def with_mail(library: Library, url: str | None) -> Library:
    return replace(library, settings=replace(library.settings, smtp_url=url, mail_from="bibliothek@example.org"))


def put(library: Library, *addresses: str, kind: str = "greeting", lasts: timedelta = outbox.LONGEST_WAIT) -> list[int]:
    with library.database.writing() as db:
        return [
            outbox.queue(
                db, kind=kind, member_id=None, address=address, message=HELLO, now=library.clock(), lasts=lasts
            ).id
            for address in addresses
        ]


def deliver(library: Library, wanted: Mapping[str, outbox.Wanted] | None = None) -> outbox.Delivered:
    return outbox.deliver(library.database, library.settings, library.clock, wanted or {})


def mails(library: Library) -> list[Mail]:
    with library.database.reading() as db:
        return list(db.scalars(select(Mail).order_by(Mail.id)))


def states(library: Library) -> list[str]:
    return [mail.state for mail in mails(library)]


def test_what_waits_is_sent_and_its_text_erased(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    put(library, "mitglied@example.org")
    assert deliver(library) == outbox.Delivered(sent=1)
    assert box.addresses == ["mitglied@example.org"]
    assert box.received[0]["subject"] == "Grüße"
    (mail,) = mails(library)
    assert (mail.state, mail.ended_at) == ("sent", library.clock())
    assert (mail.address, mail.subject, mail.text, mail.html, mail.member_id) == (None,) * 5
    assert deliver(library) == outbox.Delivered()
    assert len(box.received) == 1
