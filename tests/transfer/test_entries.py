"""Columns are guessed, and a row becomes a book: what cannot be kept is said, never swallowed."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bibliothek import codes
from bibliothek.transfer.entries import MOST_COPIES, NotTaken, read_entry
from bibliothek.transfer.formats import LIST, OWN, TARGETS, columns_of
from bibliothek.transfer.tables import Row, rows_of
from tests.transfer.books import (
    BY_HAND,
    GOODREADS,
    LIBIB,
    LIBRARYTHING,
    NO_HEADINGS,
    OPENLIBRY,
    a_plan,
    book,
    books,
    planned,
)


def test_goodreads_series_and_wishes(tmp_path: Path) -> None:
    path, plan = planned(tmp_path, GOODREADS)
    with rows_of(path, plan.reading) as rows:
        _headings, first, second = rows
    fields = read_entry(first, plan).fields
    assert (fields.title, fields.isbns, fields.year, fields.pages) == ("Catching Fire", ("9780439023498",), 2009, 391)
    assert [(part.title, part.number) for part in fields.series] == [("The Hunger Games", "2")]
    assert [person.name for person in fields.contributors] == ["Collins, Suzanne"]
    with pytest.raises(NotTaken, match="Wunschliste") as told:
        read_entry(second, plan)
    assert told.value.skipped
    assert read_entry(second, msgspec.structs.replace(plan, which="all")).fields.title == "Wanted"


def test_librarything_imprint_copies_and_names(tmp_path: Path) -> None:
    (found,) = books(tmp_path, LIBRARYTHING)
    fields = found.fields
    assert (fields.publisher, fields.year, fields.language, fields.isbns) == (
        "Library of America",
        2007,
        "en",
        ("9780940450271",),
    )
    assert [person.name for person in fields.contributors] == ["Thoreau, Henry David", "Carew, Bill"]
    assert (found.copies, found.new.origin.subjects, found.key) == (2, ("essays", "nature"), "id:9")


def test_libib_writes_given_names_first(tmp_path: Path) -> None:
    (found,) = books(tmp_path, LIBIB)
    assert [person.name for person in found.fields.contributors] == ["Ende, Michael", "Hechelmann, Friedrich"]
    assert (found.fields.isbns, found.fields.year, found.fields.pages) == (("9783522202107",), 2018, 304)


def test_openlibry_keeps_its_numbers(tmp_path: Path) -> None:
    (found,) = books(tmp_path, OPENLIBRY)
    fields = found.fields
    assert (fields.subtitle, fields.edition, fields.place, fields.pages, fields.year) == (
        "ein Märchen-Roman",
        "1. Aufl.",
        "Stuttgart",
        304,
        2018,
    )
    assert (found.facts.shelf, found.key) == ("K 3", "id:1017")


def test_a_list_by_hand_may_begin_with_other_things(tmp_path: Path) -> None:
    first, second = books(tmp_path, BY_HAND)
    assert (first.fields.title, first.fields.year, first.facts.shelf, first.fields.language) == (
        "Die Mutter",
        1975,
        "Romane",
        "de",
    )
    assert second.fields.contributors[0].name == "Ende, Michael"
    path, plan = planned(tmp_path, BY_HAND)
    assert [(column.heading, column.samples) for column in columns_of(path, plan)][1] == (
        "Autor/in",
        ("Gorki, Maxim", "Ende, Michael"),
    )


def test_a_list_without_headings_is_told_by_what_stands_in_it(tmp_path: Path) -> None:
    _path, plan = planned(tmp_path, NO_HEADINGS)
    assert (plan.reading.header, plan.columns) == (0, ["title", "persons", "isbn", "year"])
    assert len(books(tmp_path, NO_HEADINGS)) == 3


@pytest.mark.parametrize(
    ("target", "cell", "field", "value"),
    [
        ("year", "2008.0", "year", 2008),
        ("year", "[1998]", "year", 1998),
        ("year", "1998-05-01", "year", 1998),
        ("year", "Mai 1968", "year", 1968),
        ("year", "©1998", "year", 1998),
        ("year", "5/1/1998", "year", 1998),
        ("year", "12/1998", "year", 1998),
        ("year", "2. Aufl. 1998", "year", 1998),
        ("year", "ca. 800", "year", 800),
        ("pages", "312 S.", "pages", 312),
        ("language", "Türkisch", "language", "tr"),
        ("language", "ger", "language", "de"),
        ("language", "en-US", "language", "en"),
        ("language", "dt.", "language", "de"),
        ("language", "Englisch, Deutsch", "language", "en"),
        ("isbn", "3-551-55167-7; 9783551551672", "isbns", ("9783551551672",)),
        ("isbn", "ISBN 978-3-551-55167-2 (geb.)", "isbns", ("9783551551672",)),
        ("isbn", '="9783551551672"', "isbns", ("9783551551672",)),
        ("isbn", "43942089X", "isbns", ("9780439420891",)),
        ("isbn", "9783551551672, 3522202104", "isbns", ("9783551551672", "9783522202107")),
        ("isbn", "9783551551672/9783522202107", "isbns", ("9783551551672", "9783522202107")),
        ("isbn", "[3-551-55167-7, 978-3-522-20210-7, EUR 16.00]", "isbns", ("9783551551672", "9783522202107")),
        ("isbn", "0000000000", "isbns", ()),
        ("isbn", "ohne", "isbns", ()),
        ("subtitle", "  zwei   Wörter\n", "subtitle", "zwei Wörter"),
    ],
)
def test_a_cell_is_read_as_it_is_meant(tmp_path: Path, target: str, cell: str, field: str, value: object) -> None:
    found = book(tmp_path, title="Momo", **{target: cell})
    assert getattr(found.fields, field) == value
    assert found.remarks == ()


@pytest.mark.parametrize(
    ("target", "cell", "sentence"),
    [
        ("year", "-44", "keine Zahl"),
        ("year", "neulich", "keine Zahl"),
        ("year", "98", "keine Zahl"),
        ("year", "20. Jh.", "keine Zahl"),
        ("year", "19,98", "keine Zahl"),
        ("year", "99999", "Jahr"),
        ("pages", "2.5", "keine Zahl"),
        ("language", "Klingonisch", "kennen wir nicht als Sprache"),
        ("isbn", "9783551551670", "ISBN weggelassen"),
        ("isbn", "9.78044E+12", "gerundet"),
        ("isbn", "9,78044E+12", "gerundet"),
        ("isbn", "9783551551670, 9783522202107", "„9783551551670“ stimmt etwas nicht"),
        ("persons", "; ".join(f"Wer{n}" for n in range(101)), "zu viele"),
        ("condition", "naja", "keiner der Zustände"),
        ("publisher", "x" * 5000, "zu lang"),
        ("shelf", "x" * 500, "zu lang"),
        ("subtitle", "kaputt \ufffd", "nicht lesbar"),
    ],
)
def test_what_cannot_be_kept_is_said_and_the_book_comes_in(
    tmp_path: Path, target: str, cell: str, sentence: str
) -> None:
    found = book(tmp_path, title="Momo", **{target: cell})
    assert sentence in " ".join(found.remarks)
    assert found.fields.title == "Momo"


def test_the_rounded_double_of_a_right_isbn_is_not_mentioned(tmp_path: Path) -> None:
    found = book(tmp_path, title="Momo", isbn="9.78352E+12; 3522202104")
    assert (found.fields.isbns, found.remarks) == (("9783522202107",), ())


@pytest.mark.parametrize(
    ("cells", "sentence", "skipped"),
    [
        ({"title": "Momo", "copies": "0"}, "Exemplare ist 0", True),
        ({"title": "Momo", "copies": str(MOST_COPIES + 1)}, "keine Anzahl", False),
        ({"title": "Momo", "copies": "viele"}, "keine Anzahl", False),
        ({"title": "Momo", "copies": "-1"}, "keine Anzahl", False),
        ({"title": "Momo", "copies": "1000"}, "keine Anzahl", False),
        ({"title": "x" * 2000}, "^Titel: Das ist zu lang", False),
        ({"title": codes.new_code(codes.Kind.CARD)}, "Code einer Karte", False),
        ({"title": "x" * 100_000}, "länger als", False),
        ({"title": " ", "isbn": "9783522202107"}, "Titel", False),
    ],
    ids=range(9),
)
def test_what_is_no_book_says_why(tmp_path: Path, cells: dict[str, str], sentence: str, skipped: bool) -> None:
    with pytest.raises(NotTaken, match=sentence) as told:
        book(tmp_path, **cells)
    assert told.value.skipped == skipped


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", [LIST, OWN])
@pytest.mark.parametrize("around", ["{}", "https://example.org/c/{}", "{}: title", "9783551551670 {}"])
def test_the_code_of_a_card_is_neither_kept_nor_said(name: str, target: str, around: str) -> None:
    card = codes.new_code(codes.Kind.CARD)
    cells = {"title": "Momo", "series": "Reihe", target: around.format(card)}
    try:
        said = repr(read_entry(Row(2, list(cells.values())), a_plan(name, cells)))
    except NotTaken as no:
        said = no.sentence
    assert card[:12] not in said


@pytest.mark.parametrize(
    ("names", "cell", "persons"),
    [
        ("given", "Simone de Beauvoir", "Beauvoir, Simone de"),
        ("given", "Michael Ende, Friedrich Hechelmann", "Ende, Michael + Hechelmann, Friedrich"),
        ("given", "Karl Marx & Friedrich Engels", "Marx, Karl + Engels, Friedrich"),
        ("given", "Frigga Haug (Hg.)", "Haug, Frigga edt"),
        ("given", "Frigga Haug u.a.", "Haug, Frigga"),
        ("given", "Frigga Haug, et al.", "Haug, Frigga"),
        ("given", "Platon; u. a.", "Platon"),
        ("given", " , ;", ""),
        ("family", "Beauvoir, Simone de", "Beauvoir, Simone de"),
        ("family", "Marx, Karl / Engels, Friedrich", "Marx, Karl + Engels, Friedrich"),
        ("family", "Haug, Frigga (Hrsg.)\nHaug, Frigga (Hrsg.)", "Haug, Frigga edt"),
        ("family", "Haug, Frigga [u.a.]", "Haug, Frigga"),
    ],
)
def test_names_are_filed_by_the_family(tmp_path: Path, names: str, cell: str, persons: str) -> None:
    (found,) = books(tmp_path, f'Titel;Autor\nMomo;"{cell}"\n', names=names)
    said = (f"{person.name} {person.role}".removesuffix(" aut") for person in found.fields.contributors)
    assert " + ".join(said) == persons


@pytest.mark.parametrize(
    ("cell", "title", "series"),
    [
        ("Foo (Bar #2; Baz, #3.5)", "Foo", [("Bar", "2"), ("Baz", "3.5")]),
        ("Foo (Bar, #1-3)", "Foo", [("Bar", "1-3")]),
        ("Foo (bar) (Baz, #2)", "Foo (bar)", [("Baz", "2")]),
        ("Foo (2. Auflage)", "Foo (2. Auflage)", []),
        ("Track #5", "Track #5", []),
        ("(Bar, #2)", "(Bar, #2)", []),
    ],
)
def test_a_series_in_the_title_is_told_from_its_brackets(
    tmp_path: Path, cell: str, title: str, series: list[tuple[str, str]]
) -> None:
    fields = book(tmp_path, title=cell).fields
    assert (fields.title, [(part.title, part.number) for part in fields.series]) == (title, series)


@pytest.mark.parametrize(
    ("cells", "which", "copies"),
    [
        ({"copies": "3 Stück"}, "kept", 3),
        ({"copies": "2.0", "owned": "5"}, "kept", 2),
        ({"owned": "5"}, "owned", 5),
        ({"owned": "0"}, "owned", None),
        ({"owned": "0"}, "kept", 1),
        ({"wish": "to-read", "owned": "0"}, "kept", None),
        ({"wish": "to-read", "owned": "1"}, "kept", 1),
        ({"wish": "Wishlist, Favorites"}, "kept", None),
        ({"wish": "Wishlist, Your library"}, "kept", 1),
        ({"wish": "Read but unowned"}, "kept", None),
        ({"wish": "Read but unowned"}, "all", 1),
        ({"wish": "currently-reading"}, "kept", 1),
    ],
)
def test_only_books_that_are_there_come_in(cells: dict[str, str], which: str, copies: int | None) -> None:
    row, plan = Row(2, ["Momo", *cells.values()]), a_plan(LIST, {"title": "", **cells}, which=which)
    if copies is not None:
        assert read_entry(row, plan).copies == copies
        return
    with pytest.raises(NotTaken) as told:
        read_entry(row, plan)
    assert told.value.skipped


def test_a_cell_of_spaces_takes_no_time(tmp_path: Path) -> None:
    start = time.perf_counter()
    assert book(tmp_path, title="Momo", persons="Michael" + " " * 19_000 + "Ende").fields.contributors
    assert time.perf_counter() - start < 2


@given(name=st.sampled_from([LIST, OWN]), cells=st.dictionaries(st.sampled_from(list(TARGETS)), st.text(max_size=30)))
def test_whatever_stands_in_a_row_it_is_a_book_or_says_why_not(name: str, cells: dict[str, str]) -> None:
    cells = {"title": "Momo", **cells}
    said = ""
    try:
        said = read_entry(Row(2, list(cells.values())), a_plan(name, cells)).fields.title
    except NotTaken as no:
        said = no.sentence
    assert said


def test_more_cells_than_columns_point_at_a_separator_in_a_text(tmp_path: Path) -> None:
    path, plan = planned(tmp_path, "Titel;Autor\n" + "Momo;Ende\n" * 300 + "Wer, wie; was;Ende;noch etwas\n")
    with rows_of(path, plan.reading) as rows:
        last = list(rows)[-1]
    with pytest.raises(NotTaken, match="mehr Zellen"):
        read_entry(last, plan)


def test_three_isbns_in_a_cell_are_no_card(tmp_path: Path) -> None:
    found = book(tmp_path, title="Momo", isbn="043942089X; 080442957X; 155860832X")
    assert (len(found.fields.isbns), found.remarks) == (3, ())
