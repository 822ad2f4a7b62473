"""`POST /donations` and `GET /lookup/{isbn}`: what is found is stored whole, what is not found leaves nothing behind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import delete, func, select

from bibliothek.catalogue import provenance
from bibliothek.catalogue.models import Title
from bibliothek.codes import new_card_code
from bibliothek.copies.models import Copy
from bibliothek.donations.models import DonatedCopy, Donation
from bibliothek.lookup.models import StoredAnswer
from tests import make
from tests.client import Client
from tests.conftest import Library
from tests.lookup import marcxml
from tests.lookup.stand_in import ALL, StandIn

ISBN = "9783551551672"
UNKNOWN_CARD = new_card_code(b"a card that nobody has")


def donate(client: Client, key: str | None = None, **body: Any) -> Any:
    return client.post("/api/v1/donations", json=body, headers={"idempotency-key": key} if key else {})


def count(library: Library, model: Any) -> int:
    with library.database.reading() as db:
        return db.scalar(select(func.count()).select_from(model)) or 0


def test_an_isbn_becomes_a_title_with_a_copy(program: Client) -> None:
    answer = donate(program, isbn="978-3-551-55167-2")
    assert answer.status_code == 201
    made = answer.json()
    assert made["title"]["isbns"][0] == ISBN
    assert made["title"]["total"] == made["title"]["available"] == 1
    assert set(made) == {"id", "title", "copy"}
    copy = program.get(f"/api/v1/copies/{made['copy']['code']}").json()
    assert (copy["state"], copy["available"]) == ("intake", True)


def test_a_repeated_request_gets_the_same_answer_though_more_copies_came(program: Client) -> None:
    first = donate(program, "k", title="Zine")
    with program.library.database.writing() as db:
        make.copy(db, db.get_one(Title, first.json()["title"]["id"]))
    assert donate(program, "k", title="Zine").json() == first.json()


def test_what_the_source_said_is_kept_as_it_came(program: Client) -> None:
    donate(program, isbn=ISBN)
    with program.library.database.reading() as db:
        kept = db.get_one(StoredAnswer, (ISBN, "dnb"))
    assert kept.outcome == "found"
    assert b"<" in kept.raw


def test_each_field_knows_its_source(both: Library, sources: StandIn) -> None:
    isbn = "9780439023481"
    sources.add_record(
        isbn,
        marcxml.record(marcxml.field("020", f"a {isbn}"), marcxml.field("245", "a The Book", ind="10")),
        "k10plus",
    )
    sources.add(isbn, "The book", "Doe, Jane", source="dnb")
    library = Library(replace(both.settings, **sources.settings(*ALL)), both.database, both.clock)
    with library.client() as program:
        title_id = donate(program.with_token(), isbn=isbn).json()["title"]["id"]
    with library.database.reading() as db:
        said = {name: row.source for name, row in provenance.origins(db, title_id).items()}
    assert (said["title"], said["pages"], said["publisher"]) == ("k10plus", "dnb", "dnb")


def test_the_same_isbn_again_is_one_more_copy_without_asking(program: Client, sources: StandIn) -> None:
    first = donate(program, isbn=ISBN).json()
    asked = len(sources.asked)
    second = donate(program, isbn=ISBN).json()
    assert second["title"]["id"] == first["title"]["id"]
    assert second["title"]["total"] == 2
    assert second["copy"] != first["copy"]
    assert len(sources.asked) == asked


def test_a_title_is_stored_without_asking_anybody(program: Client, sources: StandIn) -> None:
    answer = donate(
        program,
        title="Das andere Geschlecht",
        contributors=[{"name": "Beauvoir, Simone de"}, {"name": "Aumüller, Uli", "role": "trl"}],
        isbn="3499227851",
        year=2000,
        language="de",
        series=[{"title": "rororo", "number": "22785"}],
        donor="Mitglied 7",
    )
    title = answer.json()["title"]
    assert answer.status_code == 201
    assert title["contributors"] == [
        {"name": "Beauvoir, Simone de", "role": "aut"},
        {"name": "Aumüller, Uli", "role": "trl"},
    ]
    assert title["isbns"] == ["9783499227851"]
    assert (title["publisher"], title["series"]) == (None, [{"title": "rororo", "number": "22785"}])
    assert sources.asked == []


def test_the_record_of_a_look_up_posted_back_is_stored_whole(program: Client, sources: StandIn) -> None:
    record = program.get(f"/api/v1/lookup/{ISBN}").json()["record"]
    asked = len(sources.asked)
    title = donate(program, **record).json()["title"]
    assert {name: title[name] for name in record} == record
    assert ISBN in title["isbns"]
    assert len(sources.asked) == asked


def test_isbns_come_in_any_form_each_once_and_null_is_as_good_as_left_out(program: Client) -> None:
    body = {"isbn": "3499227851", "isbns": ["978-3-499-22785-1", "978-3-9550-1234-2"], "series": None}
    title = donate(program, title="RT", contributors=None, subtitle=None, **body).json()["title"]
    assert title["isbns"] == ["9783499227851", "9783955012342"]
    assert (title["series"], title["contributors"]) == ([], [])
    assert donate(program, title="RT 2", isbns=None).json()["title"]["isbns"] == []


def test_a_repeated_request_for_a_title_that_is_gone_is_told_so(program: Client) -> None:
    made = donate(program, "k", title="Zine").json()
    with program.library.database.writing() as db:
        for table in (DonatedCopy, Copy, Title):
            db.execute(delete(table))
    again = donate(program, "k", title="Zine")
    assert made["title"]["title"] == "Zine"
    assert (again.status_code, again.json()["code"]) == (404, "unknown-title")


def test_a_book_without_isbn_is_welcome(program: Client) -> None:
    title = donate(program, title="Zine Nr. 3").json()["title"]
    assert title["isbns"] == []


def test_an_isbn_that_nobody_knows_stores_nothing(program: Client) -> None:
    answer = donate(program, isbn="9791090636071")
    assert (answer.status_code, answer.json()["code"]) == (404, "isbn-not-found")
    assert answer.json()["isbn"] == "9791090636071"
    assert count(program.library, Title) == count(program.library, Copy) == 0


@pytest.mark.parametrize("manners", ["throttle", "html", "broken", "bomb"])
def test_sources_in_trouble_store_nothing_and_say_when_to_come_back(
    program: Client, sources: StandIn, manners: str
) -> None:
    sources.behave("dnb", manners)
    sources.behave("openlibrary", manners)
    answer = donate(program, isbn=ISBN)
    assert (answer.status_code, answer.json()["code"]) == (503, "sources-unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert count(program.library, Title) == count(program.library, StoredAnswer) == 0
    sources.behave("dnb", "well")
    # After an error a source is left alone for a while.
    program.library.clock.pass_time(minutes=2)
    assert donate(program, isbn=ISBN).status_code == 201


@pytest.mark.parametrize("isbn", ["9783551551673", "61120081", "0000000000", "4006381333931", "k.A.", "x" * 10_000])
def test_what_is_no_isbn_is_refused(program: Client, isbn: str) -> None:
    answer = donate(program, isbn=isbn)
    assert answer.status_code == 422
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": " "},
        {"isbn": ""},
        {"title": 7},
        {"title": "x", "year": "bald"},
        {"title": "x", "contributors": [{}]},
    ],
)
def test_a_donation_of_nothing_is_refused(program: Client, body: dict[str, Any]) -> None:
    assert donate(program, **body).status_code == 422
    assert count(program.library, Donation) == 0


@pytest.mark.parametrize(
    ("body", "status", "code", "fields"),
    [
        ({"title": "x", "year": 99999, "language": "deutsch"}, 422, "bad-year", {"year", "language"}),
        ({"title": "x", "isbn": "9783551551673", "pages": 0}, 422, "isbn-check-digit", {"isbn", "pages"}),
        (
            {"title": "x", "donor": "x" * 999, "shelf": "?", "year": 0},
            422,
            "donor-too-long",
            {"donor", "shelf", "year"},
        ),
        ({"title": "x", "shelf": "?"}, 422, "unknown-shelf", {"shelf"}),
        ({"isbn": "9783551551673"}, 422, "isbn-check-digit", {"isbn"}),
        (
            {"isbn": "9783551551673", "shelf": "?", "donor": UNKNOWN_CARD},
            422,
            "unknown-card",
            {"donor", "shelf", "isbn"},
        ),
        ({"isbn": ISBN, "shelf": "?"}, 422, "unknown-shelf", {"shelf"}),
        ({"title": "x", "isbns": [ISBN, "keine"]}, 422, "bad-isbn", {"isbns"}),
        ({"title": "x", "contributors": [{"name": "X", "role": "zzz"}]}, 422, "bad-role", {"contributors"}),
    ],
)
def test_every_field_that_is_wrong_is_named_as_it_was_sent(
    program: Client, sources: StandIn, body: dict[str, Any], status: int, code: str, fields: set[str]
) -> None:
    answer = donate(program, "k", **body)
    said = answer.json()
    assert (answer.status_code, said["code"], set(said["errors"])) == (status, code, fields)
    assert said["detail"] in said["errors"].values()
    assert donate(program, "k", **body).json() == said
    assert count(program.library, Donation) == 0
    assert sources.asked == []


def test_a_donor_is_named_by_card_or_name_and_a_shelf_by_code_or_name(program: Client) -> None:
    with program.library.database.writing() as db:
        member, shelf = make.member(db), make.shelf(db, "Politik")
        card, code, member_id = make.card(db, member), shelf.code, member.id
    donate(program, title="A", donor=card, shelf="Politik")
    donate(program, title="B", donor="Mitglied 3", shelf=code.lower())
    with program.library.database.reading() as db:
        donors = db.execute(select(Donation.donor_id, Donation.donor_name).order_by(Donation.id)).all()
        shelves = set(db.scalars(select(Copy.shelf_id)))
    assert [tuple(donor) for donor in donors] == [(member_id, None), (None, "Mitglied 3")]
    assert None not in shelves
    assert len(shelves) == 1


def test_one_key_makes_one_donation_also_while_the_first_still_asks(program: Client, sources: StandIn) -> None:
    sources.delay_s = 0.3
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: donate(program, key="k", isbn=ISBN), range(5)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert count(program.library, Copy) == 1


def test_a_look_up_tells_where_each_field_comes_from_and_stores_no_title(program: Client) -> None:
    found = program.get("/api/v1/lookup/3-551-55167-7").json()
    assert (found["isbn"], found["outcome"]) == (ISBN, "found")
    assert "id" not in found["record"]
    assert found["origin"]["title"] == "dnb"
    assert found["sources"] == [{"name": "dnb", "outcome": "found"}]
    assert count(program.library, Title) == 0


def test_a_look_up_of_nonsense_is_refused(program: Client) -> None:
    assert program.get("/api/v1/lookup/abc").status_code == 422


def test_strangers_may_neither_look_up_nor_donate(asking: Library) -> None:
    with asking.client() as client:
        assert client.get(f"/api/v1/lookup/{ISBN}").status_code == 401
        assert donate(client, title="x").status_code == 401
        client.with_token("kiosk")
        assert donate(client, title="x").status_code == 201
