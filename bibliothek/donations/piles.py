"""What can be done with a pile: scan after scan onto it, say what each book is, take them all in.

A pile belongs to whoever scans: a member, or a tablet, never to a person at that tablet. Whatever changes it locks its row
first, so that nothing happens to one pile twice at the same moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Select, delete, exists, select, update
from sqlalchemy.orm import Session

from bibliothek.catalogue import covers
from bibliothek.catalogue.actions import add_title
from bibliothek.catalogue.fields import TitleFields
from bibliothek.catalogue.queries import title, titles_by_isbn
from bibliothek.copies.actions import add_copy
from bibliothek.db import has_many_writers
from bibliothek.donations import drafts
from bibliothek.donations.actions import Donor, donation_from
from bibliothek.donations.looking import of_nobody, soon, unnamed, want_picture, when_to_look
from bibliothek.donations.models import DonatedCopy, Pile, PileBook
from bibliothek.donations.queries import same_title
from bibliothek.i18n import _
from bibliothek.library.queries import library_for_change
from bibliothek.problems import Invalid, NotFound

LONGEST_NUMBER = 100
# How long it is known who scanned what: long enough for a scan that the network held back, and for the page of thanks.
KEPT = timedelta(days=1)


class NoSuchBook(NotFound):
    """Not on this pile, or not any more."""

    code = "not-on-the-pile"

    def __init__(self) -> None:
        super().__init__(_("Dieses Buch liegt nicht mehr auf dem Stapel."))


class NothingToTakeIn(Invalid):
    """No book of the pile is ready."""

    code = "nothing-to-take-in"

    def __init__(self) -> None:
        super().__init__(_("Auf dem Stapel ist gerade kein Buch, das aufgenommen werden kann."))


class NoSuchChoice(Invalid):
    """None of those that the page offered."""

    code = "no-such-choice"

    def __init__(self) -> None:
        super().__init__(_("Bitte wähle eines der gezeigten Bücher."))


class Owner(msgspec.Struct, frozen=True):
    """Whose pile it is: a member's or a tablet's."""

    member_id: int | None = None
    device_id: int | None = None

    def owns(self) -> Any:
        """SQL: whether a pile is theirs."""
        if self.device_id is not None:
            return Pile.device_id == self.device_id
        return Pile.member_id == self.member_id


class TakenIn(msgspec.Struct, frozen=True):
    """How many books came in, how many stayed on the pile, and which pile it was."""

    count: int
    left: int
    pile_id: int


# ---- What can be asked ----


def open_pile(db: Session, owner: Owner) -> Pile | None:
    return db.scalars(select(Pile).where(owner.owns(), Pile.closed_at.is_(None))).first()


def books_on(db: Session, pile: Pile) -> Sequence[PileBook]:
    """What lies on a pile, in the order scanned; what was taken off is among it, what came in is not."""
    return db.scalars(_lying_on(pile)).all()


def _lying_on(pile: Pile) -> Select[PileBook]:
    lies_there = (PileBook.pile_id == pile.id) & PileBook.copy_id.is_(None) & (PileBook.state != "saved")
    return select(PileBook).where(lies_there).order_by(PileBook.id)


def came_in(db: Session, owner: Owner, pile_id: int) -> Sequence[PileBook]:
    """What came in from one of the owner's piles lately, in the order scanned."""
    theirs = select(Pile.id).where(owner.owns(), Pile.id == pile_id)
    query = select(PileBook).where(PileBook.pile_id.in_(theirs), PileBook.copy_id.is_not(None))
    return db.scalars(query.order_by(PileBook.id)).all()


def pictures_kept(db: Session) -> set[str]:
    """The digests of the pictures that books on piles bring along."""
    return {digest for digest in db.scalars(select(PileBook.picture).distinct()) if digest}


def is_ready(book: PileBook) -> bool:
    """Whether it can be taken in: somebody or something said which book it is."""
    return book.state == "found" and book.removed_at is None and bool(book.title_id or book.record)


# ---- Onto the pile ----


def pile_for_change(db: Session, owner: Owner, now: datetime) -> Pile:
    """The owner's open pile, a new one if need be, locked until the transaction ends."""
    mine = select(Pile).where(owner.owns(), Pile.closed_at.is_(None)).with_for_update()
    while True:
        pile = db.scalars(mine.execution_options(populate_existing=True)).first()
        if pile is not None:
            return pile
        _begin(db, owner, now)


def _begin(db: Session, owner: Owner, now: datetime) -> None:
    """A new pile, unless somebody else began it in this moment."""
    if has_many_writers(db.connection()):
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]
    whose = {"member_id": owner.member_id, "device_id": owner.device_id}
    db.execute(insert(Pile).values(**whose, begun_at=now).on_conflict_do_nothing())


