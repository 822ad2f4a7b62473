"""The pile: scan after scan without waiting, and at the end one button takes all books in.

Every scan is a small POST that answers with its row; what is still being looked up is asked for by the page (`rows`). Without
scripts the same forms lead back to the page.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from litestar.params import FromPath, FromQuery
from sqlalchemy.orm import Session

from bibliothek import codes
from bibliothek.catalogue import covers, lines
from bibliothek.catalogue import queries as catalogue
from bibliothek.catalogue.fields import TitleAnswer, TitleFields
from bibliothek.catalogue.pictures import MEDIA_TYPE, MOST_BYTES
from bibliothek.catalogue.wording import byline
from bibliothek.copies import queries as copies
from bibliothek.copies.models import Shelf
from bibliothek.copies.rules import CONDITIONS, checked_condition
from bibliothek.db import LARGEST_ID
from bibliothek.donations import drafts, piles, shelving
from bibliothek.donations.drafts import Draft
from bibliothek.donations.models import Pile, PileBook
from bibliothek.donations.pages import (
    WHOEVER_DONATES,
    BookForm,
    checked_form,
    donor_and_shelf,
    forget_cards,
    sent_photo,
    typed_isbn,
)
from bibliothek.donations.piles import Owner
from bibliothek.donations.queries import titles_with
from bibliothek.i18n import _
from bibliothek.lending.queries import availability
from bibliothek.lookup.isbn import hyphenated
from bibliothek.problems import NotFound
from bibliothek.web.forms import Errors
from bibliothek.web.routes import action, errand, in_one_transaction, page
from bibliothek.web.visit import Answer, File, Page, Visit

# A scan that was held back longer than this by the network counts as of now.
OLDEST_SCAN_MS = 24 * 3600 * 1000
# How many similar titles are offered, and from how many letters on.
SIMILAR = 5
LETTERS = 4
# How long a page asks for a picture that does not come.
PATIENCE = timedelta(minutes=2)
# The address of a picture changes with it. What lies on a pile is for nobody else.
KEPT_BY_BROWSER = {"cache-control": "private, max-age=86400, immutable"}


class Choice(msgspec.Struct, frozen=True):
    """One of several books under an ISBN: `name` and `value` are those of its button."""

    name: str
    value: int
    title: str
    byline: str
    printed: str
    is_here: bool


class Row(msgspec.Struct, frozen=True):
    """A book of a pile as it is shown.

    `place` counts from 1 in the order scanned; `printed` is publisher, place and year; `title_id` is that of a title that is
    here already; `picture` is the address of its picture, but for the size.
    """

    id: int
    place: int
    number: str
    state: str
    isbn: str
    shown_isbn: str
    title: str
    subtitle: str | None
    byline: str
    printed: str
    sources: tuple[str, ...]
    title_id: int | None
    copies_here: int
    picture: str | None
    choices: tuple[Choice, ...]
    shelf: str
    suggested: Shelf | None
    condition: str
    is_off: bool
    is_late: bool
    is_looked_up: bool
    awaits_picture: bool


class Summary(msgspec.Struct, frozen=True):
    """How far a pile is: all its books, and of these how many in which state."""

    total: int
    ready: int
    looking: int
    choose: int
    missing: int
    suggested: int

    @property
    def known(self) -> int:
        return self.total - self.looking


def _owner(visit: Visit) -> Owner:
    if visit.asker.is_kiosk:
        return Owner(device_id=visit.asker.device_id)
    return Owner(member_id=visit.member_id)


# ---- The page ----


@page("/spenden", WHOEVER_DONATES)
def pile(visit: Visit) -> Page:
    """The scan field, and what lies on the pile."""
    return _pile_page(visit)


def _pile_page(visit: Visit, **more: Any) -> Page:
    forget_cards(visit)
    open_pile = piles.open_pile(visit.db, _owner(visit))
    shelves = copies.shelves(visit.db)
    books = piles.books_on(visit.db, open_pile) if open_pile else []
    rows = _rows(visit.db, books, books, shelves, visit.now)
    return visit.page(
        "donations/pile.html",
        rows=rows[::-1],
        conditions=CONDITIONS,
        summary=_summary(books, shelves),
        shelves=shelves,
        pile=_of_all(visit, open_pile, shelves),
        number=secrets.token_hex(12),
        owner=_owner_name(visit),
        **more,
    )


def _owner_name(visit: Visit) -> str:
    """Keeps apart what two people scanned with one browser; names nobody."""
    owner = _owner(visit)
    return f"t{owner.device_id}" if owner.device_id is not None else f"m{owner.member_id}"


def _of_all(visit: Visit, pile: Pile | None, shelves: Sequence[Shelf]) -> dict[str, Any]:
    """What counts for the whole pile. On the tablet nobody reads who gave it: somebody did, that is all."""
    shelf = next((shelf for shelf in shelves if pile and shelf.id == pile.shelf_id), None)
    named = bool(pile and (pile.donor_id or pile.donor_name))
    from_me = bool(pile and pile.donor_id and pile.donor_id == visit.asker.member_id)
    name = pile.donor_name if pile and not visit.asker.is_kiosk else None
    return {
        "shelf": shelf,
        "is_named": named,
        "from_me": from_me,
        "values": {"shelf": shelf.code if shelf else "", "donor": name or "", "from_me": "1" if from_me else ""},
    }


def _answer(visit: Visit, book_ids: Collection[int], to: str = "/spenden") -> Answer:
    """These rows and how far the pile is; without scripts, the page."""
    if not visit.wants_fragment:
        return visit.redirect(to)
    return _rows_page(visit, visit.db, book_ids)


def _rows_page(visit: Visit, db: Session, book_ids: Collection[int]) -> Page:
    open_pile = piles.open_pile(db, _owner(visit))
    books = piles.books_on(db, open_pile) if open_pile else []
    shelves = copies.shelves(db)
    rows = _rows(db, [book for book in books if book.id in book_ids], books, shelves, visit.now)
    return visit.page(
        "donations/_rows.html", rows=rows, summary=_summary(books, shelves), shelves=shelves, conditions=CONDITIONS
    )


def _rows(
    db: Session,
    wanted: Sequence[PileBook],
    all_books: Sequence[PileBook],
    shelves: Sequence[Shelf],
    now: datetime,
) -> list[Row]:
    places = {book.id: place for place, book in enumerate(all_books, 1)}
    pictures = covers.pictures_of(db, [book.title_id for book in wanted if book.title_id])
    offered = titles_with(db, {book.isbn for book in wanted if book.state == "choose" and book.isbn})
    ids = {title_id for title_ids in offered.values() for title_id in title_ids}
    ids |= {book.title_id for book in wanted if book.title_id}
    here = {title.id: title for title in catalogue.title_answers(db, sorted(ids), availability(db, sorted(ids)))}
    return [
        _row(
            book,
            places[book.id],
            here,
            offered.get(book.isbn or "", ()),
            shelves,
            pictures.get(book.title_id or 0),
            now,
        )
        for book in wanted
    ]


def _row(
    book: PileBook,
    place: int,
    here: dict[int, TitleAnswer],
    title_ids: Sequence[int],
    shelves: Sequence[Shelf],
    picture: str | None,
    now: datetime,
) -> Row:
    """`picture` is the digest of that of the title that is here already."""
    draft = drafts.read(book.record)
    ours = here.get(book.title_id) if book.title_id else None
    fields: TitleFields = ours or draft or TitleFields(title="")
    choices = [_choice("titel", title_id, here[title_id], True) for title_id in title_ids if book.state == "choose"]
    choices += [_choice("wahl", n, one, False) for n, one in enumerate(drafts.read_choices(book.choices))]
    shelf = next((shelf.code for shelf in shelves if shelf.id == book.shelf_id), "")
    return Row(
        id=book.id,
        place=place,
        number=book.number,
        state=book.state,
        isbn=book.isbn or "",
        shown_isbn=hyphenated(book.isbn) if book.isbn else "",
        title=fields.title,
        subtitle=fields.subtitle,
        byline=byline(fields.contributors),
        printed=_printed(fields),
        sources=tuple(dict.fromkeys(draft.sources.values())) if draft and not ours else (),
        title_id=ours.id if ours else None,
        copies_here=ours.total if ours else 0,
        picture=f"/titel/{book.title_id}/bild/{picture}" if picture else _picture_of(book) if book.picture else None,
        choices=tuple(choices),
        shelf=shelf,
        suggested=None if shelf else _suggestion(draft, shelves),
        condition=book.condition or "",
        is_off=book.removed_at is not None,
        is_late=book.state == "looking" and book.outcome is not None,
        is_looked_up=book.outcome is not None,
        awaits_picture=book.picture_at is not None and book.picture_at > now - PATIENCE,
    )


def _choice(name: str, value: int, fields: TitleFields, is_here: bool) -> Choice:
    return Choice(name, value, fields.title, byline(fields.contributors), _printed(fields), is_here)


def _printed(fields: TitleFields) -> str:
    parts = (fields.publisher, fields.place, fields.year, fields.edition)
    return ", ".join(str(part) for part in parts if part)


def _suggestion(draft: Draft | None, shelves: Sequence[Shelf]) -> Shelf | None:
    return shelving.suggested(draft.classes, shelves) if draft else None


def _summary(books: Sequence[PileBook], shelves: Sequence[Shelf]) -> Summary:
    lying = [book for book in books if book.removed_at is None]
    states = [book.state for book in lying]
    free = [drafts.read(book.record) for book in lying if book.record and not book.shelf_id] if shelves else []
    return Summary(
        total=len(lying),
        ready=states.count("found"),
        looking=states.count("looking"),
        choose=states.count("choose"),
        missing=states.count("missing"),
        suggested=sum(_suggestion(draft, shelves) is not None for draft in free),
    )


@page("/spenden/zeilen", WHOEVER_DONATES)
def rows(visit: Visit, zeilen: FromQuery[str] = "") -> Page:
    """Rows as they are now, by their numbers with commas: one question for all that are being looked up."""
    wanted = {int(number) for number in zeilen[:20_000].split(",") if number.isdecimal() and len(number) < 11}
    return _rows_page(visit, visit.db, wanted)


# ---- Onto the pile ----


def _not_scanned(visit: Visit) -> Page:
    """What was scanned is no book: said where it was scanned."""
    forget_cards(visit)
    if visit.wants_fragment:
        return visit.page("donations/_wrong.html", number=_number(visit))
    return _pile_page(visit)


@action(["/spenden", "/spenden/stapel"], WHOEVER_DONATES, again=_not_scanned)
def scan(visit: Visit) -> Answer:
    """One more book: by its ISBN, or one more copy of a title that is here (`titel`)."""
    number = _number(visit)
    if visit.field("titel"):
        book = piles.put_known(visit.db, _owner(visit), number, _title_id(visit), visit.now)
    else:
        errors, isbn = Errors(), ""
        with errors.at("isbn"):
            isbn = typed_isbn(visit.field("isbn"))
        errors.refuse()
        book = piles.scan(visit.db, _owner(visit), number, isbn, visit.now, visit.now - _age(visit))
    return _answer(visit, {book.id})


def _number(visit: Visit) -> str:
    """The page's own number of the scan; a form of another page has none."""
    given = visit.field("nummer")
    return given if 0 < len(given) <= piles.LONGEST_NUMBER else secrets.token_hex(12)


