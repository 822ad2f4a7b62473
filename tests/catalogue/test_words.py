from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bibliothek.catalogue.words import LONGEST_WORD, both_spellings, fold, sort_form, spellings


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Das andere Geschlecht", ["das", "andere", "geschlecht"]),
        ("Müller-Straße", ["muller", "strasse"]),
        ("STRASSE", ["strasse"]),
        ("Große Größe ẞ", ["grosse", "grosse", "ss"]),
        ("Mu\u0308ller", ["muller"]),
        ("Œuvres complètes", ["oeuvres", "completes"]),
        ("Ærø Århus", ["aero", "arhus"]),
        ("Łódź Đorđe þing", ["lodz", "dorde", "thing"]),
        ("İstanbul ılık", ["istanbul", "ilik"]),
        ("ﬁn Ⅳ ＡＢＣ", ["fin", "iv", "abc"]),
        ("L'Étranger", ["l", "etranger"]),
        ("C++ & C#", ["c", "c"]),
        ("1984", ["1984"]),
        ("война и мир", ["воина", "и", "мир"]),
        ("日本語", ["日本語"]),
        ("", []),
        ("…!?", []),
        ("\U0001f4da", []),
        ("a_b", ["a", "b"]),
    ],
)
def test_words_are_folded(text: str, words: list[str]) -> None:
    assert fold(text) == words


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("Müller", ["muller", "mueller"]),
        ("Mueller", ["mueller"]),
        ("Muller", ["muller"]),
        ("Übergröße", ["ubergrosse", "uebergroesse"]),
        ("Ångström", ["angstrom", "aangstroem"]),
        ("Straße", ["strasse"]),
        ("naïve", ["naive"]),
    ],
)
def test_umlauts_have_a_second_spelling(word: str, found: list[str]) -> None:
    assert spellings(word) == [tuple(found)]
    assert both_spellings(f"Das {word}!") == ["das", *found]


@given(st.text())
def test_folding_never_fails_and_what_is_folded_stays(text: str) -> None:
    words = fold(text)
    assert fold(" ".join(words)) == words
    assert all(word and len(word) <= LONGEST_WORD for word in words)
    assert not any(sign in word for word in both_spellings(text) for sign in " '\"*^=~#@_:&|!()")


@given(st.text())
def test_every_word_has_its_spellings_in_its_place(text: str) -> None:
    words = spellings(text)
    assert [word[0] for word in words] == fold(text)
    assert all(1 <= len(word) <= 2 for word in words)


@pytest.mark.parametrize(
    ("title", "language", "filed"),
    [
        ("Das Kapital", "de", "kapital"),
        ("Eine kurze Geschichte", "de", "kurze geschichte"),
        ("The Dispossessed", "en", "dispossessed"),
        ("Die Hard", "en", "die hard"),
        ("A Room of One's Own", "en", "room of one s own"),
        ("L'Étranger", "fr", "etranger"),
        ("La peste", "fr", "peste"),
        ("Les Misérables", "fr", "miserables"),
        ("El amor en los tiempos del cólera", "es", "amor en los tiempos del colera"),
        ("Das Kapital", None, "kapital"),
        ("La peste", None, "la peste"),
        ("Die", "de", "die"),
        ("Ärger", "de", "arger"),
        ("Das Kapital", "xx", "kapital"),
        ("???", "de", "???"),
    ],
)
def test_titles_are_filed_without_their_article(title: str, language: str | None, filed: str) -> None:
    assert sort_form(title, language) == filed
