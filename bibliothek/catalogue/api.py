"""Titles for programs."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar.params import FromPath, FromQuery, QueryParameter
from msgspec import UNSET, UnsetType

from bibliothek.catalogue import queries
from bibliothek.catalogue.fields import TitleAnswer
from bibliothek.copies.queries import copies_of
from bibliothek.lending.queries import LENDABLE, availability, on_loan
from bibliothek.web.calls import Call, read_call
from bibliothek.web.sign_in import Audience

# The limits stand in the parameter itself: those of a Meta inside FromQuery are passed over.
Page = Annotated[int, QueryParameter(ge=1, le=1_000_000)]
PerPage = Annotated[int, QueryParameter(ge=1, le=500)]


class CopyAnswer(msgspec.Struct):
    """A copy of a title; `shelf` is the name of the shelf or null."""

    code: str
    shelf: str | None
    state: str
    available: bool


class OneTitle(TitleAnswer, frozen=True, kw_only=True):
    """A title with its copies."""

    copies: tuple[CopyAnswer, ...]


class TitleList(msgspec.Struct):
    """A page of titles; `more` is there, and true, where there are more than `total`."""

    items: list[TitleAnswer]
    total: int
    page: int
    per_page: int
    more: bool | UnsetType = UNSET


@read_call("/titles", Audience.TOKENS)
def get_titles(call: Call, q: FromQuery[str] = "", page: Page = 1, per_page: PerPage = 50) -> TitleList:
    """Titles in which all words of `q` stand, best match first; without `q` all of them, newest first."""
    found = queries.search(call.db, q, offset=(page - 1) * per_page, limit=per_page)
    ids = [row.id for row in found.rows]
    items = queries.title_answers(call.db, ids, availability(call.db, ids))
    return TitleList(items, found.total, page, per_page, True if found.more else UNSET)


@read_call("/titles/{title_id:int}", Audience.TOKENS, refuses=(404,))
def get_title(call: Call, title_id: FromPath[int]) -> OneTitle:
    """One title with its copies. Withdrawn copies are left out. A title that became part of another one answers with that."""
    found = queries.title(call.db, queries.title_now(call.db, title_id))
    copies = copies_of(call.db, found.id)
    lent = on_loan([copy.id for copy in copies], call.db)
    shown = tuple(
        CopyAnswer(
            copy.code,
            copy.shelf.name if copy.shelf else None,
            copy.state,
            copy.state in LENDABLE and copy.id not in lent,
        )
        for copy in copies
    )
    return OneTitle(
        **msgspec.structs.asdict(queries.fields_of(found)),
        id=found.id,
        available=sum(copy.available for copy in shown),
        total=len(shown),
        copies=shown,
    )


handlers = [get_titles, get_title]
