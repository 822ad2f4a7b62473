"""When the library is open, and what happens to dates that are set already when it closes.

A due date is always an opening day: it is moved forward when it is set, and by `settle_dates` when the calendar changes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime

from sqlalchemy import delete, insert, literal, select, update
from sqlalchemy.orm import Session

from bibliothek.copies.models import Copy
from bibliothek.copies.queries import lock_copies
from bibliothek.lending import notices
from bibliothek.lending.holds import queue_of
from bibliothek.lending.models import Borrower, Hold, Loan, Renewal, SpecialDay
from bibliothek.lending.terms import changed, terms
from bibliothek.library.queries import library_for_change


def set_days(db: Session, days: Collection[date], is_open: bool | None, reason: str, now: datetime, today: date) -> int:
    """Close (or open) the library on these days, whatever their weekday; None: as the weekday has it.

    What was due, or kept, on a day that is closed now is so until the next opening day; whom it concerns is told. Returns how
    many members that are.
    """
    library_for_change(db)
    db.execute(delete(SpecialDay).where(SpecialDay.day.in_(days)))
    if is_open is not None and days:
        db.execute(insert(SpecialDay), [{"day": day, "is_open": is_open, "reason": reason} for day in sorted(days)])
    changed(db)
    return settle_dates(db, now, today)


def set_weekdays(db: Session, weekdays: int, now: datetime, today: date) -> int:
    """The weekdays on which the library is open, as `opening.weekdays` gives them. Returns as `set_days`."""
    library_for_change(db).open_weekdays = weekdays
    changed(db)
    return settle_dates(db, now, today)


def special_days(db: Session, since: date) -> Sequence[SpecialDay]:
    """The days from `since` on that are special, in their order."""
    return db.scalars(select(SpecialDay).where(SpecialDay.day >= since).order_by(SpecialDay.day)).all()


def settle_dates(db: Session, now: datetime, today: date) -> int:
    """Move every due date and hold of `today` or later that is no opening day to the next one. Returns how many members were
    told. Nothing to do is the usual case, and quick."""
    calendar = terms(db).calendar
    told: set[tuple[int, date]] = set()
    coming = Loan.returned_at.is_(None) & (Loan.due_on >= today)
    due = db.scalars(select(Loan.due_on).where(coming).distinct().order_by(Loan.due_on)).all()
    closed_days = [day for day in due if not calendar.is_open(day)]
    if closed_days:
        # Whoever renews one of them just now holds its copy: the dates of after that count.
        lock_copies(db, Copy.id.in_(select(Loan.copy_id).where(coming, Loan.due_on.in_(closed_days))))
    for day in closed_days:
        told |= _move_loans(db, day, calendar.open_from(day), now)
    kept = select(Hold.title_id, Hold.ready_until).where(Hold.ended_at.is_(None), Hold.ready_until >= today)
    closed = [row for row in db.execute(kept) if not calendar.is_open(row.ready_until)]
    for title_id in sorted({row.title_id for row in closed}):
        queue_of(db, title_id)  # in the order in which everybody locks them
    for until in {row.ready_until for row in closed}:
        told |= _move_holds(db, until, calendar.open_from(until))
    for member_id, day in sorted(told):
        notices.tell(db, member_id, "due_moved", day, now)
    return len({member_id for member_id, _day in told})


def _move_loans(db: Session, day: date, to: date, now: datetime) -> set[tuple[int, date]]:
    on_that_day = (Loan.due_on == day) & Loan.returned_at.is_(None)
    who = db.scalars(select(Borrower.member_id).join(Loan).where(on_that_day).distinct()).all()
    moved = select(Loan.id, literal("closure"), literal(now), Loan.due_on, literal(to)).where(on_that_day)
    db.execute(insert(Renewal).from_select(["loan_id", "kind", "at", "due_before", "due_on"], moved))
    db.execute(update(Loan).where(on_that_day).values(due_on=to))
    return {(member_id, to) for member_id in who}


def _move_holds(db: Session, day: date, to: date) -> set[tuple[int, date]]:
    on_that_day = (Hold.ready_until == day) & Hold.ended_at.is_(None)
    who = db.scalars(select(Hold.member_id).where(on_that_day)).all()
    db.execute(update(Hold).where(on_that_day).values(ready_until=to))
    return {(member_id, to) for member_id in who if member_id is not None}
