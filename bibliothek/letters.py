"""What people type: letters that not every keyboard has, how many into a search, and signs that cannot be seen."""

from __future__ import annotations

import unicodedata
from typing import Literal

# More than anybody types into a search field; what comes after is not looked for.
LONGEST_QUERY = 200
MOST_WORDS = 12

# Small letters that Unicode does not take apart (NFKD), in the spelling that people type instead: for `str.translate`.
SPELLED = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ŧ": "t", "ı": "i"}
)

# No letter of any language bears more marks (UAX #15, Stream-Safe Text Format).
_MOST_MARKS = 30
# Marks, too, once they are taken apart, although Unicode does not class them as such.
_MARKS = "\u0f73\u0f75\u0f81\uff9e\uff9f"


def normalized(form: Literal["NFC", "NFKC", "NFKD"], text: str) -> str:
    """`unicodedata.normalize` for a text of any length; of more than 30 marks on one letter the rest is dropped.

    Marks are sorted in a time that grows with the square of their number: a million of them would take hours.
    """
    if text.isascii():
        return text
    kept, marks = [], 0
    for sign in text:
        marks = marks + 1 if unicodedata.combining(sign) or sign in _MARKS else 0
        if marks <= _MOST_MARKS:
            kept.append(sign)
    return unicodedata.normalize(form, "".join(kept))


def seen(text: str) -> str:
    """`text` in one line: white space folded, characters that cannot be seen taken out."""
    return " ".join("".join(sign for sign in text if sign.isprintable() or sign.isspace()).split())
