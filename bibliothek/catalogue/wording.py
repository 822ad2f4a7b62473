"""How a record reads on a page: names turned round, roles and languages in words."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol

from bibliothek.i18n import N_, _

# A list of titles has room for so many names.
NAMES_IN_BYLINE = 3
# A sentence about a title stays readable, and fits into the cookie that carries it to the next page.
TITLE_IN_SENTENCE = 80

# MARC relator codes (https://id.loc.gov/vocabulary/relators), in words that fit everybody.
ROLES = {
    "aut": N_("Text"),
    "edt": N_("Herausgabe"),
    "com": N_("Zusammenstellung"),
    "trl": N_("Übersetzung"),
    "ill": N_("Illustration"),
    "art": N_("Zeichnung"),
    "clr": N_("Farben"),
    "pht": N_("Fotos"),
    "cmp": N_("Musik"),
    "nrt": N_("Gelesen von"),
    "aui": N_("Vorwort"),
    "wpr": N_("Vorwort"),
    "aft": N_("Nachwort"),
    "win": N_("Einleitung"),
    "wst": N_("Weitere Texte"),
    "adp": N_("Bearbeitung"),
    "red": N_("Redaktion"),
    "bkd": N_("Gestaltung"),
    "cov": N_("Umschlag"),
    "isb": N_("Herausgebende Stelle"),
    "ive": N_("Im Gespräch"),
    "ctb": N_("Mitarbeit"),
}

_LANGUAGES = {
    "af": N_("Afrikaans"),
    "ar": N_("Arabisch"),
    "az": N_("Aserbaidschanisch"),
    "be": N_("Belarussisch"),
    "bg": N_("Bulgarisch"),
    "bn": N_("Bengalisch"),
    "bs": N_("Bosnisch"),
    "ca": N_("Katalanisch"),
    "cs": N_("Tschechisch"),
    "cy": N_("Walisisch"),
    "da": N_("Dänisch"),
    "de": N_("Deutsch"),
    "el": N_("Griechisch"),
    "en": N_("Englisch"),
    "eo": N_("Esperanto"),
    "es": N_("Spanisch"),
    "et": N_("Estnisch"),
    "eu": N_("Baskisch"),
    "fa": N_("Persisch"),
    "fi": N_("Finnisch"),
    "fr": N_("Französisch"),
    "ga": N_("Irisch"),
    "gl": N_("Galicisch"),
    "he": N_("Hebräisch"),
    "hi": N_("Hindi"),
    "hr": N_("Kroatisch"),
    "hu": N_("Ungarisch"),
    "hy": N_("Armenisch"),
    "id": N_("Indonesisch"),
    "is": N_("Isländisch"),
    "it": N_("Italienisch"),
    "ja": N_("Japanisch"),
    "ka": N_("Georgisch"),
    "ko": N_("Koreanisch"),
    "ku": N_("Kurdisch"),
    "la": N_("Latein"),
    "lb": N_("Luxemburgisch"),
    "lt": N_("Litauisch"),
    "lv": N_("Lettisch"),
    "mk": N_("Mazedonisch"),
    "nb": N_("Norwegisch (Bokmål)"),
    "nl": N_("Niederländisch"),
    "nn": N_("Norwegisch (Nynorsk)"),
    "no": N_("Norwegisch"),
    "pl": N_("Polnisch"),
    "pt": N_("Portugiesisch"),
    "ro": N_("Rumänisch"),
    "ru": N_("Russisch"),
    "sk": N_("Slowakisch"),
    "sl": N_("Slowenisch"),
    "sq": N_("Albanisch"),
    "sr": N_("Serbisch"),
    "sv": N_("Schwedisch"),
    "sw": N_("Suaheli"),
    "ti": N_("Tigrinya"),
    "tr": N_("Türkisch"),
    "uk": N_("Ukrainisch"),
    "ur": N_("Urdu"),
    "vi": N_("Vietnamesisch"),
    "yi": N_("Jiddisch"),
    "zh": N_("Chinesisch"),
}

SOURCES = {
    "dnb": N_("Deutsche Nationalbibliothek"),
    "k10plus": N_("K10plus"),
    "lobid": N_("lobid"),
    "openlibrary": N_("Open Library"),
    "googlebooks": N_("Google Books"),
}


FIELDS = {
    "title": N_("Titel"),
    "subtitle": N_("Untertitel"),
    "contributors": N_("Personen"),
    "publisher": N_("Verlag"),
    "place": N_("Ort"),
    "year": N_("Jahr"),
    "edition": N_("Auflage"),
    "pages": N_("Seiten"),
    "language": N_("Sprache"),
    "series": N_("Reihe"),
    "isbns": N_("ISBN"),
    "subjects": N_("Themen"),
}


_NO_SOURCES = {
    "person": N_("von Hand"),
    "waiting": N_("wird noch nachgeschlagen"),
    "import": N_("aus einer Tabelle"),
}


class HasNameAndRole(Protocol):
    """A Person of the fields or a Contributor of the table."""

    @property
    def name(self) -> str: ...
    @property
    def role(self) -> str: ...


@lru_cache(maxsize=8192)
def turned(name: str) -> str:
    """ "Beauvoir, Simone de" as "Simone de Beauvoir"; a name without a comma, such as a group's, stays."""
    family, comma, given = name.partition(",")
    if not comma:
        return name
    given, comma, rank = given.partition(",")
    family, given, rank = family.strip(), given.strip(), rank.strip()
    return f"{given} {family}".strip() + (f", {rank}" if rank else "")


