"""The suggested shelf."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from bibliothek.donations.shelving import suggested


@dataclass
class Shelf:
    name: str


SHELVES = [
    Shelf(name)
    for name in ("Romane", "Politik", "Geschichte", "Gesellschaft", "Comics", "Kinder und Jugend", "Sachbuch", "Hefte")
]


@pytest.mark.parametrize(
    ("classes", "name"),
    [
        (["B"], "Romane"),
        (["K"], "Kinder und Jugend"),
        (["320"], "Politik"),
        (["943"], "Geschichte"),
        (["305"], "Gesellschaft"),
        (["741.5"], "Comics"),
        (["530"], "Sachbuch"),
        (["830", "B"], "Romane"),
        (["780", "943"], "Geschichte"),
        (["780"], None),
        ([], None),
        (["", "?"], None),
    ],
)
def test_the_shelf_follows_the_first_class_that_fits_any(classes: list[str], name: str | None) -> None:
    found = suggested(classes, SHELVES)
    assert (found.name if found else None) == name


def test_a_shelf_that_names_the_class_itself_comes_first() -> None:
    shelves = [Shelf("Politik"), Shelf("320 Staat"), Shelf("32")]
    found = suggested(["320"], shelves)
    assert found
    assert found.name == "320 Staat"


def test_without_shelves_nothing_is_suggested() -> None:
    assert suggested(["320"], []) is None
