"""Google Books (https://developers.google.com/books/docs/v1/reference/volumes). Only with the operator's own key.

Requests without a key are refused, and whoever runs the library decides whether Google learns what is donated here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bibliothek.catalogue.fields import Person
from bibliothek.catalogue.rules import LONGEST_NAME, MOST_ISBNS, MOST_PERSONS
from bibliothek.lookup import loose
from bibliothek.lookup.isbd import imprint, shown, year_in
from bibliothek.lookup.isbn import first_isbn
from bibliothek.lookup.languages import two_letters
from bibliothek.lookup.loose import BadAnswer, object_in, objects_in, text_in, texts_in
from bibliothek.lookup.names import given_first
from bibliothek.lookup.record import Record, without_doubles
from bibliothek.lookup.sources import Source, SourceAnswer, fullest_first, last_year, troubled, unreadable

NAME = "googlebooks"
_MOST_PAGES = 99_999


def ask(source: Source, isbn13: str, now: datetime, deadline: float) -> SourceAnswer:
    """Ask for an ISBN. Never raises for what Google does."""
    params = {"q": f"isbn:{isbn13}", "key": source.key or ""}
    answer = source.get(f"{source.url}/volumes", params, loose.JSON, deadline)
    if answer.trouble or answer.status != 200:
        return troubled(NAME, answer, now)
    return read(isbn13, answer.body, answer.content_type, now)


def read(isbn13: str, raw: bytes, content_type: str, asked_at: datetime) -> SourceAnswer:
    """What an answer of `/volumes` says about an ISBN. Unknown is `totalItems` 0; without that number it is an outage."""
    try:
        answer = loose.decode(raw)
    except BadAnswer as error:
        return unreadable(NAME, str(error), asked_at)
    if not isinstance(answer.get("totalItems"), int):
        return unreadable(NAME, f"no totalItems: {list(answer)[:3]}", asked_at)
    last = last_year(asked_at)
    records = [record for item in objects_in(answer.get("items")) if (record := _record(item, last))]
    own = [record for record in records if isbn13 in record.isbns and record.is_printed]
    return SourceAnswer(
        source=NAME,
        outcome="found" if own else "not_found",
        asked_at=asked_at,
        records=fullest_first(own),
        similar=tuple(record for record in records if record not in own),
        raw=raw,
        content_type=content_type,
    )


def _record(item: dict[str, Any], last: int) -> Record | None:
    book = object_in(item.get("volumeInfo"))
    title = shown(text_in(book.get("title")))
    if not title:
        return None
    number = text_in(item.get("id"))
    plain = number.replace("-", "").replace("_", "")
    return Record(
        title=title,
        subtitle=shown(text_in(book.get("subtitle"))) or None,
        contributors=_authors(book),
        publisher=imprint(text_in(book.get("publisher"))),
        year=year_in(text_in(book.get("publishedDate")), last),
        pages=_pages(book),
        language=_language(text_in(book.get("language"))),
        isbns=_isbns(book),
        subjects=without_doubles(shown(text, LONGEST_NAME) for text in texts_in(book.get("categories"))),
        carrier="online" if object_in(item.get("saleInfo")).get("isEbook") is True else None,
        source=NAME,
        source_id=number or None,
        source_url=f"https://books.google.com/books?id={number}" if plain.isalnum() and plain.isascii() else None,
    )


def _authors(book: dict[str, Any]) -> tuple[Person, ...]:
    """Google names everybody an author, given name first."""
    names = (given_first(shown(name, LONGEST_NAME))[:LONGEST_NAME] for name in texts_in(book.get("authors")))
    return tuple(Person(name, "aut") for name in dict.fromkeys(names) if name)[:MOST_PERSONS]


def _pages(book: dict[str, Any]) -> int | None:
    number = book.get("pageCount")
    return number if isinstance(number, int) and 0 < number <= _MOST_PAGES else None


def _language(tag: str) -> str | None:
    """`pt-BR` gives `pt`: Google writes language tags (BCP 47)."""
    code = tag.partition("-")[0].lower()
    if len(code) == 2 and code.isalpha() and code.isascii():
        return code
    return two_letters(code)


def _isbns(book: dict[str, Any]) -> tuple[str, ...]:
    numbers = (text_in(entry.get("identifier")) for entry in objects_in(book.get("industryIdentifiers")))
    return tuple(dict.fromkeys(isbn for text in numbers if (isbn := first_isbn(text))))[:MOST_ISBNS]
