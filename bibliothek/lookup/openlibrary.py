"""Open Library, the Internet Archive's catalogue (https://openlibrary.org/dev/docs/api/books).

German records are poor there, so it is asked as well but never leads.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from bibliothek.catalogue.fields import Person
from bibliothek.catalogue.rules import LONGEST_NAME, MOST_ISBNS, MOST_PERSONS, MOST_SUBJECTS
from bibliothek.catalogue.words import fold
from bibliothek.lookup.isbd import imprint, pages_in, shown, year_in
from bibliothek.lookup.isbn import first_isbn
from bibliothek.lookup.languages import two_letters
from bibliothek.lookup.names import given_first
from bibliothek.lookup.record import Outcome, Record
from bibliothek.lookup.sources import Source, SourceAnswer, last_year, troubled

NAME = "openlibrary"
JSON = ("application/json", "text/json")
_COVER = re.compile(r"/b/id/(\d{1,12})-")
_MOST_PAGES = 99_999


def ask(source: Source, isbn13: str, now: datetime, deadline: float) -> SourceAnswer:
    """Ask for an ISBN. Never raises for what Open Library does."""
    params = {"bibkeys": f"ISBN:{isbn13}", "jscmd": "data"}
    answer = source.get(f"{source.url}/api/books.json", params, JSON, deadline)
    if answer.trouble or answer.status != 200:
        return troubled(NAME, answer, now)
    return read(isbn13, answer.body, answer.content_type, now)


def read(isbn13: str, raw: bytes, content_type: str, asked_at: datetime) -> SourceAnswer:
    """What an answer of `/api/books.json` says about an ISBN; unknown is an empty object, an error has other keys."""
    try:
        answer = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return _no_answer("unavailable", "not JSON", asked_at)
    if not isinstance(answer, dict):
        return _no_answer("unavailable", "not an object", asked_at)
    book = answer.get(f"ISBN:{isbn13}")
    if book is None and answer:
        throttled = answer.get("status") == 429
        return _no_answer("throttled" if throttled else "unavailable", f"error: {list(answer)[:3]}"[:200], asked_at)
    record = _record(isbn13, book, last_year(asked_at)) if isinstance(book, dict) else None
    return SourceAnswer(
        source=NAME,
        outcome="found" if record else "not_found",
        asked_at=asked_at,
        records=(record,) if record else (),
        raw=raw,
        content_type=content_type,
    )


def _no_answer(outcome: Outcome, reason: str, asked_at: datetime) -> SourceAnswer:
    return SourceAnswer(source=NAME, outcome=outcome, asked_at=asked_at, reason=reason)


def _record(isbn13: str, book: dict[str, Any], last: int) -> Record | None:
    title = shown(_text(book.get("title")))
    if not title:
        return None
    key = _text(book.get("key")).removeprefix("/books/")
    cover = _COVER.search(_text(_dict(book.get("cover")).get("large")))
    return Record(
        title=title,
        subtitle=shown(_text(book.get("subtitle"))) or None,
        contributors=_authors(book),
        publisher=next(filter(None, map(imprint, _names(book.get("publishers")))), None),
        place=next(filter(None, map(imprint, _names(book.get("publish_places")))), None),
        year=year_in(_text(book.get("publish_date")), last),
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
    names = (given_first(shown(name, LONGEST_NAME))[:LONGEST_NAME] for name in _names(book.get("authors")))
    return tuple(Person(name, "aut") for name in dict.fromkeys(names) if name)[:MOST_PERSONS]


def _pages(book: dict[str, Any]) -> int | None:
    number = book.get("number_of_pages")
    if isinstance(number, int) and 0 < number <= _MOST_PAGES:
        return number
    return pages_in(_text(book.get("pagination")))


def _language(book: dict[str, Any]) -> str | None:
    """`[{"key": "/languages/ger"}]`, which only some answers have."""
    languages = book.get("languages")
    keys = [_text(_dict(entry).get("key")) for entry in languages] if isinstance(languages, list) else []
    return next((code for key in keys if (code := two_letters(key.rpartition("/")[2]))), None)


def _isbns(isbn13: str, book: dict[str, Any]) -> tuple[str, ...]:
    numbers = _dict(book.get("identifiers"))
    texts = [*_texts(numbers.get("isbn_13")), *_texts(numbers.get("isbn_10"))]
    found = [isbn for text in texts if (isbn := first_isbn(text))]
    return tuple(dict.fromkeys([isbn13, *found]))[:MOST_ISBNS]


def _subjects(book: dict[str, Any]) -> tuple[str, ...]:
    found: dict[tuple[str, ...], str] = {}
    for name in _names(book.get("subjects")):
        found.setdefault(tuple(fold(name)), shown(name, LONGEST_NAME))
    return tuple(text for words, text in found.items() if words and text)[:MOST_SUBJECTS]


# What stands where is promised by nobody: whatever has another type counts as missing.


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> Iterable[str]:
    return filter(None, map(_text, value)) if isinstance(value, list) else ()


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _names(value: object) -> Iterable[str]:
    """The names of `[{"name": …}, …]`, or of plain texts."""
    entries = value if isinstance(value, list) else []
    return filter(None, (_text(entry) or _text(_dict(entry).get("name")) for entry in entries))
