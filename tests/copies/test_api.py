"""GET /api/v1/copies/{code}."""

from __future__ import annotations

import pytest

from bibliothek.codes import Kind, new_code
from tests import make
from tests.conftest import Library


def test_a_copy_that_is_here(both: Library) -> None:
    with both.database.writing() as db:
        make.admin(db)
        code = make.copy(db, title="Das Kapital").code
    with both.client() as client:
        answer = client.with_token().get(f"/api/v1/copies/{code.lower()}").json()
    title = answer.pop("title")
    assert answer == {"code": code, "state": "intake", "available": True, "due_on": None, "member": None}
    assert (title["title"], title["available"], title["total"]) == ("Das Kapital", 1, 1)
    assert title["contributors"] == [{"name": "Beauvoir, Simone de", "role": "aut"}]
    assert title["subtitle"] is None


def test_who_has_a_copy_is_told_to_librarians_only(both: Library) -> None:
    with both.database.writing() as db:
        make.admin(db)
        copy, member = make.copy(db), make.member(db, "Mitglied X")
        make.loan(db, copy, member)
    with both.client() as client:
        answer = client.with_token("librarian").get(f"/api/v1/copies/{copy.code}").json()
        assert (answer["available"], answer["due_on"]) == (False, "2026-12-21")
        assert answer["member"] == {"id": member.id, "name": "Mitglied X"}
        kiosk = client.with_token("kiosk").get(f"/api/v1/copies/{copy.code}")
        assert "member" not in kiosk.json()
        assert "Mitglied X" not in kiosk.text
        assert kiosk.json()["due_on"] == "2026-12-21"


@pytest.mark.parametrize(
    ("code", "status"),
    [(new_code(Kind.COPY, lambda: 7), 404), (new_code(Kind.CARD, lambda: 7), 404), ("B00000X", 422), ("x" * 9000, 404)],
)
def test_codes_that_nothing_has(library: Library, code: str, status: int) -> None:
    with library.client() as client:
        answer = client.with_token().get(f"/api/v1/copies/{code}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] in ("unknown-copy", "misread-code")


def test_a_member_card_is_recognized_and_not_repeated(both: Library) -> None:
    card = new_code(Kind.CARD)
    with both.client() as client:
        client.with_token()
        copy = client.get(f"/api/v1/copies/{card}")
        shelf = client.post("/api/v1/donations", json={"title": "Ein Buch", "shelf": card})
    for answer, status, code in ((copy, 404, "unknown-copy"), (shelf, 422, "unknown-shelf")):
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.json()["detail"] == "Das ist eine Mitgliedskarte."
        assert card not in answer.text


def test_strangers_are_told_nothing(library: Library) -> None:
    with library.client() as client:
        assert client.get("/api/v1/copies/B00000X").status_code == 401
