"""A file in, rows out: CSV in any usual encoding with any usual separator, and XLSX. Nothing here knows what a book is.

A file is never in memory as a whole, and is read row by row. Whatever is no table is refused with a sentence that says what it
is and what to do.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import zlib
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal
from zipfile import BadZipFile, ZipFile

import msgspec

from bibliothek.i18n import _
from bibliothek.problems import Invalid
from bibliothek.transfer.cells import meant, without_nul

# Enough for 150,000 titles; what is larger is no list of a small library.
LARGEST_FILE = 50_000_000
# What is in a row beyond this is left out, and the page says so.
MOST_COLUMNS = 200
# A hundred persons with long names are 30,000.
LONGEST_CELL = 40_000
# A line of text without an end: no table has one.
_LONGEST_LINE = 1_000_000
# Lines that one row may go over: a hundred persons, as many subjects, fifty ISBNs. With more, a quotation mark is missing.
_MOST_LINES = 400

# An XLSX file is a zip. Its texts are held in memory while it is read; the sheets are not.
_LARGEST_UNPACKED = 300_000_000
_LARGEST_TEXTS = 40_000_000
_MOST_PARTS = 2_000
# Sheets are packed to a tenth, seldom to a fortieth; a bomb to a thousandth.
_RATIO, _RATIO_FROM = 200, 1_000_000
# No sheet of Excel or LibreOffice has more. A row of a higher number is a lie that would be counted up to.
_MOST_ROWS = 1_048_576

Encoding = Literal["utf-8", "utf-16-le", "utf-16-be", "cp1252"]
SEPARATORS = (";", ",", "\t", "|")


class TooLargeFile(Invalid):
    status = 413
    code = "file-too-large"

    def __init__(self) -> None:
        super().__init__(
            _(
                "Die Datei ist zu groß: höchstens {n} MB. Teile sie in mehrere Dateien, jede mit den Überschriften.",
                n=LARGEST_FILE // 1_000_000,
            )
        )
        self.errors = {"file": self.sentence}


class NoTable(Invalid):
    """The file is no table that can be read; the sentence says what it is and what to do."""

    code = "no-table"

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.errors = {"file": self.sentence}


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """How a file is read. `encoding` and `separator` count for text only; `header` is the row of the headings, counted from
    1 as spreadsheet programs do, or 0 where there are none."""

    kind: Literal["csv", "xlsx"]
    encoding: Encoding = "utf-8"
    separator: str = ","
    header: int = 0


class Row(msgspec.Struct, frozen=True):
    """A row with its number as spreadsheet programs count; `torn` says that a quotation mark in it never ends."""

    number: int
    cells: list[str]
    torn: bool = False


def look_at(path: Path) -> Reading:
    """How a file is best read, without its headings. Raises TooLargeFile, NoTable."""
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise TooLargeFile
    with path.open("rb") as file:
        start = file.read(65536)
    _refuse_others(start)
    if start.startswith(b"PK\x03\x04"):
        _check_zip(path)
        return Reading(kind="xlsx")
    encoding = _encoding(path, start)
    return Reading(kind="csv", encoding=encoding, separator=_separator(path, encoding))


@contextmanager
def rows_of(path: Path, reading: Reading) -> Iterator[Iterator[Row]]:
    """All rows of the file that hold something, the headings too. Raises NoTable, also while they are read."""
    if reading.kind == "xlsx":
        with _sheet(path) as sheet:
            yield sheet
        return
    with _text(path, reading.encoding) as lines:
        yield _records(lines, reading.separator)


# ---- What it is ----

_OTHERS = (
    (b"\xd0\xcf\x11\xe0", "xls"),
    (b"%PDF", "pdf"),
    (b"{\\rtf", "rtf"),
    (b"\x89PNG", "picture"),
    (b"\xff\xd8\xff", "picture"),
    (b"SQLite format 3", "database"),
    (b"\x1f\x8b", "packed"),
    (b"7z\xbc\xaf", "packed"),
    (b"Rar!", "packed"),
)


def _refuse_others(start: bytes) -> None:
    if not start.strip(b"\x00 \t\r\n"):
        raise NoTable(_("Die Datei ist leer."))
    found = next((kind for beginning, kind in _OTHERS if start.startswith(beginning)), None)
    if found == "xls":
        raise NoTable(
            _(
                "Das ist eine alte Excel-Datei (.xls) oder eine mit Kennwort. Öffne sie und speichere sie als „Excel-Arbeitsmappe (.xlsx)“ oder als CSV, ohne Kennwort."  # noqa: E501
            )
        )
    head = start[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    # HTML, also without its head, XML and JSON: no heading begins like that.
    if found or re.match(rb"<[!?a-z]|\[?\s*\{", head):
        raise NoTable(_not_a_table())


def _not_a_table() -> str:
    return _("Das ist keine Tabelle. Gebraucht wird eine CSV- oder eine XLSX-Datei, eine Zeile je Buch.")


def _check_zip(path: Path) -> None:
    """Look into the table of contents, before anything is unpacked."""
    try:
        with ZipFile(path) as archive:
            parts = archive.infolist()
            names = {part.filename for part in parts}
            if "mimetype" in names and b"opendocument" in archive.open("mimetype").read(200):
                raise NoTable(
                    _(
                        "Das ist eine OpenDocument-Datei (.ods). Öffne sie in LibreOffice und speichere sie als „Excel 2007–365 (.xlsx)“ oder als CSV."  # noqa: E501
                    )
                )
    except (BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError) as error:
        raise NoTable(_broken()) from error
    if "xl/workbook.xml" not in names:
        raise NoTable(_not_a_table())
    unpacked = sum(part.file_size for part in parts)
    texts = sum(part.file_size for part in parts if part.filename.lower().endswith(("sharedstrings.xml", "styles.xml")))
    packed_tight = any(
        part.file_size > _RATIO_FROM and part.file_size > _RATIO * max(1, part.compress_size) for part in parts
    )
    if unpacked > _LARGEST_UNPACKED or texts > _LARGEST_TEXTS or len(parts) > _MOST_PARTS or packed_tight:
        raise NoTable(
            _("Ausgepackt wäre diese Excel-Datei zu groß. Speichere nur das Blatt mit den Büchern, am besten als CSV.")
        )


def _broken() -> str:
    return _("Diese Excel-Datei ist beschädigt. Öffne sie in der Tabellenkalkulation und speichere sie neu.")


# ---- Text ----


def _encoding(path: Path, start: bytes) -> Encoding:
    if start.startswith(codecs.BOM_UTF8):
        return "utf-8"
    if start.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le"
    if start.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be"
    # UTF-16 without its mark: every other byte of western text is zero, and hardly any of the rest.
    half = max(1, len(start) // 2)
    first, second = start[0::2].count(0), start[1::2].count(0)
    if second > 0.6 * half and first < 0.1 * half:
        return "utf-16-le"
    if first > 0.6 * half and second < 0.1 * half:
        return "utf-16-be"
    # Archives, films and empty space on a disk have zeros everywhere.
    if first + second > len(start) // 4:
        raise NoTable(_not_a_table())
    odd = sum(start.count(byte) for byte in (*range(1, 9), *range(14, 27), *range(28, 32)))
    if odd > len(start) // 50:
        raise NoTable(_not_a_table())
    return "utf-8" if _is_utf8(path) else "cp1252"


def _is_utf8(path: Path) -> bool:
    """Whether it is UTF-8, perhaps with a damaged place here and there: more letters that fit than places that do not."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    bad = fine = 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            text = decoder.decode(chunk)
            if not text.isascii():
                # One that stands in the file itself is as good as any letter.
                lost = text.count("\ufffd") - chunk.count(b"\xef\xbf\xbd")
                bad += lost
                fine += len(text) - len(text.encode("ascii", "ignore")) - lost
    return bad == 0 or fine > 10 * bad


