"""What members are still to be told: written down with what it is about, and mailed by the next round, all in one.

Adding, lending and returning send no mail by themselves: they only write a notice.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from bibliothek.lending.models import Notice


def tell(db: Session, member_id: int, kind: str, day: date | None, now: datetime) -> None:
    """Write down that a member is to be told something; `kind` is one of `models.NOTICES`."""
    db.execute(insert(Notice).values(member_id=member_id, kind=kind, day=day, created_at=now))


def untell(db: Session, member_id: int, kind: str, day: date | None) -> bool:
    """Take one such notice back; False when it was told already."""
    same = (Notice.member_id == member_id) & (Notice.kind == kind) & (Notice.day == day)
    found = db.scalars(select(Notice.id).where(same).order_by(Notice.id.desc()).limit(1)).first()
    if found is not None:
        db.execute(delete(Notice).where(Notice.id == found))
    return found is not None
