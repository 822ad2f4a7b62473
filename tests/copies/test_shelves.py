"""The librarians' page of shelves."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bibliothek.codes import Kind, new_code
from bibliothek.copies import actions, queries
from bibliothek.copies.models import Shelf
from tests import make
from tests.client import Client, text_of
from tests.conftest import Library

PATH = "/verwaltung/regale"


@pytest.fixture
def librarian(both: Library) -> Iterator[Client]:
    with both.database.writing() as db:
        someone = make.admin(db)
    with both.client() as client:
        yield client.sign_in(someone)


def names(library: Library) -> list[str]:
    with library.database.reading() as db:
        return [shelf.name for shelf in queries.shelves(db)]


def test_a_shelf_is_added_and_renamed(librarian: Client, both: Library) -> None:
    assert "Regal „Romane“ ist angelegt." in librarian.submit(PATH, name=" Romane ", once="x" * 43).text
    librarian.submit(PATH, name=" Romane ", once="x" * 43)
    assert names(both) == ["Romane"]
    assert "heißt jetzt „Krimis“" in librarian.submit(f"{PATH}/1", name="Krimis").text
    assert names(both) == ["Krimis"]


@pytest.mark.parametrize("name", ["", "  ", "x" * 61, "\u200b", "x" * 10_000])
def test_a_shelf_needs_a_name_that_fits(librarian: Client, both: Library, name: str) -> None:
    answer = librarian.submit(PATH, name=name)
    assert answer.status_code == 422
    assert "field--wrong" in answer.text
    assert names(both) == []


def test_two_shelves_do_not_share_a_name(librarian: Client, both: Library) -> None:
    librarian.submit(PATH, name="Romane")
    librarian.submit(PATH, name="Krimis")
    again = librarian.submit(PATH, name="ROMANE")
    assert (again.status_code, "gibt es schon" in again.text, 'value="ROMANE"' in again.text) == (409, True, True)
    renamed = librarian.submit(f"{PATH}/2", name="romane")
    assert (renamed.status_code, 'value="romane"' in renamed.text) == (409, True)
    # The same shelf may change the case of its name.
    assert librarian.submit(f"{PATH}/1", name="ROMANE").status_code == 200
    assert names(both) == ["Krimis", "ROMANE"]


def test_shelves_stand_in_the_order_people_expect(db: Session) -> None:
    for name in ("Zoe", "ä-Regal", "B", "Regal 10", "Ärger", "Regal 2", "a b", "ab"):
        make.shelf(db, name)
    assert [shelf.name for shelf in queries.shelves(db)] == [
        "a b", "ä-Regal", "ab", "Ärger", "B", "Regal 2", "Regal 10", "Zoe",
    ]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), [("Ökologie", "ökologie"), ("Straße", "STRASSE"), ("Abc", "abc")])
def test_the_same_name_in_other_letters_is_the_same(db: Session, one: str, other: str) -> None:
    shelf = make.shelf(db, one)
    with pytest.raises(actions.ShelfExists):
        make.shelf(db, other)
    assert queries.shelf_by(db, other).id == shelf.id


def test_two_shelves_named_at_the_same_moment_are_one(both: Library) -> None:
    def add(_number: int) -> str:
        try:
            with both.database.writing() as db:
                return actions.add_shelf(db, "Ökologie", make.NOW).name
        except actions.ShelfExists:
            return "refused"

    with ThreadPoolExecutor(4) as people:
        assert sorted(people.map(add, range(4)), key=len) == ["refused"] * 3 + ["Ökologie"]


@pytest.mark.parametrize("number", ["99", str(2**70), "0"])
def test_a_shelf_that_is_not_there(librarian: Client, number: str) -> None:
    assert librarian.submit(f"{PATH}/{number}", name="x").status_code == 404


def test_labels_of_shelves_are_printed(librarian: Client, both: Library) -> None:
    librarian.submit(PATH, name="Romane")
    with both.database.reading() as db:
        code = db.scalars(select(Shelf.code)).one()
    answer = librarian.submit(f"{PATH}/etiketten", codes=code, sheet="L7160", start="2")
    assert answer.content.startswith(b"%PDF")
    assert librarian.submit(f"{PATH}/etiketten", sheet="L7160", start="1").status_code == 422
    assert librarian.submit(f"{PATH}/etiketten", codes=code, sheet="L7160", start="99").status_code == 422
    unknown = new_code(Kind.SHELF)
    assert librarian.submit(f"{PATH}/etiketten", codes=unknown, sheet="L7160", start="1").status_code == 404
    assert librarian.submit(f"{PATH}/etiketten", codes="RXXXX", sheet="L7160", start="1").status_code == 422
    assert librarian.submit(f"{PATH}/etiketten", codes=code, sheet="nonsense", start="1").status_code == 422


def test_books_on_a_shelf_are_counted(db: Session) -> None:
    shelf, empty = make.shelf(db), make.shelf(db)
    for n in range(3):
        make.copy(db, title=f"Die {n}", shelf=shelf)
    gone = make.copy(db, shelf=shelf)
    gone.state = "withdrawn"
    db.flush()
    assert queries.counts_by_shelf(db) == {shelf.id: 3}
    assert queries.count_copies_on(db, shelf.id) == 3
    assert len(queries.copies_on(db, shelf.id, limit=2)) == 2
    assert queries.copies_on(db, empty.id) == []


def test_codes_are_never_given_out_twice(db: Session) -> None:
    from bibliothek.copies.models import PaperCode

    make.shelf(db)
    make.copy(db)
    assert len(db.scalars(select(PaperCode)).all()) == 2


def test_a_shelf_keeps_its_code_under_a_new_name(db: Session) -> None:
    shelf = make.shelf(db, "Romane")
    code = shelf.code
    actions.rename_shelf(db, shelf, "Krimis")
    assert queries.shelf_by(db, code).name == "Krimis"
    assert queries.shelf_by(db, "Krimis").code == code


@pytest.mark.parametrize("path", [PATH, f"{PATH}/1", f"{PATH}/etiketten"])
def test_shelves_are_for_librarians(library: Library, path: str) -> None:
    with library.database.writing() as db:
        make.admin(db)
        member = make.member(db)
    with library.client() as client:
        assert client.submit(path, False, name="Meins").status_code == 303
        client.sign_in(member)
        assert client.submit(path, name="Meins").status_code == 403
        assert client.get(PATH).status_code == 403
    assert names(library) == []


def test_of_many_books_on_a_shelf_only_some_are_counted(
    both: Library, librarian: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with both.database.writing() as db:
        full, fuller = make.shelf(db), make.shelf(db)
        for shelf in (full, full, fuller, fuller, fuller):
            make.copy(db, shelf=shelf)
    monkeypatch.setattr(queries, "MOST_COUNTED", 2)
    said = text_of(librarian.get(PATH).text)
    assert f"{full.code} 2 Bücher" in said
    assert f"{fuller.code} mehr als 2 Bücher" in said