def scan(
    db: Session, owner: Owner, number: str, isbn: str, now: datetime, scanned_at: datetime | None = None
) -> PileBook:
    """One more book with this ISBN (13 digits). `number` is the page's own: sent again, it is the same book.

    It is known at once where its title is here already; else it is looked up.
    """
    book = PileBook(number=number, isbn=isbn, scanned_at=scanned_at or now, state="looking")

    def say_what_it_is() -> None:
        here = titles_by_isbn(db, isbn)
        if len(here) > 1:
            book.state = "choose"
        elif here:
            book.state, book.title_id = "found", here[0].id
        else:
            book.next_try_at = when_to_look(db, isbn, now)
            soon(db)

    return _put(db, owner, book, now, say_what_it_is)


def put_known(db: Session, owner: Owner, number: str, title_id: int, now: datetime) -> PileBook:
    """One more copy of a title that is here. Raises NoSuchTitle."""
    found = title(db, title_id)
    isbn = found.isbns[0].isbn if found.isbns else None
    book = PileBook(number=number, isbn=isbn, scanned_at=now, state="found", title_id=found.id)
    return _put(db, owner, book, now)


def put_typed(
    db: Session, owner: Owner, number: str, fields: TitleFields, now: datetime, photo: str | None = None
) -> PileBook:
    """A book that a person described; `fields` have been checked, `photo` comes from `covers.keep`."""
    book = PileBook(number=number, isbn=(*fields.isbns, None)[0], scanned_at=now, state="found")
    book.record = drafts.written(drafts.typed(fields, None))
    _has_photo(book, photo)
    return _put(db, owner, book, now)


def _put(db: Session, owner: Owner, book: PileBook, now: datetime, say_what_it_is: Any = None) -> PileBook:
    pile = pile_for_change(db, owner, now)
    before = (
        select(PileBook).join(Pile, Pile.id == PileBook.pile_id).where(owner.owns(), PileBook.number == book.number)
    )
    known = db.scalars(before).first()
    if known is not None:
        return known
    book.pile_id = pile.id
    if say_what_it_is:
        say_what_it_is()
    db.add(book)
    db.flush()
    return book


# ---- One book of it ----


def book_for_change(db: Session, owner: Owner, book_id: int, now: datetime) -> PileBook:
    """A book that lies on the owner's open pile, which is locked. Raises NoSuchBook."""
    pile = pile_for_change(db, owner, now)
    book = db.scalars(select(PileBook).where(PileBook.id == book_id).with_for_update()).first()
    if book is None or book.pile_id != pile.id or book.state == "saved" or book.copy_id is not None:
        raise NoSuchBook
    return book


def describe(db: Session, book: PileBook, fields: TitleFields, photo: str | None = None) -> None:
    """A person says what it is, and that stays; `fields` have been checked, `photo` comes from `covers.keep`."""
    if book.isbn != (*fields.isbns, None)[0]:
        _forget_fetched(book)
    _has_photo(book, photo)
    book.record = drafts.written(drafts.typed(fields, drafts.read(book.record)))
    book.isbn = (*fields.isbns, None)[0]
    _is_found(book)
    db.flush()


def _has_photo(book: PileBook, photo: str | None) -> None:
    if photo:
        book.picture, book.picture_source, book.picture_at = photo, covers.OWN, None


def _forget_fetched(book: PileBook) -> None:
    """It is another book than the one that a picture was fetched for; a photo shows the book itself, whatever it is called."""
    if book.picture_source != covers.OWN:
        book.picture, book.picture_source, book.picture_at = None, None, None


def choose(db: Session, book: PileBook, choice: int, now: datetime) -> None:
    """It is this one of the records that were found under its ISBN. Raises NoSuchChoice."""
    offered = drafts.read_choices(book.choices)
    if not 0 <= choice < len(offered):
        raise NoSuchChoice
    book.record = drafts.written(offered[choice])
    _is_found(book)
    want_picture(book, now)
    soon(db)
    db.flush()


def choose_title(db: Session, book: PileBook, title_id: int) -> None:
    """It is one more copy of a title that is here. Raises NoSuchTitle."""
    book.record = None
    _forget_fetched(book)
    _is_found(book, title(db, title_id).id)
    db.flush()


def _is_found(book: PileBook, title_id: int | None = None) -> None:
    book.state, book.title_id, book.next_try_at, book.choices = "found", title_id, None, None


