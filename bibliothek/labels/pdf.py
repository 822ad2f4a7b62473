"""Label sheets and member cards as PDF."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from bibliothek.i18n import _
from bibliothek.labels.drawing import (
    CAP_HEIGHT,
    DESCENT,
    MM,
    Column,
    draw_qr,
    new_document,
    placed,
    write_block,
    write_code,
    write_note,
)
from bibliothek.labels.qr import QUIET, copy_url, qr_matrix
from bibliothek.labels.sheets import Place, Sheet, positions
from bibliothek.labels.typeset import BOLD, LEADING, SANS, fit, printable
from bibliothek.problems import Invalid

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

# Under 22 mm a phone has to come close; over 25 the title lacks the width.
QR_SMALLEST = 22 * MM
QR_LARGEST = 25 * MM
TITLE_SIZES = (10.0, 9.0, 8.0, 7.0)
TITLE_LINES = 5
SHELF_SIZES = (20.0, 17.0, 14.0, 12.0, 10.0, 8.0)
NAME_SIZES = (17.0, 15.0, 13.0, 11.0, 9.0)
SMALL = (7.5, 7.0, 6.5)
TINY = (6.0, 5.5, 5.0)
CODE = 13.0
SPACE = 4.0  # between two lines of different kind
ACCENT = 2.0  # kept free above, for the dots of a large Ö
MARK = 4.0  # mm

# ISO/IEC 7810 ID-1, the size of bank cards, ten on an A4 page without gaps: one cut serves two cards.
CARD = Sheet(
    name="ID-1",
    label="85,6 × 54 mm",
    columns=2,
    rows=5,
    label_width=85.6,
    label_height=54.0,
    margin_left=19.4,
    margin_top=13.5,
    gap_x=0.0,
    gap_y=0.0,
    safe_x=4.0,
    safe_y=4.0,
)


class LabelText(msgspec.Struct, frozen=True):
    """What stands on the label of a copy; `byline` and `shelf` may be empty."""

    code: str
    title: str
    byline: str
    shelf: str


class ShelfText(msgspec.Struct, frozen=True):
    """What stands on the label of a shelf."""

    code: str
    name: str


class CardText(msgspec.Struct, frozen=True):
    """What stands on a member's card. Whoever has `code` can borrow in the member's name."""

    code: str
    name: str


class NothingToPrint(Invalid):
    """A PDF without a page does not exist."""

    code = "nothing-to-print"

    def __init__(self) -> None:
        super().__init__(_("Es ist nichts zum Drucken ausgewählt."))


def label_sheet(labels: Sequence[LabelText], sheet: Sheet, *, base_url: str, library: str, start: int = 1) -> bytes:
    """The labels of copies, row by row from place `start` (1 is the first) of the first sheet on, as PDF.

    The QR code opens `<base_url>/c/<code>`. Raises NothingToPrint and NoSuchPlace.
    """
    return _sheets(_("Etiketten"), labels, TITLE_SIZES, sheet, base_url, library, start)


def shelf_labels(shelves: Sequence[ShelfText], sheet: Sheet, *, base_url: str, library: str, start: int = 1) -> bytes:
    """The labels of shelves, with large names, on the same sheets, as PDF. Raises NothingToPrint and NoSuchPlace."""
    labels = [LabelText(shelf.code, shelf.name, "", "") for shelf in shelves]
    return _sheets(_("Regaletiketten"), labels, SHELF_SIZES, sheet, base_url, library, start)


def member_cards(cards: Sequence[CardText], *, library: str) -> bytes:
    """Cards of 85.6 × 54 mm, ten on an A4 page with marks to cut along, as PDF. Raises NothingToPrint."""
    sentences = [
        _("Karte scannen, Buch scannen: ausgeliehen."),
        _("Verloren? Sag Bescheid, dann gilt sie nicht mehr."),
        _("Gefunden? Bitte in der Bibliothek abgeben."),
    ]
    return _cards(_("Mitgliedskarten"), cards, sentences, library)


def command_cards(cards: Sequence[CardText], *, library: str) -> bytes:
    """What tells the tablet what to do, on cards of the same size, as PDF. Raises NothingToPrint."""
    return _cards(_("Befehlskarten"), cards, [_("Am Tablet scannen."), _("Die Karte bleibt beim Tablet.")], library)


def _cards(title: str, cards: Sequence[CardText], sentences: Sequence[str], library: str) -> bytes:
    if not cards:
        raise NothingToPrint
    rest = iter(cards)
    with new_document(title, library, _page(CARD)) as (canvas, output):
        for page in positions(CARD, 1, len(cards)):
            _cutting_marks(canvas)
            for place, card in zip(page, rest, strict=False):
                with placed(canvas, *_corner(CARD, place)):
                    _card(canvas, card, sentences, library)
            canvas.showPage()
    return output.getvalue()


def _sheets(
    title: str,
    labels: Sequence[LabelText],
    sizes: Sequence[float],
    sheet: Sheet,
    base_url: str,
    library: str,
    start: int,
) -> bytes:
    pages = positions(sheet, start, len(labels))
    if not pages:
        raise NothingToPrint
    rest = iter(labels)
    with new_document(title, library, _page(sheet)) as (canvas, output):
        for page in pages:
            for place, label in zip(page, rest, strict=False):
                with placed(canvas, *_corner(sheet, place)):
                    _label(canvas, label, sizes, sheet, copy_url(base_url, label.code), library)
            canvas.showPage()
    return output.getvalue()


def _page(sheet: Sheet) -> tuple[float, float]:
    return sheet.page_width * MM, sheet.page_height * MM


def _corner(sheet: Sheet, place: Place) -> tuple[float, float]:
    """The lower left corner of a label, in points from the lower left corner of the page."""
    return place.x * MM, (sheet.page_height - place.y - sheet.label_height) * MM


def _label(canvas: Canvas, label: LabelText, sizes: Sequence[float], sheet: Sheet, url: str, library: str) -> None:
    """QR on the left; beside it, level with its edges, title and byline above, shelf and code below; the library at the foot.

    On low sheets the library's name moves into the column, because the QR code needs the height.
    """
    matrix = qr_matrix(url)
    quiet = QUIET / len(matrix)  # as a part of the symbol's side
    left, floor = sheet.safe_x * MM, sheet.safe_y * MM
    wide, high = sheet.label_width * MM - 2 * left, sheet.label_height * MM - 2 * floor - ACCENT
    side = min(QR_LARGEST, (high - TINY[0]) / (1 + quiet))
    has_foot = side >= QR_SMALLEST
    if not has_foot:
        side = min(QR_LARGEST, high)
    used = side * (1 + quiet) + TINY[0] if has_foot else side
    top = floor + (high + used) / 2
    draw_qr(canvas, matrix, left, top - side, side)
    if has_foot:
        write_note(canvas, library, TINY, Column(left, wide), top - used + DESCENT * TINY[0])
    column = Column(left + side * (1 + quiet), wide - side * (1 + quiet))
    _beside(canvas, label, sizes, column, top, top - side, "" if has_foot else library)


def _beside(
    canvas: Canvas, label: LabelText, sizes: Sequence[float], column: Column, top: float, floor: float, library: str
) -> None:
    """The texts beside the QR code, between the heights `floor` and `top`: first from below, then the title in what is left."""
    if library.strip():
        floor = write_note(canvas, library, TINY, column, floor + DESCENT * TINY[0]) + SPACE
    floor += write_code(canvas, label.code, CODE, column, floor) + SPACE
    if label.shelf.strip():
        floor = write_note(canvas, label.shelf, SMALL, column, floor) + SPACE
    byline = _for_one_line(label.byline, column)
    _size, lines = fit(byline, SANS, SMALL, column.wide, 2 * SMALL[0] * LEADING, 2)
    for_byline = len(lines) * SMALL[0] * LEADING
    top = write_block(canvas, label.title, BOLD, sizes, column, top, top - floor - for_byline, TITLE_LINES)
    write_block(canvas, byline, SANS, SMALL, column, top - 1, for_byline, 2)


def _for_one_line(byline: str, column: Column) -> str:
    """The byline, or where no line takes it, only who is named first: one whole name is worth more than two cut ones."""
    _size, lines = fit(byline, SANS, SMALL, column.wide, SMALL[0] * LEADING, 1)
    first, comma, _others = byline.partition(", ")
    if not comma or lines == [printable(byline, SANS)]:
        return byline
    return _("{names} u. a.", names=first)


def _card(canvas: Canvas, card: CardText, sentences: Sequence[str], library: str) -> None:
    """Above: library and name beside the QR of the plain code. Below: what the card does, and the code to type."""
    matrix = qr_matrix(card.code)
    side = QR_LARGEST
    quiet = side * QUIET / len(matrix)
    left, floor = CARD.safe_x * MM, CARD.safe_y * MM
    right, top = CARD.label_width * MM - left, CARD.label_height * MM - floor
    draw_qr(canvas, matrix, right - side, top - side, side)
    beside, whole = Column(left, right - side - quiet - left), Column(left, right - left)
    below = write_block(canvas, library, SANS, (9.0, 8.0, 7.0), beside, top, 24, 2) - 2 * SPACE
    write_block(canvas, card.name, BOLD, NAME_SIZES, beside, below, below - (top - side), 3)
    below = top - side - quiet
    for number, sentence in enumerate(sentences):
        write_note(canvas, sentence, SMALL, whole, below - (number * LEADING + CAP_HEIGHT) * SMALL[0])
    write_code(canvas, card.code, 10, whole, floor)


def _cutting_marks(canvas: Canvas) -> None:
    """Hair lines outside the cards, on every line along which to cut."""
    left, width = CARD.margin_left, CARD.columns * CARD.label_width
    top, height = CARD.margin_top, CARD.rows * CARD.label_height
    columns = [left + CARD.label_width * number for number in range(CARD.columns + 1)]
    rows = [top + CARD.label_height * number for number in range(CARD.rows + 1)]
    upright = [(x, y, x, y + MARK) for x in columns for y in (top - MARK - 1, top + height + 1)]
    level = [(x, y, x + MARK, y) for y in rows for x in (left - MARK - 1, left + width + 1)]
    canvas.setLineWidth(0.25)
    canvas.setStrokeGray(0)
    canvas.lines([tuple(length * MM for length in mark) for mark in upright + level])
