"""Who may not call is told so first, whatever else is wrong with the request."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from bibliothek import app as app_module
from tests import make
from tests.client import Client
from tests.conftest import Library

BAD_BODIES: list[dict[str, Any]] = [
    {"json": {}},
    {"json": []},
    {"content": b"{", "headers": {"content-type": "application/json"}},
    {"content": b""},
    {"content": b'{"name": "\xff"}'},
    {"content": b"[" * 3000},
    {"content": b'{"name":' * 3000},
]
BAD_QUERIES = ["/api/v1/loans?state=x", "/api/v1/loans?page=0", "/api/v1/labels.pdf?start=x"]


def post(client: Client, bad: dict[str, Any]) -> int:
    return int(client.post("/api/v1/members", **bad).status_code)


@pytest.mark.parametrize("bad", BAD_BODIES)
def test_a_bad_body_is_only_explained_to_who_may_call(library: Library, bad: dict[str, Any]) -> None:
    with library.client() as client:
        assert post(client, bad) == 401
        client.headers["authorization"] = "Bearer unknown"
        assert post(client, bad) == 401
        assert post(client.with_token("kiosk"), bad) == 403
        assert post(client.with_token("librarian"), bad) in (400, 422)


UNREADABLE = [
    b"\xff",
    b'{"name": "\xff"}',
    b'{"\xff": 1}',
    b'{"name": "\xed\xa0\x80"}',
    b"[" * 3000,
    b'{"name":' * 3000,
    b"\0",
]


@pytest.mark.parametrize("body", UNREADABLE)
def test_a_body_that_nobody_can_read_is_refused_in_plain_words(
    library: Library, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    with library.client() as client, caplog.at_level(logging.WARNING):
        answer = client.with_token("librarian").post("/api/v1/members", content=body)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json()["detail"] == "Die Anfrage ist nicht lesbar."
    assert caplog.records == []


@pytest.mark.parametrize("address", BAD_QUERIES)
def test_a_bad_query_is_only_explained_to_who_may_call(library: Library, address: str) -> None:
    with library.client() as client:
        assert client.get(address).status_code == 401
        assert client.with_token("kiosk").get(address).status_code == 403
        assert client.with_token("librarian").get(address).status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "", 404),
        ("GET", "/nope", 404),
        ("GET", "/titles/abc", 404),
        ("DELETE", "/members/abc", 404),
        ("PUT", "/titles", 405),
    ],
)
def test_what_is_no_call_is_only_told_to_who_has_a_token(library: Library, method: str, path: str, status: int) -> None:
    with library.client() as client:
        unknown = client.request(method, f"/api/v1{path}")
        known = client.with_token("kiosk").request(method, f"/api/v1{path}")
    assert (unknown.status_code, unknown.json()["code"]) == (401, "sign-in-first")
    assert unknown.headers["www-authenticate"] == "Bearer"
    assert (known.status_code, known.headers["content-type"]) == (status, "application/problem+json")


def test_a_bad_call_while_the_database_is_away_hears_when_to_ask_again(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_db: Session, _token: str) -> None:
        raise OperationalError("SELECT", {}, Exception("database is locked"))

    monkeypatch.setattr(app_module, "token_asks", away)
    with library.client() as client:
        client.headers["authorization"] = "Bearer x"
        answers = [client.get("/api/v1/titles"), client.get("/api/v1/titles?page=0")]
    said = {(answer.status_code, answer.json()["code"], answer.headers.get("retry-after")) for answer in answers}
    assert said == {(503, "unavailable", "5")}


def test_a_member_s_cookie_opens_no_call(library: Library) -> None:
    with library.database.writing() as db:
        admin = make.admin(db)
    with library.client() as client:
        assert post(client.sign_in(admin), {"json": {}}) == 401


@pytest.mark.parametrize(
    ("language", "titles"),
    [
        ("de", ["Anmeldung nötig", "Nicht gefunden", "Das hat nicht geklappt", "Nicht gefunden"]),
        ("en", ["Please sign in", "Not found", "That didn’t work", "Not found"]),
    ],
)
def test_programs_hear_the_language_of_the_library_whatever_the_cookie_says(
    library: Library, language: str, titles: list[str]
) -> None:
    library.settings = replace(library.settings, language=language)
    with library.client() as client:
        client.cookies.set("sprache", "en" if language == "de" else "de")
        answers = [client.get("/api/v1/titles/1")]
        client.with_token("librarian")
        answers += [client.get("/api/v1/titles/1"), client.post("/api/v1/members", content=b"{")]
        answers += [client.get("/api/v1/nothing")]
    assert [answer.json()["title"] for answer in answers] == titles
    assert ("Titel" in answers[1].json()["detail"]) == (language == "de")


def test_a_refusal_is_a_page_in_the_language_that_somebody_chose(library: Library) -> None:
    with library.database.writing() as db:
        admin = make.admin(db)
    with library.client() as client:
        client.sign_in(admin).cookies.set("sprache", "en")
        refused = client.get("/titel/1")
    assert refused.status_code == 404
    assert "Not found" in refused.text
    assert "Nicht gefunden" not in refused.text
