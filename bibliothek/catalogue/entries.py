"""What the search index holds about a title, and what somebody looks for: the two sides of a search, as words. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import isbnlib

from bibliothek.catalogue.models import Title
from bibliothek.catalogue.words import both_spellings, fold, spellings, typed_words, without_article

# More than anybody types; what comes after is not looked for.
_LONGEST_QUERY = 200
_MOST_WORDS = 12
_LONGEST_ISBN = 40


@dataclass(frozen=True)
class Entry:
    """The words of a title (filing word first), of its persons, and of all the rest; each word once."""

    title_id: int
    title: tuple[str, ...]
    persons: tuple[str, ...]
    rest: tuple[str, ...]


@dataclass(frozen=True)
class Wanted:
    """Words that must all be there, each in one of its spellings, the last one perhaps unfinished.

    A title called exactly so is filed under `key`, or under `filed` when it has the same article; `first` is the place
    of the filing word among `words`.
    """

    words: tuple[tuple[str, ...], ...]
    key: str
    filed: str
    article: str
    first: int


def entry_of(title: Title) -> Entry:
    """What a title, loaded with its parts, can be found by."""
    rest = [
        title.subtitle,
        *(part.series for part in title.series),
        *(part.number for part in title.series),
        *(subject.name for subject in title.subjects),
        title.publisher,
        str(title.year or ""),
        *(isbn.isbn for isbn in title.isbns),
    ]
    return Entry(
        title.id,
        tuple(dict.fromkeys([*fold(title.sort_title), *both_spellings(title.title)])),
        _words(person.name for person in title.contributors),
        _words(rest),
    )


def _words(texts: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for part in texts if part for word in both_spellings(part)))


def wanted(q: str) -> Wanted | None:
    """Read what was typed. None when there is neither letter nor digit in it: that finds nothing."""
    isbn = typed_isbn(q)
    typed = [isbn] if isbn else typed_words(q[:_LONGEST_QUERY])[:_MOST_WORDS]
    words = tuple(tuple(found) for word in typed if (found := spellings(word)))
    if not words:
        return None
    bare = [word[0] for word in words]
    filed = without_article(bare)
    article = " ".join(bare[: len(bare) - len(filed)])
    return Wanted(words, " ".join(bare), " ".join(filed), article, len(bare) - len(filed))


def typed_isbn(q: str) -> str | None:
    """The 13 digits (or the first of them, while they are typed) of an ISBN-10 or ISBN-13 with or without hyphens."""
    if len(q) > _LONGEST_ISBN:
        return None
    whole = isbnlib.to_isbn13(isbnlib.canonical(q))
    if whole:
        return str(whole)
    digits = "".join(typed_words(q))
    return digits if digits.isascii() and digits.isdecimal() and digits.startswith(("978", "979")) else None
