"""K10plus, the union catalogue of GBV and SWB: SRU 1.1, MARC21 as XML. Free, no key, CC0 (https://wiki.k10plus.de/display/K10PLUS/SRU).

Version 1.1 is pinned: 2.0 answers in another namespace. Its index of ISBNs knows both lengths by itself.
"""

from __future__ import annotations

from datetime import datetime

from bibliothek.lookup import catalogues
from bibliothek.lookup.sources import Source, SourceAnswer

NAME = "k10plus"
_K10PLUS = catalogues.Catalogue(
    name=NAME,
    schema="marcxml",
    by_isbn=lambda isbn13: f"pica.isb={isbn13}",
    by_number=lambda number: f"pica.ppn={number}",
)


def ask(source: Source, isbn13: str, now: datetime, deadline: float) -> SourceAnswer:
    """Ask for an ISBN. Never raises for what K10plus does."""
    return catalogues.ask(_K10PLUS, source, isbn13, now, deadline)


def read(isbn13: str, raw: bytes, content_type: str, asked_at: datetime) -> SourceAnswer:
    """What an answer of K10plus says about an ISBN."""
    return catalogues.read(_K10PLUS, isbn13, raw, content_type, asked_at)
