"""lobid, the union catalogue of the hbz as JSON: the way out when the SRU services are down. Free, no key, CC0.

`/search?q=isbn:…&format=json` answers `{"totalItems": n, "member": [record, …]}` (https://lobid.org/resources/api).
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from bibliothek.catalogue.fields import Part, Person
from bibliothek.catalogue.rules import LONGEST_NAME, MOST_ISBNS, MOST_SERIES
from bibliothek.lookup import loose
from bibliothek.lookup.isbd import imprint, pages_in, shown, without_stop, year_in
from bibliothek.lookup.isbn import first_isbn
from bibliothek.lookup.languages import two_letters
from bibliothek.lookup.loose import BadAnswer, object_in, objects_in, text_in, texts_in
from bibliothek.lookup.marc import GROUP
from bibliothek.lookup.names import NOT_MAKERS, persons_of, telling
from bibliothek.lookup.record import Record, without_doubles
from bibliothek.lookup.sources import Source, SourceAnswer, fullest_first, last_year, troubled, unreadable

NAME = "lobid"
_ROLE = re.compile(r"[a-z]{3}")


def ask(source: Source, isbn13: str, now: datetime, deadline: float) -> SourceAnswer:
    """Ask for an ISBN. Never raises for what lobid does."""
    params = {"q": f"isbn:{isbn13}", "format": "json"}
    answer = source.get(f"{source.url}/search", params, loose.JSON, deadline)
    if answer.trouble or answer.status != 200:
        return troubled(NAME, answer, now)
    return read(isbn13, answer.body, answer.content_type, now)


def read(isbn13: str, raw: bytes, content_type: str, asked_at: datetime) -> SourceAnswer:
    """What an answer of `/search` says about an ISBN. An object without members is an outage."""
    try:
        answer = loose.decode(raw)
    except BadAnswer as error:
        return unreadable(NAME, str(error), asked_at)
    if not isinstance(answer.get("member"), list):
        return unreadable(NAME, f"no members: {list(answer)[:3]}", asked_at)
    last = last_year(asked_at)
    records = [record for told in objects_in(answer["member"]) if (record := record_of(told, last))]
    own = [record for record in records if isbn13 in record.isbns and record.is_printed]
    return SourceAnswer(
        source=NAME,
        outcome="found" if own else "not_found",
        asked_at=asked_at,
        records=fullest_first(own),
        similar=tuple(record for record in records if record not in own),
        raw=raw,
        content_type=content_type,
    )


def record_of(told: dict[str, Any], last: int) -> Record | None:
    """Our fields of one record; None if it has no title. `last` is the latest year to be believed."""
    title, volume = _title(told)
    if not title:
        return None
    published = _published(told)
    number = text_in(told.get("almaMmsId"))
    return Record(
        title=title,
        subtitle=shown(" : ".join(texts_in(told.get("otherTitleInformation")))) or None,
        contributors=_contributors(told),
        publisher=next(filter(None, map(imprint, texts_in(published.get("publishedBy")))), None),
        place=next(filter(None, map(_place, texts_in(published.get("location")))), None),
        year=_year(published, last),
        edition=_edition(told),
        # Behind the size stand the pages of what comes along.
        pages=pages_in(text_in(told.get("extent")).partition(" ; ")[0]),
        language=_language(told),
        series=_series(told, volume),
        isbns=_isbns(told),
        subjects=_subjects(told),
        classes=_classes(told),
        carrier=_carrier(told),
        source=NAME,
        source_id=number or None,
        source_url=f"https://lobid.org/resources/{number}" if number.isalnum() and number.isascii() else None,
    )


# --- title and series ------------------------------------------------------------------------------------------------


def _title(told: dict[str, Any]) -> tuple[str, Part | None]:
    """The title, and for one volume of a set the set: lobid writes "Werke, 3: Der Prozess"."""
    whole = shown(text_in(told.get("title")))
    for the_set in _superordinate(told):
        name = shown(the_set.title, LONGEST_NAME)
        found = re.fullmatch(rf"{re.escape(name)}, (?P<number>.+?)(?:: (?P<part>.+))?", whole) if name else None
        if found:
            return shown(found["part"] or "") or name, Part(name, found["number"].strip(" .,[]")[:LONGEST_NAME] or None)
    return whole, None


def _superordinate(told: dict[str, Any]) -> list[Part]:
    """What it is a part of, with the number in it."""
    return [
        Part(text_in(whole.get("label")), text_in(relation.get("numbering")) or None)
        for relation in objects_in(told.get("isPartOf"))
        for whole in objects_in(relation.get("hasSuperordinate"))[:1]
    ]


def _series(told: dict[str, Any], volume: Part | None) -> tuple[Part, ...]:
    """The set a volume belongs to, then its series; one entry for each name."""
    found = {volume.title: volume} if volume else {}
    for part in _superordinate(told):
        # Behind " = " stands the name in another language.
        title = shown(part.title.partition(" = ")[0], LONGEST_NAME)
        if title:
            found.setdefault(title, Part(title, shown(part.number or "", LONGEST_NAME).rstrip(" .") or None))
    return tuple(found.values())[:MOST_SERIES]


# --- who, where, when ------------------------------------------------------------------------------------------------


def _contributors(told: dict[str, Any]) -> tuple[Person, ...]:
    """Names are "Family, Given" already; roles are addresses of MARC relators. Without any those of the title page."""
    named = []
    for contribution in objects_in(told.get("contribution")):
        name = shown(text_in(object_in(contribution.get("agent")).get("label")), LONGEST_NAME)
        role = text_in(object_in(contribution.get("role")).get("id")).rpartition("/")[2]
        if name and role not in NOT_MAKERS:
            named.append(Person(name, role if _ROLE.fullmatch(role) else "ctb"))
    return telling(
        named or [person for text in texts_in(told.get("responsibilityStatement")) for person in persons_of(text)]
    )


def _published(told: dict[str, Any]) -> dict[str, Any]:
    """The first publication; not that of a microfilm made of it."""
    events = objects_in(told.get("publication"))
    return next((event for event in events if "PublicationEvent" in texts_in(event.get("type"))), {})


def _place(text: str) -> str | None:
    return imprint(text.partition(" ; ")[0])


def _year(published: dict[str, Any], last: int) -> int | None:
    texts = (text_in(published.get(name)) for name in ("startDate", "dateStatement"))
    return next((year for text in texts if (year := year_in(text, last))), None)


def _edition(told: dict[str, Any]) -> str | None:
    return next((text for edition in texts_in(told.get("edition")) if (text := shown(edition, LONGEST_NAME))), None)


def _language(told: dict[str, Any]) -> str | None:
    """`http://id.loc.gov/vocabulary/iso639-2/ger`; the first one that has two letters."""
    codes = (text_in(language.get("id")).rpartition("/")[2] for language in objects_in(told.get("language")))
    return next((two for code in codes if (two := two_letters(code))), None)


# --- numbers, subjects, carrier --------------------------------------------------------------------------------------


def _isbns(told: dict[str, Any]) -> tuple[str, ...]:
    found = (first_isbn(text) for text in texts_in(told.get("isbn")))
    return tuple(dict.fromkeys(isbn for isbn in found if isbn))[:MOST_ISBNS]


def _subjects(told: dict[str, Any]) -> tuple[str, ...]:
    """Words, and the parts of strings of words ("Rheinland | Museum"); what has a notation is a class."""
    labels = (
        part
        for subject in objects_in(told.get("subject"))
        if "notation" not in subject
        for part in text_in(subject.get("label")).split(" | ")
    )
    return without_doubles(without_stop(shown(label, LONGEST_NAME)) for label in labels)


def _classes(told: dict[str, Any]) -> tuple[str, ...]:
    """The DNB's subject groups."""
    found = (
        text_in(subject.get("notation"))
        for subject in objects_in(told.get("subject"))
        if "Sachgruppen" in text_in(object_in(subject.get("source")).get("label"))
    )
    return tuple(dict.fromkeys(group for group in found if GROUP.fullmatch(group)))


# The ends of `medium[].id` (RDA's terms for production methods, and lobid's own). Several may stand together: the first row
# that fits counts, so that a print in Braille is Braille, and a disc that is also online is online.
_CARRIERS = {
    "BrailleBook": "braille",
    "1018": "online",
    "1010": "volume",
    "1002": "microform",
    "AudioDocument": "disc",
    "1008": "disc",
    "1003": "disc",
}
_NO_BOOKS = {"Game", "Map", "Miscellaneous", "MusicalRecording"}


def _carrier(told: dict[str, Any]) -> str | None:
    if _NO_BOOKS & set(texts_in(told.get("type"))):
        return "other"
    ids = [re.split(r"[/#]", text_in(medium.get("id")))[-1] for medium in objects_in(told.get("medium"))]
    return next((carrier for name, carrier in _CARRIERS.items() if name in ids), "other" if ids else None)
