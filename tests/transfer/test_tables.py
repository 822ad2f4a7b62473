"""A file becomes rows: any usual encoding and separator, damage costs one row, and what is no table says what it is."""

from __future__ import annotations

import io
import zipfile
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


def sheet(*rows: list[object]) -> bytes:
    book, out = Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)  # type: ignore[union-attr]
    book.save(out)
    return out.getvalue()


def packed(**parts: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name.replace("__", "/").replace("_xml", ".xml"), content)
    return out.getvalue()


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