def _age(visit: Visit) -> timedelta:
    age = visit.field("alter")
    is_age = age.isdecimal() and len(age) < 12 and int(age) < OLDEST_SCAN_MS
    return timedelta(milliseconds=int(age)) if is_age else timedelta()


def _title_id(visit: Visit) -> int:
    """Raises NoSuchTitle."""
    text = visit.field("titel")
    if not text.isdecimal() or len(text) > 10 or int(text) > LARGEST_ID:
        raise catalogue.NoSuchTitle
    return int(text)


@page("/spenden/aehnliche", WHOEVER_DONATES)
def similar(visit: Visit, titel: FromQuery[str] = "", title: FromQuery[str] = "") -> Page:
    """Titles here that are called like what is being typed. `title` is the field of the form."""
    text = (titel or title)[:300].strip()
    asked = text if len(text) >= LETTERS and not codes.holds_card(text) else ""
    found = catalogue.search(visit.db, asked, limit=SIMILAR).rows if asked else []
    return visit.page("donations/_similar.html", found=found, number=secrets.token_hex(12))


# ---- The form of a book ----


@page("/spenden/stapel/buch", WHOEVER_DONATES)
def new_book(visit: Visit) -> Page:
    """The form of a book without ISBN."""
    forget_cards(visit)
    return _form(
        visit,
        to="/spenden/stapel/buch",
        one_more="/spenden/stapel",
        shown_isbn=None,
        number=visit.field("nummer") or secrets.token_hex(12),
        photo=None,
    )


