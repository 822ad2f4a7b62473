"""What is known about a book of a pile before it is taken in, as it is kept with its row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from bibliothek.catalogue.fields import Origin, TitleFields
from bibliothek.catalogue.provenance import PERSON
from bibliothek.catalogue.rules import checked
from bibliothek.lookup.merge import LookupResult
from bibliothek.lookup.record import Record
from bibliothek.problems import Invalid


class Draft(Record, frozen=True, kw_only=True):
    """A look-up's record that also knows where each of its fields comes from: the name of a source, or "person"."""

    sources: dict[str, str] = {}

    def came_from(self) -> Origin:
        """What comes along into the catalogue. A title that a person typed is no record of any source."""
        origin = Origin() if self.sources.get("title", PERSON) == PERSON else self.origin()
        return msgspec.structs.replace(origin, fields=self.sources)

    @property
    def is_usable(self) -> bool:
        """Whether a title can be made of it as it is. A source may say what no title page holds."""
        try:
            checked(self.fields())
        except Invalid:
            return False
        return True


def drafts_of(found: LookupResult) -> list[Draft]:
    """The record that was found, then the other editions under the very number, each with the number first."""
    if found.record is None:
        return []
    editions = [record for record in found.alternatives if found.isbn in record.isbns and record.is_printed]
    drafts = [_draft(found.record, found.origin, found.isbn)]
    return drafts + [
        _draft(record, dict.fromkeys(record.filled(), record.source or ""), found.isbn) for record in editions
    ]


def _draft(record: Record, sources: dict[str, str], isbn: str) -> Draft:
    known = {name: getattr(record, name) for name in Record.__struct_fields__}
    isbns = tuple(dict.fromkeys((isbn, *record.isbns)))
    return Draft(**{**known, "isbns": isbns, "sources": sources})


def typed(fields: TitleFields, before: Draft | None) -> Draft:
    """What a person wrote, over what was there before: a field that was left as it was keeps its origin."""
    before = before or Draft(title="")
    changes: dict[str, Any] = {name: getattr(fields, name) for name in TitleFields.__struct_fields__}
    sources = {
        name: before.sources.get(name, PERSON) if value == getattr(before, name) else PERSON
        for name, value in changes.items()
        if value not in (None, ()) or name in before.sources
    }
    return msgspec.structs.replace(before, **changes, sources=sources)


def written(draft: Draft) -> str:
    """The draft as the row keeps it."""
    return msgspec.json.encode(draft).decode()


def read(text: str | None) -> Draft | None:
    """The draft that `written` made."""
    return msgspec.json.decode(text, type=Draft) if text else None


def written_choices(drafts: Sequence[Draft]) -> str:
    return msgspec.json.encode(drafts).decode()


def read_choices(text: str | None) -> list[Draft]:
    return msgspec.json.decode(text, type=list[Draft]) if text else []
