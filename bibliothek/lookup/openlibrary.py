"""Open Library, the Internet Archive's catalogue (https://openlibrary.org/dev/docs/api/books).

German records are poor there, so it is asked as well but never leads.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from bibliothek.catalogue.fields import Person
from bibliothek.catalogue.rules import LONGEST_NAME, MOST_ISBNS, MOST_PERSONS
from bibliothek.lookup import loose
from bibliothek.lookup.isbd import imprint, pages_in, shown, year_in
from bibliothek.lookup.isbn import first_isbn
from bibliothek.lookup.languages import two_letters
from bibliothek.lookup.loose import BadAnswer, names_in, object_in, objects_in, text_in, texts_in
from bibliothek.lookup.names import given_first
from bibliothek.lookup.record import Outcome, Record, without_doubles
from bibliothek.lookup.sources import Source, SourceAnswer, last_year, troubled, unreadable

NAME = "openlibrary"
_COVER = re.compile(r"/b/id/(\d{1,12})-")
_MOST_PAGES = 99_999


def ask(source: Source, isbn13: str, now: datetime, deadline: float) -> SourceAnswer:
    """Ask for an ISBN. Never raises for what Open Library does."""
    params = {"bibkeys": f"ISBN:{isbn13}", "jscmd": "data"}
    answer = source.get(f"{source.url}/api/books.json", params, loose.JSON, deadline)
    if answer.trouble or answer.status != 200:
        return troubled(NAME, answer, now)
    return read(isbn13, answer.body, answer.content_type, now)


def read(isbn13: str, raw: bytes, content_type: str, asked_at: datetime) -> SourceAnswer:
    """What an answer of `/api/books.json` says about an ISBN; unknown is an empty object, an error has other keys."""
    try:
        answer = loose.decode(raw)
    except BadAnswer as error:
        return unreadable(NAME, str(error), asked_at)
    book = answer.get(f"ISBN:{isbn13}")
    if book is None and answer:
        outcome: Outcome = "throttled" if answer.get("status") == 429 else "unavailable"
        return unreadable(NAME, f"error: {list(answer)[:3]}", asked_at, outcome)
    record = _record(isbn13, book, last_year(asked_at)) if isinstance(book, dict) else None
    return SourceAnswer(
        source=NAME,
        outcome="found" if record else "not_found",
        asked_at=asked_at,
        records=(record,) if record else (),
        raw=raw,
        content_type=content_type,
    )


def _record(isbn13: str, book: dict[str, Any], last: int) -> Record | None:
    title = shown(text_in(book.get("title")))
    if not title:
        return None
    key = text_in(book.get("key")).removeprefix("/books/")
    cover = _COVER.search(text_in(object_in(book.get("cover")).get("large")))
    return Record(
        title=title,
        subtitle=shown(text_in(book.get("subtitle"))) or None,
        contributors=_authors(book),
        publisher=next(filter(None, map(imprint, names_in(book.get("publishers")))), None),
        place=next(filter(None, map(imprint, names_in(book.get("publish_places")))), None),
        year=year_in(text_in(book.get("publish_date")), last),
        pages=_pages(book),
        language=_language(book),
        isbns=_isbns(isbn13, book),
        subjects=_subjects(book),
        source=NAME,
        source_id=key or None,
        source_url=f"https://openlibrary.org/books/{key}" if key.isalnum() and key.isascii() else None,
        cover_id=int(cover.group(1)) if cover else None,
    )


def _authors(book: dict[str, Any]) -> tuple[Person, ...]:
    names = (given_first(shown(name, LONGEST_NAME))[:LONGEST_NAME] for name in names_in(book.get("authors")))
    return tuple(Person(name, "aut") for name in dict.fromkeys(names) if name)[:MOST_PERSONS]


def _pages(book: dict[str, Any]) -> int | None:
    number = book.get("number_of_pages")
    if isinstance(number, int) and 0 < number <= _MOST_PAGES:
        return number
    return pages_in(text_in(book.get("pagination")))


def _language(book: dict[str, Any]) -> str | None:
    """`[{"key": "/languages/ger"}]`, which only some answers have."""
    keys = [text_in(entry.get("key")) for entry in objects_in(book.get("languages"))]
    return next((code for key in keys if (code := two_letters(key.rpartition("/")[2]))), None)


def _isbns(isbn13: str, book: dict[str, Any]) -> tuple[str, ...]:
    numbers = object_in(book.get("identifiers"))
    texts = [*texts_in(numbers.get("isbn_13")), *texts_in(numbers.get("isbn_10"))]
    found = [isbn for text in texts if (isbn := first_isbn(text))]
    return tuple(dict.fromkeys([isbn13, *found]))[:MOST_ISBNS]


def _subjects(book: dict[str, Any]) -> tuple[str, ...]:
    return without_doubles(shown(name, LONGEST_NAME) for name in names_in(book.get("subjects")))
