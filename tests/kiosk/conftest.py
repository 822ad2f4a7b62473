"""A tablet to scan on, in a library with two members and some books."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from bibliothek.lending.actions import forget_returned
from bibliothek.lending.models import Borrower, Loan
from tests import make
from tests.client import Client, text_of
from tests.conftest import Library

NAMES = ("Ava Unverkennbar", "Bo Unübersehbar")


@dataclass
class Said:
    """An answer to a scan: its marks, what a person reads, and the page behind it."""

    status: int
    html: str

    @property
    def result(self) -> str:
        return self._mark("result")

    @property
    def kind(self) -> str:
        return self._mark("kind")

    @property
    def text(self) -> str:
        return text_of(self.html)

    def _mark(self, name: str) -> str:
        found = re.findall(rf'data-{name}="([a-z]+)"', self.html)
        assert len(found) <= 1
        return found[0] if found else ""


@dataclass
class Tablet:
    """A tablet that gets fragments, as scan.js does; `page=True` loads the whole page, as a browser without scripts does."""

    client: Client
    library: Library
    copies: list[str]
    cards: list[str]
    isbn: str
    numbers: list[str] = field(default_factory=list)

    def scan(self, text: str, number: str = "", page: bool = False) -> Said:
        return self.press("/kiosk", page, scan=text, nummer=number)

    def forget_what_is_over(self) -> None:
        """As the server does once a minute."""
        with self.library.database.writing() as db:
            forget_returned(db, self.library.clock())

    def press(self, path: str, page: bool = False, **fields: Any) -> Said:
        headers = {"sec-fetch-site": "same-origin"} | ({} if page else {"hx-request": "true"})
        answer = self.client.post(path, data=fields, headers=headers, follow_redirects=False)
        return Said(answer.status_code, answer.text)

    def look(self, query: str = "") -> Said:
        answer = self.client.get("/kiosk" + query)
        return Said(answer.status_code, answer.text)

    def wait(self, seconds: float) -> None:
        self.library.clock.pass_time(seconds=seconds)

    def button(self, said: Said, path: str) -> dict[str, str]:
        """The hidden fields of the button that posts to `path`."""
        form = re.search(rf'<form[^>]*action="{path}"[^>]*>(.*?)</form>', said.html, re.S)
        assert form, f"no button for {path}"
        return dict(re.findall(r'name="(\w+)" value="([^"]*)"', form.group(1)))

    def open_loans(self) -> list[tuple[str, int]]:
        """Code and member of every open loan, with the borrower row that there must be."""
        with self.library.database.reading() as db:
            rows = (
                db.query(Loan, Borrower).join(Borrower, Borrower.loan_id == Loan.id).filter(Loan.returned_at.is_(None))
            )
            return sorted((self.code_of(db, loan.copy_id), borrower.member_id) for loan, borrower in rows)

    def code_of(self, db: Any, copy_id: int) -> str:
        from bibliothek.copies.models import Copy

        return str(db.get(Copy, copy_id).code)


@pytest.fixture
def tablet(both: Library) -> Iterator[Tablet]:
    """Copies 0 to 4 are here; cards 0 and 1 belong to members with the names of NAMES."""
    isbn = "9783551551672"
    with both.database.writing() as db:
        make.admin(db)
        shelf = make.shelf(db, "Romane")
        copies = [make.copy(db, make.title(db, f"Buch Nummer {n}"), shelf).code for n in range(4)]
        copies.append(make.copy(db, make.title(db, "Buch mit ISBN", isbns=(isbn,))).code)
        cards = [make.card(db, make.member(db, name)) for name in NAMES]
    with both.client() as client:
        yield Tablet(client.be_tablet(), both, copies, cards, isbn)
