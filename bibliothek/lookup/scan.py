"""Whatever was scanned: a code on paper or an ISBN."""

from __future__ import annotations

from bibliothek import codes
from bibliothek.codes import Scanned
from bibliothek.lookup.isbn import NotAnIsbn, WrongCheckDigit, read_isbn


def read_scan(text: str) -> Scanned:
    """What the one scan field was given; never raises.

    "misread" has the shape of a code or an ISBN with a wrong check symbol; a placeholder ISBN is "unknown", because it
    belongs to no book.
    """
    scanned = codes.read(text)
    if scanned.kind != "unknown":
        return scanned
    try:
        isbn = read_isbn(text)
    except WrongCheckDigit:
        return Scanned("misread", scanned.value)
    except NotAnIsbn:
        return scanned
    return scanned if isbn.placeholder else Scanned("isbn", isbn.isbn13)
