"""Members for programs. On both databases."""

from __future__ import annotations

from typing import Any

import pytest

from bibliothek.members import queries
from tests import make
from tests.client import Client
from tests.conftest import Library

PATH = "/api/v1/members"


@pytest.fixture
def client(both: Library) -> Any:
    with both.database.writing() as db:
        make.admin(db)
    with both.client() as made:
        yield made.with_token("librarian")


def test_a_member_is_added_with_a_card(both: Library, client: Client) -> None:
    answer = client.post(PATH, json={"name": "Mitglied 1", "email": "M1@example.org", "role": "member"})
    assert answer.status_code == 201
    assert set(answer.json()) == {"id", "card"}
    with both.database.reading() as db:
        found = queries.member_by_card(db, answer.json()["card"])
        assert (found.id, found.name, found.email) == (answer.json()["id"], "Mitglied 1", "m1@example.org")


def test_email_may_be_left_out(client: Client) -> None:
    assert client.post(PATH, json={"name": "Mitglied 1", "role": "member"}).status_code == 201
    assert client.post(PATH, json={"name": "Mitglied 2", "email": None, "role": "member"}).status_code == 201


def test_a_repeated_request_gets_the_same_card_and_adds_nobody(both: Library, client: Client) -> None:
    body, headers = {"name": "Mitglied 1", "role": "member"}, {"idempotency-key": "a-key"}
    first, second = (client.post(PATH, json=body, headers=headers) for _time in range(2))
    assert first.json() == second.json()
    assert (first.status_code, second.status_code) == (201, 201)
    with both.database.reading() as db:
        assert queries.count_members(db) == 2
        assert queries.member_by_card(db, second.json()["card"]).name == "Mitglied 1"


def test_a_key_that_is_long_forgotten_makes_another_member_with_another_card(both: Library, client: Client) -> None:
    body, headers = {"name": "Mitglied 1", "role": "member"}, {"idempotency-key": "a-key"}
    first = client.post("/api/v1/members", json=body, headers=headers).json()
    both.clock.pass_time(hours=25)
    answer = client.post("/api/v1/members", json=body, headers=headers)
    assert answer.status_code == 201
    assert answer.json()["card"] != first["card"]
    assert answer.json()["id"] != first["id"]


def test_a_taken_address_is_409(client: Client) -> None:
    body = {"name": "Mitglied 1", "email": "m1@example.org", "role": "member"}
    client.post(PATH, json=body)
    answer = client.post(PATH, json=body)
    assert answer.status_code == 409
    assert answer.json()["code"] == "address-taken"


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": "x", "email": "y"},
        {"name": "x", "role": "kaiser"},
        {"email": "a@b"},
        {"name": 1},
        {"name": "x" * 101},
        {"name": "\x00"},
        [],
        "x",
    ],
)
def test_what_does_not_fit_is_422(both: Library, client: Client, body: object) -> None:
    answer = client.post(PATH, json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    with both.database.reading() as db:
        assert queries.count_members(db) == 1


@pytest.mark.parametrize(
    ("body", "code", "fields"),
    [
        ({"name": " "}, "bad-name", {"name"}),
        ({"name": "x", "email": "y"}, "bad-address", {"email"}),
        ({"name": "x" * 101, "email": "y"}, "bad-name", {"name", "email"}),
    ],
)
def test_every_field_that_is_wrong_is_named(client: Client, body: dict[str, str], code: str, fields: set[str]) -> None:
    said = client.post(PATH, json=body).json()
    assert (said["code"], set(said["errors"])) == (code, fields)
    assert said["detail"] in said["errors"].values()


@pytest.mark.parametrize("role", ["member", "librarian", "admin"])
def test_a_token_makes_and_erases_people_of_any_role(both: Library, client: Client, role: str) -> None:
    made = client.post(PATH, json={"name": "Mitglied 1", "role": role})
    assert made.status_code == 201
    with both.database.reading() as db:
        assert queries.member(db, made.json()["id"]).role == role
    assert client.delete(f"{PATH}/{made.json()['id']}").status_code == 204
    with both.database.reading() as db:
        assert queries.count_members(db) == 1


def test_the_last_admin_stays(both: Library, client: Client) -> None:
    with both.database.reading() as db:
        admin = queries.first_admin(db)
        assert admin
    answer = client.delete(f"{PATH}/{admin.id}")
    assert (answer.status_code, answer.json()["code"]) == (409, "last-admin")
    assert client.post(PATH, json={"name": "Mitglied 1", "role": "admin"}).status_code == 201
    assert client.delete(f"{PATH}/{admin.id}").status_code == 204


def test_erasing_a_member(both: Library, client: Client) -> None:
    made = client.post(PATH, json={"name": "Mitglied 1", "role": "member"}).json()
    assert client.delete(f"{PATH}/{made['id']}").status_code == 204
    answer = client.delete(f"{PATH}/{made['id']}")
    assert (answer.status_code, answer.json()["code"]) == (404, "member-not-found")
    with both.database.reading() as db, pytest.raises(queries.UnknownCard):
        queries.member_by_card(db, made["card"])


@pytest.mark.parametrize("headers", [{}, {"idempotency-key": "erase"}])
def test_a_member_with_a_book_at_home_is_409(both: Library, client: Client, headers: dict[str, str]) -> None:
    with both.database.writing() as db:
        member = make.member(db)
        make.loan(db, to=member)
    for _time in range(2):
        answer = client.delete(f"{PATH}/{member.id}", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (409, "member-has-loans")


def test_no_token_is_401_and_a_kiosks_token_403(both: Library) -> None:
    with both.database.writing() as db:
        admin, member = make.admin(db), make.member(db)
    with both.client() as client:
        client.sign_in(admin)
        assert client.post(PATH, json={"name": "x", "role": "member"}).status_code == 401
        assert client.delete(f"{PATH}/{member.id}").status_code == 401
        client.with_token("kiosk")
        assert client.post(PATH, json={"name": "x", "role": "member"}).status_code == 403
        assert client.delete(f"{PATH}/{member.id}").status_code == 403
    with both.database.reading() as db:
        assert queries.count_members(db) == 2
