"""What the search index holds about a title, and what somebody looks for: the two sides of a search, as terms. Pure.

A term is a folded word (`words.py`), found anywhere in the record. Where it stands is part of the term, so that "only in
titles" reads the short list of `=haus` instead of sifting all hits of `haus`:

- `haus` anywhere, `~haus` in the title or a person's name, `=haus` in the title, `^haus` the word it is filed under,
- `#das_haus`, `#haus` the whole title, as it stands and as it is filed,
- `@de` its language.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from bibliothek.catalogue.fields import TitleFields, fields_of
from bibliothek.catalogue.models import Title
from bibliothek.catalogue.words import both_spellings, fold, spellings, without_article
from bibliothek.letters import LONGEST_QUERY, MOST_WORDS

NAMED, TITLE, FILED, WHOLE, LANGUAGE = "~", "=", "^", "#", "@"
JOINT = "_"
# PostgreSQL takes words of 2046 bytes; a whole title as one term is cut long before.
_LONGEST_WHOLE = 200

_LONGEST_ISBN = 40
# Fewer digits of an ISBN than these fit half the library, and take long to gather.
_LEAST_DIGITS = 8


class Wanted(msgspec.Struct, frozen=True):
    """Words that must all be there, each in one of its spellings; the last one may be the beginning of a longer word.

    `whole` is the term of a title called exactly so, `first` the place of the filing word among `words`.
    """

    words: tuple[tuple[str, ...], ...]
    whole: str
    first: int
    unfinished: bool


def terms_of(title: Title) -> list[str]:
    """What a title, loaded with its parts, can be found by, in order of bytes and each once."""
    return terms(fields_of(title), title.sort_title, (subject.name for subject in title.subjects))


def terms(fields: TitleFields, sort_title: str, subjects: Iterable[str]) -> list[str]:
    """The same for a title that is not in the database yet; `sort_title` is folded."""
    filed, full = fold(sort_title), both_spellings(fields.title)
    named = {*full, *_words(person.name for person in fields.contributors)}
    rest = _words(
        [
            fields.subtitle,
            *(part.title for part in fields.series),
            *(part.number for part in fields.series),
            *subjects,
            fields.publisher,
            str(fields.year or ""),
            *fields.isbns,
        ]
    )
    found = {*named, *rest, *(NAMED + word for word in named), *(TITLE + word for word in full)}
    found |= {FILED + word for word in filed[:1]} | {_whole(filed), _whole(fold(fields.title))}
    if fields.language:
        found.add(LANGUAGE + fields.language)
    return sorted(found - {WHOLE}, key=str.encode)


def _words(texts: Iterable[str | None]) -> set[str]:
    return {word for text in texts if text for word in both_spellings(text)}


def _whole(words: list[str]) -> str:
    return WHOLE + JOINT.join(words)[:_LONGEST_WHOLE]


def wanted(q: str) -> Wanted | None:
    """Read what was typed. None when there is neither letter nor digit in it: that finds nothing."""
    words = tuple(spellings(typed_isbn(q) or q[:LONGEST_QUERY])[:MOST_WORDS])
    if not words:
        return None
    bare = [word[0] for word in words]
    first = len(bare) - len(without_article(bare))
    return Wanted(words, _whole(bare), first, not _looks_like_isbn(bare[-1]) or len(bare[-1]) >= _LEAST_DIGITS)


def typed_isbn(q: str) -> str | None:
    """The 13 digits (or the first of them, while they are typed) of an ISBN-10 or ISBN-13 with or without hyphens."""
    if len(q) > _LONGEST_ISBN:
        return None
    import isbnlib

    whole = isbnlib.to_isbn13(isbnlib.canonical(q))
    if whole:
        return str(whole)
    digits = "".join(fold(q))
    return digits if _looks_like_isbn(digits) else None


def _looks_like_isbn(word: str) -> bool:
    return len(word) > 3 and word.isascii() and word.isdecimal() and word.startswith(("978", "979"))
