"""A MARC21 record as our Record.

MARC 21 Format for Bibliographic Data: https://www.loc.gov/marc/bibliographic/. DNB, K10plus and hbz follow it with habits
of their own, which the comments name. What is free text in a summary (520) is the publisher's and not copied.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from bibliothek.catalogue.fields import Part
from bibliothek.catalogue.rules import LONGEST_NAME, MOST_ISBNS, MOST_SERIES
from bibliothek.catalogue.words import fold
from bibliothek.lookup.isbd import filed, imprint, is_placeholder, pages_in, shown, without_stop, year_in
from bibliothek.lookup.isbn import first_isbn
from bibliothek.lookup.languages import two_letters
from bibliothek.lookup.names import contributors
from bibliothek.lookup.record import Record, without_doubles

if TYPE_CHECKING:
    import pymarc

# Where a record can be seen, by who made it (003).
_LINKS = {
    "DE-101": "https://d-nb.info/{}",
    "DE-605": "https://lobid.org/resources/{}",
    "DE-627": "https://uri.gbv.de/document/opac-de-627:ppn:{}",
}


def record_of(marc: pymarc.Record, source: str, last_year: int) -> Record | None:
    """Our fields of one MARC record; None if it has no title. `last_year` is the latest year to be believed."""
    titles = _titles(marc)
    if titles is None:
        return None
    where, by = _imprint(marc)
    maker, number = _control(marc, "003"), _control(marc, "001")
    link = _LINKS.get(maker)
    return Record(
        title=titles.title,
        subtitle=titles.subtitle,
        sort_title=titles.sort_title,
        contributors=contributors(marc),
        publisher=by,
        place=where,
        year=_year(marc, last_year),
        edition=_first(marc, "250", "a"),
        pages=next((pages for text in _all(marc, "300", "a") if (pages := pages_in(text))), None),
        language=_language(marc),
        original_language=next((code for text in _all(marc, "041", "h") if (code := two_letters(text))), None),
        series=_series(marc, titles.series),
        isbns=_isbns(marc),
        subjects=_subjects(marc),
        classes=_classes(marc),
        binding=_binding(marc),
        carrier=_carrier(marc),
        source=source,
        source_id=number or None,
        source_url=link.format(number) if link and number.isalnum() else None,
        parent_id=_parent(marc),
    )


def _all(marc: pymarc.Record, tag: str, *codes: str) -> list[str]:
    return [text for field in marc.get_fields(tag) for text in field.get_subfields(*codes)]


def _first(marc: pymarc.Record, tag: str, code: str) -> str | None:
    """The first subfield of that kind, as people read it."""
    text = shown(next(iter(_all(marc, tag, code)), ""), LONGEST_NAME)
    return (without_stop(text) if _has_isbd_stops(marc) else text) or None


def _control(marc: pymarc.Record, tag: str) -> str:
    return next((str(field.data or "").strip() for field in marc.get_fields(tag)), "")


def _has_isbd_stops(marc: pymarc.Record) -> bool:
    """Whether areas end in a full stop: leader/18 "c" (and German records without a word on it) leave it out."""
    return str(marc.leader)[18] not in "c "


# --- title -----------------------------------------------------------------------------------------------------------


class _Titles(msgspec.Struct, frozen=True):
    title: str
    subtitle: str | None
    sort_title: str | None
    series: Part | None


# A parallel title begins; not the sign in "E = mc²".
_PARALLEL = re.compile(r"(?<!\b\w)(?:^|\s)=\s.*$", re.DOTALL)


def _titles(marc: pymarc.Record) -> _Titles | None:
    """245: title and subtitle, or for one volume of a set the part's own title, with the set as its series."""
    field = next(iter(marc.get_fields("245")), None)
    if field is None:
        return None
    main = next(iter(field.get_subfields("a")), "")
    part = _part_title(field)
    numbers = ", ".join(shown(number).strip(" .,[]") for number in field.get_subfields("n"))
    whole = _tidy(marc, main)
    if is_placeholder(whole):
        return _title_of_parent(marc, whole, part)
    if part is None:
        series = Part(whole[:LONGEST_NAME], numbers[:LONGEST_NAME]) if numbers else None
        skip = field.indicators[1] if field.indicators else "0"
        return _Titles(whole, _subtitle(marc, field, main), filed(main, int(skip) if skip.isdecimal() else 0), series)
    between = [text for text in field.get_subfields("p") if text != part]
    name = ". ".join([whole, *(_tidy(marc, text) for text in between)])
    own = _subtitle(marc, field, part)
    return _Titles(_tidy(marc, part), own, filed(part), Part(name[:LONGEST_NAME], numbers[:LONGEST_NAME] or None))


