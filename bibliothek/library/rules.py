"""What a library may be called, and the code that keeps its first run for whoever started it."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata

from bibliothek.codes import ALPHABET

LONGEST_NAME = 80
LOAN_DAYS = (1, 365)

_LENGTH = 8
_LOOK_ALIKES = str.maketrans("OIL", "011")


def setup_code(secret_key: bytes) -> str:
    """The code of the first run, as `ABCD-1234`: 29^8 possibilities, half a trillion.

    Derived from the secret key, so that every process of a library knows the same one and none has to store it.
    """
    return code_from(secret_key, "set-up code")


def code_from(secret_key: bytes, purpose: str) -> str:
    """A code to read off one screen and type on another, as `ABCD-1234`: the same for the same purpose, and nobody without the key
    can make it."""
    number = int.from_bytes(hmac.digest(secret_key, purpose.encode(), hashlib.sha256))
    symbols = ""
    for _symbol in range(_LENGTH):
        number, value = divmod(number, len(ALPHABET))
        symbols += ALPHABET[value]
    return f"{symbols[:4]}-{symbols[4:]}"


def is_setup_code(typed: str, secret_key: bytes) -> bool:
    """Whether somebody typed the code; case, spaces, hyphens and look-alikes do not matter. Takes as long for any text."""
    return hmac.compare_digest(bare(typed).encode(), bare(setup_code(secret_key)).encode())


def bare(text: str) -> str:
    """A typed code without case, spaces, hyphens and look-alikes."""
    shown = unicodedata.normalize("NFKC", text[:100]).upper()
    return "".join(sign for sign in shown if sign.isalnum()).translate(_LOOK_ALIKES)
