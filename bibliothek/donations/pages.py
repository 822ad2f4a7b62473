"""Taking a book in: scan its ISBN, look at what was found, done. Without ISBN: type its title."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Router
from litestar.params import FromQuery

from bibliothek import codes
from bibliothek.catalogue import lines
from bibliothek.catalogue import queries as catalogue
from bibliothek.catalogue.fields import Origin, TitleFields
from bibliothek.catalogue.provenance import typed_over
from bibliothek.catalogue.rules import checked
from bibliothek.catalogue.wording import short_title
from bibliothek.copies import queries as copies
from bibliothek.donations import actions
from bibliothek.i18n import _
from bibliothek.lending.queries import availability
from bibliothek.lookup import actions as lookup
from bibliothek.lookup.isbn import NotAnIsbn, book_isbn, first_isbn, hyphenated
from bibliothek.problems import Invalid
from bibliothek.web.forms import BadForm, Errors
from bibliothek.web.routes import action, errand, page
from bibliothek.web.sign_in import Audience
from bibliothek.web.visit import Page, Redirect, Visit

WHOEVER_DONATES = Audience.MEMBERS_AND_KIOSK


class BookForm(lines.TypedTitle):
    """The form of a book, with the number that was scanned."""

    isbn: str | None


# The fields that show again what was typed.
_TYPED = (*BookForm.__struct_fields__, "donor")
# Where a field of the title is called otherwise in the form.
_FIELD_OF = {"contributors": "persons", "isbns": "isbn"}


class Book(msgspec.Struct, frozen=True):
    """A form that was read: what to store, and where the copy goes."""

    fields: TitleFields
    origin: Origin | None
    donor: actions.Donor
    shelf_id: int | None


class CopyForm(msgspec.Struct):
    """One more copy of a title that is here."""

    title: int


@page("/spenden", WHOEVER_DONATES)
def donate(visit: Visit) -> Page:
    """The scan field, and the way in for books without ISBN."""
    _forget_cards(visit)
    return visit.page("donations/start.html")


@errand("/spenden", WHOEVER_DONATES, again=donate, outside=True)
def look_up(visit: Visit) -> Page:
    """What is known of an ISBN: here already, found elsewhere, or nothing, and then the form is there at once."""
    errors = Errors()
    with errors.at("isbn"):
        isbn = _typed_isbn(visit.field("isbn"))
    errors.refuse()
    with visit.kit.database.reading() as db:
        here = [] if visit.field("new") else catalogue.titles_by_isbn(db, isbn)
        if here:
            return _here_already(visit, db, isbn, [title.id for title in here])
    found = lookup.find(visit.kit.database, visit.settings, isbn, visit.now)
    with visit.kit.database.reading() as db:
        shelves = copies.shelves(db)
    values = lines.write_title(found.record) if found.record else {}
    visit.fields = {**{name: [value] for name, value in values.items()}, "isbn": [isbn]}
    return visit.page(
        "donations/book.html",
        outcome=found.outcome,
        record=found.record,
        isbn=hyphenated(isbn),
        alternatives=found.alternatives,
        shelves=shelves,
    )


def _typed_isbn(text: str) -> str:
    """The ISBN in the field; a refusal is said at the field. Raises BadForm."""
    if not text:
        raise BadForm({"isbn": _("Bitte scanne oder tippe die ISBN. Sie steht beim Strichcode auf der Rückseite.")})
    if codes.holds_card(text) or codes.read(text).kind in ("copy", "shelf"):
        raise BadForm({"isbn": _own_code_given(text)})
    try:
        return book_isbn(text)
    except NotAnIsbn as no:
        raise BadForm({"isbn": no.sentence}) from no


def _own_code_given(text: str) -> str:
    """What to say when one of the library's own codes is scanned where an ISBN belongs."""
    if codes.holds_card(text):
        return _("Das ist eine Karte. Scanne sie am Tablet unter „Scannen“. Hierher gehört die ISBN eines Buchs.")
    return _(
        "Das ist ein Etikett dieser Bibliothek. Zum Ausleihen oder Zurückgeben scanne es am Tablet unter „Scannen“."
    )


def _here_already(visit: Visit, db: Any, isbn: str, title_ids: list[int]) -> Page:
    return visit.page(
        "donations/here.html",
        isbn=hyphenated(isbn),
        plain_isbn=isbn,
        titles=catalogue.title_answers(db, title_ids, availability(db, title_ids)),
        bylines=catalogue.bylines(db, title_ids),
        shelves=copies.shelves(db),
    )


