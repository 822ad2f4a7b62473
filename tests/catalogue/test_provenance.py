"""Where fields come from, and that what a person typed stays."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from bibliothek.catalogue import provenance, queries
from bibliothek.catalogue.actions import add_title, edit_title, renew_title
from bibliothek.catalogue.fields import Origin, Part, Person, TitleFields
from bibliothek.db import open_database
from bibliothek.migrations import migrate, upgrade
from tests.conftest import NOON

LATER = NOON + timedelta(days=3)
FOUND = TitleFields(
    title="Das andere Geschlecht",
    contributors=(Person("Beauvoir, Simone de", "aut"),),
    publisher="Rowohlt",
    year=2000,
    pages=939,
    series=(Part("rororo", "22785"),),
    isbns=("9783499227851",),
)
DNB = Origin(source="dnb", source_url="https://d-nb.info/1", subjects=("Frau",), fields={"pages": "k10plus"})


def sources(db: Session, title_id: int) -> dict[str, str]:
    return {name: row.source for name, row in provenance.origins(db, title_id).items()}


def found_but(**others: object) -> TitleFields:
    return msgspec.structs.replace(FOUND, **others)


def test_each_field_that_says_something_has_a_source(db: Session) -> None:
    title = add_title(db, FOUND, NOON, DNB)
    told = dict.fromkeys(("title", "contributors", "publisher", "year", "series", "isbns", "subjects"), "dnb")
    assert sources(db, title.id) == {**told, "pages": "k10plus"}
    assert {row.at for row in provenance.origins(db, title.id).values()} == {NOON}


def test_what_nobody_looked_up_a_person_typed(db: Session) -> None:
    title = add_title(db, TitleFields(title="Flugblatt", year=1968), NOON)
    assert sources(db, title.id) == {"title": "person", "year": "person"}


def test_a_form_that_changed_a_record_says_which_fields_were_typed() -> None:
    typed = TitleFields(title=FOUND.title, publisher="Rowohlt", year=2001)
    origin = provenance.typed_over(typed, FOUND, DNB)
    assert [provenance.source_of(name, origin) for name in ("title", "publisher", "year")] == ["dnb", "dnb", "person"]


def test_only_what_really_changed_is_marked_as_typed(db: Session) -> None:
    title = add_title(db, FOUND, NOON, DNB)
    changed = edit_title(db, title, found_but(year=2001, publisher=None), LATER)
    assert changed == ("publisher", "year")
    marked = provenance.origins(db, title.id)
    assert {name for name, row in marked.items() if row.source == "person"} == {"publisher", "year"}
    assert (marked["year"].at, marked["title"].at) == (LATER, NOON)


def test_subjects_stay_when_they_are_not_named_and_go_when_they_are(db: Session) -> None:
    title = add_title(db, FOUND, NOON, DNB)
    assert edit_title(db, title, FOUND, LATER) == ()
    assert queries.subjects_of(title) == ("Frau",)
    assert edit_title(db, title, FOUND, LATER, ["Philosophie", " Philosophie "]) == ("subjects",)
    assert queries.subjects_of(title) == ("Philosophie",)


def test_looking_up_again_fills_gaps_and_renews_what_a_source_said(db: Session) -> None:
    title = add_title(db, TitleFields(title=FOUND.title, publisher="Rowohlt Verl."), NOON, Origin(source="k10plus"))
    became = renew_title(db, title, FOUND, DNB, LATER)
    assert became.changed == ("contributors", "publisher", "year", "pages", "series", "subjects")
    assert became.offered == ()
    assert (title.publisher, title.pages) == ("Rowohlt", 939)
    assert (sources(db, title.id)["publisher"], sources(db, title.id)["pages"]) == ("dnb", "k10plus")


def test_what_a_person_typed_is_offered_and_never_overwritten(db: Session) -> None:
    title = add_title(db, FOUND, NOON, DNB)
    edit_title(db, title, found_but(year=2001, pages=None), LATER)
    became = renew_title(db, title, FOUND, DNB, LATER)
    assert became.changed == ()
    # A gap that was made on purpose is kept, too.
    assert became.offered == ("year", "pages")
    assert (title.year, title.pages) == (2001, None)


def test_what_is_taken_belongs_to_its_source_again(db: Session) -> None:
    title = add_title(db, TitleFields(title="Das andere Geschlecht", year=1951, pages=10), NOON)
    became = renew_title(db, title, FOUND, DNB, LATER, taken=["year"])
    assert "year" in became.changed
    assert "pages" in became.offered
    assert (title.year, title.pages) == (2000, 10)
    assert sources(db, title.id)["year"] == "dnb"


def test_isbns_are_on_the_book_and_stay(db: Session) -> None:
    title = add_title(db, TitleFields(title=FOUND.title, isbns=("9783499227851", "9783518067345")), NOON, DNB)
    renew_title(db, title, FOUND, DNB, LATER)
    assert [isbn.isbn for isbn in title.isbns] == ["9783499227851", "9783518067345"]


def test_subjects_are_only_added_to() -> None:
    assert provenance.united_subjects(("Frau", "Ethik"), ("frau", "Mann", "MANN")) == ("Frau", "Ethik", "Mann")


def test_a_field_of_unknown_source_is_as_good_as_typed() -> None:
    became = provenance.renewed(TitleFields(title="Alt", year=1900), (), {}, FOUND, DNB)
    assert "year" in became.offered
    assert "pages" in became.changed


def test_sources_noted_before_stand_with_their_title_after_the_upgrade(tmp_path: Path) -> None:
    database = open_database(None, tmp_path / "old.sqlite")
    upgrade(database, "2026_11_26_transfer")
    with database.writing() as db:
        db.execute(text("INSERT INTO title (id, title, sort_title, created_at) VALUES (7, 'X', 'x', '2026-01-01')"))
        db.execute(
            text(
                "INSERT INTO field_origin (title_id, field, source, at) VALUES"
                " (7, 'title', 'dnb', '2026-11-23 11:00:00.000000'), (7, 'year', 'dnb', '2026-11-23 11:00:00.000000'),"
                " (7, 'pages', 'person', '2026-11-24 11:00:00.000000')"
            )
        )
        noted = {"title_id": 9, "field": "pages", "source": "person", "at": "2026-11-23T11:00:00Z"}
        whole = {"title": {"id": 9}, "parts": {"field_origin": [noted], "contributor": []}}
        gone = {"title": whole, "moved": {}, "kept_id": 7, "before": whole, "after": {"title": {}, "parts": {}}}
        db.execute(
            text("INSERT INTO title_merge (gone_id, kept_id, gone, merged_at) VALUES (9, 7, :gone, '2026-01-01')"),
            {"gone": json.dumps(gone)},
        )
    assert migrate(database)
    with database.reading() as db:
        told = provenance.origins(db, 7)
        written = json.loads(db.scalars(text("SELECT gone FROM title_merge")).one())
    assert provenance.unpacked(written["title"]["title"]["origins"])["pages"].source == "person"
    assert (written["before"]["parts"], written["after"]["title"]["origins"]) == ({"contributor": []}, None)
    assert {name: origin.source for name, origin in told.items()} == {"title": "dnb", "year": "dnb", "pages": "person"}
    assert told["title"].at == NOON
    assert told["pages"].at == NOON + timedelta(days=1)
    database.close()
