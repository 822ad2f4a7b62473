"""Which tablet is asking."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from bibliothek.kiosk.models import Device


_ENROLLED = select(Device.id, Device.name).where(
    Device.token_hash == bindparam("token_hash"), Device.revoked_at.is_(None)
)


def enrolled(db: Session, token_hash: str) -> tuple[int, str] | None:
    """Id and name of the tablet with this cookie, unless it was revoked."""
    row = db.connection().execute(_ENROLLED, {"token_hash": token_hash}).first()
    return (row.id, row.name) if row else None


def devices(db: Session) -> Sequence[Device]:
    """The tablets that may be used now, newest first."""
    return db.scalars(select(Device).where(Device.revoked_at.is_(None)).order_by(Device.id.desc())).all()
