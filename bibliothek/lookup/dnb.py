"""Deutsche Nationalbibliothek: SRU, MARC21 as XML. Free, no key, CC0 (https://www.dnb.de/sru)."""

from __future__ import annotations

from datetime import datetime

from bibliothek.lookup import catalogues
from bibliothek.lookup.isbn import isbn10
from bibliothek.lookup.sources import Source, SourceAnswer

NAME = "dnb"


def _by_isbn(isbn13: str) -> str:
    """By its 13 and its 10 digits. The index `num` also finds records that merely mention a number."""
    ten = isbn10(isbn13)
    return f"num={isbn13} or num={ten}" if ten else f"num={isbn13}"


_DNB = catalogues.Catalogue(name=NAME, schema="MARC21-xml", by_isbn=_by_isbn, by_number=lambda number: f"idn={number}")


def ask(source: Source, isbn13: str, now: datetime, deadline: float) -> SourceAnswer:
    """Ask for an ISBN. Never raises for what DNB does."""
    return catalogues.ask(_DNB, source, isbn13, now, deadline)


def read(isbn13: str, raw: bytes, content_type: str, asked_at: datetime) -> SourceAnswer:
    """What an answer of DNB says about an ISBN."""
    return catalogues.read(_DNB, isbn13, raw, content_type, asked_at)
