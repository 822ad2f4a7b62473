"""The codes on paper: make them, check them, read them.

Alphabet, check symbol and kinds are printed on labels and cards for ever; contract: "Codes on paper".
"""

from __future__ import annotations

import enum
import hashlib
import operator
import re
import secrets
from collections.abc import Callable
from typing import Literal

import msgspec

from bibliothek.letters import normalized

# 29 symbols, a prime. No I L O Q U (look-alikes), no Y Z (swapped between keyboard layouts).
ALPHABET = "0123456789ABCDEFGHJKMNPRSTVWX"
_VALUE = {symbol: value for value, symbol in enumerate(ALPHABET)}
_LOOK_ALIKES = str.maketrans("OIL", "011")


class Kind(enum.StrEnum):
    """What a code is printed on; its first letter."""

    COPY = "B"
    SHELF = "R"
    CARD = "M"


# Symbols between the kind letter and the check symbol. 27 symbols of a card are more than 128 random bits.
LENGTH = {Kind.COPY: 5, Kind.SHELF: 3, Kind.CARD: 27}
_KINDS = {str(kind): kind for kind in Kind}
_NAMES: dict[Kind, Literal["copy", "shelf", "card"]] = {Kind.COPY: "copy", Kind.SHELF: "shelf", Kind.CARD: "card"}


# Cards that tell the tablet what to do, the same in every library: `K`, three symbols, the check symbol. Not a kind of its own in
# `read`: five letters that begin with K are mostly a word, so nothing but these four is one.
COMMANDS = {"done": "KFRT", "undo": "KREV", "language": "KSPR", "large": "KGRT"}


class Scanned(msgspec.Struct, frozen=True):
    """What a text turned out to be. `value` is the canonical code, the 13 digits of an ISBN, the name of a command (`COMMANDS`), or
    the text as it came.

    Only `lookup.scan` says "isbn"; "misread" has the shape of a code (or of an ISBN), but its check symbol is wrong.
    """

    kind: Literal["copy", "shelf", "card", "command", "isbn", "misread", "unknown"]
    value: str


def check_symbol(symbols: str) -> str:
    """The symbol that makes Σ i·vᵢ ≡ 0 (mod 29), `symbols` numbered from 1 and the check symbol last."""
    n = len(symbols) + 1
    total = sum(map(operator.mul, map(_VALUE.__getitem__, symbols), range(1, n)))
    return ALPHABET[-total * pow(n, -1, 29) % 29]


def command_code(name: str) -> str:
    """The code on the card of a command (a name of `COMMANDS`)."""
    return COMMANDS[name] + check_symbol(COMMANDS[name][1:])


_COMMAND_OF = {command_code(name): name for name in COMMANDS}


def new_code(kind: Kind, choose: Callable[[], int] | None = None) -> str:
    """A random code; `choose` yields values 0 to 28 in tests."""
    pick = choose or (lambda: secrets.randbelow(29))
    symbols = "".join(ALPHABET[pick()] for _ in range(LENGTH[kind]))
    return kind + symbols + check_symbol(symbols)


def new_card_code(seed: bytes | None = None) -> str:
    """A member card's code, random, or the same one for the same secret `seed` of 16 bytes or more."""
    if seed is None:
        return new_code(Kind.CARD)
    if len(seed) < 16:
        raise ValueError("a seed needs 16 bytes")
    # Bytes from 232 = 8 * 29 on are left out, so that every symbol is equally likely.
    stream = (byte % 29 for byte in hashlib.shake_256(seed).digest(256) if byte < 232)
    return new_code(Kind.CARD, lambda: next(stream))


def read(text: str) -> Scanned:
    """Read a code as people and scanners give it: any case, look-alikes, spaces and hyphens, or `…/c/<code>` of any host.

    Never raises; a text of whatever length costs no more than its last 400 characters.
    """
    code = _symbols(text)
    if code in _COMMAND_OF:
        return Scanned("command", _COMMAND_OF[code])
    kind = _KINDS.get(code[:1])
    if kind is None or len(code) != LENGTH[kind] + 2 or not (code.isascii() and code.isalnum()):
        return Scanned("unknown", text.strip())
    if not _VALUE.keys() >= set(code[1:]) or check_symbol(code[1:-1]) != code[-1]:
        return Scanned("misread", code)
    return Scanned(_NAMES[kind], code)


