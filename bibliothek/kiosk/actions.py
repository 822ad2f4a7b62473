"""What can be done with tablets."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from bibliothek.kiosk.models import Device
from bibliothek.tokens import hashed, new_token


def enrol(db: Session, name: str, now: datetime) -> str:
    """Make a device a tablet; returns the value of its cookie."""
    token = new_token()
    db.add(Device(name=name, token_hash=hashed(token), enrolled_at=now))
    db.flush()
    return token
