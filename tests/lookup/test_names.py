"""Names as cataloguers and title pages write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bibliothek.lookup.isbd import filed, imprint, is_placeholder, pages_in, shown, year_in
from bibliothek.lookup.names import given_first, persons_of


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("Jan Assmann", ["Assmann, Jan aut"]),
        ("von Tom Becker", ["Becker, Tom aut"]),
        ("Karl Marx; Friedrich Engels", ["Marx, Karl aut", "Engels, Friedrich aut"]),
        ("Joanne K. Rowling. Aus dem Engl. von Klaus Fritz", ["Rowling, Joanne K. aut", "Fritz, Klaus trl"]),
        ("Ivan Segré ; translated by David Broder", ["Segré, Ivan aut", "Broder, David trl"]),
        (
            "Friedemann Schulz von Thun ; Dagmar Kumbier (Hg.)",
            ["Schulz von Thun, Friedemann edt", "Kumbier, Dagmar edt"],
        ),
        ("Volker M. Heins, Armin Flender (Hg.)", ["Heins, Volker M. edt", "Flender, Armin edt"]),
        ("ed. by Richard P. Smiraglia ...", ["Smiraglia, Richard P. edt"]),
        ("[Hrsg.: Gertrud Tölle]", ["Tölle, Gertrud edt"]),
        ("Gertrud Tölle [Hrsg.]", ["Tölle, Gertrud edt"]),
        ("unter Mitw. zahlr. Schulmänner hrsg. von E. Clausnitzer ... [et al.]", ["Clausnitzer, E. edt"]),
        ("sous la direction de Damien Ehrhardt, Hélène Fleury", ["Ehrhardt, Damien edt", "Fleury, Hélène edt"]),
        ("zusammengestellt und bearbeitet von Winfried Steiling", ["Steiling, Winfried com"]),
        ("Autoren: Dr. Sabine Hild und Prof. Dr. Petra Schmid", ["Hild, Sabine aut", "Schmid, Petra aut"]),
        ("Franziska Becker (Text) und Ute Krause (Bilder)", ["Becker, Franziska aut", "Krause, Ute ill"]),
        ("mit Illustrationen von Quint Buchholz", ["Buchholz, Quint ill"]),
        ("Christina von Hodenberg", ["Hodenberg, Christina von aut"]),
        ("Touristik Centrale Mainz", []),
        ("Hrsg.: Stadt Hagen, Der Oberbürgermeister", []),
        ("Österreichische Krebshilfe", []),
        ("Unionsinstitut der Rechtswissenschaften beim Ministerium der Justiz", []),
        ("Hrsg.: Kortum-Gesellschaft Bochum e.V.", []),
        ("", []),
        ("123 456; ???", []),
    ],
)
def test_the_people_of_a_title_page(statement: str, expected: list[str]) -> None:
    assert [f"{person.name} {person.role}" for person in persons_of(statement)] == expected


@pytest.mark.parametrize(
    ("name", "filed_under"),
    [
        ("J. K. Rowling", "Rowling, J. K."),
        ("Simone de Beauvoir", "Beauvoir, Simone de"),
        ("Johann Wolfgang von Goethe", "Goethe, Johann Wolfgang von"),
        ("Friedemann Schulz von Thun", "Schulz von Thun, Friedemann"),
        ("Jan van der Berg", "Berg, Jan van der"),
        ("Ursula K. Le Guin", "Le Guin, Ursula K."),
        ("Annette von Droste-Hülshoff", "Droste-Hülshoff, Annette von"),
        ("Platon", "Platon"),
        ("Marx, Karl", "Marx, Karl"),
        ("Rosa-Luxemburg-Stiftung Sachsen", "Rosa-Luxemburg-Stiftung Sachsen"),
        ("", ""),
    ],
)
def test_names_are_filed_under_the_family(name: str, filed_under: str) -> None:
    assert given_first(name) == filed_under


@given(st.text(max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    persons_of(text)
    given_first(text)
    shown(text)
    filed(text)
    imprint(text)
    pages_in(text)
    year_in(text, 2027)
    is_placeholder(text)


@pytest.mark.parametrize("title", ["[Hauptbd.]", "Hauptband", "Bd. 3", "Band 2", "Vol. 3.", "T. I", "[1]", ""])
def test_placeholders_are_known(title: str) -> None:
    assert is_placeholder(title)


@pytest.mark.parametrize("title", ["1984", "Teil", "Das Buch", "Band der Träume", "Der dritte Band", "IV"])
def test_titles_are_not_taken_for_placeholders(title: str) -> None:
    assert not is_placeholder(title)


def test_patterns_do_not_run_away() -> None:
    persons_of("von " * 5000)
    persons_of("(" * 5000)
    pages_in("1, " * 5000)
    imprint("[" * 5000)