@contextmanager
def _text(path: Path, encoding: Encoding) -> Iterator[Iterator[str]]:
    """The lines of a text; what is not in its code becomes U+FFFD, which `rows` reports."""
    mark = {"utf-8": "utf-8-sig"}.get(encoding, encoding)
    with path.open("rb") as raw, io.TextIOWrapper(raw, mark, "replace") as file:
        yield _lines(file)


def _lines(file: IO[str]) -> Iterator[str]:
    first = True
    while line := file.readline(_LONGEST_LINE):
        if len(line) >= _LONGEST_LINE:
            raise NoTable(_not_a_table())
        yield without_nul(line.removeprefix("\ufeff") if first else line)
        first = False


def _separator(path: Path, encoding: Encoding) -> str:
    """The sign that cuts the first rows into the same number of cells, the more the better."""
    with _text(path, encoding) as lines:
        sample = list(islice(lines, 2 * _MOST_LINES))
    if sample and sample[0].lower().startswith("sep=") and sample[0][4:5] in SEPARATORS:
        return sample[0][4]

    def fits(separator: str) -> tuple[float, int]:
        widths = [len(row.cells) for row in _records(iter(sample), separator)]
        width, often = Counter(widths).most_common(1)[0] if widths else (1, 0)
        return (0.0, 0) if width < 2 else (round(often / len(widths), 1), width)

    return max(SEPARATORS, key=fits)


