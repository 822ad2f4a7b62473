"""A librarian with a copy in their hands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select

from bibliothek.copies.models import Copy
from bibliothek.copies.queries import count_unlabelled
from bibliothek.lending.queries import availability
from tests import make
from tests.client import Client
from tests.conftest import Library


@dataclass
class Desk:
    client: Client
    library: Library
    code: str

    def do(self, what: str, **fields: str) -> Any:
        return self.client.submit(f"/c/{self.code}/{what}", **fields)

    def copy(self) -> Copy:
        with self.library.database.reading() as db:
            return db.scalars(select(Copy).where(Copy.code == self.code)).one()

    def counts(self) -> tuple[int, int, int]:
        """Copies of the title that are here, that there are, and labels that wait."""
        with self.library.database.reading() as db:
            found = availability(db, [self.copy().title_id])[self.copy().title_id]
            return found.available, found.total, count_unlabelled(db)


@pytest.fixture
def desk(both: Library) -> Iterator[Desk]:
    with both.database.writing() as db:
        make.admin(db)
        librarian, code = make.member(db, role="librarian"), make.copy(db, title="Zwei Mal").code
        make.shelf(db, "Romane")
    with both.client() as client:
        yield Desk(client.sign_in(librarian), both, code)
