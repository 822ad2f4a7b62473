"""A cell leaves without being a formula, and says afterwards what it said before."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.utils import get_column_letter

from bibliothek.transfer.cells import harmless, letter, meant, without_nul
from bibliothek.transfer.tables import Reading, rows_of

FORMULAS = [
    "=1+1",
    '=HYPERLINK("http://example.org?"&A1)',
    '="9783522202107"',
    "+49 351",
    "-5",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "'=1",
    "'",
    "''",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_what_would_be_run_gets_an_apostrophe_and_comes_back_without(text: str) -> None:
    assert harmless(text) == "'" + text
    assert meant(harmless(text)) == text


@pytest.mark.parametrize("text", ["", "Momo", "1984", "a=b", " =1", "Wer – wie – was", "978-3-522-20210-7", '"=1"'])
def test_what_would_not_be_run_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text == meant(text)


@given(st.text() | st.builds(str.__add__, st.sampled_from(FORMULAS), st.text()))
def test_whatever_goes_out_comes_back(text: str) -> None:
    assert meant(harmless(text)) == text
    assert meant(harmless(harmless(text))) == harmless(text)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('="9783522202107"', "9783522202107"),
        ('="043942089X"', "043942089X"),
        ('=""', ""),
        ("'=1+1", "=1+1"),
        ("'-5", "-5"),
        ("''tschuldigung", "'tschuldigung"),
        # Nobody's mark: said as it stands.
        ("'tschuldigung", "'tschuldigung"),
        ("'68", "'68"),
        ("=1+1", "=1+1"),
        ('="a"&"b"', '="a"&"b"'),
        (' ="1"', ' ="1"'),
    ],
)
def test_cells_of_other_programs_say_what_is_meant(cell: str, text: str) -> None:
    assert meant(cell) == text


def test_a_file_keeps_formulas_as_text(tmp_path: Path) -> None:
    texts = [text.replace("\r", "\n") for text in FORMULAS]
    with (tmp_path / "out.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";").writerows([harmless(text), "Ende"] for text in texts)
    with rows_of(tmp_path / "out.csv", Reading(kind="csv", separator=";")) as rows:
        assert [row.cells for row in rows] == [[text, "Ende"] for text in texts]


def test_a_nul_is_no_sign() -> None:
    assert without_nul("\x00Mo\x00mo") == "Momo"


def test_columns_are_called_as_excel_calls_them() -> None:
    assert [letter(n) for n in range(16_384)] == [get_column_letter(n + 1) for n in range(16_384)]
