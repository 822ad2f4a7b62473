"""What a title must look like before it is stored: clean text, lengths that a page can show, numbers that make sense."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import msgspec

from bibliothek import codes
from bibliothek.catalogue.fields import Origin, Part, Person, TitleFields
from bibliothek.catalogue.relators import RELATORS
from bibliothek.i18n import N_, _
from bibliothek.letters import normalized
from bibliothek.problems import Invalid

LONGEST_TITLE = 1000
LONGEST_NAME = 300
MOST_PERSONS = 100
MOST_SERIES = 20
MOST_ISBNS = 50
MOST_SUBJECTS = 100
LAST_YEAR = 2999
MOST_PAGES = 99_999

_LANGUAGE = re.compile(r"[a-z]{2}")
# Spaces that cannot be seen, soft hyphens and signs that turn the direction of what follows: no title needs them.
_UNSEEN = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")

_BETWEEN = "[\\s\\-\u2010-\u2015]?"
# An ISBN-13 counts even with a wrong check digit: nothing else looks like it. Ten digits may be a title.
_ISBN_ALONE = re.compile(
    rf"(?:e?-?ISBN(?:-?1[03])?[:\s]*)?(?:97[89](?:{_BETWEEN}\d){{10}}(?:\s?\d{{2}}|\s?\d{{5}})?"
    rf"|(?P<ten>\d(?:{_BETWEEN}\d){{8}}{_BETWEEN}[\dX]))",
    re.IGNORECASE,
)


class NoTitle(Invalid):
    """A title without a title."""

    code = "title-missing"

    def __init__(self) -> None:
        super().__init__(_("Bitte gib den Titel an. Steht keiner auf dem Buch, beschreibe es in ein paar Worten."))


class TooLong(Invalid):
    """A text longer than any title page holds."""

    code = "too-long"

    def __init__(self, what: str, most: int) -> None:
        super().__init__(_("{what}: Das ist zu lang. Höchstens {n} Zeichen sind möglich.", what=what, n=most))


class TooMany(Invalid):
    """More entries than any title page holds."""

    code = "too-many"

    def __init__(self, what: str, most: int) -> None:
        super().__init__(_("{what}: Das sind zu viele. Höchstens {n} sind möglich.", what=what, n=most))


class BadYear(Invalid):
    code = "bad-year"

    def __init__(self) -> None:
        super().__init__(_("Das Jahr ist eine Zahl mit höchstens vier Ziffern, zum Beispiel 1975."))


class BadPages(Invalid):
    code = "bad-pages"

    def __init__(self) -> None:
        super().__init__(_("Die Zahl der Seiten liegt zwischen 1 und {n}.", n=MOST_PAGES))


class BadLanguage(Invalid):
    code = "bad-language"

    def __init__(self) -> None:
        super().__init__(_("Die Sprache ist ein Kürzel aus zwei Buchstaben, zum Beispiel de, en oder tr."))


class BadRole(Invalid):
    code = "bad-role"

    def __init__(self) -> None:
        super().__init__(_("Die Rolle ist ein MARC-Kürzel aus drei Buchstaben, zum Beispiel aut, edt, trl oder ill."))


class BadIsbn(Invalid):
    code = "bad-isbn"

    def __init__(self, isbn: str) -> None:
        super().__init__(_("„{isbn}“ ist keine ISBN.", isbn=isbn[:40]))


class CardAsText(Invalid):
    """A member card's code where the catalogue would show it to everybody."""

    code = "card-code"

    def __init__(self) -> None:
        super().__init__(
            _("Das war der Code einer Karte. Er ist nicht gespeichert: Der Katalog zeigt dieses Feld allen.")
        )


class CodeAsText(Invalid):
    """The code of a copy or a shelf where words belong."""

    code = "label-code"

    def __init__(self) -> None:
        super().__init__(_("Das ist der Code von einem Etikett. Hier gehört hin, was auf dem Buch steht."))


class IsbnAsText(Invalid):
    """An ISBN where words belong."""

    code = "isbn-as-text"

    def __init__(self) -> None:
        super().__init__(
            _(
                "Das ist eine ISBN. Zum Nachschlagen scanne sie auf der Seite „Spenden“; sonst gehört sie ins Feld „ISBN“."
            )
        )


def one_line(text: str | None) -> str:
    """`text` composed (NFC), white space folded, control characters and invisible signs dropped."""
    text = text or ""
    if text.isascii() and text.isprintable():
        # Nearly every text: nothing in it needs a closer look.
        return " ".join(text.split())
    spaced = " ".join(_UNSEEN.sub("", text).split())
    kept = "".join(sign for sign in spaced if unicodedata.category(sign) not in ("Cc", "Cs"))
    return " ".join(normalized("NFC", kept).split())


def checked(fields: TitleFields) -> TitleFields:
    """The same fields, clean: empty texts become None, empty entries and doubles are dropped, ISBNs have 13 digits.

    Raises NoTitle, TooLong, TooMany, CardAsText, CodeAsText, IsbnAsText, BadYear, BadPages, BadLanguage, BadRole, BadIsbn (all
    of them Invalid): the first that is wrong, whose `errors` say for every wrong field what is wrong with it.
    """
    clean: dict[str, Any] = {}
    wrong: dict[str, Invalid] = {}
    for name, check in _CHECKS.items():
        try:
            clean[name] = check(getattr(fields, name))
        except Invalid as problem:
            wrong[name] = problem
    if wrong:
        first = next(iter(wrong.values()))
        first.errors = {name: problem.sentence for name, problem in wrong.items()}
        raise first
    return TitleFields(**clean)


