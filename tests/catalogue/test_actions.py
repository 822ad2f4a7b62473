from __future__ import annotations

import re
from importlib import import_module
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from bibliothek.catalogue import queries, rules, search
from bibliothek.catalogue.actions import add_title, edit_title, reindex
from bibliothek.catalogue.entries import terms_of
from bibliothek.catalogue.fields import Origin, Part, Person, TitleFields
from bibliothek.catalogue.models import Contributor, Title
from bibliothek.catalogue.rules import (
    BadIsbn,
    BadLanguage,
    BadPages,
    BadRole,
    BadYear,
    CardAsText,
    CodeAsText,
    IsbnAsText,
    NoTitle,
    TooLong,
    TooMany,
    checked,
    checked_origin,
    one_line,
)
from bibliothek.codes import Kind, new_card_code, new_code
from bibliothek.problems import Invalid
from tests import make
from tests.conftest import NOON, Library

FULL = TitleFields(
    title="Das andere Geschlecht",
    subtitle="Sitte und Sexus der Frau",
    contributors=(Person("Beauvoir, Simone de", "aut"), Person("Aumüller, Uli", "trl")),
    publisher="Rowohlt",
    place="Reinbek bei Hamburg",
    year=2000,
    edition="Neuausg.",
    pages=939,
    language="de",
    series=(Part("rororo", "22785"),),
    isbns=("9783499227851",),
)


def found(db: Session, q: str) -> list[str]:
    return [row.title for row in queries.search(db, q).rows]


def test_a_title_is_stored_with_all_its_parts(db: Session) -> None:
    origin = Origin(subjects=("Frau", "Gesellschaft"), source="dnb", source_url="https://d-nb.info/1")
    added = add_title(db, FULL, NOON, origin)
    db.expire_all()
    stored = queries.title(db, added.id)
    assert queries.fields_of(stored) == FULL
    assert [subject.name for subject in stored.subjects] == ["Frau", "Gesellschaft"]
    assert (stored.source, stored.source_url, stored.created_at) == ("dnb", "https://d-nb.info/1", NOON)
    assert stored.sort_title == "andere geschlecht"


def test_a_title_can_be_found_as_soon_as_it_is_stored(db: Session) -> None:
    add_title(db, FULL, NOON, Origin(subjects=("Existenzialismus",)))
    for q in (
        "geschlecht",
        "beauvoir",
        "aumueller",
        "rororo 22785",
        "978-3-499-22785-1",
        "existenzialismus",
        "rowohlt",
    ):
        assert found(db, q) == ["Das andere Geschlecht"], q


def test_a_title_and_its_index_are_stored_together_or_not_at_all(both: Library) -> None:
    with both.database.writing() as db:
        make.title(db, "Verloren")
        db.rollback()
    with both.database.reading() as db:
        assert found(db, "verloren") == []
        assert search.check_index(db) == []


@pytest.mark.parametrize("empty", ["", "   ", "\t\n", "\u200b", "\x00\x98\x9c"])
def test_a_title_needs_a_title(db: Session, empty: str) -> None:
    with pytest.raises(NoTitle):
        add_title(db, TitleFields(title=empty), NOON)


def test_white_space_and_unseen_signs_are_dropped(db: Session) -> None:
    fields = TitleFields(
        title="  \x98Die\x9c  stille\u00ad\nRevolution\u202e\x00 ",
        subtitle=" \t ",
        contributors=(
            Person(" Beauvoir,\u00a0Simone ", " AUT "),
            Person("  ", "aut"),
            Person("Beauvoir, Simone", "aut"),
        ),
        series=(Part(" "), Part("Reihe", " ")),
        isbns=(" ", "3-499-22785-1", "9783499227851"),
        language=" DE ",
    )
    stored = queries.fields_of(add_title(db, fields, NOON))
    assert stored == TitleFields(
        title="Die stille Revolution",
        contributors=(Person("Beauvoir, Simone", "aut"),),
        series=(Part("Reihe", None),),
        isbns=("9783499227851",),
        language="de",
    )


def test_letters_are_kept_composed(db: Session) -> None:
    assert one_line("Mu\u0308ller") == "Müller"
    assert one_line("ok \ud800 ok") == "ok ok"
    assert add_title(db, TitleFields(title="Mu\u0308ller"), NOON).title == "Müller"


