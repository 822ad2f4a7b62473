"""What happened to a copy, for librarians: who read it is not in there."""

from __future__ import annotations

from datetime import date, datetime

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from bibliothek.copies.models import CopyEvent
from bibliothek.lending.models import Loan

LENT = "lent"


class Entry(msgspec.Struct, frozen=True):
    """One line: `kind` is one of `copies.models.EVENTS`, or LENT for a loan, then with the instant `until` of its end.

    `by` is the librarian who said so, None for what a scan brought to light or a member reported.
    """

    at: datetime
    kind: str
    until: datetime | None = None
    due_on: date | None = None
    by: str | None = None
    note: str | None = None
    photo: str | None = None


def history(db: Session, copy_id: int, limit: int = 50) -> list[Entry]:
    """The last things that happened, the newest first. Loans that were undone at once are none."""
    events = select(CopyEvent).where(CopyEvent.copy_id == copy_id).options(joinedload(CopyEvent.by))
    loans = select(Loan.lent_at, Loan.returned_at, Loan.due_on).where(
        Loan.copy_id == copy_id, Loan.ended_as.is_distinct_from("undone")
    )
    entries = [
        *(
            Entry(event.at, event.kind, by=event.by.name if event.by else None, note=event.note, photo=event.photo)
            for event in db.scalars(events.order_by(CopyEvent.id.desc()).limit(limit))
        ),
        *(
            Entry(loan.lent_at, LENT, until=loan.returned_at, due_on=loan.due_on)
            for loan in db.execute(loans.order_by(Loan.id.desc()).limit(limit))
        ),
    ]
    return sorted(entries, key=lambda entry: entry.at, reverse=True)[:limit]
