"""POST /loans, POST /returns, GET /loans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select

from bibliothek.catalogue.models import Title
from bibliothek.codes import Kind, new_code
from bibliothek.copies.models import Copy
from bibliothek.lending.models import Borrower, Loan
from tests import make
from tests.client import Client
from tests.conftest import Library
from tests.counting import statements
from tests.make import TODAY

NAME = "Ava Unverkennbar"


@dataclass
class Desk:
    client: Client
    copies: list[str]
    cards: list[str]

    def lend(self, copy: str, card: str, **headers: str) -> Any:
        return self.client.post("/api/v1/loans", json={"copy": copy, "member": card}, headers=headers)

    def give_back(self, copy: str, **headers: str) -> Any:
        return self.client.post("/api/v1/returns", json={"copy": copy}, headers=headers)


@pytest.fixture
def desk(both: Library) -> Iterator[Desk]:
    with both.database.writing() as db:
        make.admin(db)
        copies = [make.copy(db, title=f"Buch {n}").code for n in range(3)]
        cards = [make.card(db, make.member(db, name)) for name in (NAME, "Bo")]
    with both.client() as client:
        yield Desk(client.with_token(), copies, cards)


def test_lending_a_copy(desk: Desk) -> None:
    answer = desk.lend(desk.copies[0].lower(), desk.cards[0])
    assert answer.status_code == 201
    assert answer.json() == {"id": 1, "copy": desk.copies[0], "due_on": "2026-12-21", "notes": []}


def test_lending_to_the_same_member_again_gives_the_same_loan(desk: Desk) -> None:
    first = desk.lend(desk.copies[0], desk.cards[0])
    again = desk.lend(desk.copies[0], desk.cards[0])
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()


def test_a_copy_that_somebody_else_has_is_refused_without_a_name(desk: Desk) -> None:
    desk.lend(desk.copies[0], desk.cards[0])
    answer = desk.lend(desk.copies[0], desk.cards[1])
    assert answer.status_code == 409
    assert answer.json()["code"] == "copy-on-loan"
    assert NAME not in answer.text


@pytest.mark.parametrize(
    ("copy", "member", "status", "code"),
    [
        (new_code(Kind.COPY, lambda: 7), None, 404, "unknown-copy"),
        (None, new_code(Kind.CARD, lambda: 7), 404, "unknown-card"),
        ("B00000X", None, 422, "misread-code"),
        (None, "M" + "0" * 27 + "X", 422, "misread-card"),
        ("", None, 404, "unknown-copy"),
        (None, "Ava", 404, "unknown-card"),
        ("x" * 10_000, None, 404, "unknown-copy"),
        ("📚\u0000<b>", None, 404, "unknown-copy"),
    ],
)
def test_codes_that_nobody_has(desk: Desk, copy: str | None, member: str | None, status: int, code: str) -> None:
    answer = desk.lend(desk.copies[0] if copy is None else copy, desk.cards[0] if member is None else member)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"nonsense", b'{"copy": 1, "member": 2}', b'{"copy": "x"}', b"\xff"]
)
@pytest.mark.parametrize("path", ["/api/v1/loans", "/api/v1/returns"])
def test_bodies_that_do_not_fit_are_refused(desk: Desk, path: str, body: bytes) -> None:
    answer = desk.client.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 404, 422)
    assert answer.headers["content-type"] == "application/problem+json"


def test_taking_a_copy_back(desk: Desk, both: Library) -> None:
    desk.lend(desk.copies[0], desk.cards[0])
    both.clock.pass_time(days=1)
    answer = desk.give_back(desk.copies[0])
    assert answer.status_code == 200
    body = answer.json()
    assert (body["copy"], body["already"], body["next_hold"]) == (desk.copies[0], False, None)
    assert body["returned_at"] == "2026-11-24T11:00:00Z"
    assert (body["title"]["title"], body["title"]["available"], body["title"]["total"]) == ("Buch 0", 1, 1)
    with both.database.reading() as db:
        assert db.scalars(select(Borrower)).all() == []


def test_taking_back_what_is_here(desk: Desk, both: Library) -> None:
    never = desk.give_back(desk.copies[0]).json()
    assert (never["already"], never["returned_at"]) == (True, None)
    desk.lend(desk.copies[0], desk.cards[0])
    first = desk.give_back(desk.copies[0]).json()
    both.clock.pass_time(hours=1)
    again = desk.give_back(desk.copies[0]).json()
    assert (again["already"], again["returned_at"]) == (True, first["returned_at"])


@pytest.mark.parametrize(("copy", "status"), [(new_code(Kind.COPY, lambda: 7), 404), ("B00000X", 422), ("", 404)])
def test_taking_back_codes_that_no_copy_has(desk: Desk, copy: str, status: int) -> None:
    assert desk.give_back(copy).status_code == status


def test_a_repeated_request_does_a_thing_once(desk: Desk, both: Library) -> None:
    key = {"idempotency-key": "one"}
    assert desk.lend(desk.copies[0], desk.cards[0], **key).status_code == 201
    assert desk.lend(desk.copies[0], desk.cards[0], **key).status_code == 201
    back = {"idempotency-key": "two"}
    first = desk.give_back(desk.copies[0], **back)
    both.clock.pass_time(minutes=5)
    assert desk.give_back(desk.copies[0], **back).json() == first.json()
    assert desk.give_back(desk.copies[1], **back).status_code == 422
    with both.database.reading() as db:
        assert len(db.scalars(select(Loan)).all()) == 1


def test_a_repeated_return_gets_the_same_answer_though_the_book_is_away_again(desk: Desk) -> None:
    back = {"idempotency-key": "k"}
    first = desk.give_back(desk.copies[0], **back)
    desk.lend(desk.copies[0], desk.cards[0])
    assert first.json()["title"]["available"] == 1
    assert desk.give_back(desk.copies[0], **back).json() == first.json()


def test_listing_open_loans(desk: Desk) -> None:
    desk.lend(desk.copies[1], desk.cards[0])
    answer = desk.client.get("/api/v1/loans").json()
    assert (answer["total"], answer["page"], answer["per_page"]) == (1, 1, 50)
    assert "more" not in answer
    item = answer["items"][0]
    assert item["copy"] == desk.copies[1]
    assert item["title"]["title"] == "Buch 1"
    assert item["member"]["name"] == NAME
    assert (item["id"], item["due_on"]) == (1, "2026-12-21")
    assert set(item) == {"id", "copy", "title", "member", "due_on"}


def test_listing_overdue_loans_a_page_at_a_time(both: Library) -> None:
    with both.database.writing() as db:
        make.admin(db)
        for days in range(5):
            make.loan(db, today=TODAY - timedelta(days=28 + days))
    with both.client() as client:
        client.with_token()
        answer = client.get("/api/v1/loans", params={"state": "overdue", "per_page": 3, "page": 2}).json()
        assert (answer["total"], len(answer["items"])) == (4, 1)
        assert client.get("/api/v1/loans?state=open").json()["total"] == 5


@pytest.mark.parametrize("query", ["state=returned", "page=0", "per_page=0", "per_page=501", "page=x", f"page={2**70}"])
def test_pages_that_do_not_exist_are_refused(library: Library, query: str) -> None:
    with library.client() as client:
        answer = client.with_token().get(f"/api/v1/loans?{query}")
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_repeated_return_of_a_title_that_is_gone_is_told_so(desk: Desk, both: Library) -> None:
    key = {"idempotency-key": "k"}
    assert desk.give_back(desk.copies[0], **key).json()["already"] is True
    with both.database.writing() as db:
        db.execute(delete(Copy))
        db.execute(delete(Title))
    again = desk.give_back(desk.copies[0], **key)
    assert (again.status_code, again.json()["code"]) == (404, "unknown-title")


def test_a_tablets_token_lends_and_returns_but_lists_nobody(desk: Desk, both: Library) -> None:
    with both.client() as client:
        kiosk = Desk(client.with_token("kiosk"), desk.copies, desk.cards)
        assert kiosk.lend(desk.copies[0], desk.cards[0]).status_code == 201
        back = kiosk.give_back(desk.copies[0])
        assert back.status_code == 200
        assert NAME not in back.text
        assert client.get("/api/v1/loans").status_code == 403


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic x", "Bearer "])
def test_strangers_may_nothing(desk: Desk, both: Library, authorization: str | None) -> None:
    with both.client() as client:
        if authorization:
            client.headers["authorization"] = authorization
        stranger = Desk(client, desk.copies, desk.cards)
        assert stranger.lend(desk.copies[0], desk.cards[0]).status_code == 401
        assert stranger.give_back(desk.copies[0]).status_code == 401
        assert client.get("/api/v1/loans").status_code == 401
    with both.database.reading() as db:
        assert db.scalars(select(Loan)).all() == []


def test_a_signed_in_browser_is_a_stranger_to_the_api(desk: Desk, both: Library) -> None:
    with both.database.writing() as db:
        admin = make.admin(db)
    with both.client() as client:
        client.sign_in(admin)
        assert client.get("/api/v1/loans").status_code == 401


def test_a_loan_costs_few_statements(desk: Desk, both: Library) -> None:
    """Token, all about the copy and the card, loan, borrower, active: one each. PostgreSQL locks the copy, too."""
    desk.lend(desk.copies[1], desk.cards[0])
    with statements() as seen:
        assert desk.lend(desk.copies[0], desk.cards[0]).status_code == 201
    assert len(seen) == (5 if both.database.is_sqlite else 6)
