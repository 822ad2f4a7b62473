"""What a server does about time that has passed: forget what is over, and judge what follows from the date.

A restored library does it before anybody sees it: what was to be forgotten since the backup must not come back with it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

from sqlalchemy.orm import Session

from bibliothek.donations import piles
from bibliothek.kiosk import actions as kiosk
from bibliothek.kiosk import guests, pairing
from bibliothek.lending import actions as lending
from bibliothek.lending import closures, flags, holds, notices
from bibliothek.members import actions as members
from bibliothek.members import sign_in
from bibliothek.settings import Settings

# What is done in a transaction of its own, at a moment.
Action = Callable[[Session, datetime], object]


def forgetting(settings: Settings) -> tuple[Action, ...]:
    return (
        _with_date(kiosk.forget_sessions, settings),
        pairing.forget,
        guests.forget,
        lending.forget_returned,
        notices.forget,
        flags.forget,
        sign_in.forget,
        members.forget_sessions,
        members.blur_sessions,
        piles.forget,
    )


def judging(settings: Settings) -> tuple[Action, ...]:
    return (
        _with_date(holds.expire, settings),
        _with_date(holds.serve_waiting, settings),
        _with_date(closures.settle_dates, settings),
    )


def catch_up(db: Session, settings: Settings, now: datetime) -> None:
    """All of it, in the transaction of `db`."""
    for action in (*forgetting(settings), *judging(settings)):
        action(db, now)


def _with_date(do: Callable[[Session, datetime, date], object], settings: Settings) -> Action:
    """`do` for the round, which knows the moment but not the library's local date."""
    return lambda db, now: do(db, now, now.astimezone(settings.timezone).date())
