"""What a table is, and which of its columns is what."""

from __future__ import annotations

from pathlib import Path

import pytest

from bibliothek import i18n
from bibliothek.transfer.formats import (
    FORMATS,
    LIST,
    OWN,
    OWN_HEADINGS,
    TARGETS,
    WRONG_HEADING,
    BadMapping,
    check_mapping,
    columns_of,
    guess,
)
from bibliothek.transfer.tables import MOST_COLUMNS, NoTable, Reading
from tests.transfer.books import BY_HAND, GOODREADS, LIBIB, LIBRARYTHING, NO_HEADINGS, OPENLIBRY, planned

KNOWN = [name for name in FORMATS if name != LIST]


@pytest.mark.parametrize(
    ("text", "name", "names"),
    [
        (GOODREADS, "goodreads", "given"),
        (LIBRARYTHING, "librarything", "family"),
        (LIBIB, "libib", "given"),
        (OPENLIBRY, "openlibry", "family"),
        (BY_HAND, "list", "family"),
        (NO_HEADINGS, "list", "given"),
        ("Exemplar-Code;Titel-Nr.;Titel\nBAB12X;1;Momo\n", "bibliothek", "given"),
        ("Warum nicht;Titel;Autor\nZeile 3: x;Momo;Michael Ende\n", "list", "given"),
    ],
    ids=lambda value: value if len(value) < 20 else "text",
)
def test_what_a_list_is_is_guessed(tmp_path: Path, text: str, name: str, names: str) -> None:
    _path, plan = planned(tmp_path, text)
    assert (plan.format, plan.names) == (name, names)
    assert "title" in plan.columns


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("write", [str, str.upper], ids=["as it is", "in capitals"])
def test_every_format_is_known_by_its_headings(tmp_path: Path, name: str, write: type[str]) -> None:
    known = FORMATS[name]
    headings = list(dict.fromkeys((*known.columns, *known.marks)))
    _path, plan = planned(tmp_path, ";".join(map(write, headings)) + "\n" + "x;" * len(headings) + "\n")
    assert plan.format == name
    # What stands twice counts once: Goodreads' ISBN and ISBN13 are both read, LibraryThing's title is one.
    assert set(filter(None, plan.columns)) == set(known.columns.values()) <= set(TARGETS)


@pytest.mark.parametrize("name", KNOWN)
def test_without_one_of_its_marks_it_is_any_list(tmp_path: Path, name: str) -> None:
    known = FORMATS[name]
    headings = dict.fromkeys(("Titel", *known.columns, *known.marks))
    del headings[known.marks[0]]
    _path, plan = planned(tmp_path, ";".join(headings) + "\n" + "x;" * len(headings) + "\n")
    assert plan.format == LIST


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("front", [[], [WRONG_HEADING]])
def test_our_own_export_is_known_in_every_language_of_the_pages(
    tmp_path: Path, language: str, front: list[str]
) -> None:
    headings = ";".join([*front, *OWN_HEADINGS.values()])
    with i18n.use_language(language):
        _path, plan = planned(tmp_path, f"\ufeff{headings}\n" + "x;" * (len(OWN_HEADINGS) - 1) + "x\n")
    assert (plan.format, plan.columns) == (OWN, [*("" for _ in front), *OWN_HEADINGS])


@pytest.mark.parametrize(
    ("heading", "target"),
    [
        ("Autor*in", "persons"),
        ("Autor:innen", "persons"),
        ("Verfasser/-in", "persons"),
        ("AUTOR", "persons"),
        ("Hrsg.", "editors"),
        ("Übersetzung", "translators"),
        ("ISBN-Nr.", "isbn"),
        ("ISBN 13", "isbn"),
        ("Erscheinungs-Jahr", "year"),
        ("Seitenzahl", "pages"),
        ("Schlagwörter", "subjects"),
        ("Standort", "shelf"),
        ("Gespendet von", "donor"),
        ("Anzahl der Exemplare", "copies"),
        ("Inventar-Nr.", "row_id"),
        # Counted anew whenever a list is sorted.
        ("Lfd. Nr.", ""),
        ("  Verlag ", "publisher"),
        ('"Reihe"', "series"),
        ("Notizen", ""),
        ("", ""),
    ],
)
def test_headings_are_known_however_they_are_spelled(tmp_path: Path, heading: str, target: str) -> None:
    _path, plan = planned(tmp_path, f"Titel;{heading};Ort\nMomo;x;Dresden\n")
    assert plan.columns == ["title", target, "place"]


