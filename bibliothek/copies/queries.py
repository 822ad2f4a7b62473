"""What can be asked about copies and shelves."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import ColumnElement, bindparam, func, select
from sqlalchemy.orm import Session, contains_eager, joinedload

from bibliothek import codes
from bibliothek.catalogue.models import Title
from bibliothek.catalogue.rules import one_line
from bibliothek.copies.models import Copy, CopyEvent, Shelf
from bibliothek.db import LARGEST_ID
from bibliothek.i18n import _
from bibliothek.lookup.scan import read_scan
from bibliothek.members.rules import sort_name
from bibliothek.problems import Invalid, NotFound

# Among all shelves, the copies of one are counted up to here.
MOST_COUNTED = 2000


class UnknownCopy(NotFound):
    """A well-formed code that no copy has."""

    code = "unknown-copy"

    def __init__(self, text: str) -> None:
        super().__init__(
            _something_else(text) or _("Ein Exemplar mit dem Code {code} gibt es hier nicht.", code=_short(text))
        )


class UnknownShelf(NotFound):
    """No shelf has this code or name."""

    code = "unknown-shelf"

    def __init__(self, text: str) -> None:
        super().__init__(_card_instead(text) or _("Ein Regal „{text}“ gibt es hier nicht.", text=_short(text)))


def _card_instead(text: str) -> str | None:
    """What to say to a member card, whose code is a secret and never repeated; None to anything else."""
    return _("Das ist eine Mitgliedskarte.") if codes.read(text).kind == "card" else None


def _something_else(text: str) -> str | None:
    """What to say to what is no code of a copy but can be told; None to all the rest."""
    if not one_line(text):
        return _("Das ist kein Code von einem Etikett.")
    match read_scan(text).kind:
        case "shelf":
            return _("Das ist der Code eines Regals. Nimm das Etikett auf der Rückseite des Buchs.")
        case "isbn":
            return _(
                "Das ist eine ISBN, und die haben alle Exemplare gemeinsam. Nimm das Etikett auf der Rückseite des Buchs."
            )
    return _card_instead(text)


def _short(text: str) -> str:
    return one_line(text)[:40]


class MisreadCode(Invalid):
    """The check symbol says that the code was read or typed wrongly."""

    code = "misread-code"

    def __init__(self) -> None:
        super().__init__(_("Der Code wurde falsch gelesen. Scanne noch einmal oder tippe ihn vom Etikett ab."))


def copy_code(text: str) -> str:
    """The canonical copy code in `text`. Raises MisreadCode, UnknownCopy."""
    scanned = codes.read(text)
    if scanned.kind == "copy":
        return scanned.value
    if scanned.kind == "misread":
        raise MisreadCode
    raise UnknownCopy(text)


class CopyRef(msgspec.Struct, frozen=True):
    """Just enough of a copy to lend it: where thousands are lent in a minute, an entity with its title costs too much."""

    id: int
    code: str
    title_id: int


_REF = select(Copy.id, Copy.code, Copy.title_id).where(Copy.code == bindparam("code"))


def copy_ref(db: Session, text: str) -> CopyRef:
    """The copy with this code. Raises MisreadCode, UnknownCopy."""
    code = copy_code(text)
    row = db.connection().execute(_REF, {"code": code}).first()
    if row is None:
        raise UnknownCopy(code)
    return CopyRef(row.id, row.code, row.title_id)


def copies_of(db: Session, title_id: int) -> Sequence[Copy]:
    """The copies of a title in the order they came, with their shelves; withdrawn ones are left out."""
    return db.scalars(
        select(Copy)
        .where(Copy.title_id == title_id, Copy.state != "withdrawn")
        .options(joinedload(Copy.shelf))
        .order_by(Copy.id)
    ).all()


def withdrawn_of(db: Session, title_id: int) -> Sequence[Copy]:
    """The copies of a title that are not the library's any more, the last one first."""
    query = select(Copy).where(Copy.title_id == title_id, Copy.state == "withdrawn")
    return db.scalars(query.order_by(Copy.withdrawn_at.desc().nulls_last(), Copy.id.desc())).all()


def copy_by(db: Session, text: str) -> Copy:
    """The copy with this code, with title and shelf. Raises MisreadCode, UnknownCopy."""
    return copies_by_code(db, [text])[0]


def copy_for_change(db: Session, text: str) -> Copy:
    """The same, locked until the transaction ends: nobody lends it meanwhile."""
    found = copy_by(db, text)
    lock_copies(db, Copy.id == found.id)
    db.refresh(
        found, ["state", "shelf_id", "labelled_at", "condition", "withdrawn_at", "withdrawn_reason", "is_reference"]
    )
    return found


def photos(db: Session) -> set[str]:
    """The digests of all photos in the history of copies."""
    return set(db.scalars(select(CopyEvent.photo).where(CopyEvent.photo.is_not(None)).distinct()))


def has_photo(db: Session, text: str, digest: str) -> bool:
    """Whether a photo belongs to the history of the copy with this code."""
    its = select(CopyEvent.id).join(Copy).where(Copy.code == copy_code(text), CopyEvent.photo == digest)
    return db.scalar(its.limit(1)) is not None


