"""Late members for the tests of reminders."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bibliothek.copies.models import Copy
from bibliothek.lending import actions as lending
from bibliothek.lending.actions import OpenLoan
from bibliothek.lending.queries import loans_of
from bibliothek.mail import outbox
from bibliothek.mail.models import Mail
from bibliothek.mail.outbox import Delivered
from bibliothek.members.models import Member
from bibliothek.reminders import actions
from bibliothek.reminders.models import Reminder
from bibliothek.web.templates import Templates
from tests import make
from tests.conftest import Library

TEMPLATES = Templates()


def with_mail(library: Library, url: str | None) -> Library:
    settings = replace(
        library.settings, smtp_url=url, mail_from="bibliothek@example.org", base_url="https://bibliothek.example.org"
    )
    return replace(library, settings=settings)


def late(db: Session, to: Member | None = None, days: int = 3, title: str | None = None) -> OpenLoan:
    """A loan that is `days` late on make.TODAY (0: due today)."""
    return make.loan(db, make.copy(db, title=title), to, today=make.TODAY - timedelta(days=28 + days))


def late_member(library: Library, loans: int = 1, email: str | None = "", name: str | None = None) -> int:
    """Somebody with so many late loans; returns the member's id."""
    with library.database.writing() as db:
        member = make.member(db, name=name, email=email)
        for _number in range(loans):
            late(db, member)
        return member.id


def remind(library: Library, again: bool = False, member_ids: list[int] | None = None) -> actions.Reminded:
    with library.database.writing() as db:
        return remind_in(db, library, again, member_ids)


def remind_in(
    db: Session, library: Library, again: bool = False, member_ids: list[int] | None = None
) -> actions.Reminded:
    return actions.remind(db, make.TODAY, library.clock(), TEMPLATES, library.settings, member_ids, again)


def deliver(library: Library) -> Delivered:
    hooks = actions.hooks(TEMPLATES, library.settings)
    return outbox.deliver(library.database, library.settings, library.clock, hooks)


def bring_back(library: Library, member_id: int, books: int) -> None:
    """The member brings so many of their books."""
    with library.database.writing() as db:
        for loan in loans_of(db, member_id)[:books]:
            lending.give_back(db, db.get_one(Copy, loan.copy_id), library.clock(), make.TODAY)


def mails(library: Library) -> list[Mail]:
    with library.database.reading() as db:
        return list(db.scalars(select(Mail).order_by(Mail.id)))


def reminders(library: Library) -> list[Reminder]:
    with library.database.reading() as db:
        return list(db.scalars(select(Reminder).order_by(Reminder.id)))
