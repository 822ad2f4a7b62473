"""What can be done with physical books and shelves."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import exists, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bibliothek import codes
from bibliothek.catalogue.queries import title_that_stays
from bibliothek.catalogue.rules import one_line
from bibliothek.copies.models import Copy, CopyEvent, PaperCode, Shelf
from bibliothek.copies.rules import may_happen
from bibliothek.db import is_unique_violation
from bibliothek.i18n import _, format_date
from bibliothek.members.rules import sort_name
from bibliothek.problems import Invalid, Problem

LONGEST_SHELF_NAME = 60


class ShelfExists(Problem):
    """There is a shelf of this name."""

    code = "shelf-exists"

    def __init__(self, name: str) -> None:
        super().__init__(_("Ein Regal „{name}“ gibt es schon.", name=name))
        self.errors = {"name": self.sentence}


class BadShelfName(Invalid):
    """No name, or one that fits on no label."""

    code = "bad-shelf-name"

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.errors = {"name": self.sentence}


def issue_code(db: Session, kind: codes.Kind, now: datetime) -> str:
    """A code that was never given out before. It is taken for ever, also when nothing is printed in the end."""
    while True:
        code = codes.new_code(kind)
        if not db.scalar(select(exists().where(PaperCode.code == code))):
            db.add(PaperCode(code=code, issued_at=now))
            db.flush()
            return code


def add_copy(db: Session, title_id: int, shelf_id: int | None, now: datetime) -> Copy:
    """A new copy of a title, in `intake` until its label is printed or it is first lent.

    A title that became part of another one meanwhile gets it there: whoever has the book in hand is not to blame. Raises
    NoSuchTitle.
    """
    copy = Copy(
        code=issue_code(db, codes.Kind.COPY, now),
        title_id=title_that_stays(db, title_id),
        shelf_id=shelf_id,
        state="intake",
        created_at=now,
    )
    db.add(copy)
    db.flush()
    return copy


def add_shelf(db: Session, name: str, now: datetime) -> Shelf:
    """A new shelf with a code of its own. Raises ShelfExists, BadShelfName."""
    name = _free_name(db, name)
    shelf = Shelf(code=issue_code(db, codes.Kind.SHELF, now), name=name, sort_name=sort_name(name))
    db.add(shelf)
    _flush(db, name)
    return shelf


def rename_shelf(db: Session, shelf: Shelf, name: str) -> None:
    """Another name for a shelf; its code and label stay right. Raises ShelfExists, BadShelfName."""
    name = _free_name(db, name, but=shelf.id)
    shelf.name, shelf.sort_name = name, sort_name(name)
    _flush(db, name)


def _free_name(db: Session, text: str, but: int | None = None) -> str:
    name = one_line(text)
    if not name:
        raise BadShelfName(_("Bitte gib dem Regal einen Namen."))
    if len(name) > LONGEST_SHELF_NAME:
        raise BadShelfName(_("Der Name ist zu lang: höchstens {n} Zeichen.", n=LONGEST_SHELF_NAME))
    same = select(Shelf.id).where(Shelf.sort_name == sort_name(name))
    if any(shelf_id != but for shelf_id in db.scalars(same)):
        raise ShelfExists(name)
    return name


def _flush(db: Session, name: str) -> None:
    try:
        db.flush()
    except IntegrityError as error:
        if is_unique_violation(error, "uq_shelf_sort_name", "shelf.sort_name"):
            raise ShelfExists(name) from error
        raise


class CopyAtHome(Problem):
    """Somebody has it."""

    code = "copy-on-loan"

    def __init__(self, due_on: date) -> None:
        super().__init__(
            _(
                "Dieses Exemplar ist noch ausgeliehen, bis zum {date}. Nimm es erst zurück, danach lässt es sich aussondern.",
                date=format_date(due_on),
            )
        )


class DoesNotFit(Problem):
    """It was so already, or cannot be: somebody else has said something of the copy meanwhile."""

    code = "does-not-fit"

    def __init__(self) -> None:
        super().__init__(
            _("Das passt nicht mehr: Inzwischen steht es anders um dieses Exemplar. Sieh noch einmal nach.")
        )


def write_down(
    db: Session,
    copy_id: int,
    kind: str,
    now: datetime,
    by_id: int | None,
    note: str | None = None,
    photo: str | None = None,
) -> None:
    """What happened to a copy, for its history; `kind` is one of `models.EVENTS`, `photo` as of `catalogue.covers.keep`."""
    db.execute(insert(CopyEvent).values(copy_id=copy_id, kind=kind, at=now, by_id=by_id, note=note, photo=photo))


def happened(
    db: Session,
    copy: Copy,
    kind: str,
    now: datetime,
    by_id: int,
    note: str | None = None,
    photo: str | None = None,
    is_on_loan: bool = False,
) -> None:
    """A librarian says what is with a copy: `kind` is one of `rules.HAPPENINGS` but "lost", which ends a loan (see lending).

    The caller has locked the copy. Whoever has it set aside is served otherwise by the next round. Raises DoesNotFit.
    """
    if kind == "lost" or kind not in may_happen(copy.state, copy.is_reference, is_on_loan):
        raise DoesNotFit
    match kind:
        case "repair" | "missing":
            copy.state = kind
        case "mended" | "found":
            copy.state = _at_hand(copy)
        case "reference" | "lendable":
            copy.is_reference = kind == "reference"
    if kind in ("damaged", "repair"):
        copy.condition = "damaged"
    elif kind == "mended" and copy.condition == "damaged":
        copy.condition = None
    write_down(db, copy.id, kind, now, by_id, note, photo)


def withdraw(db: Session, copy: Copy, reason: str, now: datetime, due_on: date | None, by_id: int | None) -> None:
    """The copy is not the library's any more; `reason` is of `rules.checked_reason`. Doing so again changes nothing.

    The caller has locked the copy (`queries.copy_for_change`) and then looked up `due_on`, which is the date of its open loan.
    Raises CopyAtHome.
    """
    if due_on:
        raise CopyAtHome(due_on)
    if copy.state != "withdrawn":
        copy.state, copy.withdrawn_at, copy.withdrawn_reason = "withdrawn", now, reason
        write_down(db, copy.id, "withdrawn", now, by_id)


def bring_back(db: Session, copy: Copy, now: datetime, by_id: int | None) -> None:
    """A copy that was withdrawn is there again; without a label it waits for one."""
    if copy.state == "withdrawn":
        copy.state = _at_hand(copy)
        copy.withdrawn_at = copy.withdrawn_reason = None
        write_down(db, copy.id, "brought_back", now, by_id)


def _at_hand(copy: Copy) -> str:
    return "active" if copy.labelled_at else "intake"


def mark_labelled(copy: Copy, now: datetime) -> None:
    """Its label was printed, perhaps once more: it leaves the queue, and a copy in intake becomes active."""
    copy.labelled_at = now
    if copy.state == "intake":
        copy.state = "active"
