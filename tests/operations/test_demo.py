"""The demo fills an empty library, and no other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from bibliothek.kiosk.actions import enrol
from bibliothek.members.actions import add_token
from bibliothek.operations.demo import NotEmpty, fill, holds_data
from tests import make

DATA: dict[str, Callable[[Session], object]] = {
    "a title": make.title,
    "a shelf": make.shelf,
    "a tablet": lambda db: enrol(db, "Tablet", make.NOW),
    "a token": lambda db: add_token(db, "Programm", "librarian", make.NOW),
    "a member": make.member,
    "a second admin": make.admin,
}


@pytest.mark.parametrize("of", DATA)
def test_a_library_that_holds_anything_is_refused(db: Session, of: str) -> None:
    make.admin(db)
    DATA[of](db)
    assert holds_data(db)
    with pytest.raises(NotEmpty):
        fill(db, make.NOW, make.TODAY)


def test_a_member_without_an_admin_is_data(db: Session) -> None:
    make.member(db)
    assert holds_data(db)


def test_an_admin_alone_is_no_data_and_stays_the_only_one(db: Session) -> None:
    assert not holds_data(db)
    admin = make.member(db, email="mitglied9@example.org", role="admin")
    assert not holds_data(db)
    assert fill(db, make.NOW, make.TODAY) is admin
    assert holds_data(db)
