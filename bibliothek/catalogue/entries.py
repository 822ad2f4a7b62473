"""What the search index holds about a title, and what somebody looks for: the two sides of a search, as terms. Pure.

A term is a folded word (`words.py`), found anywhere in the record. Where it stands is part of the term, so that "only in
titles" reads the short list of `=haus` instead of sifting all hits of `haus`:

- `haus` anywhere, `~haus` in the title or a person's name, `=haus` in the title, `^haus` the word it is filed under,
- `#das_haus`, `#haus` the whole title, as it stands and as it is filed,
- `@de` its language.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple

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


class Term(NamedTuple):
    """A term of the index, or the beginning of one."""

    text: str
    unfinished: bool = False


# What all must be there, each in one of its spellings.
Question = tuple[tuple[Term, ...], ...]


def terms_of(title: Title) -> list[str]:
    """What a title, loaded with its parts, can be found by, in order of bytes and each once."""
    return terms(fields_of(title), title.sort_title, (subject.name for subject in title.subjects))


def terms(fields: TitleFields, sort_title: str, subjects: Iterable[str]) -> list[str]:
    """The same for a title that is not in the database yet; `sort_title` is folded."""
    filed = fold(sort_title)
    # A list may tell the words that a title is filed under: these count as if they stood in it.
    full = {*both_spellings(fields.title), *filed}
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


def questions(wanted: Wanted, language: str | None = None) -> tuple[Question, ...]:
    """What is asked of the index, best first: the titles called exactly so; filed under the first word; with all words in the
    title; in title and persons' names; the same three with the last word unfinished; with all words anywhere; and the last one of
    these unfinished, too, which finds whatever the others find. `language` narrows them all. None comes twice.
    """
    also: Question = ((Term(LANGUAGE + language),),) if language else ()
    whole: Question = ((Term(wanted.whole),), *also)
    title, named, anywhere = (_all(wanted, mark, False) + also for mark in (TITLE, NAMED, ""))
    title_soon, named_soon, anywhere_soon = (_all(wanted, mark, True) + also for mark in (TITLE, NAMED, ""))
    starts, starts_soon = _filed(wanted, title), _filed(wanted, title_soon)
    every = (whole, starts, title, named, starts_soon, title_soon, named_soon, anywhere, anywhere_soon)
    return tuple(dict.fromkeys(every))


def _all(wanted: Wanted, mark: str, soon: bool) -> Question:
    *words, last = wanted.words
    return *(_spelled(word, mark) for word in words), _spelled(last, mark, soon and wanted.unfinished)


def _filed(wanted: Wanted, title: Question) -> Question:
    """The same with the first word as the one that the title is filed under; an article stands before it."""
    filed = tuple(Term(FILED + term.text[len(TITLE) :], term.unfinished) for term in title[wanted.first])
    return *title[: wanted.first], filed, *title[wanted.first + 1 :]


def _spelled(spellings: tuple[str, ...], mark: str, unfinished: bool = False) -> tuple[Term, ...]:
    return tuple(Term(mark + spelling, unfinished) for spelling in spellings)


def best_first(found: Iterable[tuple[int, str]], asked: Iterable[Question]) -> list[int]:
    """Numbers of titles by the first of these questions that their terms, joined by spaces, answer; the newest first of each.

    Each answers the last one.
    """
    needles = [
        [[f" {term.text}" if term.unfinished else f" {term.text} " for term in spelled] for spelled in question]
        for question in asked
    ]
    answers: list[list[int]] = [[] for _question in needles]
    for number, terms in sorted(found, reverse=True):
        answers[_first_answered(f" {terms} ", needles)].append(number)
    return list(chain.from_iterable(answers))


def _first_answered(terms: str, asked: list[list[list[str]]]) -> int:
    # Hundreds of titles and nine questions are looked at for one page: plain loops take a third of the time of any(all(…)).
    for place, question in enumerate(asked):
        for spelled in question:
            for needle in spelled:
                if needle in terms:
                    break
            else:
                break
        else:
            return place
    return len(asked) - 1
