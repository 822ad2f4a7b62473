"""What the library is called and how it lends."""

from __future__ import annotations

from sqlalchemy.orm import Session

from bibliothek.library.models import Library


def library(db: Session) -> Library:
    """The one row of settings."""
    return db.get_one(Library, 1)


def library_for_change(db: Session) -> Library:
    """The row, locked until the transaction ends.

    Whoever decides about admins or counts sign-ins locks it, too: it is the one row that everybody knows, so that of two who
    want to be the first admin, or the last one to leave, one waits.
    """
    return db.get_one(Library, 1, with_for_update=True, populate_existing=True)
