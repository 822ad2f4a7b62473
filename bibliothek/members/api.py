"""Members for programs: add one with a card, erase one, whatever their role (docs/decisions/0008-tokens-and-roles.md)."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

import msgspec
from litestar.params import FromPath, JSONBody

from bibliothek import codes
from bibliothek.kiosk.actions import forget_member
from bibliothek.lending.actions import leave
from bibliothek.members import actions, queries
from bibliothek.members.fields import Role
from bibliothek.web.calls import Call, Made, write_call
from bibliothek.web.sign_in import Audience


class MemberCall(msgspec.Struct):
    """A new member; `email` and `role` may be left out."""

    name: str
    email: str | None = None
    role: Role = "member"


class MemberAnswer(msgspec.Struct):
    """The member's number, and the code of their new card, told this once."""

    id: int
    card: str


def made(call: Call, ids: dict[str, Any]) -> MemberAnswer:
    """The card's code comes from the request's own seed: it is kept nowhere, and a repeated request gets it again."""
    return MemberAnswer(ids["id"], codes.new_card_code(_card_seed(call, ids["salt"])))


def _card_seed(call: Call, salt: str) -> bytes:
    """With the salt, a key that is used again when it is long forgotten makes another card."""
    return hashlib.sha256(call.seed + salt.encode()).digest()


def nothing(_call: Call, _ids: dict[str, Any]) -> None:
    """204 has no body."""


@write_call("/members", Audience.LIBRARIAN_TOKENS, made, refuses=(409,))
def post_member(call: Call, data: JSONBody[MemberCall]) -> Made:
    """Add a member with a card. 409 when another has the address."""
    member = actions.add_member(call.db, data.name, data.email, data.role, call.now)
    salt = secrets.token_hex(16)
    actions.new_card(call.db, member, call.now, _card_seed(call, salt))
    return Made(201, {"id": member.id, "salt": salt})


@write_call(
    "/members/{member_id:int}", Audience.LIBRARIAN_TOKENS, nothing, method="DELETE", status=204, refuses=(404, 409)
)
def delete_member(call: Call, member_id: FromPath[int]) -> Made:
    """Erase a member. 409 while they have books at home, and for the last admin."""
    queries.member(call.db, member_id)
    # The tablets are locked before the member.
    forget_member(call.db, member_id)
    leave(call.db, member_id, call.now, call.today)
    actions.remove_member(call.db, member_id, call.now)
    return Made(204)


handlers = [post_member, delete_member]