# A card's code in one word, whatever stands before it, perhaps with symbols wrong or missing, be it the first. Digits here
# and there in so long a word make nobody's name and no title; in words or groups put together it takes more of them, and
# without the M at least two groups in which digits and letters are mixed. Words are found first and looked into one by
# one, and only what is short enough is matched as a whole: so the time grows with the text, and not with its square.
_WORD = re.compile("[0-9A-Z]+")
_SHORTEST_CARD, _LONGEST_CARD = 22, 35
_CARD_SIGNS = LENGTH[Kind.CARD] + 2
_LETTERS_IN_DIGITS = re.compile("[0-9][A-Z]+[0-9]")
_CARD_IN_GROUPS = re.compile("M(?=[A-Z]*(?:[0-9]+[A-Z]+){3})[0-9A-Z]{24,34}")
_CARD_WITHOUT_M = re.compile("(?=[A-Z]*(?:[0-9]+[A-Z]+){3})[0-9A-Z]{22,34}")


def holds_card(text: str) -> bool:
    """Whether a member card's code stands in `text`, or what nearly is one: misread, or typed in groups.

    Such a text must neither be kept nor shown: whoever can read the code has the card. `text` may be of any length.
    """
    if len(text) < _SHORTEST_CARD and text.isascii():  # other signs may become several letters below
        return False
    clean = normalized("NFKC", text).upper()
    words = _WORD.findall(clean)
    return (
        any(len(word) >= _SHORTEST_CARD and _is_card_or_nearly(word) for word in words)
        or _is_in_groups(_BETWEEN.sub("", clean))
        or _is_in_mixed_groups(words)
        or read(text).kind == "card"
    )


def _is_card_or_nearly(word: str) -> bool:
    # Of 10,000 cards three have their few digits side by side, or none: then only the check symbol tells.
    return _LETTERS_IN_DIGITS.search(word) is not None or read(word[-_CARD_SIGNS:]).kind == "card"


def _is_in_groups(joined: str) -> bool:
    return len(joined) <= _LONGEST_CARD and _CARD_IN_GROUPS.fullmatch(joined) is not None


def _is_in_mixed_groups(groups: list[str]) -> bool:
    if sum(map(len, groups)) > _LONGEST_CARD:
        return False
    mixed = [group for group in groups if not group.isalpha() and not group.isdigit()]
    return len(mixed) > 1 and _CARD_WITHOUT_M.fullmatch("".join(groups)) is not None


# A scanner set to another keyboard layout types `/` and `:` as other signs, so whatever stands between letters and digits
# is a separator. The last `c` segment counts; behind the code may follow a slash, a query or a fragment.
_IN_ADDRESS = re.compile(r".*[^0-9A-Z]C[^0-9A-Z]+([0-9A-Z]+)(?:[^0-9A-Z].*)?", re.DOTALL)
# Barcode readers may be set to send the kind of barcode first (AIM identifier, ISO/IEC 15424): `]Q3`, `]C1` …, which one that is
# set to an American keyboard makes `+Q3` where the keyboard is German.
AIM_PREFIX = re.compile(r"^[\]+][A-Za-z][0-9A-Za-z]")
_BETWEEN = re.compile(r"[\s\-\u2010-\u2015\u00ad]")


def _symbols(text: str) -> str:
    """The letters and digits that may be a code, in upper case, look-alikes replaced after the kind letter."""
    clean = AIM_PREFIX.sub("", normalized("NFKC", text[-400:]).strip()).upper()
    found = _IN_ADDRESS.fullmatch(clean)
    code = found.group(1) if found else _BETWEEN.sub("", clean)
    return code[:1] + code[1:].translate(_LOOK_ALIKES)
