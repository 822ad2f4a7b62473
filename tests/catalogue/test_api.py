from __future__ import annotations

import pytest

from bibliothek.catalogue.actions import add_title
from bibliothek.catalogue.fields import TitleFields
from tests import make
from tests.catalogue.test_actions import FULL
from tests.conftest import NOON, Library
from tests.counting import count


def set_up(library: Library) -> None:
    with library.database.writing() as db:
        make.admin(db)


@pytest.mark.parametrize("role", ["librarian", "kiosk"])
def test_a_program_gets_a_title_with_its_copies(both: Library, role: str) -> None:
    set_up(both)
    with both.database.writing() as db:
        title = add_title(db, FULL, NOON)
        here = make.copy(db, title, make.shelf(db, "Küche"))
        lent = make.copy(db, title)
        make.loan(db, lent)
        gone = make.copy(db, title)
        gone.state = "withdrawn"
        number, codes = title.id, (here.code, lent.code)
    with both.client() as client:
        answer = client.with_token(role).get(f"/api/v1/titles/{number}")
        assert answer.status_code == 200
        assert answer.json() == {
            "id": number,
            "title": "Das andere Geschlecht",
            "subtitle": "Sitte und Sexus der Frau",
            "contributors": [
                {"name": "Beauvoir, Simone de", "role": "aut"},
                {"name": "Aumüller, Uli", "role": "trl"},
            ],
            "publisher": "Rowohlt",
            "place": "Reinbek bei Hamburg",
            "year": 2000,
            "edition": "Neuausg.",
            "pages": 939,
            "language": "de",
            "series": [{"title": "rororo", "number": "22785"}],
            "isbns": ["9783499227851"],
            "available": 1,
            "total": 2,
            "copies": [
                {"code": codes[0], "shelf": "Küche", "state": "intake", "available": True},
                {"code": codes[1], "shelf": None, "state": "active", "available": False},
            ],
        }


def test_absent_values_are_null(library: Library) -> None:
    set_up(library)
    with library.database.writing() as db:
        add_title(db, TitleFields(title="Flugblatt"), NOON)
    with library.client() as client:
        (item,) = client.with_token().get("/api/v1/titles").json()["items"]
        assert item == {
            "id": 1,
            "title": "Flugblatt",
            "subtitle": None,
            "contributors": [],
            "publisher": None,
            "place": None,
            "year": None,
            "edition": None,
            "pages": None,
            "language": None,
            "series": [],
            "isbns": [],
            "available": 0,
            "total": 0,
        }


def test_titles_are_listed_newest_first_and_found_best_first(both: Library) -> None:
    set_up(both)
    with both.database.writing() as db:
        for name in ("Kafka", "Kafka am Strand", "Amerika"):
            make.title(db, name, authors=())
    with both.client() as client:
        client.with_token("kiosk")

        def titles(**query: object) -> list[str]:
            answer = client.get("/api/v1/titles", params=query)
            assert answer.status_code == 200
            return [item["title"] for item in answer.json()["items"]]

        assert titles() == titles(q="") == ["Amerika", "Kafka am Strand", "Kafka"]
        assert titles(q="kafka") == ["Kafka", "Kafka am Strand"]
        assert titles(page=2, per_page=2) == ["Kafka"]
        assert titles(page=1_000_000) == titles(q="kafka", page=1_000_000) == []
        assert titles(q="!") == titles(q=" ") == titles(q="\U0001f4da") == titles(q="nichts") == []


def test_a_list_says_how_many_there_are(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    from bibliothek.catalogue import queries, search

    set_up(library)
    with library.database.writing() as db:
        for _ in range(5):
            make.title(db)
    with library.client() as client:
        client.with_token()
        whole = client.get("/api/v1/titles", params={"per_page": 2}).json()
        assert {name: value for name, value in whole.items() if name != "items"} == {
            "total": 5,
            "page": 1,
            "per_page": 2,
        }
        monkeypatch.setattr(search, "CAP", 4)
        monkeypatch.setattr(queries, "CAP", 4)
        queries._listed.cache_clear()
        capped = client.get("/api/v1/titles", params={"q": "titel"}).json()
        queries._listed.cache_clear()
        assert (capped["total"], capped["more"], capped["per_page"]) == (4, True, 50)


@pytest.mark.parametrize(
    "query",
    [
        {"page": 0},
        {"page": -1},
        {"page": "abc"},
        {"page": 10**30},
        {"per_page": 0},
        {"per_page": 501},
        {"per_page": "viele"},
        {"page": ""},
    ],
)
def test_a_bad_page_is_a_problem(library: Library, query: dict[str, object]) -> None:
    set_up(library)
    with library.client() as client:
        answer = client.with_token().get("/api/v1/titles", params=query)
        assert answer.status_code == 422
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert answer.json()["code"] == "invalid"


@pytest.mark.parametrize("q", ["'\"*^()", "a" * 10_000, "\x00", "NEAR(a b)", "title:x", "\ud7ff"])
def test_an_odd_query_is_answered(both: Library, q: str) -> None:
    set_up(both)
    with both.client() as client:
        assert client.with_token().get("/api/v1/titles", params={"q": q}).json()["items"] == []


@pytest.mark.parametrize("number", ["7", "0", "99999999999999999999"])
def test_a_title_that_is_not_there_is_a_problem(library: Library, number: str) -> None:
    set_up(library)
    with library.client() as client:
        answer = client.with_token().get(f"/api/v1/titles/{number}")
        assert answer.status_code == 404
        assert answer.json()["code"] in ("unknown-title", "not-found")
        assert answer.headers["content-type"].startswith("application/problem+json")


def test_without_a_token_nothing_is_answered(library: Library) -> None:
    set_up(library)
    with library.client() as client:
        for path in ("/api/v1/titles", "/api/v1/titles/1"):
            assert client.get(path).status_code == 401
            assert client.get(path, headers={"authorization": "Bearer falsch"}).status_code == 401


def test_twenty_titles_cost_as_many_statements_as_ten(library: Library) -> None:
    set_up(library)
    with library.database.writing() as db:
        for _ in range(10):
            make.copy(db)
    with library.client() as client:
        client.with_token()
        ten = count(lambda: client.get("/api/v1/titles"))
        with library.database.writing() as db:
            for _ in range(10):
                make.copy(db)
        assert count(lambda: client.get("/api/v1/titles")) == ten


def test_the_calls_are_described(library: Library) -> None:
    with library.client() as client:
        paths = client.get("/api/v1/openapi.json").json()["paths"]
        assert {"/api/v1/titles", "/api/v1/titles/{title_id}"} <= set(paths)
