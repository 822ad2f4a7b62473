"""Text on paper: whatever a title is made of, it becomes lines that fit."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bibliothek.labels.typeset import BOLD, MONO, SANS, fit, printable, register_fonts, width, wrap

# Also what databases should not hold: lone surrogates, unassigned and private characters.
anything = st.text(st.characters(exclude_categories=()), max_size=200)


@pytest.fixture(autouse=True)
def _fonts() -> None:
    register_fonts()


def up_to(length: int) -> object:
    return lambda line: len(line) <= length


@pytest.mark.parametrize(
    "text",
    [
        "Straße, Öl & Übermut – „so“ …",
        "Мастер и Маргарита",
        "İstanbul’da Ağaç Işığı",
        "Łódź, Čapek, Šťastný",
        "Ελλάδα",
        "שלום",
    ],
)
def test_the_letters_of_our_neighbours_are_printed_as_they_are(text: str) -> None:
    assert printable(text, SANS) == text
    assert printable(text, BOLD) == text


def test_accents_that_were_stored_apart_are_put_together() -> None:
    assert printable(unicodedata.normalize("NFD", "Zwölf Bücher"), SANS) == "Zwölf Bücher"


def test_letters_that_no_font_has_become_one_box_for_each_run() -> None:
    assert printable("🎉🎊 三体 Fest", SANS) == "□ □ Fest"
    assert printable("👩🏽‍🚀 🏳️‍🌈", SANS) == "□ □"
    assert printable("Herz ❤️", SANS) == "Herz ❤"
    assert printable("\ud800", SANS) == "□"


def test_control_characters_go_and_white_space_becomes_single_spaces() -> None:
    assert printable("\x98Der \x9cZauber\u00adberg\t\n von\u200b \x00Mann ", SANS) == "Der Zauberberg von Mann"


@given(anything)
def test_whatever_comes_the_font_has_every_letter_that_is_left(text: str) -> None:
    from reportlab.pdfbase.pdfmetrics import getFont

    for font in (SANS, BOLD, MONO):
        assert {ord(char) for char in printable(text, font)} <= set(getFont(font).face.charToGlyph)


@given(anything, st.sampled_from([60.0, 80.0, 200.0]), st.integers(1, 3))
def test_lines_are_never_wider_or_more_than_allowed(text: str, wide: float, most: int) -> None:
    size, lines = fit(text, BOLD, (10, 8, 7), wide, 100, most)
    assert len(lines) <= most
    assert all(width(line, BOLD, size) <= wide for line in lines)


def test_the_largest_size_that_takes_the_whole_title_is_chosen() -> None:
    assert fit("Momo", BOLD, (10, 8), 80, 40, 3) == (10, ["Momo"])
    assert fit("Das Ende der Geschichte", BOLD, (10, 8), 80, 25, 3) == (10, ["Das Ende der", "Geschichte"])
    assert fit("Das Ende der Geschichte", BOLD, (10, 8), 80, 23, 3) == (8, ["Das Ende der", "Geschichte"])


def test_a_title_that_fits_at_no_size_is_cut_at_the_smallest() -> None:
    size, lines = fit("Wort " * 50, BOLD, (10, 8, 7), 80, 100, 2)
    assert size == 7
    assert len(lines) == 2
    assert lines[1].endswith("Wort …")


def test_there_is_always_room_for_one_line() -> None:
    assert fit("Titel", SANS, (8,), 80, 1, 3) == (8, ["Titel"])
    assert fit("", SANS, (8,), 80, 100, 3) == (8, [])


def test_lines_break_at_words() -> None:
    assert wrap("Die Kunst des Liebens", up_to(13), 3) == ["Die Kunst des", "Liebens"]


def test_a_rest_is_cut_at_a_word_and_shown_by_an_ellipsis() -> None:
    assert wrap("Die Kunst des Liebens", up_to(13), 1) == ["Die Kunst …"]
    assert wrap("Der Ring, zwei Türme", up_to(12), 1) == ["Der Ring …"]


def test_a_word_too_long_for_a_line_is_broken_at_its_own_hyphen_first() -> None:
    assert wrap("Karl-Marx-Gesamtausgabe", up_to(14), 3) == ["Karl-Marx-", "Gesamtausgabe"]
    assert wrap("Gesamtausgabe", up_to(8), 3) == ["Gesamta-", "usgabe"]
    assert wrap("Gesamtausgabe", up_to(8), 1) == ["Gesamta…"]


def test_an_ampersand_goes_with_the_word_behind_it() -> None:
    size, lines = fit("Sachbuch & Fußnoten", BOLD, (20.0, 17.0, 14.0, 12.0), 90, 60, 3)
    assert lines == ["Sachbuch", "& Fußnoten"]
    assert size < 20