def _form(visit: Visit, **context: Any) -> Page:
    return visit.page("donations/pile_book.html", fragment="donations/_pile_form.html", **context)


@errand("/spenden/stapel/buch", WHOEVER_DONATES, again=new_book, largest_file=MOST_BYTES)
def add_book(visit: Visit) -> Answer:
    """A book that somebody describes: its title is enough, and a photo may come with it."""
    errors = Errors()
    photo = sent_photo(visit, errors)
    return in_one_transaction(visit, _add, photo=photo, errors=errors)


def _add(visit: Visit, photo: str | None, errors: Errors) -> Answer:
    fields = _described(visit, None, errors)
    book = piles.put_typed(visit.db, _owner(visit), _number(visit), fields, visit.now, photo)
    return _answer(visit, {book.id})


def _described(visit: Visit, before: Draft | None, errors: Errors) -> TitleFields:
    """What the form says. Raises BadForm with all errors at once, those in `errors` too."""
    form, isbn = visit.read(BookForm), None
    with errors.at("isbn"):
        isbn = typed_isbn(form.isbn) if form.isbn else None
    more = before.isbns[1:] if before and before.isbns[:1] == (isbn,) else ()
    fields = lines.read_title(form, (isbn, *more) if isbn else (), before)
    with errors.at("title"):
        fields = checked_form(fields)
    errors.refuse()
    return fields


