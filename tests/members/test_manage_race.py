"""A librarian does something to a member who, in that very moment, gets another role or is erased."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bibliothek.db import Database
from bibliothek.members import actions, queries, sign_in
from bibliothek.members.models import Member, SignIn
from tests import make
from tests.client import Client
from tests.conftest import NOON, Library
from tests.race import until_another_waits

Ask = Callable[[Client, int], Any]


@pytest.fixture
def librarian(both: Library) -> Iterator[Client]:
    with both.database.writing() as db:
        make.admin(db)
        looks_after = make.member(db, role="librarian")
    with both.client() as client:
        yield client.sign_in(looks_after).with_token("librarian")


@pytest.fixture
def member_id(both: Library) -> int:
    with both.database.writing() as db:
        return make.member(db, "Mitglied 1", "mitglied@example.org").id


def change(client: Client, member_id: int) -> Any:
    return client.submit(f"/verwaltung/mitglieder/{member_id}", False, name="Jemand", email="anders@example.org")


def remove(client: Client, member_id: int) -> Any:
    return client.submit(f"/verwaltung/mitglieder/{member_id}/loeschen", False)


def show_way_in(client: Client, member_id: int) -> Any:
    return client.submit(f"/verwaltung/mitglieder/{member_id}/qr", False)


def remove_by_token(client: Client, member_id: int) -> Any:
    return client.delete(f"/api/v1/members/{member_id}")


def while_(database: Database, change_it: Callable[[Session], object], ask: Callable[[], Any]) -> Any:
    """The answer to what is asked while `change_it` is done but not yet committed."""
    with ThreadPoolExecutor(1) as other:
        with database.writing() as db:
            change_it(db)
            asked = other.submit(ask)
            until_another_waits(database)
        return asked.result()


@pytest.mark.parametrize("ask", [change, remove, show_way_in])
def test_whoever_becomes_an_admin_in_this_moment_is_no_longer_the_librarians(
    both: Library, librarian: Client, member_id: int, ask: Ask
) -> None:
    def promote(db: Session) -> None:
        actions.change_member(db, member_id, "Mitglied 1", "mitglied@example.org", "admin", NOON)

    assert while_(both.database, promote, lambda: ask(librarian, member_id)).status_code == 403
    with both.database.reading() as db:
        found = queries.member(db, member_id)
        assert (found.name, found.email, found.role) == ("Mitglied 1", "mitglied@example.org", "admin")
        assert db.scalar(select(func.count()).select_from(SignIn)) == 0


@pytest.mark.parametrize("ask", [change, remove, show_way_in, remove_by_token])
def test_whoever_is_erased_in_this_moment_is_unknown(
    both: Library, librarian: Client, member_id: int, ask: Ask
) -> None:
    def erase(db: Session) -> None:
        actions.remove_member(db, member_id, NOON)

    assert while_(both.database, erase, lambda: ask(librarian, member_id)).status_code == 404
    with both.database.reading() as db:
        assert db.get(Member, member_id) is None


def test_nobody_is_let_in_who_was_just_erased(both: Library, member_id: int) -> None:
    with both.database.writing() as db:
        gone = queries.member(db, member_id)
        db.expunge(gone)
        actions.remove_member(db, member_id, NOON)
    with pytest.raises(queries.NoSuchMember), both.database.writing() as db:
        sign_in.new_link(db, gone, NOON)
