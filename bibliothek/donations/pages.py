"""Taking a book in: scan its ISBN, look at what was found, done. Without ISBN: type its title."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Router
from litestar.params import FromQuery
from msgspec import Meta

from bibliothek.catalogue import queries as catalogue
from bibliothek.catalogue.fields import TitleFields
from bibliothek.copies import queries as copies
from bibliothek.donations import actions, rules
from bibliothek.i18n import N_, _
from bibliothek.lending.queries import availability
from bibliothek.lookup import actions as lookup
from bibliothek.lookup.isbn import NotAnIsbn, book_isbn, hyphenated
from bibliothek.lookup.record import Record
from bibliothek.web.forms import BadForm
from bibliothek.web.routes import action, errand, page
from bibliothek.web.sign_in import Audience
from bibliothek.web.visit import Page, Redirect, Visit

WHOEVER_DONATES = Audience.MEMBERS_AND_KIOSK


class BookForm(msgspec.Struct):
    """The form of a book. Persons and series are one a line (see rules.py)."""

    title: Annotated[str, Meta(max_length=1000)]
    subtitle: str | None
    persons: Annotated[str, Meta(max_length=5000)] | None
    publisher: str | None
    place: str | None
    year: Annotated[int, Meta(ge=1, le=9999, extra={"error": N_("Das Jahr ist eine Zahl, zum Beispiel 1975.")})] | None
    pages: (
        Annotated[int, Meta(ge=1, le=99999, extra={"error": N_("Bitte gib die Zahl der Seiten an, nur Ziffern.")})]
        | None
    )
    edition: str | None
    language: str | None
    series: Annotated[str, Meta(max_length=5000)] | None
    isbn: str | None
    shelf: str | None
    donor: str | None


class CopyForm(msgspec.Struct):
    """One more copy of a title that is here."""

    title: int
    shelf: str | None
    donor: str | None


@page("/spenden", WHOEVER_DONATES)
def donate(visit: Visit) -> Page:
    """The scan field, and the way in for books without ISBN."""
    return visit.page("donations/start.html")


@errand("/spenden", WHOEVER_DONATES, again=donate)
def look_up(visit: Visit) -> Page:
    """What is known of an ISBN: here already, found elsewhere, or nothing, and then the form is there at once."""
    isbn = _typed_isbn(visit.field("isbn"))
    with visit.kit.database.reading() as db:
        here = [] if visit.field("new") else catalogue.titles_by_isbn(db, isbn)
        if here:
            return _here_already(visit, db, isbn, [title.id for title in here])
    found = lookup.find(visit.kit.database, visit.settings, isbn, visit.now)
    with visit.kit.database.reading() as db:
        shelves = copies.shelves(db)
    values = values_of(found.record) if found.record else {}
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
    try:
        return book_isbn(text)
    except NotAnIsbn as no:
        raise BadForm({"isbn": no.sentence}) from no


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
    if titel and not visit.fields:
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
    form = visit.read(BookForm)
    fields = _fields(form)
    known = lookup.stored_record(visit.db, fields.isbns[0]) if fields.isbns else None
    # Where the record came from is said only while it still is that record.
    origin = known.origin() if known and known.title == fields.title else None
    taken = actions.take_in(visit.db, fields, _donor(visit, form.donor), _shelf(visit, form.shelf), visit.now, origin)
    return _thanks(visit, fields.title, taken.copy.code)


@action("/spenden/exemplar", WHOEVER_DONATES, again=donate)
def one_more(visit: Visit) -> Redirect:
    """One more copy of a title that is here already."""
    form = visit.read(CopyForm)
    title = catalogue.title(visit.db, form.title)
    donor, shelf = _donor(visit, form.donor), _shelf(visit, form.shelf)
    taken = actions.take_in_copy(visit.db, title.id, donor, shelf, visit.now)
    return _thanks(visit, title.title, taken.copy.code)


def _thanks(visit: Visit, title: str, code: str) -> Redirect:
    said = _("Danke! „{title}“ ist aufgenommen. Code {code}, das Etikett wartet auf den Druck.", title=title, code=code)
    return visit.redirect("/spenden", said)


def _fields(form: BookForm) -> TitleFields:
    return TitleFields(
        title=form.title,
        subtitle=form.subtitle,
        contributors=rules.read_persons(form.persons or ""),
        publisher=form.publisher,
        place=form.place,
        year=form.year,
        edition=form.edition,
        pages=form.pages,
        language=form.language,
        series=rules.read_series(form.series or ""),
        isbns=(_typed_isbn(form.isbn),) if form.isbn else (),
    )


def values_of(record: Record) -> dict[str, str]:
    """A record as the values of the form's fields."""
    plain = ("title", "subtitle", "publisher", "place", "year", "edition", "pages", "language")
    values = {name: str(getattr(record, name)) for name in plain if getattr(record, name) is not None}
    return {**values, "persons": rules.write_persons(record.contributors), "series": rules.write_series(record.series)}


def _shelf(visit: Visit, text: str | None) -> int | None:
    return copies.shelf_by(visit.db, text).id if text else None


def _donor(visit: Visit, text: str | None) -> actions.Donor:
    """Named only if somebody wants that: a name typed, or oneself by the tick."""
    if visit.field("from_me") and visit.asker.is_member:
        return actions.Donor(member_id=visit.member_id)
    return actions.read_donor(visit.db, text)


router = Router("/", route_handlers=[donate, look_up, book_form, take_in, one_more])
