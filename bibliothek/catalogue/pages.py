"""The start page, the catalogue, and a title's own page."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from datetime import date
from functools import cache
from typing import NamedTuple
from urllib.parse import urlencode

from litestar.params import FromPath, FromQuery
from sqlalchemy import ColumnElement, bindparam, exists, null, select
from sqlalchemy.orm import Session

from bibliothek.catalogue import covers, provenance, queries
from bibliothek.catalogue.merging import merged_into
from bibliothek.catalogue.models import Contributor, SeriesPart, Title
from bibliothek.catalogue.queries import Found, Sort, TitleRow
from bibliothek.catalogue.rules import is_language, one_line
from bibliothek.catalogue.wording import byline, field_word, language_word, origin_word, role_word, source_word, turned
from bibliothek.codes import holds_card
from bibliothek.copies.models import Copy, Shelf
from bibliothek.copies.queries import MisreadCode, UnknownShelf, copies_of, shelf_by, withdrawn_of
from bibliothek.i18n import _
from bibliothek.lending.own import count_waiting, own_holds
from bibliothek.lending.queries import LENDABLE, copy_counts, is_available, loans_of, on_loan, set_aside
from bibliothek.lending.rules import is_overdue
from bibliothek.members.rules import sort_name
from bibliothek.web.paging import page_number
from bibliothek.web.routes import page
from bibliothek.web.sign_in import Audience
from bibliothek.web.visit import Answer, Visit

PER_PAGE = 20
# In a library of more titles, so many hits of words with a filter are counted: of a common word among a million titles, 2,000 on
# one shelf take a tenth of a second to find, and nobody leafs so far.
MANY, MOST_FILTERED = 100_000, 200
ON_THE_WALL = 18
LOANS_SHOWN = 3
NO = ("", "0", "false", "nein", "no", "off")

SORTS: dict[str, Sort] = {"": "relevance", "neu": "newest", "titel": "title", "jahr": "year"}

# Of every title in a list: how many copies there are, how many of them are here, and its picture.
_SHOWN = (*copy_counts(), covers.DIGEST)
# What is found on a shelf that does not exist.
NOT_A_SHELF = Found([], 0, False)


class ShownRow(NamedTuple):
    """A title in a list, with its copies and the digest of its picture."""

    id: int
    title: str
    byline: str
    year: int | None
    available: int
    total: int
    picture: str | None


class ShownCopy(NamedTuple):
    """A copy on its title's page; `state` is a badge. Who has it is shown to nobody."""

    code: str
    shelf: Shelf | None
    state: str
    due_on: date | None


class Search(NamedTuple):
    """What is looked for, from an address that anybody may have typed: every value is one that makes sense."""

    q: str
    available: bool
    shelf: str
    language: str
    sort: str

    def address(self, number: int | None = None) -> str:
        """The address of page `number` of this search; without it, the address up to the number."""
        chosen = {
            "q": self.q,
            "verfuegbar": "1" if self.available else "",
            "regal": self.shelf,
            "sprache": self.language,
            "sortierung": self.sort,
            "seite": "" if number in (None, 1) else str(number),
        }
        given = urlencode({name: value for name, value in chosen.items() if value})
        if number is None:
            return f"/katalog?{given}&seite=" if given else "/katalog?seite="
        return f"/katalog?{given}" if given else "/katalog"

    @property
    def everywhere(self) -> str:
        """The address of the same search without filters."""
        return search_for(self.q)

    @property
    def is_filtered(self) -> bool:
        return bool(self.available or self.shelf or self.language)


# ---- Start ----


@page("/", Audience.EVERYONE)
def start(visit: Visit) -> Answer:
    """What is here, what is new, and what somebody has at home. The tablet goes to its scan field."""
    if visit.asker.is_kiosk:
        return visit.redirect("/kiosk")
    db = visit.db
    ready = queries.search(db, None, only=_condition(True, False), limit=0)
    newest = queries.search(db, None, also=_SHOWN, limit=ON_THE_WALL)
    loans = loans_of(db, visit.member_id) if visit.asker.is_member else []
    return visit.page(
        "start.html",
        titles=queries.count_titles(db),
        ready=ready,
        newest=_shown(newest.rows),
        loans=loans[:LOANS_SHOWN],
        more_loans=len(loans) > LOANS_SHOWN,
    )


