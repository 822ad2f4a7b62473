"""A file becomes rows: any usual encoding and separator, damage costs one row, and what is no table says what it is."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from bibliothek.transfer import tables
from bibliothek.transfer.cells import harmless, letter, meant
from bibliothek.transfer.tables import NoTable, TooLargeFile, look_at, rows_of
from tests.transfer.books import LAUGHS, NS, packed, row, sheet, sheet_of, smaller, tar, with_flag

TABLE = "Titel;Autor\nÜber „Öl“;Müller\n"
Kept = Callable[[bytes | str], Path]


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    def keep(content: bytes | str) -> Path:
        path = tmp_path / "sent"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return keep


def read(path: Path) -> list[list[str]]:
    with rows_of(path, look_at(path)) as rows:
        return [row.cells for row in rows]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_usual_encoding_and_end_of_line(kept: Kept, encoding: str, end: str) -> None:
    path = kept((TABLE * 3).replace("\n", end).encode(encoding))
    assert read(path) == [["Titel", "Autor"], ["Über „Öl“", "Müller"]] * 3


@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
def test_every_usual_separator(kept: Kept, separator: str) -> None:
    rows = [["Titel", "Autor", "Jahr"], ["Wer, wie; was | wo", "Müller", "1999"], ["Momo", "", "1973"]]
    text = "\n".join(separator.join(f'"{cell}"' for cell in row) for row in rows)
    assert read(kept(text)) == rows


def test_what_excel_writes_in_front_says_the_separator_and_is_no_row(kept: Kept) -> None:
    path = kept("sep=|\na;b|c\n")
    with rows_of(path, look_at(path)) as rows:
        assert [(row.number, row.cells) for row in rows] == [(2, ["a;b", "c"])]


def test_quotation_marks_and_lines_within_a_cell(kept: Kept) -> None:
    text = 'Titel;Autor\n"Der ""große"" Wurf";x\n"zwei\nZeilen; ja";y\nein "Wort" darin;z\n'
    assert read(kept(text))[1:] == [['Der "große" Wurf', "x"], ["zwei\nZeilen; ja", "y"], ['ein "Wort" darin', "z"]]


@pytest.mark.parametrize("broken", ['"Ohne Ende;x', 'Ohne Ende;"x'])
@pytest.mark.parametrize("after", [0, 3, 400])
def test_a_quotation_mark_that_never_ends_costs_its_row_alone(kept: Kept, broken: str, after: int) -> None:
    others = [f"Buch {n};Wer" for n in range(after)]
    path = kept("\n".join(["Titel;Autor", "Davor;y", broken, *others]) + "\n")
    with rows_of(path, look_at(path)) as rows:
        found = list(rows)
    assert [row.number for row in found if row.torn] == [3]
    assert [row.cells[0] for row in found if not row.torn] == ["Titel", "Davor", *(f"Buch {n}" for n in range(after))]


@pytest.mark.parametrize(
    ("text", "torn", "others"),
    [
        ('"Kaputt;x\n"Momo";"Ende"\n"Utopia";"Morus"\n', [2], ["Momo", "Utopia"]),
        ('"Kaputt";"x\n"Momo";"Ende"\n"Utopia";"Morus"\n', [2], ["Momo", "Utopia"]),
        ('"Kaputt;x\nMomo;"Ende"\nUtopia;Morus\n', [2], ["Momo", "Utopia"]),
        ('"Kaputt;x\nMomo;Ende\nDazu;"y\nUtopia;Morus\n', [2, 4], ["Momo", "Utopia"]),
        ('"Zwei\nZeilen";x\n"Kaputt;x\nMomo;Ende\n', [3], ["Zwei\nZeilen", "Momo"]),
        ('Momo;Ende\n"Kaputt;x', [3], ["Momo"]),
        ("Momo;Ende\n" + "x" * 140_000 + ";y\nUtopia;Morus\n", [3], ["Momo", "Utopia"]),
    ],
    ids=range(7),
)
def test_what_stands_in_quotation_marks_below_is_not_swallowed(
    kept: Kept, text: str, torn: list[int], others: list[str]
) -> None:
    path = kept("Titel;Autor\n" + text)
    with rows_of(path, look_at(path)) as rows:
        found = list(rows)[1:]
    assert [row.number for row in found if row.torn] == torn
    assert [row.cells[0] for row in found if not row.torn] == others


def test_a_cell_may_be_long_and_go_over_many_lines(kept: Kept) -> None:
    lines = "\n".join("x" * 1000 for _n in range(99))
    assert read(kept(f'Titel;Autor\n"{lines}";y\n{"z" * 100_000};\n')) == [
        ["Titel", "Autor"],
        [lines, "y"],
        ["z" * 100_000],
    ]


@pytest.mark.parametrize(
    ("content", "cells"),
    [
        (b"Titel;Autor\nMo\x00mo;En\x00de\n", ["Momo", "Ende"]),
        (b"Titel;Autor\nM\x81ller;\x8al\n", ["M\ufffdller", "Šl"]),
        (
            "Titel;Autor\nÜber Öl, Äther;".encode() + b"\xff\n" + "Größe, Maß;äöü\n".encode() * 9,
            ["Über Öl, Äther", "\ufffd"],
        ),
        ("\ufeff\ufeff".encode() + b"Titel;Autor\nMomo;Ende\n", ["Momo", "Ende"]),
        ("Titel;Autor\nМать;Горький\n".encode("utf-16"), ["Мать", "Горький"]),
        ("Titel;Autor\nMomo;Ende\n".encode("utf-16") + b"x", ["Momo", "Ende"]),
        (b'Titel;Autor\r\n\'=1+1;"=""978"""\r\n', ["=1+1", "978"]),
        ("Titel;Autor\nzwei\u2028Zeilen\x0b;\x0c\x85\n".encode(), ["zwei\u2028Zeilen\x0b"]),
    ],
    ids=range(8),
)
def test_damage_costs_a_sign_at_most(kept: Kept, content: bytes, cells: list[str]) -> None:
    assert read(kept(content))[:2] == [["Titel", "Autor"], cells]


