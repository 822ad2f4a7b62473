from __future__ import annotations

import pytest

from bibliothek import i18n
from bibliothek.catalogue.fields import Person
from bibliothek.catalogue.wording import byline, language_word, role_word, short_title, source_word, turned


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("Beauvoir, Simone de", "Simone de Beauvoir"),
        ("King, Martin Luther, Jr.", "Martin Luther King, Jr."),
        ("Platon", "Platon"),
        ("Gruppe Internationaler Kommunisten", "Gruppe Internationaler Kommunisten"),
        ("Marx,Karl", "Karl Marx"),
        ("Marx,", "Marx"),
        (", Karl", "Karl"),
        (",", ""),
        ("", ""),
    ],
)
def test_names_are_turned_round(stored: str, shown: str) -> None:
    assert turned(stored) == shown


@pytest.mark.parametrize(
    ("persons", "line"),
    [
        ([], ""),
        ([("Beauvoir, Simone de", "aut")], "Simone de Beauvoir"),
        ([("Beauvoir, Simone de", "aut"), ("Huxley, Aldous", "edt")], "Simone de Beauvoir, Aldous Huxley (Hg.)"),
        ([("Huxley, Aldous", "edt")], "Aldous Huxley (Hg.)"),
        ([("Marx, Karl", "aut"), ("Engels, Friedrich", "aut")], "Karl Marx, Friedrich Engels"),
        ([("Wolf, Uli", "trl"), ("Beauvoir, Simone de", "aut")], "Simone de Beauvoir"),
        ([("Wolf, Uli", "ill")], "Uli Wolf"),
        ([(f"N{n}, V", "aut") for n in range(5)], "V N0, V N1, V N2 u. a."),
        ([(f"N{n}, V", "aut") for n in range(3)] + [("E, F", "edt")], "V N0, V N1, V N2"),
        ([("Jusos", "isb"), ("E, F", "edt")], "F E (Hg.)"),
    ],
)
def test_the_byline_names_who_wrote_it(persons: list[tuple[str, str]], line: str) -> None:
    assert byline([Person(*person) for person in persons]) == line


def test_roles_languages_and_sources_have_words() -> None:
    assert role_word("trl") == "Übersetzung"
    assert role_word("xyz") == role_word("ctb")
    assert language_word("tr") == "Türkisch"
    assert language_word("xx") == "xx"
    assert source_word("dnb") == "Deutsche Nationalbibliothek"
    assert source_word("elsewhere") == "elsewhere"


def test_words_are_translated_where_they_are_shown() -> None:
    with i18n.use_language("en"):
        assert byline([Person("A, B", "edt")]).startswith("B A")


def test_a_title_in_a_sentence_has_single_marks_inside_its_double_ones() -> None:
    assert short_title("Zine „Häuser“ für alle") == "Zine ‚Häuser‘ für alle"
    assert len(short_title("„Wort “ " * 40)) <= 80