# ---- Catalogue ----


@page("/katalog", Audience.EVERYONE)
def catalogue(
    visit: Visit,
    q: FromQuery[str] = "",
    verfuegbar: FromQuery[str] = "",
    regal: FromQuery[str] = "",
    sprache: FromQuery[str] = "",
    sortierung: FromQuery[str] = "",
    seite: FromQuery[str] = "1",
) -> Answer:
    """Titles that fit, page by page. Whatever the address says, the nearest sensible list is shown."""
    search = Search(
        one_line(q),
        verfuegbar.strip().lower() not in NO,
        one_line(regal),
        sprache if is_language(sprache) else "",
        sortierung if sortierung in SORTS else "",
    )
    if holds_card(q):
        # Whoever can read its code has the card: neither the page nor the address shows it.
        said = _("Das war eine Mitgliedskarte. Ihr Code bleibt geheim, danach wird hier nicht gesucht.")
        return visit.redirect(search._replace(q="").address(1), said, "look")
    number, pages, found = _page_of(visit.db, search, page_number(seite))
    answer = visit.page(
        "catalogue/list.html",
        fragment="catalogue/_found.html",
        search=search,
        rows=_shown(found.rows),
        total=found.total,
        more=found.more,
        page=number,
        pages=pages,
        base=search.address(),
        shelf_unknown=found is NOT_A_SHELF,
        choices=None if visit.wants_fragment else _choices(visit.db, search),
    )
    if visit.wants_fragment:
        # The address bar shows the search as it was understood, without the empty fields of the form.
        answer.headers["hx-replace-url"] = search.address(number)
    return answer


