"""What is wrong with which field of a call, from what msgspec and Litestar found, in the words of the library."""

from __future__ import annotations

import re
from typing import Any

from litestar.handlers import BaseRouteHandler

from bibliothek.i18n import N_, _

_KINDS = {
    "str": N_("ein Text"),
    "int": N_("eine ganze Zahl"),
    "float": N_("eine Zahl"),
    "bool": N_("true oder false"),
    "array": N_("eine Liste"),
    "object": N_("ein JSON-Objekt"),
}
_MISSING = re.compile(r"Object missing required field `(.+)`")
_KIND = re.compile(r"Expected `(\w+)(?: \| null)?`(?:, got .*)?")
_LIMIT = re.compile(r"Expected `int` (>=|<=) (\d+)")


def field_errors(found: Any, handler: BaseRouteHandler) -> dict[str, str]:
    """A sentence for each field, from Litestar's list of `{message, key}`. Fields are named as the caller names them."""
    if not isinstance(found, list):
        return {}
    return dict(_error(item.get("key", "data"), item.get("message", ""), handler) for item in found)


def _error(key: str, message: str, handler: BaseRouteHandler) -> tuple[str, str]:
    within = "" if key == "data" else f"{key}."
    missing = _MISSING.fullmatch(message)
    if missing:
        return within + missing[1], _("Diese Angabe fehlt.")
    if key == "data":
        # Without any body, the message is the name of our own parameter.
        return "body", _("Diese Angabe fehlt.") if message == "'data'" else _sentence(message)
    return _sent_as(key, handler), _sentence(message)


def _sent_as(key: str, handler: BaseRouteHandler) -> str:
    """The name in the address, where our parameter has another."""
    parameter = handler.parsed_fn_signature.parameters.get(key)
    return getattr(parameter and parameter.kwarg_definition, "name", None) or key


def _sentence(message: str) -> str:
    limit = _LIMIT.fullmatch(message)
    if limit and limit[1] == ">=":
        return _("Die Zahl ist zu klein: mindestens {n}.", n=limit[2])
    if limit:
        return _("Die Zahl ist zu groß: höchstens {n}.", n=limit[2])
    kind = _KIND.fullmatch(message)
    if kind and kind[1] in _KINDS:
        return _("Erwartet wird {kind}.", kind=_(_KINDS[kind[1]]))
    if "enum value" in message:
        return _("Das ist keiner der möglichen Werte.")
    if "encoded date" in message:
        return _("Ein Datum steht hier als JJJJ-MM-TT.")
    return _("Das passt hier nicht.")