def look_up_again(db: Session, book: PileBook, now: datetime) -> None:
    """It is another book than the one that is here, or the sources may be back: ask them, now."""
    if book.isbn is None:
        raise NoSuchChoice
    book.state, book.title_id, book.record, book.choices = "looking", None, None, None
    _forget_fetched(book)
    book.next_try_at = when_to_look(db, book.isbn, now) if book.outcome is None else now
    soon(db)
    db.flush()


def place(db: Session, book: PileBook, shelf_id: int | None, condition: str | None) -> None:
    """Where this one goes, if not where the others go, and what it looks like; see `copies.rules.checked_condition`."""
    book.shelf_id, book.condition = shelf_id, condition
    db.flush()


def take_off(db: Session, book: PileBook, now: datetime) -> None:
    """It is not to be taken in; it can be put back."""
    book.removed_at = now
    db.flush()


def put_back(db: Session, book: PileBook) -> None:
    book.removed_at = None
    soon(db)
    db.flush()


# ---- The whole pile ----


def say_of_all(db: Session, pile: Pile, donor: Donor, shelf_id: int | None) -> None:
    """Who gave the books and where they go, for all that say nothing else."""
    pile.donor_id, pile.donor_name, pile.shelf_id = donor.member_id, donor.name, shelf_id
    db.flush()


def take_in(db: Session, owner: Owner, now: datetime, unknown_too: bool = False) -> TakenIn:
    """All books of the pile that are ready come in as one donation, each with a copy that waits for its label.

    With `unknown_too` those come in, too, that are still being looked up: with their ISBN, the rest is filled in later. Whatever
    else lies there stays. Raises NothingToTakeIn; NoSuchMember for a donor who was erased just now.
    """
    # One after the other, as in actions.take_in; and before the pile, because that one locks nothing else.
    library_for_change(db)
    pile = pile_for_change(db, owner, now)
    # Locked, or an answer that comes in this moment would name a book that nobody waits for any more.
    books = [book for book in db.scalars(_lying_on(pile).with_for_update()) if book.removed_at is None]
    ready = [book for book in books if is_ready(book) or (unknown_too and book.state == "looking")]
    if not ready:
        raise NothingToTakeIn
    donation = donation_from(db, Donor(pile.donor_id, pile.donor_name), now)
    for book in ready:
        _take_one_in(db, book, pile, donation.id, now)
    left = len(books) - len(ready)
    if not left:
        pile.closed_at = now
    db.flush()
    return TakenIn(len(ready), left, pile.id)


def _take_one_in(db: Session, book: PileBook, pile: Pile, donation_id: int, now: datetime) -> None:
    book.title_id = book.title_id or _title_of(db, book, now)
    copy = add_copy(db, book.title_id, book.shelf_id or pile.shelf_id, now)
    copy.condition = book.condition
    if book.picture:
        covers.give_picture(db, book.title_id, book.picture, now, book.picture_source or covers.OWN)
    elif book.picture_source:
        draft = drafts.read(book.record)
        covers.has_none(db, book.title_id, draft.cover_id if draft else None)
    db.add(DonatedCopy(copy_id=copy.id, donation_id=donation_id))
    book.copy_id = copy.id
    # Its title is asked for instead.
    book.picture_at = None
    # What is still being looked up waits on as it is, now for its title.
    if book.state == "found":
        book.state = "saved"


def _title_of(db: Session, book: PileBook, now: datetime) -> int:
    """The title of what the row says; it may have come in meanwhile, or with the row before."""
    draft = drafts.read(book.record)
    if draft is None:
        fields, origin = TitleFields(title=unnamed(book.isbn or ""), isbns=(book.isbn or "",)), of_nobody()
    else:
        fields, origin = draft.fields(), draft.came_from()
    return same_title(db, fields) or add_title(db, fields, now, origin).id


def forget(db: Session, now: datetime) -> None:
    """Forget who scanned what, a day later, and the piles of those who are gone. A book that still waits for its title waits on."""
    over = PileBook.scanned_at < now - KEPT
    db.execute(delete(PileBook).where(over, PileBook.state == "saved"))
    nobodys = Pile.member_id.is_(None) & Pile.device_id.is_(None)
    done = (Pile.closed_at < now - KEPT) | nobodys
    piles = select(Pile.id).where(done)
    db.execute(delete(PileBook).where(PileBook.pile_id.in_(piles), PileBook.copy_id.is_(None)))
    nobody = {"member_id": None, "device_id": None, "donor_id": None, "donor_name": None}
    db.execute(update(Pile).where(done, ~nobodys).values(nobody))
    db.execute(delete(Pile).where(done | nobodys, ~exists().where(PileBook.pile_id == Pile.id)))
