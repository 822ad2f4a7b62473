"""Remind: one message a member about everything that is late and was not yet said."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from functools import partial

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from bibliothek.db import Database
from bibliothek.i18n import use_language
from bibliothek.lending.models import Borrower
from bibliothek.library.queries import library, library_for_change
from bibliothek.mail import outbox
from bibliothek.mail.message import Message, Renders, make
from bibliothek.mail.models import Mail
from bibliothek.reminders import rules
from bibliothek.reminders.models import Reminder
from bibliothek.reminders.queries import KIND, LateMember, loans_in, overdue_by_member, recipient_of, to_remind
from bibliothek.settings import Settings

# Members who are reminded in one transaction: about half a second.
AT_ONCE = 200


class Said(msgspec.Struct, frozen=True):
    """One message: to whom, and about how many loans. `mail_id` is None in a dry run."""

    member_id: int
    loans: int
    mail_id: int | None = None


class Reminded(msgspec.Struct, frozen=True):
    """What was put into the outbox, or would be."""

    said: tuple[Said, ...] = ()

    @property
    def messages(self) -> int:
        return len(self.said)

    @property
    def loans(self) -> int:
        return sum(one.loans for one in self.said)

    @property
    def mail_ids(self) -> list[int]:
        return [one.mail_id for one in self.said if one.mail_id is not None]


def would_remind(db: Session, today: date, member_ids: Sequence[int] | None = None) -> Reminded:
    """What `remind` would say; changes nothing."""
    late = overdue_by_member(db, today, member_ids)
    return Reminded(tuple(Said(member.id, len(member.open_ids)) for member in late if member.open_ids))


def remind(
    db: Session,
    today: date,
    now: datetime,
    templates: Renders,
    settings: Settings,
    member_ids: Sequence[int] | None = None,
    again: bool = False,
) -> Reminded:
    """Queue one message to everybody (or to `member_ids`) with loans overdue on `today` that were not reminded yet, inside the
    caller's one transaction.

    `again` tries those once more that the mail server refused for good. Nobody without an address gets one. Deliver
    `mail_ids` once the transaction is over; a second call finds nothing left to say.
    """
    library_name = library_for_change(db).name
    said = []
    for member in overdue_by_member(db, today, member_ids):
        loan_ids = _still_out(db, member.loan_ids(again))
        if loan_ids:
            said.append(
                _say(db, member, loan_ids, now, message(templates, settings, library_name, member.name, len(loan_ids)))
            )
    return Reminded(tuple(said))


def remind_everybody(
    database: Database, today: date, now: datetime, templates: Renders, settings: Settings
) -> Reminded:
    """`remind` for all, some members to a transaction: of thousands, one would keep everybody from lending for a minute."""
    with database.reading() as db:
        member_ids = to_remind(db, today)
    said: list[Said] = []
    for some in in_parts(member_ids):
        with database.writing() as db:
            said += remind(db, today, now, templates, settings, some).said
    return Reminded(tuple(said))


def in_parts(member_ids: Sequence[int]) -> list[Sequence[int]]:
    """So many members as are reminded in one transaction, and so on."""
    return [member_ids[first : first + AT_ONCE] for first in range(0, len(member_ids), AT_ONCE)]


def _still_out(db: Session, loan_ids: Collection[int]) -> list[int]:
    """Those not given back in this very moment: their rows are locked, so that a return waits for us or we see it."""
    if not loan_ids:
        return []
    query = (
        select(Borrower.loan_id)
        .where(Borrower.loan_id.in_(loan_ids), Borrower.forget_at.is_(None))
        .order_by(Borrower.loan_id)
    )
    return list(db.scalars(query.with_for_update()))


def _say(db: Session, member: LateMember, loan_ids: list[int], now: datetime, message: Message) -> Said:
    assert member.email is not None
    mail = outbox.queue(db, kind=KIND, member_id=member.id, address=member.email, message=message, now=now)
    at_stage = Reminder.loan_id.in_(loan_ids), Reminder.stage == rules.OVERDUE
    before = set(db.scalars(select(Reminder.loan_id).where(*at_stage)))
    # What never left, or was refused, keeps its row: the database allows one a loan and stage.
    db.execute(update(Reminder).where(*at_stage).values(mail_id=mail.id, created_at=now))
    new = [loan_id for loan_id in loan_ids if loan_id not in before]
    if new:
        rows = [{"loan_id": id_, "stage": rules.OVERDUE, "mail_id": mail.id, "created_at": now} for id_ in new]
        db.execute(insert(Reminder), rows)
    return Said(member.id, len(loan_ids), mail.id)


def message(templates: Renders, settings: Settings, library_name: str, name: str, loans: int) -> Message:
    """The reminder as a member gets it, in the library's language: how many books, and a link to which ones."""
    with use_language(settings.language):
        context = {"library_name": library_name, "name": name, "loans": loans, "account": f"{settings.base_url}/konto"}
        return make(templates, "reminder", context)


def hooks(templates: Renders, settings: Settings) -> Mapping[str, outbox.Wanted]:
    """What the outbox asks before a reminder leaves."""
    return {KIND: partial(_still_wanted, templates, settings)}


def _still_wanted(templates: Renders, settings: Settings, db: Session, mail: Mail) -> Message | None:
    """The message about what is still out, to the address the member has now; None when there is nothing left to say."""
    loans, member = len(loans_in(db, mail.id)), recipient_of(db, mail.id)
    if not loans or member is None:
        return None
    address = member.email or (member.guest_contact if "@" in (member.guest_contact or "") else None)
    if address is None:
        # Not reminded after all: the desk lists these loans as before.
        db.execute(delete(Reminder).where(Reminder.mail_id == mail.id))
        return None
    mail.address = address
    return message(templates, settings, library(db).name, member.name, loans)
