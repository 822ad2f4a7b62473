"""Everything goes out: all titles and copies as one table that comes back in unchanged. Who borrowed what is not in it.

One row a copy, and one for each title without copies. Titles are numbered in the order they came, not by their numbers here:
the same library exports the same file, wherever its rows have been meanwhile. A donor is named where somebody typed a name; a
member who gave a book is not, for the file leaves the house.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import count
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bibliothek.catalogue.fields import OWN_COLUMNS, Person
from bibliothek.catalogue.models import Contributor, SeriesPart, Subject, Title, TitleIsbn
from bibliothek.catalogue.provenance import FIELDS, PERSON, SUBJECTS, FieldOrigin, is_gap, unpacked
from bibliothek.copies.models import Copy, Shelf
from bibliothek.copies.rules import CONDITIONS, REASONS
from bibliothek.donations.models import DonatedCopy, Donation
from bibliothek.transfer.cells import harmless
from bibliothek.transfer.entries import STATES, own_person
from bibliothek.transfer.formats import OWN_HEADINGS

# Titles that are in memory at once.
BATCH = 500

Cells = dict[str, str]


def export(db: Session) -> Iterator[str]:
    """The table, in pieces of some hundred rows, all of the session's moment: CSV (RFC 4180) with semicolons and a byte order
    mark, as spreadsheet programs open it in Germany."""
    yield "\ufeff" + line(OWN_HEADINGS.values())
    for rows in _batches(db):
        yield "".join(line([cells.get(target, "") for target in OWN_HEADINGS]) for cells in rows)


def line(cells: Iterable[str]) -> str:
    """A row of a table to be opened in a spreadsheet program: nothing in it is run as a formula there."""
    text = io.StringIO()
    csv.writer(text, delimiter=";").writerow([harmless(cell) for cell in cells])
    return text.getvalue()


def _batches(db: Session) -> Iterator[list[Cells]]:
    last, numbers = 0, count(1)
    columns = (Title.id, *(getattr(Title, name) for name in OWN_COLUMNS))
    more = (Title.sort_title, Title.source, Title.source_url, Title.created_at, Title.origins)
    while True:
        wanted = select(*columns, *more).where(Title.id > last).order_by(Title.id).limit(BATCH)
        titles = db.execute(wanted).all()
        if not titles:
            return
        parts = _Parts(db, [title.id for title in titles])
        rows = []
        for title in titles:
            said = _title_cells(title, next(numbers), parts)
            rows += [{**said, **_copy_cells(copy)} for copy in parts.copies.get(title.id, ())] or [said]
        yield rows
        last = titles[-1].id


class _Parts:
    """What hangs on some titles, by the title's number."""

    def __init__(self, db: Session, title_ids: Sequence[int]) -> None:
        def of(table: Any) -> dict[int, list[Any]]:
            query = select(*table.__table__.columns).where(table.title_id.in_(title_ids))
            return _by_title(db.execute(query.order_by(table.position)))

        self.persons, self.series, self.isbns = of(Contributor), of(SeriesPart), of(TitleIsbn)
        self.subjects = of(Subject)
        self.copies = _by_title(
            db.execute(
                select(*Copy.__table__.columns, Shelf.name, Shelf.code.label("shelf_code"), Donation.donor_name)
                .outerjoin(Shelf, Shelf.id == Copy.shelf_id)
                .outerjoin(DonatedCopy, DonatedCopy.copy_id == Copy.id)
                .outerjoin(Donation, Donation.id == DonatedCopy.donation_id)
                .where(Copy.title_id.in_(title_ids))
                .order_by(Copy.id)
            )
        )


def _by_title(rows: Iterable[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.title_id].append(row)
    return found


def _title_cells(title: Any, number: int, parts: _Parts) -> Cells:
    persons, series = parts.persons.get(title.id, ()), parts.series.get(title.id, ())
    isbns, subjects = parts.isbns.get(title.id, ()), parts.subjects.get(title.id, ())
    said = {**title._mapping, "contributors": tuple(persons), "series": tuple(series), "isbns": tuple(isbns)}
    return {
        **{name: _text(getattr(title, name)) for name in OWN_COLUMNS},
        "title_number": str(number),
        "persons": "\n".join(own_person(Person(person.name, person.role)) for person in persons),
        "series": "\n".join(part.series for part in series),
        "number": "\n".join(part.number or "" for part in series).rstrip("\n"),
        "isbn": "\n".join(_isbn(row.isbn) for row in isbns),
        "subjects": "\n".join(subject.name for subject in subjects),
        "title_created": _moment(title.created_at),
        "sort_title": title.sort_title,
        "source": _text(title.source),
        "source_url": _text(title.source_url),
        "origins": _origins({**said, SUBJECTS: tuple(subjects)}, unpacked(title.origins)),
    }


def _isbn(digits: str) -> str:
    """With a hyphen: of thirteen digits alone, spreadsheet programs make 9.78E+12."""
    return f"{digits[:3]}-{digits[3:]}"


def _origins(said: dict[str, Any], noted: dict[str, FieldOrigin]) -> str:
    """A line for each source, with the fields that it said. A field of which nobody knows counts as typed (provenance)."""
    sources = {name: origin.source for name, origin in noted.items()}
    sources |= {name: PERSON for name in FIELDS if name not in sources and not is_gap(said[name])}
    named: dict[str, list[str]] = defaultdict(list)
    for name in FIELDS:
        if name in sources and (sources[name] == PERSON or not is_gap(said[name])):
            named[sources[name]].append(name)
    return "\n".join(f"{source}: {' '.join(names)}" for source, names in named.items())


def _copy_cells(copy: Any) -> Cells:
    reason = _text(copy.withdrawn_reason)
    return {
        "code": copy.code,
        "shelf": _text(copy.name),
        "shelf_code": _text(copy.shelf_code),
        "condition": CONDITIONS.get(copy.condition, ""),
        "state": STATES[copy.state],
        "donor": _text(copy.donor_name),
        "created": _moment(copy.created_at),
        "labelled": _moment(copy.labelled_at),
        "withdrawn": _moment(copy.withdrawn_at),
        "reason": REASONS.get(reason, reason),
    }


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _moment(value: datetime | None) -> str:
    """In UTC, to the second (ISO 8601). With its T and Z, spreadsheet programs leave it alone."""
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if value else ""
