"""Deutsche Nationalbibliothek: SRU, MARC21 as XML. Free, no key, CC0 (https://www.dnb.de/sru)."""

from __future__ import annotations

import re
from datetime import datetime

import msgspec

from bibliothek.catalogue.fields import Part
from bibliothek.lookup.fetch import Answer
from bibliothek.lookup.isbd import is_placeholder
from bibliothek.lookup.isbn import isbn10
from bibliothek.lookup.marc import record_of
from bibliothek.lookup.record import Record
from bibliothek.lookup.sources import Source, SourceAnswer, fullest_first, last_year, troubled
from bibliothek.lookup.sru import BadAnswer, read_sru

NAME = "dnb"
XML = ("text/xml", "application/xml", "application/sru+xml", "application/marcxml+xml")
MOST_RECORDS = 10
_DECLARATION = re.compile(rb"^\s*(?:\xef\xbb\xbf)?<\?xml[^>]*\?>")


def ask(source: Source, isbn13: str, now: datetime, deadline: float) -> SourceAnswer:
    """Ask for an ISBN by its 13 and its 10 digits. Never raises for what DNB does."""
    # The number index `num` also finds records that merely mention a number; `read` looks closer.
    ten = isbn10(isbn13)
    answer = _search(source, f"num={isbn13} or num={ten}" if ten else f"num={isbn13}", deadline)
    if answer.trouble or answer.status != 200:
        return troubled(NAME, answer, now)
    found = read(isbn13, answer.body, answer.content_type, now)
    orphan = next((record for record in found.records if is_placeholder(record.title) and record.parent_id), None)
    if orphan is None:
        return found
    parent = _search(source, f"idn={orphan.parent_id}", deadline)
    if parent.trouble or parent.status != 200:
        # Good enough for now, but not for half a year: without `raw` it is not stored.
        return msgspec.structs.replace(found, raw=b"")
    return read(isbn13, _both(answer.body, parent.body), answer.content_type, now)


def _search(source: Source, query: str, deadline: float) -> Answer:
    params = {
        "version": "1.1",
        "operation": "searchRetrieve",
        "query": query,
        "recordSchema": "MARC21-xml",
        "maximumRecords": str(MOST_RECORDS),
    }
    return source.get(source.url, params, XML, deadline)


def _both(answer: bytes, parent: bytes) -> bytes:
    """Two answers as one document, so that what is stored can be read again on its own."""
    return b"<answers>" + _DECLARATION.sub(b"", answer) + _DECLARATION.sub(b"", parent) + b"</answers>"


def read(isbn13: str, raw: bytes, content_type: str, asked_at: datetime) -> SourceAnswer:
    """What an answer of DNB says about an ISBN; for fresh and for stored ones. Anything but an answer is an outage."""
    try:
        answer = read_sru(raw)
    except BadAnswer as error:
        return SourceAnswer(source=NAME, outcome="unavailable", asked_at=asked_at, reason=str(error))
    records = [record for marc in answer.records if (record := record_of(marc, NAME, last_year(asked_at)))]
    if answer.number and not records:
        return SourceAnswer(source=NAME, outcome="unavailable", asked_at=asked_at, reason="no record in the answer")
    own = [record for record in records if isbn13 in record.isbns and record.is_printed]
    return SourceAnswer(
        source=NAME,
        outcome="found" if own else "not_found",
        asked_at=asked_at,
        records=fullest_first([_with_parent(record, records) for record in own]),
        similar=tuple(record for record in records if record not in own),
        raw=raw,
        content_type=content_type,
    )


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
