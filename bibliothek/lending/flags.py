"""What a librarian is to look at: recorded first, sorted out later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, exists, func, insert, select, update
from sqlalchemy.orm import Session, joinedload

from bibliothek.copies.models import Copy
from bibliothek.db import LARGEST_ID
from bibliothek.i18n import _
from bibliothek.lending.models import Flag, Loan
from bibliothek.problems import NotFound

# Settled ones are shown for a while, for whoever wonders what became of them.
KEPT = timedelta(days=90)


class NoSuchFlag(NotFound):
    """There is nothing to settle under this number."""

    code = "unknown-flag"

    def __init__(self) -> None:
        super().__init__(_("Das ist schon erledigt."))


def put_up(db: Session, kind: str, copy_id: int, now: datetime, note: str | None = None) -> None:
    """Put something up for the librarians to look at; `kind` is one of `models.FLAGS`. The same one twice is one."""
    same = select(Flag.id).where(Flag.copy_id == copy_id, Flag.kind == kind, Flag.settled_at.is_(None))
    if note is None and db.execute(same).first():
        return
    db.execute(insert(Flag).values(kind=kind, copy_id=copy_id, raised_at=now, note=note))


def take_down(db: Session, copy_id: int, raised_at: datetime) -> None:
    """What was put up by something that is undone now."""
    db.execute(delete(Flag).where(Flag.copy_id == copy_id, Flag.raised_at == raised_at, Flag.settled_at.is_(None)))


def settle(db: Session, flag_id: int, by_id: int, now: datetime) -> None:
    """Done. Raises NoSuchFlag when it was settled before."""
    open_one = (Flag.id == flag_id) & Flag.settled_at.is_(None)
    values = {"settled_at": now, "settled_by_id": by_id}
    found = db.execute(update(Flag).where(open_one).values(values)) if 0 < flag_id <= LARGEST_ID else None
    if not found or not found.rowcount:  # type: ignore[attr-defined]
        raise NoSuchFlag


def open_flags(db: Session, limit: int = 200) -> Sequence[Flag]:
    """What is to be settled, the oldest first, with copy and title."""
    query = select(Flag).where(Flag.settled_at.is_(None)).options(joinedload(Flag.copy).joinedload(Copy.title))
    return db.scalars(query.order_by(Flag.raised_at, Flag.id).limit(limit)).all()


def settled(db: Session, limit: int) -> Sequence[Flag]:
    """What was settled last, with copy, title and the librarian who did it."""
    query = select(Flag).where(Flag.settled_at.is_not(None))
    query = query.options(joinedload(Flag.copy).joinedload(Copy.title), joinedload(Flag.settled_by))
    return db.scalars(query.order_by(Flag.settled_at.desc(), Flag.id.desc()).limit(limit)).all()


def count_open(db: Session) -> int:
    return db.scalar(select(func.count(Flag.id)).where(Flag.settled_at.is_(None))) or 0


def forget(db: Session, now: datetime) -> None:
    """Delete what was settled long ago. That a book was not to be found is settled when its loan has ended."""
    the_same = exists().where(Loan.copy_id == Flag.copy_id, Loan.lent_at <= Flag.raised_at, Loan.returned_at.is_(None))
    over = (Flag.kind == "lost") & Flag.settled_at.is_(None) & ~the_same
    db.execute(update(Flag).where(over).values(settled_at=now).execution_options(synchronize_session=False))
    db.execute(delete(Flag).where(Flag.settled_at < now - KEPT))
