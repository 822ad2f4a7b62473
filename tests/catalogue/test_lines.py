"""Persons and series as people type them."""

from __future__ import annotations

import pytest

from bibliothek.catalogue import lines
from bibliothek.catalogue.fields import Part, Person
from bibliothek.catalogue.rules import MOST_PERSONS, MOST_SERIES


@pytest.mark.parametrize(
    ("line", "person"),
    [
        ("Beauvoir, Simone de", Person("Beauvoir, Simone de", "aut")),
        ("  Arendt, Hannah  ", Person("Arendt, Hannah", "aut")),
        ("Haug, Frigga (Hg.)", Person("Haug, Frigga", "edt")),
        ("Haug, Frigga (hrsg)", Person("Haug, Frigga", "edt")),
        ("Aumüller, Uli (Übers.)", Person("Aumüller, Uli", "trl")),
        ("Janosch (ill)", Person("Janosch", "ill")),
        ("Rosa-Luxemburg-Stiftung (Berlin)", Person("Rosa-Luxemburg-Stiftung (Berlin)", "aut")),
        ("Verein (isb)", Person("Verein", "isb")),
        ("Deutschland (DDR)", Person("Deutschland (DDR)", "aut")),
        ("Kommission (SPD)", Person("Kommission (SPD)", "aut")),
        ("Kollektiv (neu)", Person("Kollektiv (neu)", "aut")),
    ],
)
def test_a_line_is_a_person_with_what_they_did(line: str, person: Person) -> None:
    assert lines.read_persons(line) == (person,)


def test_persons_come_back_as_they_were_typed() -> None:
    persons = (Person("Beauvoir, Simone de", "aut"), Person("Aumüller, Uli", "trl"), Person("Verein", "isb"))
    assert lines.read_persons(lines.write_persons(persons)) == persons


@pytest.mark.parametrize(
    "person",
    [
        Person("Deutschland (Hg.)", "aut"),
        Person("Rat (isb)", "isb"),
        Person("Mitglied, Ein", "zzz"),
        Person("A (DDR)", "edt"),
    ],
)
def test_the_persons_of_a_record_come_back_as_they_were(person: Person) -> None:
    text = lines.write_persons([person]) + "\r\nMitglied, Zwei (Hg.)"
    assert lines.read_persons(text, [person]) == (person, Person("Mitglied, Zwei", "edt"))


@pytest.mark.parametrize("part", [Part("Reihe", "3 ; 4"), Part("A ; B"), Part("A ; B", "2"), Part("A; B", ";")])
def test_the_series_of_a_record_come_back_as_they_were(part: Part) -> None:
    text = lines.write_series([part]) + "\r\nrororo;12"
    assert lines.read_series(text, [part]) == (part, Part("rororo", "12"))


def test_empty_lines_are_nobody() -> None:
    assert lines.read_persons("\n \n") == ()


def test_series_are_read_with_their_number() -> None:
    text = "rororo ; 1234\nEdition Suhrkamp\n ; 3\nReihe; Abteilung B ; 2"
    assert lines.read_series(text) == (
        Part("rororo", "1234"),
        Part("Edition Suhrkamp"),
        Part("Reihe; Abteilung B", "2"),
    )
    assert lines.read_series(lines.write_series(lines.read_series(text))) == lines.read_series(text)


def test_no_more_lines_are_read_than_it_takes_to_refuse_them() -> None:
    assert len(lines.read_persons("\n".join(f"Person {n}" for n in range(30_000)))) == MOST_PERSONS + 1
    # Lines that name nothing are passed over, however many they are.
    assert len(lines.read_series("; 5\n" * 100 + "\n".join(f"Reihe {n}" for n in range(30_000)))) == MOST_SERIES + 1