def test_signs_of_other_scripts_and_emoji_are_kept(db: Session) -> None:
    for title in ("हिन्दी", "שלום", "日本語", "👩‍🚀 im All", "???"):
        assert add_title(db, TitleFields(title=title), NOON).title == title
    assert search.check_index(db) == []


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"title": "x" * 1001}, TooLong),
        ({"subtitle": "x" * 1001}, TooLong),
        ({"publisher": "x" * 301}, TooLong),
        ({"contributors": (Person("x" * 301, "aut"),)}, TooLong),
        ({"contributors": tuple(Person(f"P{n}", "aut") for n in range(101))}, TooMany),
        ({"contributors": (Person("X", "author"),)}, BadRole),
        ({"contributors": (Person("X", "zzz"),)}, BadRole),
        ({"series": tuple(Part(f"R{n}") for n in range(21))}, TooMany),
        ({"isbns": ("9783499227850",)}, BadIsbn),
        ({"isbns": ("keine",)}, BadIsbn),
        ({"year": 0}, BadYear),
        ({"year": 10_000}, BadYear),
        ({"year": 10**30}, BadYear),
        ({"pages": 0}, BadPages),
        ({"pages": 10**30}, BadPages),
        ({"language": "deutsch"}, BadLanguage),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(
    db: Session, fields: dict[str, object], problem: type[Invalid]
) -> None:
    with pytest.raises(problem) as refused:
        add_title(db, TitleFields(**{"title": "Titel", **fields}), NOON)  # type: ignore[arg-type]
    assert refused.value.status == 422
    assert refused.value.sentence.endswith(".")
    assert db.scalars(select(Title)).all() == []


CARD = new_card_code(b"sixteen or more bytes")
SHELF = new_code(Kind.SHELF, lambda: 3)


@pytest.mark.parametrize(
    "scanned",
    [
        CARD,
        CARD.lower(),
        f"Tschick{CARD}",
        f"Tschick {CARD}",
        f"http://bibliothek.local/c/{CARD}",
        "-".join(re.findall(".{1,5}", CARD)),
        CARD[:-1] + ("0" if CARD[-1] != "0" else "1"),
        CARD[:-2],
    ],
)
@pytest.mark.parametrize("field", ["title", "subtitle", "publisher", "place", "edition"])
def test_a_members_card_never_becomes_part_of_the_catalogue(field: str, scanned: str) -> None:
    with pytest.raises(CardAsText) as refused:
        checked(TitleFields(**{"title": "Titel", field: scanned}))  # type: ignore[arg-type]
    assert CARD[:8] not in str(refused.value.errors)


@pytest.mark.parametrize(
    ("scanned", "problem"),
    [
        (SHELF, CodeAsText),
        (f"https://bibliothek.local/c/{SHELF}", CodeAsText),
        ("9783462034646", IsbnAsText),
        ("9783462034647", IsbnAsText),
        ("978-3-462-03464-6", IsbnAsText),
        ("ISBN 978 3 462 03464 6", IsbnAsText),
        ("]E09783462034646", IsbnAsText),
        ("3-551-55167-7", IsbnAsText),
    ],
)
def test_what_was_scanned_into_a_field_of_words_is_refused(scanned: str, problem: type[Invalid]) -> None:
    for fields in (
        TitleFields(title=scanned),
        TitleFields(title="Titel", contributors=(Person(scanned, "aut"),)),
        TitleFields(title="Titel", series=(Part(scanned),)),
    ):
        with pytest.raises(problem):
            checked(fields)


@pytest.mark.parametrize(
    "title",
    [
        "1984",
        "Babette",
        "RS232",
        "B 52",
        "1914-1918",
        "1234567890",
        "Mein Leben 1933 bis 1945 in Berlin",
        "Mitgliederzeitschrift-2019-bis-2020",
        "ISBN 978-3-462-03464-6 und andere Nummern",
    ],
)
def test_a_title_that_only_looks_like_a_code_is_welcome(title: str) -> None:
    assert checked(TitleFields(title=title)).title == title


def test_a_text_however_long_is_read_quickly_and_refused() -> None:
    # Each of these would take minutes or hours, if the time grew with the square of the text.
    for long in ("A" * 1_000_000, "A1 " * 300_000, "A\u0301\u0323" * 300_000, "A" + "\u0301\u0323" * 500_000):
        with pytest.raises(TooLong):
            checked(TitleFields(title=long + "!" * 1000, contributors=(Person(long, "aut"),), edition=long))


