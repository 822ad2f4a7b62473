"""lobid and Google Books: their JSON to our fields, and what counts as an answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bibliothek.catalogue.fields import Part, Person
from bibliothek.catalogue.rules import checked, checked_origin
from bibliothek.lookup import googlebooks, lobid
from bibliothek.lookup.record import Record
from tests.lookup.stand_in import made_member, made_volume

NOW = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
ISBN = "9783934997158"


def read_lobid(*members: dict[str, Any]) -> Any:
    raw = json.dumps({"totalItems": len(members), "member": list(members)}).encode()
    return lobid.read(ISBN, raw, "application/json", NOW)


def read_google(*items: dict[str, Any]) -> Any:
    raw = json.dumps({"totalItems": len(items), "items": list(items)}).encode()
    return googlebooks.read(ISBN, raw, "application/json", NOW)


def member(**more: Any) -> dict[str, Any]:
    return {**made_member(ISBN, "Titel", "Becker, Tom"), **more}


def of_lobid(**more: Any) -> Record:
    (record,) = read_lobid(member(**more)).records
    assert isinstance(record, Record)
    return record


# --- lobid -----------------------------------------------------------------------------------------------------------


def test_a_record_of_lobid_becomes_ours() -> None:
    assert of_lobid(
        title="\"Was für ein Service!\"",
        otherTitleInformation=["Entwicklung der Auskunft"],
        edition=["2. Aufl."],
        extent="VII, 211 S. : graph. Darst.",
        publication=[
            {"type": ["SecondaryPublicationEvent"], "startDate": "1990"},
            {"type": ["PublicationEvent"], "startDate": "2007", "location": ["Wiesbaden"], "publishedBy": ["Dinges [u.a.]"]},
        ],
        contribution=[
            {"agent": {"label": "Becker, Tom"}, "role": {"id": "http://id.loc.gov/vocabulary/relators/edt"}},
            {"agent": {"label": "Shaker Verlag"}, "role": {"id": "http://id.loc.gov/vocabulary/relators/pbl"}},
        ],
        isPartOf=[{"hasSuperordinate": [{"label": "BIT online : Innovativ"}], "numbering": "13"}],
        isbn=[ISBN, "3934997155"],
        subject=[
            {"type": ["ComplexSubject"], "label": "Bibliothek | Auskunftsdienst"},
            {"type": ["Concept"], "label": "bibliothek"},
            {"type": ["Concept"], "notation": "020", "label": "Buch", "source": {"label": "Sachgruppen der DNB"}},
            {"type": ["Concept"], "notation": "025.5", "label": "Dienste", "source": {"label": "Dewey-Dezimalklassifikation"}},
        ],
    ) == Record(
        title="\"Was für ein Service!\"",
        subtitle="Entwicklung der Auskunft",
        contributors=(Person("Becker, Tom", "edt"),),
        publisher="Dinges",
        place="Wiesbaden",
        year=2007,
        edition="2. Aufl.",
        pages=211,
        language="de",
        series=(Part("BIT online : Innovativ", "13"),),
        isbns=(ISBN,),
        subjects=("Bibliothek", "Auskunftsdienst"),
        classes=("020",),
        carrier="volume",
        source="lobid",
        source_id="993934997150206441",
        source_url="https://lobid.org/resources/993934997150206441",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("written", "title", "series"),
    [
        ("Werke, 3: Der Prozess", "Der Prozess", Part("Werke", "3")),
        ("Werke, 3", "Werke", Part("Werke", "3")),
        ("Werke, [55]: Briefe: 1912", "Briefe: 1912", Part("Werke", "55")),
        ("Der Prozess", "Der Prozess", Part("Werke", "3")),
    ],
)
def test_the_title_of_a_volume_is_taken_apart(written: str, title: str, series: Part) -> None:
    record = of_lobid(title=written, isPartOf=[{"hasSuperordinate": [{"label": "Werke"}], "numbering": "3"}])
    assert (record.title, record.series) == (title, (series,))


def test_without_contributions_the_title_page_tells_the_persons() -> None:
    record = of_lobid(contribution=[], responsibilityStatement=["hrsg. von Tom Becker"])
    assert record.contributors == (Person("Becker, Tom", "edt"),)


@pytest.mark.parametrize(
    ("ids", "carrier"),
    [
        (["1010"], "volume"),
        (["1003", "1018"], "online"),
        (["BrailleBook", "1010"], "braille"),
        (["1002"], "microform"),
        (["AudioDocument", "1003"], "disc"),
        (["T1008"], "other"),
        ([], None),
    ],
)
def test_only_print_is_the_book(ids: list[str], carrier: str | None) -> None:
    medium = [{"id": f"http://rdaregistry.info/termList/RDAproductionMethod/{name}"} for name in ids]
    answer = read_lobid(member(medium=medium))
    (record,) = answer.records + answer.similar
    assert record.carrier == carrier
    assert answer.outcome == ("found" if carrier in (None, "volume") else "not_found")


def test_a_game_with_an_isbn_is_no_book() -> None:
    assert read_lobid(member(type=["BibliographicResource", "Game"])).outcome == "not_found"


def test_another_number_is_another_edition() -> None:
    answer = read_lobid(member(isbn=["9783551551672"]))
    assert (answer.outcome, len(answer.similar)) == ("not_found", 1)


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{}", b'{"member": {}}', b"<html>", b"\xff", b"[" * 100_000, b'{"error": 1}']
)
def test_what_is_no_answer_of_lobid_is_an_outage(raw: bytes) -> None:
    assert lobid.read(ISBN, raw, "application/json", NOW).outcome == "unavailable"


# --- Google Books ----------------------------------------------------------------------------------------------------


def test_a_volume_of_google_becomes_ours() -> None:
    volume = made_volume(ISBN, "Was für ein Service!", "Tom Becker")
    volume["volumeInfo"] |= {"subtitle": "Auskunft", "categories": ["Libraries", "libraries"], "language": "pt-BR"}
    (record,) = read_google(volume).records
    assert record == Record(
        title="Was für ein Service!",
        subtitle="Auskunft",
        contributors=(Person("Becker, Tom", "aut"),),
        publisher="Press 7",
        year=2007,
        pages=77,
        language="pt",
        isbns=(ISBN,),
        subjects=("Libraries",),
        source="googlebooks",
        source_id="g393499715",
        source_url="https://books.google.com/books?id=g393499715",
    )


def test_an_e_book_of_google_and_another_number_are_similar() -> None:
    ebook = {**made_volume(ISBN, "Titel", "A B"), "saleInfo": {"isEbook": True}}
    answer = read_google(ebook, made_volume("9783551551672", "Titel", "A B"))
    assert (answer.outcome, [record.carrier for record in answer.similar]) == ("not_found", ["online", None])


@pytest.mark.parametrize(
    ("raw", "outcome"),
    [
        (b'{"kind": "books#volumes", "totalItems": 0}', "not_found"),
        (b'{"totalItems": 3}', "not_found"),
        (b'{"error": {"code": 400, "message": "API key not valid."}}', "unavailable"),
        (b"{}", "unavailable"),
        (b"", "unavailable"),
        (b"null", "unavailable"),
    ],
)
def test_other_answers_of_google(raw: bytes, outcome: str) -> None:
    assert googlebooks.read(ISBN, raw, "application/json", NOW).outcome == outcome


# --- both ------------------------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["label", "id", "hasSuperordinate", "numbering", "agent", "role", "type"]), inner
        )
    ),
    max_leaves=8,
)
OF_LOBID = sorted({*member(), "otherTitleInformation", "edition", "isPartOf", "subject", "responsibilityStatement"})
OF_GOOGLE = sorted({*made_volume(ISBN, "", "")["volumeInfo"], "subtitle", "categories"})


@given(st.dictionaries(st.sampled_from(OF_LOBID), json_values), st.text(min_size=1, max_size=2000))
def test_whatever_lobid_sends_fits_the_catalogue(told: dict[str, Any], title: str) -> None:
    answer = read_lobid({"title": title, "isbn": [ISBN], **told})
    for record in answer.records + answer.similar:
        assert checked(record.fields()) == record.fields()
        checked_origin(record.origin())


@given(st.dictionaries(st.sampled_from(OF_GOOGLE), json_values), st.text(min_size=1, max_size=2000), json_values)
def test_whatever_google_sends_fits_the_catalogue(book: dict[str, Any], title: str, sale: Any) -> None:
    answer = read_google({"id": title, "volumeInfo": {"title": title, **book}, "saleInfo": sale})
    for record in answer.records + answer.similar:
        assert checked(record.fields()) == record.fields()
        checked_origin(record.origin())
