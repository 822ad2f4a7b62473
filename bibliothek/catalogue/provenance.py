"""Where each field of a title came from. What a person typed stays: a source may fill gaps and renew what a source said.

Pure but for the last two functions. A title keeps the sources of its fields in `Title.origins`; a field without one is as good
as typed, and a gap that a person left on purpose has "person" for its source.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from bibliothek.catalogue.fields import Origin, TitleFields
from bibliothek.catalogue.models import Title
from bibliothek.catalogue.rules import MOST_SUBJECTS, checked, checked_origin
from bibliothek.catalogue.words import fold

PERSON = "person"
SUBJECTS = "subjects"
# The fields of a title that have a source, in the order of the title page.
FIELDS = (*TitleFields.__struct_fields__, SUBJECTS)


class Renewed(msgspec.Struct, frozen=True):
    """What a look-up makes of a title: `fields` and `subjects` as they may become without asking anybody, `changed` names
    what differs, `offered` what a person must decide because somebody typed it."""

    fields: TitleFields
    subjects: tuple[str, ...]
    changed: tuple[str, ...]
    offered: tuple[str, ...]


def values_of(fields: TitleFields, subjects: tuple[str, ...]) -> dict[str, Any]:
    """Every field that has a source, by its name; None and () are gaps."""
    return {**{name: getattr(fields, name) for name in TitleFields.__struct_fields__}, SUBJECTS: subjects}


def is_gap(value: Any) -> bool:
    return value in (None, ())


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the fields whose values differ."""
    return tuple(name for name in FIELDS if old[name] != new[name])


def source_of(name: str, origin: Origin) -> str:
    """Who says what this field holds."""
    return origin.fields.get(name) or origin.source or PERSON


def typed_over(fields: TitleFields, offered: TitleFields, origin: Origin) -> Origin:
    """The origin of a form that offered a record: what was left as it was came from the source, the rest from a person."""
    typed = {name: PERSON for name in TitleFields.__struct_fields__ if getattr(fields, name) != getattr(offered, name)}
    return msgspec.structs.replace(origin, fields={**origin.fields, **typed})


def renewed(
    fields: TitleFields,
    subjects: tuple[str, ...],
    sources: Mapping[str, str],
    found: TitleFields,
    origin: Origin,
    taken: Iterable[str] = (),
) -> Renewed:
    """What becomes of a title whose fields have these `sources`, now that `found` was looked up.

    `taken` are the fields for which a person took the new value. ISBNs stay: they are on the book, and asked for. Subjects are
    only ever added to.
    """
    found, origin = checked(found), checked_origin(origin)
    old = values_of(fields, subjects)
    new = {**values_of(found, united_subjects(subjects, origin.subjects)), "isbns": fields.isbns}
    kept, offered = dict(old), []
    for name in changes(old, new):
        if is_gap(new[name]):
            continue
        source = sources.get(name)
        if name in taken or (source != PERSON and (source or is_gap(old[name]))):
            kept[name] = new[name]
        else:
            offered.append(name)
    named = kept.pop(SUBJECTS)
    became = TitleFields(**kept)
    return Renewed(became, named, changes(old, values_of(became, named)), tuple(offered))


def united_subjects(ours: tuple[str, ...], theirs: Iterable[str]) -> tuple[str, ...]:
    """Both, without doubles of another spelling."""
    known = {tuple(fold(subject)) for subject in ours}
    added: dict[tuple[str, ...], str] = {}
    for subject in theirs:
        if tuple(fold(subject)) not in known:
            added.setdefault(tuple(fold(subject)), subject)
    return (*ours, *added.values())[:MOST_SUBJECTS]


class FieldOrigin(msgspec.Struct, frozen=True):
    """Who says what a field holds, and since when: the name of a source, or "person" for what somebody typed."""

    source: str
    at: datetime


def packed(origins: Mapping[str, FieldOrigin]) -> str | None:
    """The sources of a title's fields as `Title.origins` keeps them: fields of one source and moment together, for mostly that
    is all of them."""
    together: dict[tuple[str, datetime], list[str]] = {}
    for name in sorted(origins):
        together.setdefault((origins[name].source, origins[name].at), []).append(name)
    groups = [[source, at, names] for (source, at), names in together.items()]
    return msgspec.json.encode(groups).decode() if groups else None


def unpacked(text: str | None) -> dict[str, FieldOrigin]:
    """The same by the field's name."""
    groups = msgspec.json.decode(text, type=list[tuple[str, datetime, list[str]]]) if text else []
    return {name: FieldOrigin(source, at) for source, at, names in groups for name in names}


def origins(db: Session, title_id: int) -> dict[str, FieldOrigin]:
    """Where the fields of a title came from, by the field's name."""
    return unpacked(db.scalar(select(Title.origins).where(Title.id == title_id)))


def note(db: Session, title_id: int, sources: Mapping[str, str], at: datetime) -> None:
    """Write down where these fields ({name: source}) come from now. The caller has the title locked, or has just made it."""
    if sources:
        known = origins(db, title_id) | {name: FieldOrigin(source, at) for name, source in sources.items()}
        db.connection().execute(update(Title).where(Title.id == title_id).values(origins=packed(known)))
