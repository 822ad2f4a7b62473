"""What the library is called and how it lends."""

from __future__ import annotations

from sqlalchemy.orm import Session

from bibliothek.library.models import Library


def library(db: Session) -> Library:
    """The one row of settings."""
    return db.get_one(Library, 1)
