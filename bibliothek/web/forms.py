"""Reading a form: a struct in; its values, or all errors at once, out."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

import msgspec

from bibliothek.i18n import _
from bibliothek.letters import seen
from bibliothek.problems import Invalid, Problem

S = TypeVar("S", bound=msgspec.Struct)

# Day, month and year, as in 31.1.2026 and 31. 01. 2026.
GERMAN_DATE = re.compile(r"([0-9]{1,2})\. ?([0-9]{1,2})\. ?([0-9]{4})")


class BadForm(Invalid):
    """A form with errors: `errors` maps field names to sentences; the page shows them all and keeps what was typed."""

    code = "bad-form"

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(_("Bitte sieh dir die markierten Felder noch einmal an."))
        self.errors = errors


class Unreadable(Invalid):
    """The body is no form, or not in UTF-8."""

    def __init__(self) -> None:
        super().__init__(_("Die Eingaben sind nicht lesbar angekommen. Bitte versuche es noch einmal."))


class Errors(dict[str, str]):
    """Errors of a form as they are found, field by field, so that all of them are said at once."""

    @contextmanager
    def at(self, field: str) -> Iterator[None]:
        """A refusal inside is an error of `field`, or of the fields that it names itself."""
        try:
            yield
        except Problem as problem:
            self.update(problem.errors or {field: problem.sentence})

    def refuse(self) -> None:
        """Raises BadForm if there are any."""
        if self:
            raise BadForm(dict(self))


def parse_form(body: bytes) -> dict[str, list[str]]:
    """The fields of an urlencoded body (WHATWG URL, 5.1): name to all its values, in order, spaces at the ends cut off.

    Raises Invalid when it is no readable form or holds control characters that no keyboard makes.
    """
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=2000)
    except (UnicodeDecodeError, ValueError) as error:
        raise Unreadable from error
    return fields_from(pairs)


def fields_from(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The fields of a body that is read already. Raises Invalid as `parse_form` does."""
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        if "\x00" in value:
            raise Invalid(_("Die Eingaben enthalten unlesbare Zeichen. Bitte tippe sie neu."))
        fields.setdefault(name, []).append(value.strip())
    return fields


def read_form(struct: type[S], fields: dict[str, list[str]]) -> S:
    """The fields as `struct`: text that is empty, or only looks so, is None where None is allowed; a date is read in German,
    too. Raises BadForm with all errors at once.

    Limits are `msgspec.Meta` annotations; `Meta(extra={"error": …})` gives a field a sentence of its own.
    """
    values: dict[str, Any] = {}
    errors: dict[str, str] = {}
    hints = get_type_hints(struct, include_extras=True)
    for field in msgspec.structs.fields(struct):
        annotation = hints[field.name]
        given = fields.get(field.encode_name, [])
        if _is_list(annotation):
            values[field.name] = given
            continue
        text = given[-1] if given else ""
        if not seen(text):
            if field.required and not _allows_none(annotation):
                errors[field.encode_name] = _("Bitte fülle dieses Feld aus.")
            elif field.required:
                values[field.name] = None
            continue
        try:
            given_as = _iso_date(text) if date in _types(annotation) else text
            values[field.name] = msgspec.convert(given_as, annotation, strict=False)
        except msgspec.ValidationError as error:
            errors[field.encode_name] = _sentence(annotation, str(error))
    if errors:
        raise BadForm(errors)
    return struct(**values)


def _iso_date(text: str) -> str:
    """A date as people write it in German as ISO 8601, which date fields of browsers send; anything else as it is."""
    found = GERMAN_DATE.fullmatch(text)
    return f"{found[3]}-{found[2]:>02}-{found[1]:>02}" if found else text


def _is_list(annotation: Any) -> bool:
    return get_origin(_bare(annotation)) is list


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _allows_none(annotation: Any) -> bool:
    bare = _bare(annotation)
    return get_origin(bare) in (Union, types.UnionType) and type(None) in get_args(bare)


def _metas(annotation: Any) -> list[msgspec.Meta]:
    found = list(annotation.__metadata__) if get_origin(annotation) is Annotated else []
    for part in get_args(_bare(annotation)):
        found += _metas(part)
    return found


def _types(annotation: Any) -> list[Any]:
    bare = _bare(annotation)
    if get_origin(bare) in (Union, types.UnionType):
        return [_bare(part) for part in get_args(bare)]
    return [bare]


def _sentence(annotation: Any, reason: str) -> str:
    """A German sentence for what is wrong with one field, from its type and limits (`reason` is msgspec's wording)."""
    metas = _metas(annotation)
    own = next((meta.extra["error"] for meta in metas if meta.extra and "error" in meta.extra), None)
    if own:
        return _(own)
    kinds = _types(annotation)
    if int in kinds:
        return _whole_number(metas)
    if date in kinds:
        return _("Bitte gib ein Datum an, zum Beispiel 24.12.2026.")
    if str in kinds and "length <=" in reason:
        longest = next((meta.max_length for meta in metas if meta.max_length), 0)
        return _("Das ist zu lang: höchstens {n} Zeichen.", n=longest)
    return _("Diese Angabe passt hier nicht.")


def _whole_number(metas: list[msgspec.Meta]) -> str:
    least = next((meta.ge for meta in metas if meta.ge is not None), None)
    most = next((meta.le for meta in metas if meta.le is not None), None)
    if least is not None and most is not None:
        return _("Bitte gib eine ganze Zahl von {least} bis {most} an.", least=least, most=most)
    return _("Bitte gib eine ganze Zahl an.")