@pytest.mark.parametrize(
    "many",
    [
        {"contributors": (Person("P", "aut"),) * 30_000},
        {"series": (Part("R"),) * 30_000},
        {"isbns": ("9783551551672",) * 30_000},
    ],
)
def test_far_too_many_entries_are_counted_and_not_looked_at(
    many: dict[str, tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[str | None] = []
    monkeypatch.setattr(rules, "one_line", lambda text: looked_at.append(text) or text or "")
    monkeypatch.setattr(rules, "isbn13", lambda isbn: looked_at.append(isbn) or isbn)
    with pytest.raises(TooMany):
        checked(TitleFields(title="Titel", **many))  # type: ignore[arg-type]
    assert len(looked_at) < 10


def test_every_wrong_field_is_named_at_once() -> None:
    with pytest.raises(BadYear) as refused:
        checked(TitleFields(title="Titel", year=3500, edition="x" * 400, language="deutsch", isbns=("keine",)))
    assert set(refused.value.errors) == {"year", "edition", "language", "isbns"}
    assert "400" not in refused.value.errors["edition"]
    assert "300 Zeichen" in refused.value.errors["edition"]


def test_what_came_from_a_source_is_cut_without_a_word() -> None:
    origin = checked_origin(
        Origin(subjects=(*(f"S{n}" for n in range(200)), "x" * 999), source_url="javascript:alert(1)", source=" dnb ")
    )
    assert len(origin.subjects) == 100
    assert origin.source == "dnb"
    assert origin.source_url is None


def test_the_filing_form_of_a_source_is_kept(db: Session) -> None:
    title = add_title(db, TitleFields(title="Ein Herz und eine Seele"), NOON, Origin(sort_title="Herz und eine Seele"))
    assert title.sort_title == "herz und eine seele"
    edit_title(db, title, TitleFields(title="Ein Herz und eine Seele", year=1973), NOON)
    assert title.sort_title == "herz und eine seele"


def test_an_edited_title_is_found_by_its_new_words_only(db: Session) -> None:
    added = add_title(db, FULL, NOON, Origin(subjects=("Frau",)))
    edit_title(
        db,
        added,
        TitleFields(title="Die Mandarins von Paris", contributors=(Person("Beauvoir, S. de", "aut"),), language="de"),
        NOON,
    )
    db.expire_all()
    stored = queries.title(db, added.id)
    assert stored.sort_title == "mandarins von paris"
    assert [person.name for person in stored.contributors] == ["Beauvoir, S. de"]
    assert stored.isbns == []
    assert found(db, "mandarins") == found(db, "frau") == ["Die Mandarins von Paris"]
    assert found(db, "geschlecht") == found(db, "aumüller") == []
    assert search.check_index(db) == []


def test_editing_refuses_what_adding_refuses(db: Session) -> None:
    added = add_title(db, FULL, NOON)
    with pytest.raises(NoTitle):
        edit_title(db, added, TitleFields(title=" "), NOON)
    assert queries.fields_of(added) == FULL


def test_the_index_can_be_checked_and_built_anew(db: Session) -> None:
    first, second, third = (make.title(db, f"Titel {n} Müller") for n in "abc")
    assert search.check_index(db) == []
    column = "rowid" if db.get_bind().dialect.name == "sqlite" else "title_id"
    db.execute(text(f"DELETE FROM title_search WHERE {column} = {first.id}"))
    db.execute(Contributor.__table__.update().where(Contributor.title_id == second.id).values(name="Sand, George"))
    assert search.check_index(db) == [
        f"title {first.id} is not in the index",
        f"title {second.id} stands in the index with other words",
    ]
    db.expire_all()
    assert reindex(db) == 3
    assert search.check_index(db) == []
    assert found(db, "sand") == [second.title]
    assert found(db, "mueller c") == [third.title]


def test_titles_that_are_filed_under_other_words_are_found_by_them_after_the_upgrade(db: Session) -> None:
    own = add_title(db, TitleFields(title="1984"), NOON, Origin(sort_title="neunzehnhundert müller"))
    other = make.title(db, "Die Straße")
    before = [[term for term in terms_of(title) if "neun" not in term or term[0] in "^#"] for title in (own, other)]
    search.index_terms(db, zip((own.id, other.id), before, strict=True))
    assert search.check_index(db) == [f"title {own.id} stands in the index with other words"]
    step = import_module("bibliothek.migrations.versions.2026_11_27_w_filed_words")
    step.index_filed_words(db.connection())
    assert search.check_index(db) == []
    assert found(db, "neunzehn") == ["1984"]


def test_an_entry_without_a_title_is_noticed(library: Library) -> None:
    with library.database.writing() as db:
        db.execute(text("INSERT INTO title_search (rowid, words) VALUES (99, 'geist')"))
        assert search.check_index(db) == ["title 99 is in the index only"]


def test_more_titles_than_a_batch_are_indexed_anew(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "BATCH", 2)
    for n in range(5):
        make.title(db, f"Band {n}")
    assert reindex(db) == 5
    assert search.check_index(db) == []
    assert len(found(db, "band")) == 5
