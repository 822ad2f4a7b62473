"""Reading JSON in which nobody promises what stands where: whatever has another type than expected counts as missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

JSON = ("application/json", "text/json", "application/ld+json")


class BadAnswer(Exception):
    """What came is not what the source promises; the text is for the log."""


def decode(raw: bytes) -> dict[str, Any]:
    """The object that a source answered with. Raises BadAnswer for anything else."""
    try:
        answer = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadAnswer("not JSON") from error
    if not isinstance(answer, dict):
        raise BadAnswer("not an object")
    return answer


def text_in(value: object) -> str:
    return value if isinstance(value, str) else ""


def texts_in(value: object) -> list[str]:
    """The texts of a list, or the one text that stands there without a list."""
    if isinstance(value, str):
        return [value] if value else []
    return [entry for entry in value if isinstance(entry, str) and entry] if isinstance(value, list) else []


def object_in(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def objects_in(value: object) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def names_in(value: object) -> Iterable[str]:
    """The names of `[{"name": …}, …]`, or of plain texts."""
    entries = value if isinstance(value, list) else []
    return filter(None, (text_in(entry) or text_in(object_in(entry).get("name")) for entry in entries))
