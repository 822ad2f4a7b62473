"""Somebody is erased while a book that they give is taken in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select

from bibliothek.copies.models import Copy
from bibliothek.donations import actions
from bibliothek.members.actions import remove_member
from bibliothek.members.models import Member
from bibliothek.members.queries import NoSuchMember
from tests import make
from tests.client import Client
from tests.conftest import NOON, Library
from tests.race import until_another_waits


def test_a_donor_who_was_just_erased_is_unknown(both: Library) -> None:
    with both.database.writing() as db:
        title, donor = make.title(db), make.member(db)
        remove_member(db, donor.id, NOON)
    with pytest.raises(NoSuchMember), both.database.writing() as db:
        actions.take_in_copy(db, title.id, actions.Donor(member_id=donor.id), None, NOON)
    assert copies(both) == 0


def test_a_donor_who_is_erased_in_this_moment_is_unknown_to_a_program(both: Library) -> None:
    with both.database.writing() as db:
        make.admin(db)
        donor = make.member(db)
        card = make.card(db, donor)
    with both.client() as client:
        answer = while_erased(both, donor, client.with_token(), {"title": "Momo", "donor": card})
    # On SQLite the card is read after the member is gone.
    assert (answer.status_code, answer.json()["code"]) in ((404, "member-not-found"), (422, "unknown-card"))
    assert copies(both) == 0


def while_erased(library: Library, donor: Member, client: Client, book: dict[str, str]) -> Any:
    with ThreadPoolExecutor(1) as other:
        with library.database.writing() as db:
            remove_member(db, donor.id, NOON)
            asked = other.submit(client.post, "/api/v1/donations", json=book)
            until_another_waits(library.database)
        return asked.result()


def copies(library: Library) -> int:
    with library.database.reading() as db:
        return db.scalar(select(func.count()).select_from(Copy)) or 0
