"""Columns are guessed, and a row becomes a book: what cannot be kept is said, never swallowed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bibliothek import codes
from bibliothek.transfer.entries import MOST_COPIES, Entry, NotTaken, read_entry
from bibliothek.transfer.formats import BadMapping, Plan, check_mapping, columns_of, guess
from bibliothek.transfer.tables import NoTable, rows_of

GOODREADS = (
    "Book Id,Title,Author,Author l-f,Additional Authors,ISBN,ISBN13,My Rating,Publisher,Number of Pages,Year Published,"
    "Exclusive Shelf,Owned Copies\n"
    '5,"Catching Fire (The Hunger Games, #2)",Suzanne Collins,"Collins, Suzanne",,"=""0439023491""","=""9780439023498""",0,'
    "Scholastic,391,2009,read,1\n"
    '6,Wanted,Somebody,"Body, Some",,,,0,,,,to-read,0\n'
)
LIBRARYTHING = (
    "Book Id\tTitle\tSort Character\tPrimary Author\tPrimary Author Role\tSecondary Author\tPublication\tDate\tISBNs\tLanguages\t"
    "Tags\tCollections\tCopies\n"
    "9\tWalden\t1\tThoreau, Henry David\tAuthor\tCarew, Bill\tLibrary of America (2007), Edition: 1st, Hardcover, 864 pages\t"
    "2007\t[9780940450271]\tEnglish\tessays, nature\tYour library\t2\n"
)
LIBIB = (
    "item_type,title,creators,ean_isbn13,upc_isbn10,description,publisher,publish_date,length,tags,copies\n"
    'book,Momo,"Michael Ende, Friedrich Hechelmann",9783522202107,3522202104,,Thienemann,2018-05-01,304,"Zeit,Kinder",1\n'
)
OPENLIBRY = (
    "Mediennummer;Titel;Untertitel;Autor;Schlagworte;ISBN;Edition;Verlagsort;Seiten;Verlag;Publikationsdatum;Regal\n"
    "1017;Momo;ein Märchen-Roman;Ende, Michael;Zeit;978-3-522-20210-7;1. Aufl.;Stuttgart;304 S.;Thienemann;©2018;K 3\n"
)
BY_HAND = (
    "Bücher im Keller;;;;\nStand: Mai;;;;\n\nTitel;Autor/in;ISBN-Nr.;Erscheinungsjahr;Standort;Sprache\n"
    "Die Mutter;Gorki, Maxim;;ca. 1975;Romane;deutsch\nMomo;Ende, Michael;;;Kinder;de\n"
)
NO_HEADINGS = (
    "Momo;Michael Ende;9783522202107;2018\nUtopia;Thomas Morus;;1516\nWalden;Henry Thoreau;9780940450271;2007\n"
)


def planned(folder: Path, text: str, **changed: object) -> tuple[Path, Plan]:
    path = folder / "liste"
    path.write_text(text, encoding="utf-8")
    return path, msgspec.structs.replace(guess(path), **changed)


def books(folder: Path, text: str, **changed: object) -> list[Entry]:
    path, plan = planned(folder, text, **changed)
    with rows_of(path, plan.reading) as rows:
        return [read_entry(row, plan) for row in rows if row.number > plan.reading.header]


def book(folder: Path, **cells: str) -> Entry:
    """The book of a list with these columns, by their targets."""
    text = ";".join("Titel" if n == 0 else f"X{n}" for n in range(len(cells)))
    quoted = ";".join('"' + cell.replace('"', '""') + '"' for cell in cells.values())
    (found,) = books(folder, f"{text}\n{quoted}\n", columns=list(cells), format="list")
    return found


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


def test_headings_alone_are_no_list(tmp_path: Path) -> None:
    with pytest.raises(NoTable, match="nur Überschriften"):
        planned(tmp_path, "Titel;Autor;ISBN\n")


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


@pytest.mark.parametrize(
    ("target", "cell", "field", "value"),
    [
        ("year", "2008.0", "year", 2008),
        ("year", "[1998]", "year", 1998),
        ("year", "1998-05-01", "year", 1998),
        ("year", "Mai 1968", "year", 1968),
        ("pages", "312 S.", "pages", 312),
        ("language", "Türkisch", "language", "tr"),
        ("language", "ger", "language", "de"),
        ("language", "en-US", "language", "en"),
        ("isbn", "3-551-55167-7; 9783551551672", "isbns", ("9783551551672",)),
        ("isbn", "ISBN 978-3-551-55167-2 (geb.)", "isbns", ("9783551551672",)),
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
        ("year", "99999", "Jahr"),
        ("pages", "2.5", "keine Zahl"),
        ("language", "Klingonisch", "kennen wir nicht als Sprache"),
        ("isbn", "9783551551670", "ISBN weggelassen"),
        ("isbn", "9.78044E+12", "ISBN weggelassen"),
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
        ({"title": "x" * 2000}, "Titel", False),
        ({"title": "x" * 100_000}, "länger als", False),
        ({"title": " ", "isbn": "9783522202107"}, "Titel", False),
    ],
    ids=range(6),
)
def test_what_is_no_book_says_why(tmp_path: Path, cells: dict[str, str], sentence: str, skipped: bool) -> None:
    with pytest.raises(NotTaken, match=sentence) as told:
        book(tmp_path, **cells)
    assert told.value.skipped == skipped


@pytest.mark.parametrize("target", ["donor", "publisher", "subjects", "persons", "shelf", "row_id"])
def test_the_code_of_a_card_is_never_kept(tmp_path: Path, target: str) -> None:
    card = codes.new_code(codes.Kind.CARD)
    found = book(tmp_path, title="Momo", **{target: card})
    assert card not in repr(found)


def test_more_cells_than_columns_point_at_a_separator_in_a_text(tmp_path: Path) -> None:
    path, plan = planned(tmp_path, "Titel;Autor\n" + "Momo;Ende\n" * 300 + "Wer, wie; was;Ende;noch etwas\n")
    with rows_of(path, plan.reading) as rows:
        last = list(rows)[-1]
    with pytest.raises(NotTaken, match="mehr Zellen"):
        read_entry(last, plan)
