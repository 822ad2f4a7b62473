"""Somebody is erased between reading their card and lending to them."""

from __future__ import annotations

import pytest

from bibliothek.lending import actions
from bibliothek.lending.queries import on_loan
from bibliothek.members.actions import remove_member
from bibliothek.members.queries import MemberRef, NoSuchMember
from tests import make
from tests.conftest import NOON, Library


def test_nothing_is_lent_to_somebody_who_was_just_erased(both: Library) -> None:
    with both.database.writing() as db:
        copy, member = make.copy(db), make.member(db)
        gone = MemberRef(member.id, member.name)
        remove_member(db, member.id, NOON)
    with pytest.raises(NoSuchMember), both.database.writing() as db:
        actions.lend(db, copy, gone, NOON, make.TODAY)
    with both.database.reading() as db:
        assert on_loan([copy.id], db) == {}