def shelves(db: Session) -> Sequence[Shelf]:
    """All shelves by name. Sorted here, because the databases have orders of their own."""
    return sorted(db.scalars(select(Shelf)), key=lambda shelf: shelf.sort_name)


def counts_by_shelf(db: Session) -> dict[int, int]:
    """How many copies belong on each shelf, counted up to MOST_COUNTED + 1; empty shelves are left out."""
    # Of columns that the index has: of copies, PostgreSQL would have to read each.
    some = select(Copy.title_id).where(Copy.shelf_id == Shelf.id, Copy.state != "withdrawn").correlate(Shelf)
    count = select(func.count()).select_from(some.limit(MOST_COUNTED + 1).subquery()).scalar_subquery()
    return {shelf_id: copies for shelf_id, copies in db.execute(select(Shelf.id, count)) if copies}


def copies_on(db: Session, shelf_id: int, offset: int = 0, limit: int = 50) -> Sequence[Copy]:
    """The copies that belong on a shelf, in the order of their titles."""
    return db.scalars(
        select(Copy)
        .join(Copy.title)
        .where(Copy.shelf_id == shelf_id, Copy.state != "withdrawn")
        .options(contains_eager(Copy.title))
        .order_by(Title.sort_title, Copy.id)
        .offset(offset)
        .limit(limit)
    ).all()


def count_copies_on(db: Session, shelf_id: int) -> int:
    return db.scalar(select(func.count(Copy.id)).where(Copy.shelf_id == shelf_id, Copy.state != "withdrawn")) or 0


class TitleOn(msgspec.Struct, frozen=True):
    """A title with how many `copies` of it belong on a shelf."""

    id: int
    title: str
    year: int | None
    copies: int


def titles_on(db: Session, shelf_id: int, limit: int) -> list[TitleOn]:
    """The first titles on a shelf, by title."""
    # Counted out of the index of a shelf's copies; only then the titles are read.
    on_it = (
        select(Copy.title_id, func.count().label("copies"))
        .where(Copy.shelf_id == shelf_id, Copy.state != "withdrawn")
        .group_by(Copy.title_id)
        .subquery()
    )
    query = select(Title.id, Title.title, Title.year, on_it.c.copies).join(on_it, on_it.c.title_id == Title.id)
    return [TitleOn(*row) for row in db.execute(query.order_by(Title.sort_title, Title.id).limit(limit))]


def count_titles_on(db: Session, shelf_id: int) -> int:
    on_it = select(func.count(Copy.title_id.distinct())).where(Copy.shelf_id == shelf_id, Copy.state != "withdrawn")
    return db.scalar(on_it) or 0


def shelf(db: Session, shelf_id: int) -> Shelf:
    """Raises UnknownShelf."""
    found = db.get(Shelf, shelf_id) if 0 < shelf_id <= LARGEST_ID else None
    if found is None:
        raise UnknownShelf(str(shelf_id))
    return found


def shelf_by(db: Session, text: str) -> Shelf:
    """The shelf with this code or name. Raises MisreadCode, UnknownShelf."""
    scanned = codes.read(text)
    by = Shelf.code == scanned.value if scanned.kind == "shelf" else Shelf.sort_name == sort_name(one_line(text))
    shelf = db.scalars(select(Shelf).where(by)).first()
    if shelf is None and scanned.kind == "misread" and scanned.value.startswith(codes.Kind.SHELF):
        raise MisreadCode
    if shelf is None:
        raise UnknownShelf(text)
    return shelf


def copies_by_code(db: Session, texts: Sequence[str]) -> list[Copy]:
    """The copies with these codes, in this order and each once, with title and shelf. Raises MisreadCode, UnknownCopy."""
    wanted = list(dict.fromkeys(copy_code(text) for text in texts))
    query = select(Copy).where(Copy.code.in_(wanted)).options(joinedload(Copy.title), joinedload(Copy.shelf))
    found = {copy.code: copy for copy in db.scalars(query)}
    for code in wanted:
        if code not in found:
            raise UnknownCopy(code)
    return [found[code] for code in wanted]


def lock_copies(db: Session, which: ColumnElement[bool]) -> None:
    """Lock the copies for which the SQL `which` holds, in order of their number.

    To be called before a transaction changes several: two that lock the same ones in different order wait for each other.
    """
    db.execute(select(Copy.id).where(which).order_by(Copy.id).with_for_update(key_share=True))


def last_labelled(db: Session) -> Sequence[Copy]:
    """The copies whose labels were printed together last, in the order they came."""
    last = select(func.max(Copy.labelled_at)).scalar_subquery()
    return db.scalars(
        select(Copy).where(Copy.labelled_at == last).options(joinedload(Copy.title)).order_by(Copy.id)
    ).all()


def count_unlabelled(db: Session) -> int:
    return db.scalar(select(func.count(Copy.id)).where(Copy.labelled_at.is_(None), Copy.state != "withdrawn")) or 0


def unlabelled(db: Session, limit: int = 500) -> Sequence[Copy]:
    """Copies without a label, the longest waiting first, with title and shelf."""
    return db.scalars(
        select(Copy)
        .where(Copy.labelled_at.is_(None), Copy.state != "withdrawn")
        .options(joinedload(Copy.title), joinedload(Copy.shelf))
        .order_by(Copy.id)
        .limit(limit)
    ).all()
