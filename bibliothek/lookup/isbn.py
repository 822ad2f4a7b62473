"""ISBNs as people, scanners and spreadsheets give them.

The numbers follow ISO 2108; isbnlib computes check digits and hyphens. Stored and compared are always the 13 digits.
"""

from __future__ import annotations

import re
import unicodedata

import msgspec

from bibliothek.codes import AIM_PREFIX
from bibliothek.i18n import _
from bibliothek.problems import Problem

_LONGEST = 400
_SHOWN = 40


class Isbn(msgspec.Struct, frozen=True):
    """A number with a right check digit. A placeholder (0000000000 and its like) is never looked up: many books have it."""

    isbn13: str
    placeholder: bool = False


class NotAnIsbn(Problem):
    """The input is no ISBN; its subclasses say what it is instead."""

    status = 422
    code = "not-an-isbn"

    def __init__(self, sentence: str | None = None, **more: object) -> None:
        super().__init__(
            sentence
            or _("Das ist keine ISBN. Sie hat 10 oder 13 Ziffern und steht beim Strichcode oder im Impressum."),
            **more,
        )


class WrongCheckDigit(NotAnIsbn):
    """It looks like an ISBN, but one digit is wrong or two have changed places."""

    code = "isbn-check-digit"

    def __init__(self, text: str) -> None:
        super().__init__(
            _(
                "In der ISBN „{text}“ stimmt etwas nicht: Eine Ziffer ist falsch oder vertauscht. "
                "Vergleiche sie mit dem Buch oder scanne noch einmal.",
                text=text,
            )
        )


class WrongLength(NotAnIsbn):
    """Digits, but too few or too many."""

    code = "isbn-length"

    def __init__(self, text: str, digits: int) -> None:
        super().__init__(
            _(
                "„{text}“ hat {n} Ziffern. Eine ISBN hat 10 oder 13. Bitte vergleiche mit dem Buch.",
                text=text,
                n=digits,
            )
        )


class ZerosLost(NotAnIsbn):
    """Eight digits: perhaps an ISBN whose two leading zeros a spreadsheet dropped. `suggestion` is a question to ask."""

    code = "isbn-zeros-lost"

    def __init__(self, text: str, suggestion: str) -> None:
        super().__init__(
            _(
                "„{text}“ hat nur acht Ziffern. Fehlen vorn zwei Nullen, ist {isbn} gemeint. Bitte vergleiche mit dem Buch.",
                text=text,
                isbn=hyphenated(suggestion),
            ),
            suggestion=suggestion,
        )


class RoundedNumber(NotAnIsbn):
    """A spreadsheet wrote the ISBN as 9,78355E+12: the last digits are gone."""

    code = "isbn-rounded"

    def __init__(self, text: str) -> None:
        super().__init__(
            _(
                "„{text}“ ist von einer Tabelle gerundet, die letzten Ziffern sind verloren. "
                "Stelle die Spalte auf „Text“ und trage die ISBN neu ein.",
                text=text,
            )
        )


class PrintedMusic(NotAnIsbn):
    """An ISMN (979-0, ISO 10957)."""

    code = "ismn"

    def __init__(self, text: str) -> None:
        super().__init__(
            _("„{text}“ ist die Nummer von Noten (ISMN), keine ISBN. Nimm sie mit ihrem Titel auf.", text=text)
        )


class OtherBarcode(NotAnIsbn):
    """The EAN of some other article."""

    code = "other-barcode"

    def __init__(self, text: str) -> None:
        super().__init__(
            _(
                "„{text}“ ist ein anderer Strichcode, keine ISBN. Die ISBN eines Buchs beginnt mit 978 oder 979.",
                text=text,
            )
        )


class PlaceholderIsbn(NotAnIsbn):
    """A right check digit, but no book's own number."""

    code = "isbn-placeholder"

    def __init__(self, text: str) -> None:
        super().__init__(
            _("„{text}“ ist nur ein Platzhalter. Hat das Buch keine eigene ISBN, gib seinen Titel ein.", text=text)
        )


def read_isbn(text: str) -> Isbn:
    """The ISBN in a text: any hyphens, labels, `="…"`, an address, a price or an add-on of the barcode beside it.

    Raises NotAnIsbn, mostly one of its subclasses, with a sentence that says what to do.
    """
    clean = _clean(text)
    found = _candidates(clean)
    for digits in found:
        isbn13 = _right(digits)
        if isbn13:
            return Isbn(isbn13, _is_placeholder(isbn13))
    raise _refusal(clean, found)


def book_isbn(text: str) -> str:
    """The 13 digits of an ISBN that may be looked up. Raises NotAnIsbn, for placeholders too (PlaceholderIsbn)."""
    isbn = read_isbn(text)
    if isbn.placeholder:
        raise PlaceholderIsbn(_shown(text))
    return isbn.isbn13


def isbns_in(text: str) -> list[str]:
    """All ISBNs of a free text as 13 digits, without doubles and placeholders, in order."""
    right = (_right(digits) for digits in _in_text(_clean(text)))
    return list(dict.fromkeys(isbn13 for isbn13 in right if isbn13 and not _is_placeholder(isbn13)))


