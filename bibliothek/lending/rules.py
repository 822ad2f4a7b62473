"""When a loan is due, and when it is late. Pure: dates in, dates out."""

from __future__ import annotations

from datetime import date, timedelta


def due_on(today: date, loan_days: int) -> date:
    """The local date on which a loan that begins `today` is due; it may be kept all of that day."""
    return today + timedelta(days=loan_days)


def is_overdue(due: date, today: date) -> bool:
    """Overdue from 00:00 local time of the day after `due`."""
    return today > due


def days_late(due: date, today: date) -> int:
    """Whole days since `due`, 0 while it is not overdue."""
    return max(0, (today - due).days)
