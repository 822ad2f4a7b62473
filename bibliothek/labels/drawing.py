"""What labels and cards are made of: QR codes, blocks of text, codes that people type.

Lengths are points (1/72 inch), y grows upwards. The same input gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING

import msgspec

from bibliothek.i18n import language
from bibliothek.labels.qr import dark_runs
from bibliothek.labels.typeset import CONDENSED, LEADING, MONO, SANS, fit, printable, register_fonts, width

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

MM = 72 / 25.4
# Of all three fonts, as parts of their size: how high capitals stand, how far g goes below the line.
CAP_HEIGHT = 0.73
DESCENT = 0.24

# reportlab's font objects keep state while a document is written: one document at a time.
_PRINTING = Lock()


class Column(msgspec.Struct, frozen=True):
    """Where text stands: its left edge and how wide it may get."""

    x: float
    wide: float


@contextmanager
def new_document(title: str, library: str, page: tuple[float, float]) -> Iterator[tuple[Canvas, BytesIO]]:
    """An empty PDF without clock, author or any font but ours; at the end of the block its bytes are in the BytesIO."""
    from reportlab.pdfgen.canvas import Canvas

    with _PRINTING:
        register_fonts()
        output = BytesIO()
        canvas = Canvas(
            output, pagesize=page, pdfVersion=(1, 7), invariant=1, initialFontName=SANS, lang=language.get()
        )
        canvas.setTitle(printable(f"{title} · {library}" if library else title, SANS))
        canvas.setCreator("Bibliothek")
        for leave_empty in (canvas.setAuthor, canvas.setSubject, canvas.setKeywords):
            leave_empty("")
        # Print dialogs shrink pages to the printable area unless told not to, and then no label hits its place.
        canvas.setViewerPreference("PrintScaling", "None")
        yield canvas, output
        canvas.save()


@contextmanager
def placed(canvas: Canvas, x: float, y: float) -> Iterator[None]:
    """Inside the block (x, y) is the origin, and the ink is pure black, which every printer prints sharply."""
    canvas.saveState()
    canvas.translate(x, y)
    canvas.setFillGray(0)
    yield
    canvas.restoreState()


def draw_qr(canvas: Canvas, matrix: list[list[bool]], x: float, y: float, side: float) -> None:
    """A QR code with its lower left corner at (x, y); `side` and corner are those of the symbol without its quiet zone."""
    module = side / len(matrix)
    # One path, filled once, leaves no hair lines between modules. It is written directly, because 1,000 labels have 200,000
    # of these shapes and the canvas's own methods format every number anew.
    shapes = " ".join(f"{column} {row} {run} 1 re" for column, row, run in dark_runs(matrix))
    canvas.addLiteral(f"q {module:.5f} 0 0 {-module:.5f} {x:.3f} {y + side:.3f} cm {shapes} f Q")


def write_line(canvas: Canvas, text: str, font: str, size: float, x: float, baseline: float) -> None:
    """One line of text that is known to be printable and to fit."""
    line = canvas.beginText(x, baseline)
    line.setFont(font, size)
    # The scale outlives the text object, so it is always set.
    line.setHorizScale(100 if font == MONO else 100 * CONDENSED)
    line.textOut(text)
    canvas.drawText(line)


def write_block(
    canvas: Canvas, text: str, font: str, sizes: Sequence[float], column: Column, top: float, high: float, most: int
) -> float:
    """`text` from `top` downwards in the largest of `sizes` that fits; returns where the next block may begin."""
    size, lines = fit(text, font, sizes, column.wide, high, most)
    for number, line in enumerate(lines):
        write_line(canvas, line, font, size, column.x, top - number * size * LEADING - size * CAP_HEIGHT)
    return top - len(lines) * size * LEADING


def write_note(canvas: Canvas, text: str, sizes: Sequence[float], column: Column, baseline: float) -> float:
    """One plain line in the largest of `sizes` that fits, else cut; returns the y up to which capitals of full size reach."""
    size, lines = fit(text, SANS, sizes, column.wide, sizes[0] * LEADING, 1)
    for line in lines:
        write_line(canvas, line, SANS, size, column.x, baseline)
    return baseline + sizes[0] * CAP_HEIGHT


def write_code(canvas: Canvas, code: str, largest: float, column: Column, baseline: float) -> float:
    """A code in groups, as large as the column allows; returns its height. Who copies or searches it gets it in one piece."""
    shown = grouped(printable(code, MONO))
    size = min(largest, column.wide / max(width(shown, MONO, 1), 1))
    # ISO 32000-1, 14.9.4: the text that stands for what is drawn.
    canvas.addLiteral(f"/Span <</ActualText <FEFF{''.join(shown.split()).encode('utf-16-be').hex()}>>> BDC")
    write_line(canvas, shown, MONO, size, column.x, baseline)
    canvas.addLiteral("EMC")
    return size * CAP_HEIGHT


def grouped(code: str) -> str:
    """A code as a person reads and types it: `B 7KD 3A2`, `R 2K7M`, `M 7KD3 A2B9 …`; reading it ignores the spaces."""
    kind, symbols = code[:1], code[1:]
    size = 3 if len(symbols) == 6 else 4
    return " ".join([kind, *(symbols[start : start + size] for start in range(0, len(symbols), size))])
