"""Donations for programs: an ISBN, a title, or both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from litestar.params import JSONBody
from sqlalchemy.orm import Session

from bibliothek.catalogue import queries as catalogue
from bibliothek.catalogue.fields import Part, Person, TitleAnswer, TitleFields
from bibliothek.catalogue.rules import checked
from bibliothek.copies.queries import shelf_by
from bibliothek.donations import actions
from bibliothek.donations.drafts import Draft, drafts_of
from bibliothek.i18n import _
from bibliothek.lending.queries import Availability, availability
from bibliothek.lookup import actions as lookup
from bibliothek.lookup.isbn import book_isbn, hyphenated
from bibliothek.problems import Invalid, NotFound, Problem
from bibliothek.web.calls import Call, Made, write_call
from bibliothek.web.sign_in import Audience


class PersonIn(msgspec.Struct):
    """Without a role, the author."""

    name: str
    role: str = "aut"


class PartIn(msgspec.Struct):
    title: str
    number: str | None = None


class DonationIn(msgspec.Struct):
    """`{isbn}` looks the book up; with `title` it is stored as it stands, without asking anybody.

    A look-up's record fits as it is: what is null counts as left out, and its `isbns` come after `isbn`. `donor` is a name or
    a member card's code, `shelf` a shelf's code or name.
    """

    isbn: str | None = None
    title: str | None = None
    subtitle: str | None = None
    contributors: list[PersonIn] | None = None
    publisher: str | None = None
    place: str | None = None
    year: int | None = None
    edition: str | None = None
    pages: int | None = None
    language: str | None = None
    series: list[PartIn] | None = None
    isbns: list[str] | None = None
    donor: str | None = None
    shelf: str | None = None


class CopyAnswer(msgspec.Struct):
    code: str


class DonationAnswer(msgspec.Struct):
    """What came in: the donation's number, the title, and the new copy's code."""

    id: int
    title: TitleAnswer
    copy: CopyAnswer


class NothingNamed(Invalid):
    """Neither ISBN nor title."""

    code = "isbn-or-title"

    def __init__(self) -> None:
        super().__init__(_("Gebraucht wird eine ISBN oder ein Titel."))


class FoundNowhere(NotFound):
    """Every source really answered, and none knows the book."""

    code = "isbn-not-found"

    def __init__(self, isbn: str) -> None:
        super().__init__(
            _("Zur ISBN {isbn} ist nirgends etwas verzeichnet. Schicke den Titel mit.", isbn=hyphenated(isbn)),
            isbn=isbn,
        )


class SourcesAway(Problem):
    """No source knows the book, and not all of them answered."""

    status = 503
    code = "sources-unavailable"

    def __init__(self, isbn: str, retry_after: int) -> None:
        super().__init__(
            _("Die Quellen antworten gerade nicht. Es ist nichts gespeichert. Versuche es später noch einmal."),
            isbn=isbn,
            retry_after=retry_after,
        )


def donation_answer(call: Call, ids: dict[str, Any]) -> DonationAnswer:
    """The title as it is now, but with the copies that were counted when this one came in. Raises NoSuchTitle."""
    counted = {ids["title"]: Availability(*ids["copies"])}
    title = catalogue.title_answer(call.db, ids["title"], counted)
    return DonationAnswer(ids["donation"], title, CopyAnswer(ids["copy"]))


def asks(data: DonationIn) -> bool:
    """Whether the book has to be looked up: with a title it is stored as it stands."""
    return not (data.title and data.title.strip())


def ask(call: Call, data: DonationIn) -> Draft | int:
    """The best record for the ISBN, which comes first in it, or the number of the title that is here already.

    Raises what is wrong with the body before anybody is asked; FoundNowhere, SourcesAway.
    """
    if not data.isbn:
        raise NothingNamed
    wrong: list[Problem] = []
    with call.kit.database.reading() as db:
        _read_donor_and_shelf(db, data, wrong)
        with _at("isbn", wrong):
            isbn = book_isbn(data.isbn)
        _refuse(wrong)
        here = catalogue.titles_by_isbn(db, isbn)
    if here:
        return here[0].id
    found = lookup.find(call.kit.database, call.kit.settings, isbn, call.now)
    if found.record:
        return drafts_of(found)[0]
    raise FoundNowhere(isbn) if found.outcome == "not_found" else SourcesAway(isbn, found.retry_after or 30)


@write_call("/donations", Audience.TOKENS, donation_answer, ask=ask, asks=asks, refuses=(404,))
def donate(call: Call, asked: Draft | int | None, data: JSONBody[DonationIn]) -> Made:
    """Take a book in. It gets a copy with a code of its own, waiting for its label."""
    wrong: list[Problem] = []
    donor, shelf = _read_donor_and_shelf(call.db, data, wrong)
    if asked is None:
        fields, origin = _fields(data, wrong), None
    elif isinstance(asked, Draft):
        fields, origin = asked.fields(), asked.came_from()
    _refuse(wrong)
    if isinstance(asked, int):
        taken = actions.take_in_copy(call.db, asked, donor, shelf, call.now)
    else:
        taken = actions.take_in(call.db, fields, donor, shelf, call.now, origin)
    title_id = taken.copy.title_id
    counted = availability(call.db, [title_id])[title_id]
    copies = [counted.available, counted.total]
    ids = {"donation": taken.donation.id, "title": title_id, "copy": taken.copy.code, "copies": copies}
    return Made(201, ids)


def _read_donor_and_shelf(db: Session, data: DonationIn, wrong: list[Problem]) -> tuple[actions.Donor, int | None]:
    """Who gave it and the number of its shelf; what is wrong with them is added to `wrong`."""
    donor, shelf = actions.Donor(), None
    with _at("donor", wrong):
        donor = actions.read_donor(db, data.donor)
    with _at("shelf", wrong):
        shelf = shelf_by(db, data.shelf).id if data.shelf else None
    return donor, shelf


def _fields(data: DonationIn, wrong: list[Problem]) -> TitleFields:
    """The title as it was sent; what is wrong with it is added to `wrong`."""
    isbns = data.isbns or []
    with _at("isbn", wrong):
        isbns = [book_isbn(data.isbn), *isbns] if data.isbn else isbns
    fields = TitleFields(
        title=data.title or "",
        subtitle=data.subtitle,
        contributors=tuple(Person(person.name, person.role) for person in data.contributors or ()),
        publisher=data.publisher,
        place=data.place,
        year=data.year,
        edition=data.edition,
        pages=data.pages,
        language=data.language,
        series=tuple(Part(part.title, part.number) for part in data.series or ()),
        isbns=tuple(isbns),
    )
    with _at("title", wrong):
        checked(fields)
    return fields


@contextmanager
def _at(field: str, wrong: list[Problem]) -> Iterator[None]:
    """A refusal inside is added to `wrong`, as one of `field` or of the fields that it names itself."""
    try:
        yield
    except Problem as problem:
        if isinstance(problem, NotFound):
            # The body names something that is not here. 404 says that nobody knows the book.
            problem.status = Invalid.status
        problem.errors = problem.errors or {field: problem.sentence}
        wrong.append(problem)


def _refuse(wrong: list[Problem]) -> None:
    """Raises the first that is wrong, with the errors of all."""
    if wrong:
        wrong[0].errors = {name: sentence for problem in wrong for name, sentence in problem.errors.items()}
        raise wrong[0]


handlers = [donate]