def first_isbn(text: str) -> str | None:
    """The ISBN that stands first in a MARC 020 $a (`379101949X (Gb.)`), as 13 digits; None if there is none."""
    token = re.split(r"[\s(:;,]", _clean(text), maxsplit=1)[0]
    return _right(token.replace("-", "")) or None


def isbn10(isbn13: str) -> str | None:
    """The ISBN-10 of 13 digits; None for 979, which has none, and for placeholders."""
    if not isbn13.startswith("978") or _is_placeholder(isbn13):
        return None
    import isbnlib

    return isbn13[3:12] + str(isbnlib.check_digit10(isbn13[3:12]))


def hyphenated(isbn13: str) -> str:
    """With hyphens, as people read it; as it came where the range is newer than isbnlib's table."""
    import isbnlib

    return isbnlib.mask(isbn13) or isbn13


# Hyphens, dashes, the minus and the soft hyphen; then what cannot be seen at all.
_DASHES = re.compile("[\u00ad\u2010-\u2015\u2212\ufe58\ufe63]")
# The hyphen of a scanner that is set to an American keyboard where the keyboard is German.
_SHARP_S = re.compile(r"(?<=\d)ß(?=[\dXx])")
_UNSEEN = re.compile("[\u200b-\u200f\u2060\ufeff]")
# "ISBN-13:" is a label; the 10 or 13 in it must not be swallowed where it is the number that begins.
_LABEL = re.compile(r"E?-?ISBN(?:[- ]?1[03](?=[:.\s]))?")
# Not in the middle of a longer number, and the ISBN-10 not at the end of a hyphenated ISBN-13. Behind an EAN-13 may stand
# the add-on of two or five digits that a scanner reads along.
_THIRTEEN = r"(?<!\d)97[89](?:[ -]?\d){10}(?=(?:\d{2}|\d{5})?(?!-?\d))"
_TEN = r"(?<![\dA-Z])(?<!\d[ -])\d(?:[ -]?\d){8}[ -]?[\dX](?![\dA-Z]|[ -]\d)"
_SHAPES = re.compile(f"{_THIRTEEN}|{_TEN}")
_ROUNDED = re.compile(r"\d(?:[.,]\d+)?E\+?\d+")
_WHOLE = re.compile(r"[\dX]+")


def _clean(text: str) -> str:
    """Upper case, one kind of hyphen and of digits, without labels, scanner prefix and the `.0` of spreadsheets."""
    if len(text) <= 13 and text.isascii() and text.isdigit():
        # What scanners and most tables say: nothing to clean.
        return text
    clean = _DASHES.sub("-", _UNSEEN.sub("", unicodedata.normalize("NFKC", text[:_LONGEST])))
    clean = AIM_PREFIX.sub("", _SHARP_S.sub("-", clean.strip())).upper()
    return re.sub(r"(?<=\d)[.,]0+$", "", _LABEL.sub(" ", clean)).strip()


def _candidates(clean: str) -> list[str]:
    """What has the shape of an ISBN, without hyphens. Nine digits alone are an SBN, whose leading zero got lost."""
    alone = _bare(clean)
    if len(alone) == 9 and _WHOLE.fullmatch(alone):
        return ["0" + alone]
    return _in_text(clean)


def _in_text(clean: str) -> list[str]:
    return [re.sub("[ -]", "", shape) for shape in _SHAPES.findall(clean)]


def _bare(clean: str) -> str:
    """Without hyphens, spaces, and the quotes and brackets that programs put around."""
    return re.sub(r"""[\s\-="'\[\]()<>.]""", "", clean)


def _right(digits: str) -> str | None:
    """The 13 digits if the check digit is right and the number is a book's."""
    import isbnlib

    if re.fullmatch(r"\d{9}[\dX]", digits) and isbnlib.check_digit10(digits[:9]) == digits[9]:
        body = "978" + digits[:9]
        return body + str(isbnlib.check_digit13(body))
    if re.fullmatch(r"97[89]\d{10}", digits) and isbnlib.check_digit13(digits[:12]) == digits[12]:
        return None if digits.startswith("9790") else digits
    return None


def _is_placeholder(isbn13: str) -> bool:
    """One digit nine times, or the 123456789 of sample barcodes."""
    body = isbn13[3:12]
    return len(set(body)) == 1 or body == "123456789"


def _refusal(clean: str, found: list[str]) -> NotAnIsbn:
    shown, alone = _shown(clean), _bare(clean)
    if not clean:
        return NotAnIsbn(_("Bitte gib eine ISBN ein."))
    if _ROUNDED.fullmatch(clean.strip("\"'= ")):
        return RoundedNumber(shown)
    if any(digits.startswith("9790") for digits in found):
        return PrintedMusic(shown)
    if found and len(alone) != 9:
        return WrongCheckDigit(shown)
    return _other_number(shown, alone) if alone.isdecimal() else NotAnIsbn()


def _other_number(shown: str, digits: str) -> NotAnIsbn:
    lost = _right("00" + digits) if len(digits) == 8 else None
    if lost:
        return ZerosLost(shown, lost)
    if len(digits) == 13:
        return OtherBarcode(shown)
    return WrongLength(shown, len(digits))


def _shown(text: str) -> str:
    """What was typed, short enough for a sentence."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[:_SHOWN] + "…"
