"""Look-ups for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from litestar.params import FromPath

from bibliothek.catalogue.fields import TitleFields
from bibliothek.lookup.actions import find
from bibliothek.lookup.isbn import book_isbn
from bibliothek.lookup.record import Outcome
from bibliothek.web.calls import Call, read_call
from bibliothek.web.sign_in import Audience

if TYPE_CHECKING:
    from bibliothek.lookup.merge import LookupResult


class SourceOutcome(msgspec.Struct):
    """What became of asking one source."""

    name: str
    outcome: Outcome


class LookupAnswer(msgspec.Struct):
    """The best record, what else is under this ISBN, and for each field of the record which source it came from."""

    isbn: str
    outcome: Outcome
    record: TitleFields | None
    alternatives: list[TitleFields]
    sources: list[SourceOutcome]
    origin: dict[str, str]


def lookup_answer(found: LookupResult) -> LookupAnswer:
    return LookupAnswer(
        isbn=found.isbn,
        outcome=found.outcome,
        record=found.record.fields() if found.record else None,
        alternatives=[record.fields() for record in found.alternatives],
        sources=[SourceOutcome(name, outcome) for name, outcome in found.sources],
        origin=found.origin,
    )


@read_call("/lookup/{isbn:str}", Audience.TOKENS, outside=True)
def lookup(call: Call, isbn: FromPath[str]) -> LookupAnswer:
    """What the sources know about an ISBN in any form. Stores nothing but their answers; not an ISBN: 422."""
    return lookup_answer(find(call.kit.database, call.kit.settings, book_isbn(isbn), call.now))


handlers = [lookup]