def test_empty_rows_are_none_and_numbers_are_those_of_the_spreadsheet(kept: Kept) -> None:
    path = kept("Titel;Autor\n;;\n\nMomo;Ende\n")
    with rows_of(path, look_at(path)) as rows:
        assert [(row.number, row.cells[0]) for row in rows] == [(1, "Titel"), (4, "Momo")]


def test_a_sheet_says_what_a_person_would_write(kept: Kept) -> None:
    cells = [
        "Momo",
        1973,
        2008.0,
        12.5,
        True,
        None,
        date(1998, 5, 1),
        datetime(1998, 5, 1, 12, 30),  # noqa: DTZ001 (sheets know no zones)
        9783522202107,
        9.78044e12,
    ]
    path = kept(sheet([], ["Titel"], [], cells, ["'=1"]))
    with rows_of(path, look_at(path)) as rows:
        found = {row.number: row.cells for row in rows}
    assert found == {
        2: ["Titel"],
        4: [
            "Momo",
            "1973",
            "2008",
            "12.5",
            "true",
            "",
            "1998-05-01",
            "1998-05-01 12:30:00",
            "9783522202107",
            "9.78044E+12",
        ],
        5: ["=1"],
    }


def test_of_a_formula_its_last_value_is_read(kept: Kept) -> None:
    cells = '<c t="str"><f>A1&amp;"x"</f><v>Momo</v></c><c><f>1900+73</f><v>1973</v></c><c t="e"><v>#N/A</v></c><c><f>1</f></c>'
    assert read(kept(sheet_of(f'<row r="1">{cells}</row>'))) == [["Momo", "1973", "#N/A"]]


def test_the_first_sheet_that_holds_something_is_read(kept: Kept) -> None:
    book, out = Workbook(), io.BytesIO()
    book.create_sheet("Bücher").append(["Titel"])
    book.create_sheet("Zweite Liste").append(["Nicht"])
    book.save(out)
    assert read(kept(out.getvalue())) == [["Titel"]]
    assert read(kept(sheet([], [None, " "]))) == []


def test_a_sheet_is_larger_than_it_says(kept: Kept) -> None:
    # Apache POI and WPS write this, however many rows there are.
    path = kept(sheet_of(row(1, "Titel", "Autor") + row(2, "Momo", "Ende"), dimension='<dimension ref="A1"/>'))
    assert read(path) == [["Titel", "Autor"], ["Momo", "Ende"]]