def _part_title(field: pymarc.Field) -> str | None:
    """The last $p that is a title, and not only "Bd. 3"."""
    parts = [
        text for text in field.get_subfields("p") if not is_placeholder(shown(text)) and not shown(text).isdecimal()
    ]
    return parts[-1] if parts else None


def _title_of_parent(marc: pymarc.Record, placeholder: str, part: str | None) -> _Titles | None:
    """For "Bd. 3" alone the title is the parent's (773 $t); without that the source has to ask for it (773 $w)."""
    parent = next(iter(_all(marc, "773", "t")), "")
    title = part or parent or placeholder
    if not shown(title):
        return None
    series = Part(shown(parent, LONGEST_NAME), placeholder[:LONGEST_NAME]) if shown(parent) else None
    return _Titles(shown(title), None, filed(title), series)


def _subtitle(marc: pymarc.Record, field: pymarc.Field, title: str) -> str | None:
    """The $b that stand behind this $a or $p and before the next."""
    found: list[str] = []
    inside = False
    for subfield in field.subfields:
        if subfield.code in "ap":
            inside = subfield.value == title
        elif subfield.code == "b" and inside:
            found.append(subfield.value)
    if title.rstrip().endswith("="):
        return None
    return _tidy(marc, _PARALLEL.sub("", " : ".join(found))) or None


def _tidy(marc: pymarc.Record, text: str) -> str:
    plain = shown(text)
    return shown(without_stop(plain)) if _has_isbd_stops(marc) else plain


def _parent(marc: pymarc.Record) -> str | None:
    """773 $w in the numbers of the record's own maker, without its "(DE-101)"."""
    own = f"({_control(marc, '003')})"
    ids = (text.removeprefix(own) for text in _all(marc, "773", "w") if own != "()" and text.startswith(own))
    return next((number for number in ids if number.isalnum()), None)


# --- imprint and extent ----------------------------------------------------------------------------------------------


def _imprints(marc: pymarc.Record) -> list[pymarc.Field]:
    """264 with second indicator 1 (published), else 260."""
    return [f for f in marc.get_fields("264") if f.indicators and f.indicators[1] == "1"] or marc.get_fields("260")


def _imprint(marc: pymarc.Record) -> tuple[str | None, str | None]:
    """Place and publisher. Of "Vienna ; London" the first; a publisher is looked for in every publication statement."""
    fields = _imprints(marc)
    places = (imprint(text.partition(" ; ")[0]) for field in fields for text in field.get_subfields("a"))
    publishers = (imprint(text) for field in fields for text in field.get_subfields("b"))
    return next(filter(None, places), None), next(filter(None, publishers), None)


def _year(marc: pymarc.Record, last: int) -> int | None:
    """264/260 $c, else the first date of 008."""
    stated = (text for field in _imprints(marc) for text in field.get_subfields("c"))
    found = next((year for text in stated if (year := year_in(text, last))), None)
    return found or year_in(_control_at(marc, 7, 11), last)


def _control_at(marc: pymarc.Record, start: int, end: int) -> str:
    """Places `start` to `end` of 008."""
    fixed = next((str(field.data or "") for field in marc.get_fields("008")), "")
    return fixed[start:end]


def _language(marc: pymarc.Record) -> str | None:
    """041 $a, else 008/35-37; the first one that has two letters."""
    codes = [*_all(marc, "041", "a"), _control_at(marc, 35, 38)]
    return next((two for code in codes if (two := two_letters(code))), None)


_CARRIERS = {"nc": "volume", "cr": "online", "nb": "sheet"}
_CARRIER_GROUPS = {"s": "disc", "c": "disc", "v": "disc", "h": "microform", "n": "sheet"}
# 007/00-01 for records without 338; "ta", "tu" and "tb" are books, "tc" is Braille.
_FORMS = {
    "t": "volume",
    "c": "disc",
    "h": "microform",
    "s": "disc",
    "v": "disc",
    "f": "braille",
    "a": "sheet",
    "z": "other",
}
# Leader/06: what is no text cannot be a printed book, whatever it is bound in.
_NO_TEXT = {"g": "disc", "i": "disc", "j": "disc", "m": "online", "o": "other", "p": "other", "r": "other"}


def _carrier(marc: pymarc.Record) -> str | None:
    """338 $b (several for a book with a disc: the book counts), else 007, else the kind of record in the leader."""
    kind = _NO_TEXT.get(str(marc.leader)[6])
    if "tct" in _all(marc, "336", "b"):
        return "braille"
    codes = [code.strip() for code in _all(marc, "338", "b")]
    found = [_CARRIERS.get(code) or _CARRIER_GROUPS.get(code[:1], "other") for code in codes if code]
    found = found or [_form(str(field.data or "")) for field in marc.get_fields("007")]
    if "volume" in found:
        return kind or "volume"
    return next(iter(found), None) or kind


