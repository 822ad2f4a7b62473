"""Printing labels, by a librarian and by a program: what is printed leaves the queue, and nobody waits while it is drawn."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import pytest
from sqlalchemy import select

from bibliothek.copies.models import Copy
from tests import make
from tests.client import Client
from tests.conftest import Library

SHEET = {"sheet": "L7160", "start": "1"}


def copies(library: Library, n: int = 2) -> list[str]:
    with library.database.writing() as db:
        make.admin(db)
        return [make.copy(db).code for _number in range(n)]


def states(library: Library) -> list[str]:
    with library.database.reading() as db:
        return list(db.scalars(select(Copy.state).order_by(Copy.id)))


def librarian(library: Library, client: Client) -> Client:
    with library.database.writing() as db:
        someone = make.member(db, role="librarian")
    return client.sign_in(someone)


def watch_drawing(library: Library, monkeypatch: pytest.MonkeyPatch, name: str) -> list[bool]:
    """While `name` draws somebody else adds a member; the list says whether they could."""
    could: list[bool] = []
    done = Event()

    def somebody_writes() -> None:
        with library.database.writing() as db:
            make.member(db)
        done.set()

    def draw(*_what: Any, **_how: Any) -> bytes:
        Thread(target=somebody_writes, daemon=True).start()
        could.append(done.wait(3))
        return b"%PDF-"

    monkeypatch.setattr(name, draw)
    return could


def test_printed_labels_leave_the_queue(both: Library) -> None:
    codes = copies(both)
    with both.client() as client:
        answer = librarian(both, client).submit("/etiketten", codes=codes[:1], **SHEET)
    assert answer.content.startswith(b"%PDF")
    assert states(both) == ["active", "intake"]


@pytest.mark.parametrize(
    ("change", "status"),
    [({"codes": []}, 422), ({"codes": ["BAAAAAA"]}, 422), ({"sheet": "x"}, 422), ({"start": "99"}, 422)],
)
def test_what_cannot_be_printed_marks_nothing(both: Library, change: dict[str, Any], status: int) -> None:
    codes = copies(both)
    with both.client() as client:
        answer = librarian(both, client).submit("/etiketten", **{"codes": codes, **SHEET, **change})
    assert answer.status_code == status
    assert states(both) == ["intake", "intake"]


def test_a_program_prints_labels(both: Library) -> None:
    codes = copies(both)
    with both.client() as client:
        client.with_token()
        answer = client.get("/api/v1/labels.pdf", params={"codes": ",".join(codes), "start": 2})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
        assert client.get("/api/v1/labels.pdf").status_code == 422
        assert client.get("/api/v1/labels.pdf", params={"codes": codes[0], "sheet": "x"}).status_code == 422
    assert states(both) == ["active", "active"]


def test_nobody_prints_more_labels_at_once_than_the_queue_shows(library: Library) -> None:
    (code,) = copies(library, 1)
    with library.client() as client:
        client.with_token()
        answer = client.get("/api/v1/labels.pdf", params={"codes": ",".join(["B000000"] * 500 + [code])})
    assert (answer.status_code, answer.json()["code"]) == (422, "too-many-labels")
    assert states(library) == ["intake"]


def test_labels_are_for_librarians(library: Library) -> None:
    (code,) = copies(library, 1)
    with library.client() as client:
        assert client.get(f"/api/v1/labels.pdf?codes={code}").status_code == 401
        client.with_token("kiosk")
        assert client.get(f"/api/v1/labels.pdf?codes={code}").status_code == 403
        with library.database.writing() as db:
            someone = make.member(db)
        del client.headers["authorization"]
        client.sign_in(someone)
        assert client.submit("/etiketten", codes=code, **SHEET).status_code == 403
    assert states(library) == ["intake"]


def by_hand(client: Client, code: str) -> None:
    client.submit("/etiketten", codes=code, **SHEET)


def by_program(client: Client, code: str) -> None:
    client.with_token().get(f"/api/v1/labels.pdf?codes={code}")


@pytest.mark.parametrize("do", [by_hand, by_program])
def test_nobody_waits_while_labels_are_drawn(
    both: Library, monkeypatch: pytest.MonkeyPatch, do: Callable[[Client, str], None]
) -> None:
    (code,) = copies(both, 1)
    could = watch_drawing(both, monkeypatch, "bibliothek.labels.actions.label_sheet")
    with both.client() as client:
        do(librarian(both, client), code)
    assert could == [True]
    assert states(both) == ["active"]


def test_nobody_waits_while_labels_of_shelves_are_drawn(both: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    with both.database.writing() as db:
        make.admin(db)
        code = make.shelf(db).code
    could = watch_drawing(both, monkeypatch, "bibliothek.copies.pages.shelf_labels")
    with both.client() as client:
        librarian(both, client).submit("/verwaltung/regale/etiketten", codes=code, **SHEET)
    assert could == [True]
