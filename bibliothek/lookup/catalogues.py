"""What the library catalogues behind SRU have in common (DNB, K10plus): asking them, and which record is the printed book."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

import msgspec

from bibliothek.catalogue.fields import Part
from bibliothek.lookup.fetch import Answer
from bibliothek.lookup.isbd import is_placeholder
from bibliothek.lookup.loose import BadAnswer
from bibliothek.lookup.marc import record_of
from bibliothek.lookup.record import Record
from bibliothek.lookup.sources import Source, SourceAnswer, fullest_first, last_year, troubled, unreadable
from bibliothek.lookup.sru import read_sru

XML = ("text/xml", "application/xml", "application/sru+xml", "application/marcxml+xml")
MOST_RECORDS = 10
_DECLARATION = re.compile(rb"^\s*(?:\xef\xbb\xbf)?<\?xml[^>]*\?>")


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """How one catalogue is asked: its name for MARC21 as XML, and its queries for an ISBN and for a record's number."""

    name: str
    schema: str
    by_isbn: Callable[[str], str]
    by_number: Callable[[str], str]


def ask(catalogue: Catalogue, source: Source, isbn13: str, now: datetime, deadline: float) -> SourceAnswer:
    """Ask for an ISBN, and for the set of a volume that has no title of its own. Never raises for what the catalogue does."""
    answer = _search(catalogue, source, catalogue.by_isbn(isbn13), deadline)
    if answer.trouble or answer.status != 200:
        return troubled(catalogue.name, answer, now)
    found = read(catalogue, isbn13, answer.body, answer.content_type, now)
    orphan = next((record for record in found.records if is_placeholder(record.title) and record.parent_id), None)
    if orphan is None or orphan.parent_id is None:
        return found
    parent = _search(catalogue, source, catalogue.by_number(orphan.parent_id), deadline)
    if parent.trouble or parent.status != 200:
        # Good enough for now, but not for half a year: without `raw` it is not stored.
        return msgspec.structs.replace(found, raw=b"")
    return read(catalogue, isbn13, _both(answer.body, parent.body), answer.content_type, now)


def _search(catalogue: Catalogue, source: Source, query: str, deadline: float) -> Answer:
    params = {
        "version": "1.1",
        "operation": "searchRetrieve",
        "query": query,
        "recordSchema": catalogue.schema,
        "maximumRecords": str(MOST_RECORDS),
    }
    return source.get(source.url, params, XML, deadline)


def _both(answer: bytes, parent: bytes) -> bytes:
    """Two answers as one document, so that what is stored can be read again on its own."""
    return b"<answers>" + _DECLARATION.sub(b"", answer) + _DECLARATION.sub(b"", parent) + b"</answers>"


def read(catalogue: Catalogue, isbn13: str, raw: bytes, content_type: str, asked_at: datetime) -> SourceAnswer:
    """What an answer says about an ISBN; for fresh and for stored ones. Anything but an answer is an outage.

    The index of ISBNs also finds records that merely mention the number, as an e-book mentions the printed one (776 $z):
    only what has it as its own (020 $a) and is printed is the book, all else is similar.
    """
    name = catalogue.name
    try:
        answer = read_sru(raw)
    except BadAnswer as error:
        return unreadable(name, str(error), asked_at)
    records = [record for marc in answer.records if (record := record_of(marc, name, last_year(asked_at)))]
    if answer.number and not records:
        return unreadable(name, "no record in the answer", asked_at)
    own = [record for record in records if isbn13 in record.isbns and record.is_printed]
    # The set that was asked for along with its volume is not one more find.
    sets = {record.parent_id for record in own}
    others = [
        record for record in records if record not in own and (not record.source_id or record.source_id not in sets)
    ]
    return SourceAnswer(
        source=name,
        outcome="found" if own else "not_found",
        asked_at=asked_at,
        records=fullest_first([_with_parent(record, records) for record in own]),
        similar=_nearest_first(isbn13, others),
        raw=raw,
        content_type=content_type,
    )


def _nearest_first(isbn13: str, records: list[Record]) -> tuple[Record, ...]:
    """First what has the number as its own, then printed books, then e-books and the rest."""
    return tuple(sorted(records, key=lambda record: (isbn13 in record.isbns, record.is_printed), reverse=True))


def _with_parent(record: Record, records: list[Record]) -> Record:
    """A volume called only "Bd. 3" takes title and persons of its set, where that came along."""
    parent = next((other for other in records if other.source_id and other.source_id == record.parent_id), None)
    if parent is None or not is_placeholder(record.title):
        return record
    return msgspec.structs.replace(
        record,
        title=parent.title,
        sort_title=parent.sort_title,
        subtitle=record.subtitle or parent.subtitle,
        contributors=record.contributors or parent.contributors,
        language=record.language or parent.language,
        series=(Part(parent.title, record.title), *record.series),
    )
