"""The API kit: tokens, roles, and doing a thing once under one Idempotency-Key, however often and however parallel it is asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from litestar import Router
from litestar.params import JSONBody
from sqlalchemy import func, select

from bibliothek import app as app_module
from bibliothek.copies.actions import add_shelf
from bibliothek.copies.models import Shelf
from bibliothek.problems import Problem
from bibliothek.web import calls, once
from bibliothek.web.calls import Call, Made, read_call, write_call
from bibliothek.web.once import KEPT, RUNNING, Once
from bibliothek.web.sign_in import Audience
from tests.client import Client
from tests.conftest import Library


class ShelfIn(msgspec.Struct):
    name: str


class ShelfOut(msgspec.Struct):
    id: int
    seed: str


def shelf_answer(call: Call, ids: dict[str, Any]) -> ShelfOut:
    return ShelfOut(ids["shelf"], call.seed.hex())


@write_call("/test/shelves", Audience.LIBRARIAN_TOKENS, shelf_answer)
def make_shelf(call: Call, data: JSONBody[ShelfIn]) -> Made:
    return Made(201, {"shelf": add_shelf(call.db, data.name, call.now).id})


def ask_slowly(_call: Call, data: ShelfIn) -> str:
    time.sleep(0.2)
    return data.name.upper()


@write_call("/test/slow", Audience.TOKENS, shelf_answer, ask=ask_slowly)
def make_slowly(call: Call, asked: str, data: JSONBody[ShelfIn]) -> Made:
    return Made(201, {"shelf": add_shelf(call.db, asked, call.now).id})


def ask_by_the_way(_call: Call, data: ShelfIn) -> str:
    return ON_THE_WAY.pop()(data.name)


@write_call("/test/long", Audience.TOKENS, shelf_answer, ask=ask_by_the_way)
def make_after_long(call: Call, asked: str, data: JSONBody[ShelfIn]) -> Made:
    return Made(201, {"shelf": add_shelf(call.db, asked, call.now).id})


# What happens while each of the next requests asks outside, the last one first.
ON_THE_WAY: list[Callable[[str], str]] = []


@read_call("/test/shelves", Audience.TOKENS)
def count_shelves(call: Call) -> int:
    return call.db.scalar(select(func.count(Shelf.id))) or 0


@pytest.fixture
def client(both: Library, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    handlers = [make_shelf, make_slowly, make_after_long, count_shelves]
    monkeypatch.setattr(app_module, "handlers", lambda: [Router("/api/v1", route_handlers=handlers)])
    with both.client() as client:
        yield client.with_token("librarian")


def post(client: Client, path: str, name: str, key: str | None = None) -> Any:
    return client.post(f"/api/v1/test/{path}", json={"name": name}, headers={"idempotency-key": key} if key else {})


def shelves(client: Client) -> int:
    return int(client.get("/api/v1/test/shelves").text)


def test_the_same_key_and_body_gets_the_same_answer_and_changes_nothing_twice(client: Client) -> None:
    first, second = post(client, "shelves", "Romane", "k"), post(client, "shelves", "Romane", "k")
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert first.status_code == 201
    assert shelves(client) == 1


def test_without_a_key_every_request_counts(client: Client) -> None:
    assert post(client, "shelves", "Romane").status_code == 201
    again = post(client, "shelves", "Romane")
    assert (again.status_code, again.json()["code"]) == (409, "shelf-exists")


def test_the_same_key_with_another_body_is_refused(client: Client) -> None:
    post(client, "shelves", "Romane", "k")
    other = post(client, "shelves", "Comics", "k")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert shelves(client) == 1


def test_a_refusal_is_repeated_word_for_word_though_things_have_changed(client: Client) -> None:
    post(client, "shelves", "Romane")
    refused = post(client, "shelves", "Romane", "k")
    with client.library.database.writing() as db:
        db.execute(Shelf.__table__.delete())  # type: ignore[attr-defined]
    again = post(client, "shelves", "Romane", "k")
    assert refused.status_code == again.status_code == 409
    assert refused.json() == again.json()
    assert shelves(client) == 0


def test_with_another_secret_key_a_request_is_a_first_one(client: Client) -> None:
    """What was kept under the old key can be told no more: neither the words of a refusal nor what comes from the seed."""
    refused = post(client, "shelves", " ", "refused")
    assert refused.status_code == 422
    assert post(client, "shelves", "Romane", "made").status_code == 201
    before = client.library
    settings = replace(before.settings, secret_key=b"another key for tests, 32 bytes at least")
    with Library(settings, before.database, before.clock).client() as changed:
        changed.headers["authorization"] = client.headers["authorization"]
        again = post(changed, "shelves", " ", "refused")
        assert (again.status_code, again.json()) == (422, refused.json())
        assert post(changed, "shelves", "Romane", "made").json()["code"] == "shelf-exists"


def test_what_a_refusal_quotes_is_kept_nowhere(client: Client) -> None:
    post(client, "shelves", "Schwarzer Block")
    assert "Schwarzer Block" in post(client, "shelves", "Schwarzer Block", "k").json()["detail"]
    with client.library.database.writing() as db:
        db.execute(Shelf.__table__.delete())  # type: ignore[attr-defined]
        kept = repr(db.execute(select(Once.__table__)).all())
    assert "Schwarzer" not in kept


def test_a_key_belongs_to_its_token(client: Client) -> None:
    post(client, "shelves", "Romane", "k")
    with client.library.client() as other:
        other.with_token("librarian")
        assert post(other, "shelves", "Comics", "k").status_code == 201


def test_after_a_day_a_key_is_forgotten(client: Client) -> None:
    post(client, "shelves", "Romane", "k")
    client.library.clock.now += KEPT * 1.01
    assert post(client, "shelves", "Comics", "k").status_code == 201


@pytest.mark.parametrize("path", ["shelves", "slow"])
def test_many_at_once_under_one_key_do_one_thing(client: Client, path: str) -> None:
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: post(client, path, "Romane", "k"), range(12)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert shelves(client) == 1


def test_what_failed_on_the_way_out_may_be_tried_again(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("tests.web.test_calls.time.sleep", lambda _: 1 / 0)
        assert post(client, "slow", "Romane", "k").status_code == 500
    assert post(client, "slow", "Romane", "k").status_code == 201


@pytest.mark.parametrize("fails", [False, True])
def test_a_request_that_slept_makes_nothing_when_another_has_taken_its_place(client: Client, fails: bool) -> None:
    second: list[Any] = []

    def sleep(name: str) -> str:
        client.library.clock.now += RUNNING * 1.1
        second.append(post(client, "long", "Romane", "k"))
        return " " if fails else f"{name} 1"

    ON_THE_WAY[:] = [lambda name: f"{name} 2", sleep]
    first = post(client, "long", "Romane", "k")
    assert (first.status_code, first.json()["code"]) == (503, "still-running")
    assert shelves(client) == 1
    again = post(client, "long", "Romane", "k")
    assert (second[0].status_code, second[0].text) == (again.status_code, again.text)
    assert again.status_code == 201


def refusal(status: int) -> Callable[[str], str]:
    def refuse(name: str) -> str:
        problem = Problem(f"{name} ist nirgends verzeichnet.", isbn=name)
        problem.status = status
        raise problem

    return refuse


def test_a_refusal_on_the_way_out_belongs_to_its_key_like_any_other(client: Client) -> None:
    ON_THE_WAY[:] = [refusal(404)]
    refused, other, again = (post(client, "long", name, "k") for name in ("Romane", "Comics", "Romane"))
    assert (refused.status_code, refused.json()["isbn"]) == (404, "Romane")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert (again.status_code, again.json()) == (404, refused.json())


def test_what_may_soon_be_over_may_be_tried_again(client: Client) -> None:
    ON_THE_WAY[:] = [str.upper, refusal(503)]
    assert [post(client, "long", "Romane", "k").status_code for _ in range(2)] == [503, 201]


def test_retries_of_a_killed_request_are_told_to_wait_and_hold_nobody_up(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "LONGEST_WAIT", 2.0)
    ON_THE_WAY[:] = [lambda _: 1 / 0]
    with monkeypatch.context() as killed:
        killed.setattr(once, "give_up", lambda *_: None)
        post(client, "long", "Romane", "k")
    with ThreadPoolExecutor(9) as pool:
        retries = [pool.submit(post, client, "long", "Romane", "k") for _ in range(8)]
        time.sleep(0.5)
        start = time.monotonic()
        assert post(client, "slow", "Comics", "another").status_code == 201
        assert time.monotonic() - start < 1
        answers = [retry.result() for retry in retries]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(503, "still-running")}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_an_odd_key_is_refused(client: Client, key: str) -> None:
    answer = client.post("/api/v1/test/shelves", json={"name": "Romane"}, headers={"idempotency-key": key})
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-invalid")


@pytest.mark.parametrize(
    ("body", "status"), [(b"", 400), (b"{", 400), (b"[]", 422), (b'{"name": 1}', 422), (b"\xff", 400)]
)
def test_an_unreadable_body_is_refused(client: Client, body: bytes, status: int) -> None:
    answer = client.post("/api/v1/test/shelves", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (status, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert shelves(client) == 0


@pytest.mark.parametrize("said", [None, "application/x-www-form-urlencoded", "text/plain", "application/xml", "x"])
def test_a_body_is_json_whatever_its_content_type_says(client: Client, said: str | None) -> None:
    """As curl and most languages send it when nobody tells them otherwise; no cookie counts here, so nothing is at risk."""
    headers = {"content-type": said} if said else {}
    assert client.post("/api/v1/test/shelves", content=b'{"name": "Romane"}', headers=headers).status_code == 201


def test_strangers_and_the_wrong_role_are_refused(both: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "handlers", lambda: [Router("/api/v1", route_handlers=[make_shelf])])
    with both.client() as client:
        nobody = post(client, "shelves", "Romane")
        client.headers["authorization"] = "Bearer falsch"
        wrong = post(client, "shelves", "Romane")
        kiosk = post(client.with_token("kiosk"), "shelves", "Romane")
    assert (nobody.status_code, wrong.status_code, kiosk.status_code) == (401, 401, 403)
    assert nobody.headers["www-authenticate"] == "Bearer"
    assert kiosk.json()["code"] == "forbidden"
