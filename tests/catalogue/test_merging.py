"""Two titles become one, and two again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from bibliothek.catalogue import merging, provenance, queries, search
from bibliothek.catalogue.actions import add_title, edit_title
from bibliothek.catalogue.fields import Origin, Part, Person, TitleFields
from bibliothek.catalogue.merging import NoSuchMerge, SameTitle
from bibliothek.catalogue.models import Cover, Title, TitleMerge
from bibliothek.catalogue.queries import NoSuchTitle
from bibliothek.copies.actions import add_copy
from bibliothek.copies.models import Copy
from bibliothek.db import LARGEST_ID
from bibliothek.donations.models import Pile, PileBook
from bibliothek.models import metadata
from bibliothek.operations.verify import verify
from tests import make
from tests.conftest import NOON, Library

LATER = NOON + timedelta(days=1)
DNB = Origin(source="dnb", subjects=("Frau", "Philosophie"))
POOR = TitleFields(title="Das andere Geschlecht", year=1951, isbns=("9783518067345",))
RICH = TitleFields(
    title="Das andere Geschlecht. Neuausgabe",
    contributors=(Person("Beauvoir, Simone de", "aut"),),
    publisher="Rowohlt",
    year=2000,
    pages=939,
    series=(Part("rororo", "22785"),),
    isbns=("9783499227851",),
)


def copies_of(db: Session, title: int) -> list[int]:
    return list(db.scalars(select(Copy.id).where(Copy.title_id == title).order_by(Copy.id)))


def everything(db: Session) -> dict[str, list[Any]]:
    """Every row of the library but for what is written down of merges, and the index."""
    db.flush()
    rows = {
        table.name: sorted((tuple(row) for row in db.execute(select(table))), key=repr)
        for table in metadata.sorted_tables
        if table.name != "title_merge"
    }
    index = db.execute(search.dialect_of(db.connection()).stored, {"first": 0, "last": LARGEST_ID}).all()
    return {**rows, "title_search": sorted(map(tuple, index))}


def broken(db: Session) -> list[str]:
    return [found for finding in verify(db, LATER) for found in finding.broken]


def two(db: Session) -> tuple[Title, Title]:
    return add_title(db, POOR, NOON), add_title(db, RICH, NOON, DNB)


def test_copies_move_and_gaps_are_filled(db: Session) -> None:
    kept, gone = two(db)
    make.copy(db, kept), make.copy(db, gone), make.copy(db, gone)
    merging.merge(db, kept.id, gone.id, LATER)
    stored = queries.title(db, kept.id)
    fields = queries.fields_of(stored)
    assert (fields.title, fields.year, fields.publisher, fields.pages) == (POOR.title, 1951, "Rowohlt", 939)
    assert fields.isbns == ("9783518067345", "9783499227851")
    assert queries.subjects_of(stored) == ("Frau", "Philosophie")
    assert len(copies_of(db, kept.id)) == 3
    with pytest.raises(NoSuchTitle):
        queries.title(db, gone.id)
    assert broken(db) == []


def test_what_was_filled_keeps_its_source_and_time(db: Session) -> None:
    kept, gone = two(db)
    merging.merge(db, kept.id, gone.id, LATER)
    told = provenance.origins(db, kept.id)
    assert {name: row.source for name, row in told.items()} == {
        "title": "person",
        "year": "person",
        "isbns": "person",
        **dict.fromkeys(("contributors", "publisher", "pages", "series", "subjects"), "dnb"),
    }
    assert told["pages"].at == NOON


def test_a_gap_left_on_purpose_stays(db: Session) -> None:
    kept, gone = add_title(db, RICH, NOON, DNB), add_title(db, RICH, NOON, DNB)
    edit_title(db, kept, msgspec.structs.replace(RICH, pages=None), LATER)
    merging.merge(db, kept.id, gone.id, LATER)
    assert queries.title(db, kept.id).pages is None


def test_the_kept_title_is_found_by_what_it_got(db: Session) -> None:
    kept, gone = two(db)
    merging.merge(db, kept.id, gone.id, LATER)
    for q in ("beauvoir", "9783499227851", "9783518067345", "rororo 22785", "philosophie"):
        assert [row.id for row in queries.search(db, q).rows] == [kept.id], q
    assert search.check_index(db) == []


def test_series_unite_without_saying_anything_twice(db: Session) -> None:
    kept = add_title(db, TitleFields(title="A", series=(Part("rororo", "1"), Part("Werke"))), NOON)
    other = (Part("Rororo"), Part("rororo", "1"), Part("rororo", "2"), Part("Werke", "3"))
    gone = add_title(db, TitleFields(title="A", series=other), NOON)
    merging.merge(db, kept.id, gone.id, LATER)
    parts = [(part.series, part.number) for part in queries.title(db, kept.id).series]
    assert parts == [("rororo", "1"), ("Werke", None), ("rororo", "2"), ("Werke", "3")]


def test_undoing_puts_everything_back(db: Session) -> None:
    kept, gone = two(db)
    make.copy(db, kept), make.copy(db, gone)
    make.loan(db, make.copy(db, gone))
    before = everything(db)
    done = merging.merge(db, kept.id, gone.id, LATER)
    assert everything(db) != before
    assert merging.undo(db, kept.id, done.id, LATER) == gone.id
    assert everything(db) == before
    assert broken(db) == []


def test_what_was_changed_since_stays_when_a_merge_is_undone(db: Session) -> None:
    kept, gone = two(db)
    mine, moved, away = make.copy(db, kept), make.copy(db, gone), make.copy(db, gone)
    third = make.title(db)
    done = merging.merge(db, kept.id, gone.id, LATER)
    stored = queries.title_for_change(db, kept.id)
    edit_title(db, stored, msgspec.structs.replace(queries.fields_of(stored), publisher="Rowohlt Taschenbuch"), LATER)
    new = make.copy(db, kept)
    db.get_one(Copy, away.id).title_id = third.id
    merging.undo(db, kept.id, done.id, LATER)
    assert copies_of(db, kept.id) == [mine.id, new.id]
    assert (copies_of(db, gone.id), copies_of(db, third.id)) == ([moved.id], [away.id])
    stored = queries.title(db, kept.id)
    assert (stored.publisher, stored.pages, stored.year) == ("Rowohlt Taschenbuch", None, 1951)
    assert provenance.origins(db, kept.id)["publisher"].source == "person"
    assert "pages" not in provenance.origins(db, kept.id)
    assert broken(db) == []


def test_a_merge_is_undone_once(db: Session) -> None:
    kept, gone = two(db)
    done = merging.merge(db, kept.id, gone.id, LATER)
    with pytest.raises(NoSuchMerge):
        merging.undo(db, kept.id + 77, done.id, LATER)
    merging.undo(db, kept.id, done.id, LATER)
    with pytest.raises(NoSuchMerge):
        merging.undo(db, kept.id, done.id, LATER)
    with pytest.raises(NoSuchMerge):
        merging.undo(db, kept.id, 2**31 - 1, LATER)


def test_a_title_is_not_merged_with_itself_or_with_nothing(db: Session) -> None:
    kept, gone = two(db)
    with pytest.raises(SameTitle):
        merging.merge(db, kept.id, kept.id, LATER)
    for nobody in (gone.id + 1000, 0, 2**40):
        with pytest.raises(NoSuchTitle):
            merging.merge(db, kept.id, nobody, LATER)


@pytest.mark.parametrize("inner_first", [True, False])
def test_three_titles_become_one_and_three_again(db: Session, inner_first: bool) -> None:
    one, two_, three = add_title(db, POOR, NOON), add_title(db, RICH, NOON, DNB), make.title(db, "Ganz anders", year=7)
    for title in (one, two_, three):
        make.copy(db, title)
    before = everything(db)
    inner = merging.merge(db, one.id, two_.id, LATER)
    outer = merging.merge(db, three.id, one.id, LATER)
    assert queries.title_now(db, two_.id) == queries.title_now(db, one.id) == three.id
    assert [found.title for found in merging.merged_into(db, three.id)] == [POOR.title, RICH.title]
    assert len(copies_of(db, three.id)) == 3
    if inner_first:
        merging.undo(db, three.id, inner.id, LATER)
        merging.undo(db, three.id, outer.id, LATER)
        # What the first kept from the second before it went itself, it keeps.
        assert queries.title(db, one.id).pages == 939
        assert queries.title(db, three.id).pages is None
    else:
        merging.undo(db, three.id, outer.id, LATER)
        merging.undo(db, one.id, inner.id, LATER)
        assert everything(db) == before
    assert [len(copies_of(db, title.id)) for title in (one, two_, three)] == [1, 1, 1]
    assert broken(db) == []


def test_the_better_cover_is_kept_and_the_other_comes_back(db: Session) -> None:
    kept, gone = two(db)
    for title, source, digest in ((kept, "openlibrary", "a" * 32), (gone, "own", "b" * 32)):
        db.merge(Cover(title_id=title.id, source=source, digest=digest, at=NOON, tries=0, next_try_at=None))
    before = everything(db)
    done = merging.merge(db, kept.id, gone.id, LATER)
    assert db.scalars(select(Cover.source)).all() == ["own"]
    # Its files stay while the other may come back.
    assert merging.pictures_to_keep(db) == {"a" * 32, "b" * 32}
    merging.undo(db, kept.id, done.id, LATER)
    assert everything(db) == before
    assert merging.pictures_to_keep(db) == set()


def test_a_book_still_in_a_pile_follows_its_title(db: Session) -> None:
    kept, gone = two(db)
    pile = Pile(member_id=make.member(db).id, begun_at=NOON)
    db.add(pile)
    db.flush()
    book = PileBook(pile_id=pile.id, number="1", scanned_at=NOON, state="found", title_id=gone.id)
    db.add(book)
    db.flush()
    done = merging.merge(db, kept.id, gone.id, LATER)
    db.refresh(book)
    assert book.title_id == kept.id
    merging.undo(db, kept.id, done.id, LATER)
    db.refresh(book)
    assert book.title_id == gone.id


def test_every_table_that_names_a_title_was_thought_of() -> None:
    """A new one has been thought of when it stands here, or in `merging.PARTS`: may its rows simply move to the kept title?"""
    moving = {f"{column.table.name}.{column.name}" for column in merging.hanging_columns()}
    assert moving == {
        "copy.title_id",
        "hold.title_id",
        "imported_row.title_id",
        "pile_book.title_id",
        "title_merge.kept_id",
    }
    for column in merging.hanging_columns():
        # What names a title in its own key cannot be put back by that key.
        assert [key.name for key in column.table.primary_key.columns] == ["id"], column


words = st.text("abcäß -!", max_size=6)
titles = st.builds(
    TitleFields,
    title=words.map(lambda text: f"x{text}"),
    subtitle=st.none() | words.map(lambda text: text.strip() or None),
    contributors=st.lists(st.builds(Person, st.sampled_from(["A, B", "C"]), st.sampled_from(["aut", "edt"]))).map(
        tuple
    ),
    year=st.none() | st.integers(1, 2999),
    language=st.sampled_from([None, "de", "fr"]),
    series=st.lists(
        st.builds(Part, st.sampled_from(["r", "R", "s"]), st.sampled_from([None, "1", "2"])), max_size=4
    ).map(tuple),
    isbns=st.lists(st.sampled_from(["9783499227851", "9783518067345"]), max_size=3).map(tuple),
)
origins = st.builds(
    Origin,
    subjects=st.lists(st.sampled_from(["Frau", "frau", "Ethik"])).map(tuple),
    source=st.sampled_from([None, "dnb"]),
    fields=st.dictionaries(st.sampled_from(provenance.FIELDS), st.sampled_from(["person", "k10plus"])),
)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(kept=titles, kept_origin=origins, gone=titles, gone_origin=origins)
def test_any_two_titles_come_apart_as_they_were(
    db: Session, kept: TitleFields, kept_origin: Origin, gone: TitleFields, gone_origin: Origin
) -> None:
    with db.begin_nested() as attempt:
        one, other = add_title(db, kept, NOON, kept_origin), add_title(db, gone, NOON, gone_origin)
        make.copy(db, other)
        before = everything(db)
        done = merging.merge(db, one.id, other.id, LATER)
        assert search.check_index(db) == []
        merging.undo(db, one.id, done.id, LATER)
        assert everything(db) == before
        attempt.rollback()


def test_what_was_merged_can_be_merged_again(db: Session) -> None:
    kept, gone = two(db)
    first = merging.merge(db, kept.id, gone.id, LATER)
    merging.undo(db, kept.id, first.id, LATER)
    merging.merge(db, gone.id, kept.id, LATER)
    assert queries.title_now(db, kept.id) == gone.id
    assert queries.title_now(db, gone.id) == gone.id
    assert db.scalars(select(TitleMerge.undone_at).order_by(TitleMerge.id)).all() == [LATER, None]


def test_a_copy_for_a_title_that_is_no_more_goes_to_the_kept_one(db: Session) -> None:
    kept, gone = two(db)
    merging.merge(db, kept.id, gone.id, LATER)
    assert add_copy(db, gone.id, None, LATER).title_id == kept.id
    with pytest.raises(NoSuchTitle):
        add_copy(db, 2**31 - 1, None, LATER)


def test_a_repeated_donation_answers_with_the_kept_title(both: Library) -> None:
    with both.client() as client:
        client.with_token()
        headers = {"idempotency-key": "k1"}
        first = client.post("/api/v1/donations", json={"title": "Das andere Geschlecht"}, headers=headers)
        with both.database.writing() as db:
            kept = make.title(db, "Das andere Geschlecht").id
            merging.merge(db, kept, first.json()["title"]["id"], LATER)
        again = client.post("/api/v1/donations", json={"title": "Das andere Geschlecht"}, headers=headers)
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.json()["copy"] == first.json()["copy"]
        assert again.json()["title"]["id"] == kept
        assert client.get(f"/api/v1/titles/{first.json()['title']['id']}").json()["id"] == kept
