"""Label sheets: a tenth of a millimetre matters, because paper cannot be corrected."""

from __future__ import annotations

import pytest

from bibliothek.labels.sheets import (
    SHEETS,
    NoSuchPlace,
    Place,
    Sheet,
    UnknownSheet,
    positions,
    sheet_named,
)

L7160 = SHEETS["L7160"]
every_sheet = pytest.mark.parametrize("sheet", SHEETS.values(), ids=SHEETS)


def test_the_default_sheet_is_the_l7160_with_21_labels_of_63_5_by_38_1_mm() -> None:
    assert (L7160.page_width, L7160.page_height) == (210, 297)
    assert (L7160.columns, L7160.rows, L7160.places) == (3, 7, 21)
    assert (L7160.label_width, L7160.label_height) == (63.5, 38.1)


def test_the_labels_of_the_l7160_lie_where_the_paper_is_cut() -> None:
    [page] = positions(L7160, 1, 21)
    tenth = pytest.approx
    assert [place.x for place in page[:3]] == [tenth(7.2, abs=0.1), tenth(73.2, abs=0.1), tenth(139.3, abs=0.1)]
    assert [place.y for place in page[::3]] == [tenth(15.1 + 38.1 * row, abs=0.1) for row in range(7)]


@every_sheet
def test_a_sheet_is_cut_in_the_middle_of_the_paper(sheet: Sheet) -> None:
    across = 2 * sheet.margin_left + sheet.columns * sheet.label_width + (sheet.columns - 1) * sheet.gap_x
    down = 2 * sheet.margin_top + sheet.rows * sheet.label_height + (sheet.rows - 1) * sheet.gap_y
    assert across == pytest.approx(sheet.page_width, abs=0.05)
    assert down == pytest.approx(sheet.page_height, abs=0.05)


@every_sheet
def test_nothing_is_printed_in_the_outermost_4_mm_of_the_paper(sheet: Sheet) -> None:
    assert sheet.margin_left + sheet.safe_x >= 4
    assert sheet.margin_top + sheet.safe_y >= 4


@every_sheet
def test_the_name_of_a_sheet_is_the_one_in_its_label(sheet: Sheet) -> None:
    assert sheet.name in sheet.label
    assert f"{sheet.columns} × {sheet.rows}" in sheet.label
    assert sheet_named(sheet.name.lower()) is sheet


def test_labels_go_row_by_row_from_the_start_position() -> None:
    [page] = positions(L7160, 5, 2)
    everything = positions(L7160, 1, 21)[0]
    assert page == everything[4:6]
    assert page[0] == Place(pytest.approx(73.25), pytest.approx(53.25))


def test_22_labels_need_a_second_page_and_it_begins_at_its_first_place() -> None:
    first, second = positions(L7160, 1, 22)
    assert len(first) == 21
    assert second == first[:1]


def test_used_places_are_left_free_on_the_first_page_only() -> None:
    pages = positions(L7160, 21, 23)
    assert [len(page) for page in pages] == [1, 21, 1]


def test_no_labels_need_no_page() -> None:
    assert positions(L7160, 21, 0) == []


@pytest.mark.parametrize("start", [0, -1, 22])
def test_a_start_position_beside_the_sheet_is_refused(start: int) -> None:
    with pytest.raises(NoSuchPlace, match="1 bis 21") as refused:
        positions(L7160, start, 1)
    assert refused.value.status == 422


def test_an_unknown_sheet_is_refused_with_the_names_that_there_are() -> None:
    with pytest.raises(UnknownSheet, match=r"„L1“.*L7160, L7159") as refused:
        sheet_named("L1")
    assert refused.value.status == 422
