"""A series shows its titles in the order of their numbers."""

from __future__ import annotations

from sqlalchemy.orm import Session

from bibliothek.catalogue.series import in_series, sort_number
from tests import make


def test_numbers_are_sorted_as_people_count() -> None:
    numbers = ["10", "Bd. 3", "1/2", None, "2", "IV", "1", "N.F. Anhang", "Bd. 3a", "XL", "2019,5"]
    assert sorted(numbers, key=sort_number) == [
        "1",
        "1/2",
        "2",
        "Bd. 3",
        "Bd. 3a",
        "IV",
        "10",
        "XL",
        "2019,5",
        "N.F. Anhang",
        None,
    ]


def test_a_letter_is_no_roman_number() -> None:
    assert sorted(["C", "D", "A", "B"], key=sort_number) == ["A", "B", "C", "D"]


def test_any_text_has_a_place() -> None:
    assert sort_number("9" * 400) > sort_number("1")
    assert sort_number("²")[0] in (0, 1)
    assert sort_number("—") == (1, (), ())


def test_a_series_holds_each_of_its_titles_once(db: Session) -> None:
    tenth = make.title(db, series=(("rororo", "10"),))
    second = make.title(db, series=(("rororo", "12"), ("rororo", "2")))
    loose = make.title(db, series=(("rororo", None), ("Andere", "1")))
    make.title(db, series=(("rororo aktuell", "1"),))
    assert in_series(db, "rororo") == [(second.id, "2"), (tenth.id, "10"), (loose.id, None)]
    assert in_series(db, "gibt es nicht") == []
