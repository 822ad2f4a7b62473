"""Label sheets one can buy, and where on the paper each label lies.

Sizes are the makers' own. Such sheets are die-cut in the middle of the paper, so the margins follow from the sizes: the test
does that sum for every sheet, because a wrong digit here is found on paper only, a whole print run later.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from bibliothek.i18n import _
from bibliothek.problems import Invalid


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of label sheet, portrait. All lengths are millimetres; `name` is what the box and the API call it.

    `gap_*` is the bare paper between two labels. `safe_*` is what stays free of ink along each edge of a label, because a
    printer's feed is out by a millimetre or two and many cannot print the outermost 4 mm of the paper.
    """

    name: str
    label: str
    columns: int
    rows: int
    label_width: float
    label_height: float
    margin_left: float
    margin_top: float
    gap_x: float
    gap_y: float
    page_width: float = 210.0
    page_height: float = 297.0
    safe_x: float = 3.0
    safe_y: float = 3.0

    @property
    def places(self) -> int:
        """How many labels there are on one sheet."""
        return self.columns * self.rows


SHEETS: dict[str, Sheet] = {
    sheet.name: sheet
    for sheet in (
        Sheet(
            name="L7160",
            label="Avery L7160, Herma 4677 · 3 × 7 · 63,5 × 38,1 mm",
            columns=3,
            rows=7,
            label_width=63.5,
            label_height=38.1,
            margin_left=7.21,
            margin_top=15.15,
            gap_x=2.54,
            gap_y=0.0,
        ),
        Sheet(
            name="L7159",
            label="Avery L7159 · 3 × 8 · 63,5 × 33,9 mm",
            columns=3,
            rows=8,
            label_width=63.5,
            label_height=33.9,
            margin_left=7.21,
            margin_top=12.9,
            gap_x=2.54,
            gap_y=0.0,
        ),
        Sheet(
            name="L4737",
            label="Avery L4737 · 3 × 9 · 63,5 × 29,6 mm",
            columns=3,
            rows=9,
            label_width=63.5,
            label_height=29.6,
            margin_left=7.21,
            margin_top=15.3,
            gap_x=2.54,
            gap_y=0.0,
        ),
        # The labels reach the edge of the paper, where a printer prints nothing.
        Sheet(
            name="3475",
            label="Avery Zweckform 3475 · 3 × 8 · 70 × 36 mm",
            columns=3,
            rows=8,
            label_width=70.0,
            label_height=36.0,
            margin_left=0.0,
            margin_top=4.5,
            gap_x=0.0,
            gap_y=0.0,
            safe_x=5.0,
        ),
    )
}


class UnknownSheet(Invalid):
    """There is no sheet of this name."""

    code = "unknown-sheet"

    def __init__(self, name: str) -> None:
        known = ", ".join(SHEETS)
        super().__init__(
            _("Den Etikettenbogen „{name}“ gibt es hier nicht. Bekannt sind: {known}.", name=name, known=known)
        )


class NoSuchPlace(Invalid):
    """The start position is not on the sheet."""

    code = "no-such-place"

    def __init__(self, sheet: Sheet) -> None:
        super().__init__(_("Auf diesem Bogen gibt es die Plätze 1 bis {places}.", places=sheet.places))


class Place(NamedTuple):
    """The upper left corner of a label, in millimetres from the left and the upper edge of the paper."""

    x: float
    y: float


def sheet_named(name: str) -> Sheet:
    """The sheet of this name, whatever its case; raises UnknownSheet."""
    found = SHEETS.get(name.strip().upper())
    if found is None:
        raise UnknownSheet(name)
    return found


def positions(sheet: Sheet, start: int, count: int) -> list[list[Place]]:
    """Where `count` labels go, a list for each page: row by row, on the first page from place `start` on (1 is the first).

    Raises NoSuchPlace. No labels, no pages.
    """
    if not 1 <= start <= sheet.places:
        raise NoSuchPlace(sheet)
    first, last = start - 1, start - 1 + count
    return [
        [_place(sheet, index - page) for index in range(max(first, page), min(last, page + sheet.places))]
        for page in range(0, last if count > 0 else 0, sheet.places)
    ]


def _place(sheet: Sheet, index: int) -> Place:
    row, column = divmod(index, sheet.columns)
    return Place(
        sheet.margin_left + column * (sheet.label_width + sheet.gap_x),
        sheet.margin_top + row * (sheet.label_height + sheet.gap_y),
    )
