"""Somebody signs in by a link in the very moment in which a librarian changes or deletes them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bibliothek.members import actions, sign_in
from bibliothek.members.models import BrowserSession
from tests import make
from tests.conftest import NOON, Library
from tests.race import until_another_waits


def change(db: Session, member_id: int) -> None:
    actions.change_member(db, member_id, "Mitglied 1", "neu@example.org", "librarian", NOON)


def remove(db: Session, member_id: int) -> None:
    actions.remove_member(db, member_id, NOON)


@pytest.mark.parametrize("then", [change, remove])
def test_signing_in_and_a_change_of_the_member_do_not_block_each_other(
    both: Library, monkeypatch: pytest.MonkeyPatch, then: Callable[[Session, int], None]
) -> None:
    with both.database.writing() as db:
        make.admin(db)
        member = make.member(db)
        link = sign_in.new_link(db, member, NOON)
    begun, start_session = Event(), actions.start_session

    def slowly(*given: Any) -> str:
        begun.set()
        until_another_waits(both.database)
        return start_session(*given)

    def come_in() -> int:
        with both.database.writing() as db:
            return sign_in.use_link(db, link, "session", NOON).member_id

    def look_after() -> None:
        begun.wait(5)
        with both.database.writing() as db:
            then(db, member.id)

    monkeypatch.setattr(sign_in, "start_session", slowly)
    with ThreadPoolExecutor(2) as pool:
        entry, changed = pool.submit(come_in), pool.submit(look_after)
        assert entry.result() == member.id
        changed.result()
    with both.database.reading() as db:
        # With another role, or deleted, nobody stays signed in.
        assert db.scalar(select(func.count()).select_from(BrowserSession)) == 0