@page("/spenden/buch", WHOEVER_DONATES)
def book_form(visit: Visit, titel: FromQuery[str] = "") -> Page:
    """The empty form, for books without ISBN; `titel` is what was searched for in vain."""
    _forget_cards(visit)
    if titel and not visit.fields and not codes.holds_card(titel):
        visit.fields = {"title": [titel[:1000]]}
    return visit.page(
        "donations/book.html",
        outcome=None,
        record=None,
        isbn=visit.field("isbn"),
        alternatives=(),
        shelves=copies.shelves(visit.db),
    )


@action("/spenden/buch", WHOEVER_DONATES, again=book_form)
def take_in(visit: Visit) -> Redirect:
    """The book is the library's: a title, a copy with its code, waiting for its label."""
    book = _read_book(visit)
    taken = actions.take_in(visit.db, book.fields, book.donor, book.shelf_id, visit.now, book.origin)
    return _thanks(visit, book.fields.title, taken.copy.code)


def _read_book(visit: Visit) -> Book:
    """What the form says. Raises BadForm with all errors at once."""
    form, errors, isbn, known = visit.read(BookForm), Errors(), None, None
    with errors.at("isbn"):
        isbn = _typed_isbn(form.isbn) if form.isbn else None
    if isbn:
        known = lookup.stored_record(visit.db, isbn)
    fields = lines.read_title(form, (isbn,) if isbn else (), known)
    with errors.at("title"):
        fields = _checked(fields)
    donor, shelf_id = _donor_and_shelf(visit, errors)
    errors.refuse()
    # Where the record came from is said only while it still is that record.
    origin = typed_over(fields, known, known.origin()) if known and known.title == fields.title else None
    return Book(fields, origin, donor, shelf_id)


def _forget_cards(visit: Visit) -> None:
    """The page that says what is wrong shows no card's code to whoever looks over the shoulder, not even one that was right."""
    if visit.problem is None:
        return
    for name in _TYPED:
        if codes.holds_card(visit.field(name)):
            visit.fields[name] = [""]
            if visit.problem.errors:
                visit.problem.errors.setdefault(name, _("Eine Karte wird hier nicht gezeigt. Scanne sie noch einmal."))


def _checked(fields: TitleFields) -> TitleFields:
    """`catalogue.rules.checked`, with errors at the fields of our form."""
    try:
        return checked(fields)
    except Invalid as problem:
        problem.errors = {_FIELD_OF.get(name, name): sentence for name, sentence in problem.errors.items()}
        raise


def _here_again(visit: Visit) -> Page:
    """The copies that are here, with what was wrong about one more."""
    _forget_cards(visit)
    isbn = first_isbn(visit.field("isbn"))
    here = catalogue.titles_by_isbn(visit.db, isbn) if isbn else []
    if not isbn or not here:
        return visit.page("donations/start.html")
    return _here_already(visit, visit.db, isbn, [title.id for title in here])


@action("/spenden/exemplar", WHOEVER_DONATES, again=_here_again)
def one_more(visit: Visit) -> Redirect:
    """One more copy of a title that is here already."""
    form, errors = visit.read(CopyForm), Errors()
    title = catalogue.title(visit.db, form.title)
    donor, shelf_id = _donor_and_shelf(visit, errors)
    errors.refuse()
    taken = actions.take_in_copy(visit.db, title.id, donor, shelf_id, visit.now)
    return _thanks(visit, title.title, taken.copy.code)


def _thanks(visit: Visit, title: str, code: str) -> Redirect:
    said = _(
        "Danke! „{title}“ ist aufgenommen. Code {code}, das Etikett wartet auf den Druck.",
        title=short_title(title),
        code=code,
    )
    return visit.redirect("/spenden", said)


def _donor_and_shelf(visit: Visit, errors: Errors) -> tuple[actions.Donor, int | None]:
    """Who gave the copy and where it goes; what is wrong is noted in `errors`."""
    donor, shelf_id = actions.Donor(), None
    with errors.at("donor"):
        donor = _donor(visit)
    with errors.at("shelf"):
        shelf_id = copies.shelf_by(visit.db, visit.field("shelf")).id if visit.field("shelf") else None
    return donor, shelf_id


def _donor(visit: Visit) -> actions.Donor:
    """Named only if somebody wants that: a name typed, or oneself by the tick."""
    if visit.field("from_me") and visit.asker.is_member:
        return actions.Donor(member_id=visit.member_id)
    return actions.read_donor(visit.db, visit.field("donor"))


router = Router("/", route_handlers=[donate, look_up, book_form, take_in, one_more])
