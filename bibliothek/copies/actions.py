"""What can be done with physical books and shelves."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from bibliothek import codes
from bibliothek.copies.models import Copy, PaperCode, Shelf
from bibliothek.i18n import _
from bibliothek.problems import Invalid, Problem


class ShelfExists(Problem):
    """There is a shelf of this name."""

    code = "shelf-exists"

    def __init__(self, name: str) -> None:
        super().__init__(_("Ein Regal „{name}“ gibt es schon.", name=name))


def issue_code(db: Session, kind: codes.Kind, now: datetime) -> str:
    """A code that was never given out before. It is taken for ever, also when nothing is printed in the end."""
    while True:
        code = codes.new_code(kind)
        if not db.scalar(select(exists().where(PaperCode.code == code))):
            db.add(PaperCode(code=code, issued_at=now))
            db.flush()
            return code


def add_copy(db: Session, title_id: int, shelf_id: int | None, now: datetime) -> Copy:
    """A new copy of a title, in `intake` until its label is printed or it is first lent."""
    copy = Copy(
        code=issue_code(db, codes.Kind.COPY, now), title_id=title_id, shelf_id=shelf_id, state="intake", created_at=now
    )
    db.add(copy)
    db.flush()
    return copy


def add_shelf(db: Session, name: str, now: datetime) -> Shelf:
    """A new shelf with a code of its own. Raises ShelfExists, Invalid for an empty name."""
    name = " ".join(name.split())
    if not name:
        raise Invalid(_("Bitte gib dem Regal einen Namen."))
    if db.scalar(select(exists().where(Shelf.name == name))):
        raise ShelfExists(name)
    shelf = Shelf(code=issue_code(db, codes.Kind.SHELF, now), name=name)
    db.add(shelf)
    db.flush()
    return shelf


def mark_labelled(copy: Copy, now: datetime) -> None:
    """Its label was printed, perhaps once more: it leaves the queue, and a copy in intake becomes active."""
    copy.labelled_at = now
    if copy.state == "intake":
        copy.state = "active"