def _form(physical: str) -> str:
    if physical.startswith("cr"):
        return "online"
    return "braille" if physical.startswith("tc") else _FORMS.get(physical[:1], "other")


# --- numbers, series, subjects ---------------------------------------------------------------------------------------


def _isbns(marc: pymarc.Record) -> tuple[str, ...]:
    """020 $a and the EAN (024, first indicator 3); $z is cancelled and never the own ISBN."""
    eans = [f for f in marc.get_fields("024") if f.indicators and f.indicators[0] == "3"]
    texts = (text for field in marc.get_fields("020") + eans for text in field.get_subfields("a"))
    found = (first_isbn(text) for text in texts)
    return tuple(dict.fromkeys(isbn for isbn in found if isbn))[:MOST_ISBNS]


_PRICE = re.compile(r"\d|\b(?:EUR|DM|CHF|sfr|freier)\b|[€$£]|\bISBN\b", re.I)


def _binding(marc: pymarc.Record) -> str | None:
    """020 $c (DNB) or $q (K10plus): `kart. : EUR 12.95` without the price."""
    texts = (
        text for field in marc.get_fields("020") if field.get_subfields("a") for text in field.get_subfields("c", "q")
    )
    parts = (shown(part).strip("() ") for text in texts for part in re.split(r"\s*:\s*", text))
    return next((part[:LONGEST_NAME] for part in parts if part and not _PRICE.search(part)), None)


def _series(marc: pymarc.Record, of_set: Part | None) -> tuple[Part, ...]:
    """The set a volume belongs to, then the series: 830, and those of 490 that have no 830. One entry for each name."""
    traced = [part for field in marc.get_fields("830") if (part := _series_part(field))]
    # Indicator 0: no added entry was made. Without any 830 all of them count.
    stated = [f for f in marc.get_fields("490") if not traced or (f.indicators and f.indicators[0] == "0")]
    found: dict[tuple[str, ...], Part] = {}
    for part in filter(None, [of_set, *traced, *map(_series_part, stated)]):
        found.setdefault(tuple(fold(part.title)), part)
    return tuple(found.values())[:MOST_SERIES]


def _series_part(field: pymarc.Field) -> Part | None:
    """$a with its sections ($n, $p), and the number in it ($v) as printed. Harvested records say "ISSN" and no name."""
    main = shown(next(iter(field.get_subfields("a")), ""), LONGEST_NAME)
    if not main or main == "ISSN":
        return None
    title = ". ".join([main, *(shown(text) for text in field.get_subfields("n", "p"))])[:LONGEST_NAME]
    number = shown(next(iter(field.get_subfields("v")), ""), LONGEST_NAME).rstrip(" .")
    return Part(title, number or None)


# 653 carries free words, and codes of the trade behind a prefix: "(BISAC Subject Heading)HIS000000", "/XA-DE".
_PREFIX = re.compile(r"^\((.*?)\)+(?=\S)")
_WORD_PREFIXES = {"thesoz", "keywords", "stw"}


def _subjects(marc: pymarc.Record) -> tuple[str, ...]:
    """Controlled ones first, then free words; one for each word, whatever its spelling."""
    controlled = [
        _tidy(marc, text)
        for tag in ("689", "650", "651", "600", "655")
        for text in _first_of_each(marc.get_fields(tag))
    ]
    return without_doubles(text[:LONGEST_NAME] for text in [*controlled, *_free_words(_all(marc, "653", "a"))])


def _first_of_each(fields: Iterable[pymarc.Field]) -> list[str]:
    return [text for field in fields for text in field.get_subfields("a")[:1]]


def _free_words(texts: Iterable[str]) -> list[str]:
    words = []
    for text in texts:
        prefix = _PREFIX.match(text)
        if prefix is None and not text.startswith("/"):
            words.append(shown(text))
        elif prefix and prefix.group(1).lower() in _WORD_PREFIXES:
            words.append(shown(text[prefix.end() :]))
    return words


GROUP = re.compile(r"[BKS]|\d{3}")


def _classes(marc: pymarc.Record) -> tuple[str, ...]:
    """DNB subject groups (082/083/084 with $2 sdnb); without them the first three digits of Dewey numbers (082, 083)."""
    fields = marc.get_fields("082", "083", "084")
    groups = [
        text for field in fields if "sdnb" in "".join(field.get_subfields("2")) for text in field.get_subfields("a")
    ]
    dewey = [text[:3] for field in marc.get_fields("082", "083") for text in field.get_subfields("a")]
    found = [text for text in groups if GROUP.fullmatch(text)] or [text for text in dewey if GROUP.fullmatch(text)]
    return tuple(dict.fromkeys(found))