# Quotation marks inside of quotation marks.
_INNER = str.maketrans("„“”«»", "‚‘’‹›")


def short_title(title: str) -> str:
    """The title as a sentence names it, between „ and “: its beginning, where it is long, and its own marks single ones."""
    title = title.translate(_INNER)
    return title if len(title) <= TITLE_IN_SENTENCE else title[: TITLE_IN_SENTENCE - 1].rstrip() + "…"


def byline(persons: Iterable[HasNameAndRole]) -> str:
    """Who made a book, for one line: those who wrote it, else those who edited it, else whoever is named."""
    persons = list(persons)
    if len(persons) == 1 and persons[0].role != "edt":
        return turned(persons[0].name)
    writing = [turned(person.name) for person in persons if person.role == "aut"]
    editing = [turned(person.name) for person in persons if person.role == "edt"]
    others = [turned(person.name) for person in persons if person.role not in ("aut", "edt")]
    if writing and editing and len(writing) + len(editing) <= NAMES_IN_BYLINE:
        return f"{_few(writing)}, {_edited(editing)}"
    if writing or not editing:
        return _few(writing or others)
    return _edited(editing)


def _edited(names: list[str]) -> str:
    return _("{names} (Hg.)", names=_few(names))


def _few(names: list[str]) -> str:
    shown = ", ".join(names[:NAMES_IN_BYLINE])
    return _("{names} u. a.", names=shown) if len(names) > NAMES_IN_BYLINE else shown


def role_word(role: str) -> str:
    """The role as a word; for one we have no word for, that somebody took part."""
    return _(ROLES.get(role, ROLES["ctb"]))


def language_word(code: str) -> str:
    """The language's name, or its code where we have no name."""
    return _(_LANGUAGES[code]) if code in _LANGUAGES else code


def field_word(name: str) -> str:
    """What a field of a title (`provenance.FIELDS`) is called."""
    return _(FIELDS[name])


def origin_word(source: str) -> str:
    """Where a field came from (`provenance.FieldOrigin`), in words."""
    return _(_NO_SOURCES[source]) if source in _NO_SOURCES else source_word(source)


def source_word(source: str) -> str:
    return _(SOURCES[source]) if source in SOURCES else source