def checked_subjects(subjects: Iterable[str]) -> tuple[str, ...]:
    """Typed subjects, clean and without doubles. Raises TooLong, TooMany, CardAsText, CodeAsText, IsbnAsText."""
    subjects = tuple(subjects)
    _refuse_many(subjects, N_("Themen"), MOST_SUBJECTS)
    return tuple(_few(_words(N_("Thema"), LONGEST_NAME, subject) or "" for subject in subjects))


def checked_origin(origin: Origin) -> Origin:
    """What came along from a source, cut to size without a word: nobody typed it, so nobody could mend it."""
    subjects = _few(one_line(subject)[:LONGEST_NAME] for subject in origin.subjects)[:MOST_SUBJECTS]
    link = one_line(origin.source_url)
    return msgspec.structs.replace(
        origin,
        sort_title=one_line(origin.sort_title)[:LONGEST_TITLE] or None,
        subjects=tuple(subjects),
        source=one_line(origin.source)[:LONGEST_NAME] or None,
        # A link is shown on the title page: nothing but the web.
        source_url=link if re.match(r"https?://", link) and len(link) <= LONGEST_TITLE else None,
    )


def _text(what: str, most: int, text: str | None) -> str | None:
    # No spaces to fold and no marks to join make ten times too long right: that is not even cleaned.
    clean = one_line(text) if len(text or "") <= 10 * most else None
    if clean is None or len(clean) > most:
        raise TooLong(_(what), most)
    if codes.holds_card(clean):
        raise CardAsText
    return clean or None


def _words(what: str, most: int, text: str | None) -> str | None:
    """As `_text`, for fields in which the scan of a label or a barcode means nothing."""
    clean = _text(what, most, text)
    if clean and _is_label(clean):
        raise CodeAsText
    if clean and _is_isbn_alone(clean):
        raise IsbnAsText
    return clean


def _is_label(text: str) -> bool:
    """Whether a copy's or shelf's code was scanned: one in 29 words with its length and letters reads like one, too."""
    is_scan = " " not in text and (text.isupper() or "/" in text or any(map(str.isdigit, text)))
    return is_scan and codes.read(text).kind in ("copy", "shelf")


def _is_isbn_alone(text: str) -> bool:
    """Whether `text` is an ISBN and nothing else, with a label or the add-on of a barcode at most."""
    found = _ISBN_ALONE.fullmatch(codes.AIM_PREFIX.sub("", text))
    if found is None or found["ten"] is None:
        return found is not None
    try:
        return bool(isbn13(found["ten"]))
    except BadIsbn:
        return False


def _title(text: str) -> str:
    title = _words(N_("Titel"), LONGEST_TITLE, text)
    if title is None:
        raise NoTitle
    return title


def _few(texts: Iterable[str]) -> list[str]:
    """Without empty ones and doubles, in the order they came."""
    return list(dict.fromkeys(text for text in texts if text))


def _refuse_many(entries: Sequence[Any], what: str, most: int) -> None:
    """Counted before any of them is looked at: this happens while others wait for the database."""
    if len(entries) > most:
        raise TooMany(_(what), most)


def _persons(persons: Sequence[Person]) -> tuple[Person, ...]:
    _refuse_many(persons, N_("Personen"), MOST_PERSONS)
    clean = [
        Person(name, _role(person.role))
        for person in persons
        if (name := _words(N_("Person"), LONGEST_NAME, person.name))
    ]
    return tuple(dict.fromkeys(clean))


def _role(role: str) -> str:
    clean = one_line(role).lower() or "aut"
    if clean not in RELATORS:
        raise BadRole
    return clean


def _series(series: Sequence[Part]) -> tuple[Part, ...]:
    _refuse_many(series, N_("Reihen"), MOST_SERIES)
    clean = [
        Part(title, _text(N_("Band"), LONGEST_NAME, part.number))
        for part in series
        if (title := _words(N_("Reihe"), LONGEST_NAME, part.title))
    ]
    return tuple(dict.fromkeys(clean))


def _isbns(isbns: Sequence[str]) -> tuple[str, ...]:
    _refuse_many(isbns, N_("ISBNs"), MOST_ISBNS)
    return tuple(_few(isbn13(isbn) for isbn in isbns if isbn.strip()))


def isbn13(text: str) -> str:
    """The 13 digits of an ISBN-10 or ISBN-13 with or without hyphens. Raises BadIsbn."""
    import isbnlib

    found = isbnlib.to_isbn13(isbnlib.canonical(text[:40]))
    if not found:
        raise BadIsbn(text)
    return str(found)


def _year(year: int | None) -> int | None:
    if year is not None and not 1 <= year <= LAST_YEAR:
        raise BadYear
    return year


def _pages(pages: int | None) -> int | None:
    if pages is not None and not 1 <= pages <= MOST_PAGES:
        raise BadPages
    return pages


def _language(language: str | None) -> str | None:
    clean = one_line(language).lower()
    if clean and not is_language(clean):
        raise BadLanguage
    return clean or None


def is_language(text: str) -> bool:
    """Whether `text` looks like a code of ISO 639-1."""
    return _LANGUAGE.fullmatch(text) is not None


# What is made of each field of a title, in the order of the title page.
_CHECKS: dict[str, Callable[[Any], Any]] = {
    "title": _title,
    "subtitle": partial(_words, N_("Untertitel"), LONGEST_TITLE),
    "contributors": _persons,
    "publisher": partial(_text, N_("Verlag"), LONGEST_NAME),
    "place": partial(_text, N_("Ort"), LONGEST_NAME),
    "year": _year,
    "edition": partial(_text, N_("Auflage"), LONGEST_NAME),
    "pages": _pages,
    "language": _language,
    "series": _series,
    "isbns": _isbns,
}
