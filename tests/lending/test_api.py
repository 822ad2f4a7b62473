"""POST /loans, POST /returns, GET /loans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from bibliothek.catalogue.models import Title
from bibliothek.codes import Kind, new_code
from bibliothek.copies.models import Copy
from bibliothek.lending.models import Borrower, Loan
from bibliothek.library.models import Library as Settings
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


def hold(desk: Desk, title: int, card: str, **headers: str) -> Any:
    return desk.client.post("/api/v1/holds", json={"title": title, "member": card}, headers=headers)


def title_of(desk: Desk, copy: str) -> int:
    return int(desk.client.get(f"/api/v1/copies/{copy}").json()["title"]["id"])


def test_renewing(desk: Desk, both: Library) -> None:
    loan = desk.lend(desk.copies[0], desk.cards[0]).json()
    path = f"/api/v1/loans/{loan['id']}/renewals"
    refused = desk.client.post(path)
    assert (refused.status_code, refused.json()["code"]) == (409, "not-renewed")
    assert "noch nicht nötig" in refused.json()["detail"]
    both.clock.pass_time(days=10)
    renewed = desk.client.post(path, headers={"idempotency-key": "r"})
    assert (renewed.status_code, renewed.json()) == (201, {"due_on": "2026-12-31"})
    both.clock.pass_time(hours=20)
    assert desk.client.post(path, headers={"idempotency-key": "r"}).json() == {"due_on": "2026-12-31"}
    assert desk.client.post("/api/v1/loans/999/renewals").status_code == 404
    assert desk.client.post(f"/api/v1/loans/{2**70}/renewals").status_code == 404


def test_waiting_for_a_title(desk: Desk) -> None:
    desk.lend(desk.copies[0], desk.cards[0])
    title = title_of(desk, desk.copies[0])
    placed = hold(desk, title, desk.cards[1])
    assert (placed.status_code, placed.json()) == (201, {"id": 1, "position": 1})
    again = hold(desk, title, desk.cards[1])
    assert (again.status_code, again.json()) == (200, placed.json())
    own = hold(desk, title, desk.cards[0])
    assert (own.status_code, own.json()["code"]) == (409, "own-loan")
    assert desk.client.post("/api/v1/loans/1/renewals").json()["detail"].endswith("jemand wartet auf dieses Buch.")
    back = desk.give_back(desk.copies[0])
    assert back.json()["next_hold"] == {"until": "2026-11-30"}
    assert back.json()["title"]["available"] == 0
    assert NAME not in back.text
    assert desk.client.get(f"/api/v1/copies/{desk.copies[0]}").json()["available"] is False
    assert desk.give_back(desk.copies[0]).json()["next_hold"] == {"until": "2026-11-30"}


def test_leaving_the_queue(desk: Desk) -> None:
    desk.lend(desk.copies[0], desk.cards[0])
    placed = hold(desk, title_of(desk, desk.copies[0]), desk.cards[1]).json()
    path = f"/api/v1/holds/{placed['id']}"
    key = {"idempotency-key": "leave"}
    assert [desk.client.delete(path, headers=key).status_code for _ in range(2)] == [204, 204]
    assert desk.client.delete(path).status_code == 404
    assert desk.give_back(desk.copies[0]).json()["next_hold"] is None


def test_what_somebody_waits_for_is_lent_with_a_note(desk: Desk) -> None:
    hold(desk, title_of(desk, desk.copies[0]), desk.cards[1])
    lent = desk.lend(desk.copies[0], desk.cards[0], **{"idempotency-key": "n"})
    assert lent.status_code == 201
    assert ["wartet jemand" in note for note in lent.json()["notes"]] == [True]
    assert desk.lend(desk.copies[0], desk.cards[0], **{"idempotency-key": "n"}).json() == lent.json()


def test_over_the_limit_is_lent_with_a_note(desk: Desk, both: Library) -> None:
    with both.database.writing() as db:
        db.execute(update(Settings).values(loan_limit=1))
    assert desk.lend(desk.copies[0], desk.cards[0]).json()["notes"] == []
    second = desk.lend(desk.copies[1], desk.cards[0])
    assert second.status_code == 201
    assert second.json()["notes"] == ["Du hast jetzt mehr Bücher, als vorgesehen sind. Bring bitte bald eins zurück."]


def test_a_tablets_token_renews_and_waits_and_a_stranger_does_not(desk: Desk, both: Library) -> None:
    desk.lend(desk.copies[0], desk.cards[0])
    title = title_of(desk, desk.copies[0])
    both.clock.pass_time(days=1)
    with both.client() as client, both.client() as stranger:
        kiosk = Desk(client.with_token("kiosk"), desk.copies, desk.cards)
        assert client.post("/api/v1/loans/1/renewals").status_code == 201
        assert hold(kiosk, title, desk.cards[1]).status_code == 201
        assert client.delete("/api/v1/holds/1").status_code == 204
        nobody = Desk(stranger, desk.copies, desk.cards)
        assert stranger.post("/api/v1/loans/1/renewals").status_code == 401
        assert hold(nobody, title, desk.cards[1]).status_code == 401
        assert stranger.delete("/api/v1/holds/1").status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"title": 999, "member": None}, 404),
        ({"title": 2**70, "member": None}, 404),
        ({"title": -1, "member": None}, 404),
        ({"title": "eins", "member": None}, 422),
        ({"title": 1, "member": "Ava"}, 404),
        ({"title": 1}, 422),
    ],
)
def test_holds_that_make_no_sense(desk: Desk, body: dict[str, Any], status: int) -> None:
    if body.get("member", "") is None:
        body = {**body, "member": desk.cards[0]}
    answer = desk.client.post("/api/v1/holds", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