@page("/spenden/stapel/{book_id:int}", WHOEVER_DONATES)
def edit_book(visit: Visit, book_id: FromPath[int]) -> Page:
    """The form of a book that lies on the pile, with what is known of it."""
    forget_cards(visit)
    book = _lying(visit, book_id)
    draft = drafts.read(book.record)
    if visit.problem is None:
        values = lines.write_title(draft) if draft else {}
        visit.fields = {name: [value] for name, value in {**values, "isbn": book.isbn or ""}.items()}
    return _form(
        visit,
        to=f"/spenden/stapel/{book_id}",
        one_more=f"/spenden/stapel/{book_id}/wahl",
        shown_isbn=hyphenated(book.isbn) if book.isbn else None,
        number=book.number,
        photo=f"{_picture_of(book)}-s" if book.picture_source == covers.OWN else None,
    )


def _picture_of(book: PileBook) -> str:
    """The address of its picture, but for the size."""
    return f"/spenden/stapel/{book.id}/bild/{book.picture}"


@page("/spenden/stapel/{book_id:int}/bild/{name:str}", WHOEVER_DONATES)
def picture(visit: Visit, book_id: FromPath[int], name: FromPath[str]) -> File:
    """The picture that a book on the asker's pile brings along; `name` is its digest and a size."""
    book = _lying(visit, book_id)
    if not book.picture or name.partition("-")[0] != book.picture:
        raise covers.NoSuchPicture
    return File(covers.read_file(covers.folder_of(visit.settings), name), MEDIA_TYPE, headers=KEPT_BY_BROWSER)


def _lying(visit: Visit, book_id: int) -> PileBook:
    """Raises NoSuchBook."""
    open_pile = piles.open_pile(visit.db, _owner(visit))
    for book in piles.books_on(visit.db, open_pile) if open_pile else []:
        if book.id == book_id:
            return book
    raise piles.NoSuchBook


@errand("/spenden/stapel/{book_id:int}", WHOEVER_DONATES, again=edit_book, largest_file=MOST_BYTES)
def describe_book(visit: Visit, book_id: FromPath[int]) -> Answer:
    """Somebody says what it is, and that stays."""
    errors = Errors()
    photo = sent_photo(visit, errors)
    return in_one_transaction(visit, _describe, book_id=book_id, photo=photo, errors=errors)


def _describe(visit: Visit, book_id: int, photo: str | None, errors: Errors) -> Answer:
    book = piles.book_for_change(visit.db, _owner(visit), book_id, visit.now)
    piles.describe(visit.db, book, _described(visit, drafts.read(book.record), errors), photo)
    return _answer(visit, {book_id})


# ---- One row ----


@action("/spenden/stapel/{book_id:int}/wahl", WHOEVER_DONATES)
def choose(visit: Visit, book_id: FromPath[int]) -> Answer:
    """Which of the books under its ISBN it is."""
    book = piles.book_for_change(visit.db, _owner(visit), book_id, visit.now)
    if visit.field("titel"):
        piles.choose_title(visit.db, book, _title_id(visit))
    else:
        choice = visit.field("wahl")
        piles.choose(visit.db, book, int(choice) if choice.isdecimal() and len(choice) < 4 else -1, visit.now)
    return _answer(visit, {book_id})


@action("/spenden/stapel/{book_id:int}/nachschlagen", WHOEVER_DONATES)
def look_up(visit: Visit, book_id: FromPath[int]) -> Answer:
    """It is another book than the one that is here; or the sources may have come back."""
    piles.look_up_again(visit.db, piles.book_for_change(visit.db, _owner(visit), book_id, visit.now), visit.now)
    return _answer(visit, {book_id})