def _page_of(db: Session, search: Search, number: int) -> tuple[int, int, Found]:
    """That page, or the last one when there are not so many: its number, the number of pages, what is on it."""
    found = _find(db, search, number)
    reachable = found.total
    if found.more and not search.q and not search.is_filtered:
        # Whoever wants to, may leaf through everything.
        reachable = queries.count_titles(db)
    pages = max(1, -(-reachable // PER_PAGE))
    if number > pages:
        number, found = pages, _find(db, search, pages)
    return number, pages, found


def _find(db: Session, search: Search, number: int) -> Found:
    values: dict[str, object] = {}
    if search.shelf:
        try:
            values["shelf_id"] = shelf_by(db, search.shelf).id
        except (MisreadCode, UnknownShelf):
            return NOT_A_SHELF
    are_many = bool(search.q and search.is_filtered) and queries.last_number(db) > MANY
    return queries.search(
        db,
        search.q,
        only=_condition(search.available, bool(search.shelf), bool(search.q)),
        values=values,
        also=_SHOWN,
        language=search.language or None,
        sort=SORTS[search.sort],
        offset=(number - 1) * PER_PAGE,
        limit=PER_PAGE,
        most=MOST_FILTERED if are_many else None,
    )


@cache
def _condition(available: bool, on_shelf: bool, has_words: bool = False) -> ColumnElement[bool] | None:
    """SQL: the title has a copy that is here now, that stands on shelf :shelf_id, or one that does both."""
    if not available and not on_shelf:
        return None
    copy = exists().where(Copy.title_id == Title.id)
    here = copy.where(is_available())
    if not on_shelf:
        return here
    is_on_it, is_kept = Copy.shelf_id == bindparam("shelf_id"), Copy.state != "withdrawn"
    # With words, few titles are asked about their copies. Without, the shelf's titles come out of its index at once: SQLite would
    # ask all titles, one after the other.
    few = copy.where(is_on_it, is_kept) if has_words else Title.id.in_(select(Copy.title_id).where(is_on_it, is_kept))
    return few & here.where(is_on_it) if available else few


def _shown(rows: Sequence[TitleRow]) -> list[ShownRow]:
    return [ShownRow(row.id, row.title, row.byline, row.year, *row.also) for row in rows]


class Choices(NamedTuple):
    """What the filters offer, as (value, text) pairs, the chosen value always among them."""

    shelves: list[tuple[str, str]]
    languages: list[tuple[str, str]]


# In one statement, because every whole page of the catalogue asks for it.
_languages = queries.languages().subquery()
_CHOICES = select(Shelf.code.label("value"), Shelf.name).union_all(select(_languages.c.language, null()))


def _choices(db: Session, search: Search) -> Choices:
    found = db.connection().execute(_CHOICES).all()
    codes = {code for code, name in found if code and name is None} | ({search.language} - {""})
    shelves = [(code, name) for code, name in found if name is not None]
    languages = [(code, language_word(code)) for code in codes]
    return Choices(*(sorted(pairs, key=lambda pair: sort_name(pair[1])) for pairs in (shelves, languages)))


# ---- A title ----


@page("/titel/{title_id:int}", Audience.EVERYONE)
def title(visit: Visit, title_id: FromPath[int]) -> Answer:
    """Everything about a title, and where its copies are. One that became part of another title leads there."""
    kept_id = queries.title_now(visit.db, title_id)
    if kept_id != title_id:
        return visit.redirect(f"/titel/{kept_id}")
    found = queries.title(visit.db, title_id)
    is_cared_for = visit.asker.is_librarian
    return visit.page(
        "catalogue/title.html",
        title=found,
        byline=byline(found.contributors),
        picture=covers.picture_of(visit.db, found.id),
        people=_people(found.contributors),
        series=_series(found.series),
        isbns=[_hyphenated(isbn.isbn) for isbn in found.isbns],
        subjects=[(subject.name, search_for(subject.name)) for subject in found.subjects],
        language=language_word(found.language) if found.language else None,
        source=source_word(found.source) if found.source else None,
        origins=_origins(visit, found),
        copies=_shown_copies(visit, copies_of(visit.db, found.id)),
        own_holds=own_holds(visit.db, visit.asker.member_id, found.id) if visit.asker.member_id else [],
        waits=count_waiting(visit.db, found.id) if visit.asker.member_id else 0,
        withdrawn=withdrawn_of(visit.db, found.id) if is_cared_for else [],
        merged=merged_into(visit.db, found.id) if is_cared_for else [],
        zone=visit.settings.timezone,
    )


class FromSource(NamedTuple):
    """Fields that came from one source on one day, in words; `day` is None for what a person typed."""

    fields: str
    source: str
    day: date | None


def _origins(visit: Visit, title: Title) -> list[FromSource]:
    """Where the fields that say something came from, in their order on the page."""
    rows = provenance.origins(visit.db, title.id)
    together: dict[tuple[str, date | None], list[str]] = {}
    for name, value in provenance.values_of(queries.fields_of(title), queries.subjects_of(title)).items():
        row = rows.get(name)
        if row is None or provenance.is_gap(value):
            continue
        day = None if row.source == provenance.PERSON else row.at.astimezone(visit.settings.timezone).date()
        together.setdefault((row.source, day), []).append(field_word(name))
    return [FromSource(", ".join(fields), origin_word(source), day) for (source, day), fields in together.items()]


def _people(contributors: Iterable[Contributor]) -> dict[str, list[tuple[str, str]]]:
    """Role in words to (name, address of a search for it), in the order of the title page."""
    people: dict[str, list[tuple[str, str]]] = {}
    for person in contributors:
        people.setdefault(role_word(person.role), []).append((turned(person.name), search_for(person.name)))
    return people


def _series(parts: Iterable[SeriesPart]) -> list[tuple[str, str]]:
    return [
        (f"{part.series} ; {part.number}" if part.number else part.series, series_address(part.series))
        for part in parts
    ]


def series_address(name: str) -> str:
    return "/katalog/reihe?" + urlencode({"name": name})


def search_for(text: str) -> str:
    return "/katalog?" + urlencode({"q": text})


def _hyphenated(isbn: str) -> str:
    import isbnlib

    return isbnlib.mask(isbn) or isbn


def _shown_copies(visit: Visit, copies: Sequence[Copy]) -> list[ShownCopy]:
    ids = [copy.id for copy in copies]
    due, kept = on_loan(ids, visit.db), set_aside(ids, visit.db)
    return [
        ShownCopy(copy.code, copy.shelf, _badge(copy, due.get(copy.id), kept, visit.today), due.get(copy.id))
        for copy in copies
    ]


def _badge(copy: Copy, due_on: date | None, kept: Container[int], today: date) -> str:
    if due_on:
        return "late" if is_overdue(due_on, today) else "loan"
    if copy.state in LENDABLE:
        return "waiting" if copy.id in kept else "here"
    return copy.state


handlers = [start, catalogue, title]