def test_headings_may_stand_below_other_rows_but_not_far(tmp_path: Path) -> None:
    assert planned(tmp_path, BY_HAND)[1].reading.header == 4
    _path, plan = planned(tmp_path, "Bücher;\n" * 9 + "Titel;Autor\nMomo;Michael Ende\n")
    assert (plan.reading.header, plan.columns) == (10, ["title", "persons"])
    _path, plan = planned(tmp_path, "Bücher;von allen\n" * 10 + "Titel;Autor\nMomo;Michael Ende\n")
    assert plan.reading.header == 0


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("Momo\nUtopia\n", ["title"]),
        ("1;Momo;1973\n2;Utopia;1516\n", ["", "title", "year"]),
        ("9783522202107;Momo;Michael Ende\n3-522-20210-4;Momo;Michael Ende\n", ["isbn", "title", "persons"]),
        ("9.78044E+12;Momo\n9.78352E+12;Utopia\n", ["isbn", "title"]),
        ("Momo;1973.0;Michael Ende;Kinder\nUtopia;;Thomas Morus;\n", ["title", "year", "persons", ""]),
        ("9783522202107\n9783551551672\n", ["isbn"]),
    ],
)
def test_without_headings_columns_are_told_by_their_look(tmp_path: Path, text: str, columns: list[str]) -> None:
    _path, plan = planned(tmp_path, text)
    assert (plan.format, plan.reading.header, plan.columns) == (LIST, 0, columns)


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        (["Ende, Michael", "Morus, Thomas", "Platon"], "family"),
        (["Michael Ende", "Thomas Morus", "Ende, Michael"], "given"),
        (["Marx, Karl; Engels, Friedrich"], "family"),
        (["Marx, Karl / Engels, Friedrich"], "family"),
        (["Michael Ende, Friedrich Hechelmann, Wer Auch"], "given"),
        (["Platon", "Janosch"], "given"),
        ([""], "given"),
    ],
)
def test_the_order_of_names_is_that_of_most(tmp_path: Path, cells: list[str], names: str) -> None:
    _path, plan = planned(tmp_path, "Titel\tAutor\n" + "".join(f"Momo\t{cell}\n" for cell in cells))
    assert plan.names == names


def test_who_says_how_to_read_is_believed(tmp_path: Path) -> None:
    path, plan = planned(tmp_path, NO_HEADINGS)
    wrong = guess(path, Reading(kind="csv", separator=","))
    assert (len(plan.columns), len(wrong.columns)) == (4, 1)
    path, plan = planned(tmp_path, "Titel;Autor\nMomo;Michael Ende\n")
    bare = guess(path, Reading(kind="csv", separator=";", header=0))
    assert (plan.reading.header, bare.reading.header) == (1, 0)
    assert columns_of(path, bare)[0].samples == ("Titel", "Momo")


def test_a_column_is_shown_with_its_heading_and_three_values(tmp_path: Path) -> None:
    long = "x" * 100
    path, plan = planned(tmp_path, f" Titel ;Autor\nMomo\nMomo;\n{long};\nzwei  Wörter;\nnoch eins;\n")
    first, second = columns_of(path, plan)
    assert (first.number, first.heading, first.samples) == (0, "Titel", ("Momo", long[:80], "zwei Wörter"))
    assert (second.number, second.heading, second.samples) == (1, "Autor", ())


def test_of_very_many_columns_the_first_ones_are_looked_at(tmp_path: Path) -> None:
    path, plan = planned(tmp_path, "Titel;" + "x;" * 999 + "x\nMomo;" + "y;" * 999 + "y\n")
    assert len(plan.columns) == len(columns_of(path, plan)) == MOST_COLUMNS


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Titel;Autor;Jahr\n", "nur Überschriften"),
        ("Titel;Autor\n;\n\n", "nur Überschriften"),
        (GOODREADS.partition("\n")[0], "nur Überschriften"),
        ('Titel;Autor\n"Kaputt;x\n', "nur Überschriften"),
        (";;\n;;\n", "Die Datei ist leer"),
        ('"Kaputt', "Die Datei ist leer"),
    ],
    ids=range(6),
)
def test_what_holds_no_book_is_said_to_hold_none(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(NoTable, match=sentence):
        planned(tmp_path, text)


def test_all_that_is_wrong_with_a_mapping_is_said_at_its_column() -> None:
    with pytest.raises(BadMapping) as told:
        check_mapping(["isbn", "year", "isbn", "year", "shelf", "shelf"])
    assert {field: sentence[:12] for field, sentence in told.value.errors.items()} == {
        "c0": "Welche Spalt",
        "c3": "„Jahr“ ist s",
        "c5": "„Regal“ ist ",
    }
    check_mapping(["title", "persons", "persons", "subjects", "subjects", "", ""])


def test_a_second_column_of_the_same_name_holds_nothing(tmp_path: Path) -> None:
    assert planned(tmp_path, "Titel;Titel;ISBN;ISBN\na;b;1;2\n")[1].columns == ["title", "", "isbn", "isbn"]


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (["isbn", ""], "Welche Spalte ist der Titel"),
        (["title", "", "", "title"], "schon einer anderen Spalte"),
        ([], "Welche Spalte ist der Titel"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(columns: list[str], sentence: str) -> None:
    with pytest.raises(BadMapping, match=sentence):
        check_mapping(columns)
    check_mapping(["title", "", "", "isbn", "isbn"])