@action("/spenden/stapel/{book_id:int}/platz", WHOEVER_DONATES)
def place(visit: Visit, book_id: FromPath[int]) -> Answer:
    """The shelf and the condition of this one."""
    book = piles.book_for_change(visit.db, _owner(visit), book_id, visit.now)
    code, condition = visit.field("shelf"), checked_condition(visit.field("condition"))
    piles.place(visit.db, book, copies.shelf_by(visit.db, code).id if code else None, condition)
    return _answer(visit, {book_id})


@action("/spenden/stapel/{book_id:int}/weg", WHOEVER_DONATES)
def take_off(visit: Visit, book_id: FromPath[int]) -> Answer:
    piles.take_off(visit.db, piles.book_for_change(visit.db, _owner(visit), book_id, visit.now), visit.now)
    return _answer(visit, {book_id})


@action("/spenden/stapel/{book_id:int}/zurueck", WHOEVER_DONATES)
def put_back(visit: Visit, book_id: FromPath[int]) -> Answer:
    piles.put_back(visit.db, piles.book_for_change(visit.db, _owner(visit), book_id, visit.now))
    return _answer(visit, {book_id})


# ---- The whole pile ----


@action("/spenden/stapel/angaben", WHOEVER_DONATES, again=pile)
def say_of_all(visit: Visit) -> Answer:
    """Who gave the books, and where they go."""
    errors = Errors()
    donor, shelf_id = donor_and_shelf(visit, errors)
    errors.refuse()
    mine = piles.pile_for_change(visit.db, _owner(visit), visit.now)
    piles.say_of_all(visit.db, mine, donor, shelf_id)
    return visit.redirect("/spenden", _("Gemerkt für den ganzen Stapel."))


@action("/spenden/stapel/vorschlaege", WHOEVER_DONATES)
def take_suggestions(visit: Visit) -> Answer:
    """Every book that goes nowhere yet goes to the shelf that its subject suggests."""
    mine, shelves = piles.pile_for_change(visit.db, _owner(visit), visit.now), copies.shelves(visit.db)
    for book in piles.books_on(visit.db, mine):
        suggestion = _suggestion(drafts.read(book.record), shelves)
        if suggestion and book.shelf_id is None:
            piles.place(visit.db, book, suggestion.id, book.condition)
    return visit.redirect("/spenden")


@action("/spenden/stapel/aufnehmen", WHOEVER_DONATES, again=pile)
def take_in(visit: Visit) -> Answer:
    """All that are ready are the library's, and wait for their labels."""
    taken = piles.take_in(visit.db, _owner(visit), visit.now, unknown_too=bool(visit.field("auch_unbekannte")))
    return visit.redirect(f"/spenden/aufgenommen/{taken.pile_id}")


class NoSuchPile(NotFound):
    """Not the asker's, or forgotten by now."""

    code = "unknown-pile"

    def __init__(self) -> None:
        super().__init__(_("Diesen Stapel gibt es hier nicht mehr. Die Bücher stehen im Katalog."))


@page("/spenden/aufgenommen/{pile_id:int}", WHOEVER_DONATES)
def taken_in(visit: Visit, pile_id: FromPath[int]) -> Page:
    """Thanks: what came in, and where to go on."""
    books = piles.came_in(visit.db, _owner(visit), pile_id) if pile_id <= LARGEST_ID else []
    if not books:
        raise NoSuchPile
    ids = sorted({book.title_id for book in books if book.title_id})
    titles = {title.id: title for title in catalogue.title_answers(visit.db, ids, availability(visit.db, ids))}
    open_pile = piles.open_pile(visit.db, _owner(visit))
    left = [book for book in piles.books_on(visit.db, open_pile) if book.removed_at is None] if open_pile else []
    pictures = covers.pictures_of(visit.db, ids)
    shown = [(book, titles[book.title_id]) for book in books if book.title_id in titles]
    return visit.page(
        "donations/taken_in.html",
        books=[(book, title, byline(title.contributors), pictures.get(title.id)) for book, title in shown],
        count=len(books),
        left=len(left),
        unlabelled=copies.count_unlabelled(visit.db) if visit.asker.is_librarian else 0,
    )


handlers = [
    pile,
    rows,
    scan,
    similar,
    new_book,
    add_book,
    edit_book,
    picture,
    describe_book,
    choose,
    look_up,
    place,
    take_off,
    put_back,
    say_of_all,
    take_suggestions,
    take_in,
    taken_in,
]