def test_the_gap_before_a_far_row_is_passed_over(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    def look(value: object) -> str:
        seen.append(value)
        return str(value or "")

    monkeypatch.setattr(tables, "_as_text", look)
    path = kept(sheet_of(row(1, "Titel") + row(5000, "Momo")))
    with rows_of(path, look_at(path)) as rows:
        assert [row.number for row in rows] == [1, 5000]
    assert len(seen) < 1000
    monkeypatch.setattr(tables, "_MOST_ROWS", 4999)
    with pytest.raises(NoTable, match="beschädigt"):
        read(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\n <table><tr><td>Titel</td></tr></table>", "keine Tabelle"),
        (b"<!-- Liste --><p>Titel;Autor</p>", "keine Tabelle"),
        (b'[{"title": "Momo", "author": "Ende"}]', "keine Tabelle"),
        (b'{"books": []}', "keine Tabelle"),
        (b"GIF89a" + bytes(range(256)), "keine Tabelle"),
        (b"\0\0\0\x20ftypisom" + bytes(600), "keine Tabelle"),
        (tar(), "keine Tabelle"),
        (bytes(9000) + b"Titel;Autor\nMomo;Ende\n", "keine Tabelle"),
        (b"PK\x05\x06" + bytes(18), "keine Tabelle"),
        (with_flag(sheet(["Titel"]), 1), "beschädigt"),
        (sheet_of(" " * 2_000_000), "zu groß"),
        (smaller(sheet_of(row(1, "Momo" * 9999))), "beschädigt"),
        (sheet_of(row(1, "&c;"), LAUGHS), "beschädigt"),
        (sheet_of('<row r="1"><c t="s"><v>0</v></c></row>', texts=f"{LAUGHS}<sst {NS}><si><t>&c;</t></si></sst>"), "beschädigt"),
        (sheet_of(row(1, "&x;"), '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'), "beschädigt"),
        (sheet_of('<row r="1"><c r="A1" t="s"><v>99</v></c></row>'), "beschädigt"),
        (sheet_of("<row>"), "beschädigt"),
    ],
    ids=range(17),
)  # fmt: skip
def test_what_looks_like_a_table_or_hides_in_one_is_none(kept: Kept, content: bytes, sentence: str) -> None:
    with pytest.raises(NoTable, match=sentence):
        read(kept(content))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "Die Datei ist leer"),
        (b" \n\n\x00", "Die Datei ist leer"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "keine Tabelle"),
        (b"%PDF-1.7 ...", "keine Tabelle"),
        (b"<!DOCTYPE html><table>", "keine Tabelle"),
        (b"\xef\xbb\xbf  <?xml version='1.0'?>", "keine Tabelle"),
        (bytes(range(256)) * 40, "keine Tabelle"),
        (b"x" * 1_200_000, "keine Tabelle"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "alte Excel-Datei"),
        (packed(mimetype=b"application/vnd.oasis.opendocument.spreadsheet", content_xml=b"<a/>"), "OpenDocument"),
        (packed(word__document_xml=b"<a/>"), "keine Tabelle"),
        (packed(xl__workbook_xml=b"<a/>"), "beschädigt"),
        (sheet(["Titel"])[:900], "beschädigt"),
        (packed(xl__workbook_xml=b"<a/>", xl__worksheets__sheet1_xml=bytes(30_000_000)), "zu groß"),
        (packed(xl__workbook_xml=b'<!DOCTYPE a [<!ENTITY b "lol">]><a>&b;</a>'), "beschädigt"),
    ],
    ids=range(15),
)
def test_what_is_no_table_says_what_it_is(kept: Kept, content: bytes, sentence: str) -> None:
    with pytest.raises(NoTable, match=sentence) as told:
        read(kept(content))
    assert told.value.errors == {"file": told.value.sentence}


def test_a_file_that_is_too_large_is_not_even_opened(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LARGEST_FILE", 10)
    with pytest.raises(TooLargeFile):
        look_at(kept("Titel;Autor\n"))


@given(st.text())
def test_no_cell_is_a_formula_and_each_says_what_it_said(text: str) -> None:
    assert not harmless(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert meant(harmless(text)) == (text[2:-1] if text.startswith('="') and harmless(text) == text else text)


def test_what_other_programs_write_against_rounding_is_the_number() -> None:
    assert meant('="9783522202107"') == "9783522202107"
    assert meant("'tschuldigung") == "'tschuldigung"


def test_columns_are_called_as_in_spreadsheets() -> None:
    assert [letter(n) for n in (0, 25, 26, 701, 702)] == ["A", "Z", "AA", "ZZ", "AAA"]
