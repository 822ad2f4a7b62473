"""Single copies for programs."""

from __future__ import annotations

from datetime import date

import msgspec
from litestar.params import FromPath
from msgspec import UNSET, UnsetType

from bibliothek.catalogue.fields import TitleAnswer
from bibliothek.catalogue.queries import title_answer
from bibliothek.lending.queries import at_desk, availability
from bibliothek.members.queries import member
from bibliothek.web.calls import Call, read_call
from bibliothek.web.sign_in import Audience


class CopyMember(msgspec.Struct):
    id: int
    name: str


class CopyAnswer(msgspec.Struct):
    """A copy and whether it can be lent now. `member`, who has it, is there for librarians only; null while it is here."""

    code: str
    title: TitleAnswer
    state: str
    available: bool
    due_on: date | None
    member: CopyMember | UnsetType | None = UNSET


@read_call("/copies/{code:str}", Audience.TOKENS, refuses=(404,))
def get_copy(call: Call, code: FromPath[str]) -> CopyAnswer:
    """The copy with this code. 404 when nothing has it, 422 when it was misread."""
    copy = at_desk(call.db, code)
    title = title_answer(call.db, copy.title_id, availability(call.db, [copy.title_id]))
    return CopyAnswer(
        code=copy.code,
        title=title,
        state=copy.state,
        available=copy.is_available,
        due_on=copy.due_on,
        member=_borrower(call, copy.member_id) if call.asker.is_librarian else UNSET,
    )


def _borrower(call: Call, member_id: int | None) -> CopyMember | None:
    if member_id is None:
        return None
    found = member(call.db, member_id)
    return CopyMember(found.id, found.name)


handlers = [get_copy]
