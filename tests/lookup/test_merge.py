"""Several answers about one ISBN become one result."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from bibliothek.catalogue.fields import Part, Person
from bibliothek.lookup.merge import are_alike, put_together
from bibliothek.lookup.record import Record
from bibliothek.lookup.sources import SourceAnswer

NOW = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
ISBN = "9783453416017"


def record(title: str = "Das Buch", **fields: Any) -> Record:
    return Record(title=title, isbns=(ISBN,), **fields)


def said(source: str, *records: Record, similar: tuple[Record, ...] = ()) -> SourceAnswer:
    import msgspec

    own = tuple(msgspec.structs.replace(one, source=source) for one in records)
    outcome = "found" if own else "not_found"
    return SourceAnswer(source=source, outcome=outcome, asked_at=NOW, records=own, similar=similar)


def together(*answers: SourceAnswer) -> Any:
    return put_together(ISBN, [answer.source for answer in answers], answers)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Tschick", "Tschick: Roman"),
        ("Die Ästhetik des Widerstands", "Ästhetik des Widerstands"),
        ("Die Aesthetik des Widerstands", "Die Ästhetik des Widerstands"),
        ("Das kulturelle Gedächtnis", "Das kulturelle Gedachtnis : Schrift, Erinnerung"),
        ("1984", "1984"),
        ("???", "???"),
        ("Harry Potter und der Stein der Weisen", "Harry Potter und der Stein der Weisen [1]"),
    ],
)
def test_titles_of_one_book_are_alike(one: str, other: str) -> None:
    assert are_alike(one, other)
    assert are_alike(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Harry Potter und der Stein der Weisen", "Harry Potter und die Kammer des Schreckens"),
        ("Harry Potter 1", "Harry Potter 2"),
        ("Der Herr der Ringe II", "Der Herr der Ringe III"),
        ("Tschick", "Momo"),
        ("Die Küche", "Die Kirche"),
        ("???", "!!!"),
    ],
)
def test_titles_of_two_books_are_not(one: str, other: str) -> None:
    assert not are_alike(one, other)
    assert not are_alike(other, one)


def test_gaps_are_filled_and_every_field_remembers_its_source() -> None:
    result = together(
        said("dnb", record(year=1998, publisher="Carlsen", subjects=("Zauberei",))),
        said("k10plus", record(year=1998, pages=335, language="de", publisher="Carlsen-Verl.", subjects=("zauberei", "Schule"))),
        said("openlibrary", record(place="Hamburg", cover_id=7, contributors=(Person("Rowling, J. K.", "aut"),))),
    )  # fmt: skip
    assert result.record == Record(
        title="Das Buch",
        isbns=(ISBN,),
        year=1998,
        publisher="Carlsen",
        pages=335,
        language="de",
        place="Hamburg",
        contributors=(Person("Rowling, J. K.", "aut"),),
        subjects=("Zauberei", "Schule"),
        cover_id=7,
        source="dnb",
    )
    assert result.origin == {
        "title": "dnb",
        "isbns": "dnb",
        "year": "dnb",
        "publisher": "dnb",
        "pages": "k10plus",
        "language": "k10plus",
        "place": "openlibrary",
        "contributors": "openlibrary",
    }
    assert (result.alternatives, result.choose) == ((), False)


def test_titles_that_differ_strongly_are_never_merged() -> None:
    other = record("Ganz etwas anderes", pages=99, series=(Part("Reihe", "1"),), subjects=("Garten",))
    result = together(said("dnb", record(year=2001)), said("k10plus", other))
    assert (result.record.pages, result.record.series, result.record.subjects) == (None, (), ())
    assert [one.title for one in result.alternatives] == ["Ganz etwas anderes"]
    assert result.choose


@pytest.mark.parametrize(
    ("first", "second", "choose"),
    [
        ({"year": 2013}, {"year": 2007}, True),
        ({"edition": "7. Aufl."}, {"edition": "6. Auflage"}, True),
        ({"edition": "7. Aufl.", "year": 2013}, {"edition": "7., überarb. Auflage", "year": 2013}, False),
        ({"year": 2013}, {}, False),
        ({"edition": "1. Aufl. 2013"}, {"edition": "Erste Auflage"}, False),
    ],
)
def test_a_person_has_to_choose_where_edition_or_year_differ(
    first: dict[str, Any], second: dict[str, Any], choose: bool
) -> None:
    for answers in (
        [said("dnb", record(**first), record(**second))],
        [said("dnb", record(**first)), said("k10plus", record(**second))],
    ):
        result = together(*answers)
        assert result.choose is choose
        assert len(result.alternatives) == int(choose)


def test_another_edition_fills_no_gap() -> None:
    result = together(said("dnb", record(year=2013), record(year=2007, pages=344)))
    assert result.record.pages is None


def test_the_same_edition_at_two_sources_is_offered_once() -> None:
    result = together(
        said("dnb", record(year=2013), record(year=2007)), said("k10plus", record(year=2013), record(year=2007))
    )
    assert [one.year for one in result.alternatives] == [2007]


def test_other_editions_go_before_what_is_merely_similar() -> None:
    ebook = Record(title="Das Buch", isbns=("9783641000004",), carrier="online", year=2013)
    result = together(
        said("dnb", record(year=2013), similar=(ebook,)),
        said("k10plus", record(year=2007), similar=(ebook,)),
    )
    assert [(one.year, one.carrier) for one in result.alternatives] == [(2007, None), (2013, "online")]


def test_similar_ones_alone_are_not_the_book() -> None:
    ebook = Record(title="Das Buch", isbns=("9783641000004",), carrier="online")
    result = together(said("dnb", similar=(ebook,)))
    assert (result.outcome, result.record, result.alternatives, result.choose) == ("not_found", None, (ebook,), False)


def test_a_volume_without_a_title_of_its_own_gives_way_to_a_whole_record() -> None:
    result = together(said("dnb", record("Bd. 3", year=1981)), said("k10plus", record("Die Ästhetik des Widerstands")))
    assert (result.record.title, result.choose) == ("Die Ästhetik des Widerstands", False)
    assert together(said("dnb", record("Bd. 3"))).record.title == "Bd. 3"


def test_a_subtitle_that_the_title_says_already_is_not_said_twice() -> None:
    result = together(said("dnb", record("FRBR: a guide")), said("lobid", record("FRBR", subtitle="a guide")))
    assert result.record.subtitle is None


def test_nobody_asked_is_not_not_found() -> None:
    assert put_together(ISBN, [], []).outcome == "unavailable"