class _Tape:
    """Lines that can be given back: csv.reader takes them one by one, and what it took for one row may have been too many."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines, self._waiting = lines, deque[str]()
        self.taken: list[str] = []
        self.is_over = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self.taken) > _MOST_LINES:
            # The row ends here for the reader; it is torn, and all but its first line come again.
            raise StopIteration
        try:
            line = self._waiting.popleft() if self._waiting else next(self._lines)
        except StopIteration:
            self.is_over = True
            raise
        self.taken.append(line)
        return line

    def again(self) -> None:
        """Give back all but the first line of the row."""
        self._waiting.extendleft(reversed(self.taken[1:]))
        self.is_over = False


def _records(lines: Iterator[str], separator: str) -> Iterator[Row]:
    """The rows of a CSV text (RFC 4180, generously). A row whose quotation mark never ends costs that one line, not the rest."""
    tape, number = _Tape(lines), 0
    reader = csv.reader(tape, delimiter=separator)
    while True:
        tape.taken.clear()
        torn = False
        try:
            cells = next(reader)
        except StopIteration:
            if not tape.taken:
                return
            cells, torn = [], True
        except csv.Error:
            cells, torn = [], True
        over_lines = len(tape.taken) > 1
        if torn or len(tape.taken) > _MOST_LINES or (over_lines and (tape.is_over or _is_loose(tape.taken, separator))):
            torn, cells = True, [tape.taken[0].strip()] if tape.taken else []
            tape.again()
            reader = csv.reader(tape, delimiter=separator)
        elif tape.is_over and tape.taken and _is_open(tape.taken[0], separator):
            torn, cells = True, [tape.taken[0].strip()]
        number += 1
        if number == 1 and cells and cells[0].lower().startswith("sep="):
            continue
        row = _row(number, [meant(cell) for cell in cells], torn)
        if row:
            yield row


def _is_loose(lines: list[str], separator: str) -> bool:
    """Whether in a row over several lines something else than a separator stands behind a closing quotation mark. Then one
    is missing, and what looks like its end is the beginning of a later cell."""
    try:
        list(csv.reader(lines, delimiter=separator, strict=True))
    except csv.Error:
        return True
    return False


def _is_open(line: str, separator: str) -> bool:
    """Whether the last line of a file ends inside of quotation marks."""
    try:
        list(csv.reader([line], delimiter=separator, strict=True))
    except csv.Error as error:
        return "unexpected end" in str(error)
    return False


def _row(number: int, cells: list[str], torn: bool = False) -> Row | None:
    while cells and not cells[-1].strip():
        cells.pop()
    return Row(number, cells, torn) if cells else None


# ---- XLSX ----


@contextmanager
def _sheet(path: Path) -> Iterator[Iterator[Row]]:
    """The first sheet that holds something."""
    _check_zip(path)
    # Opened here: openpyxl itself would judge the file by its name.
    with path.open("rb") as file:
        with _plain_words():
            from openpyxl import load_workbook

            book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
            for sheet in book.worksheets:
                # Some programs say "A1" whatever the size; openpyxl would believe it and leave out the rest.
                sheet.reset_dimensions()
            sheet = next((sheet for sheet in book.worksheets if any(True for _row in _cells(sheet))), None)
        yield _rows(sheet) if sheet is not None else iter(())


@contextmanager
def _plain_words() -> Iterator[None]:
    """What openpyxl, zip and XML say to broken files. defusedxml's refusals of entities are ValueErrors."""
    try:
        yield
    except NoTable:
        raise
    except (
        BadZipFile,
        zlib.error,
        EOFError,
        SyntaxError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        OSError,
        RuntimeError,  # a zip with a password, or packed in a way that Python does not know
        OverflowError,
    ) as error:
        raise NoTable(_broken()) from error


def _cells(sheet: Any) -> Iterator[Row]:
    for number, values in enumerate(sheet.iter_rows(values_only=True, max_col=MOST_COLUMNS + 1), 1):
        if number > _MOST_ROWS:
            raise NoTable(_broken())
        if values.count(None) == len(values):
            # openpyxl fills gaps, be they a million rows: they are passed over without a look at each cell.
            continue
        row = _row(number, [meant(_as_text(value)) for value in values])
        if row:
            yield row


def _rows(sheet: Any) -> Iterator[Row]:
    with _plain_words():
        yield from _cells(sheet)


def _as_text(value: Any) -> str:
    """A cell's value as a person would write it. A number that spreadsheets rounded stays recognisable as one."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case int():
            return _number(value)
        case float():
            return _number(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        case datetime():
            return value.date().isoformat() if value.time() == time.min else value.isoformat(" ")
        case date() | time():
            return value.isoformat()
    return without_nul(str(value))[: LONGEST_CELL + 1]


def _number(value: int) -> str:
    # 9.78044E+12 read back from a text is 9780440000000: its last digits are gone, whatever the check digit says.
    return f"{value:.5E}" if value >= 10**11 and value % 1000 == 0 else str(value)
