"""Putting several sources' answers about one ISBN together. Pure: answers in, one result out.

The best record of the source that leads is what people see. Others only fill its gaps, and only where they speak of the same
book: titles that differ strongly are never merged, because some ISBNs were given twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from bibliothek.catalogue.words import both_spellings, fold, without_article
from bibliothek.lookup.isbd import is_placeholder
from bibliothek.lookup.record import Outcome, Record, without_doubles
from bibliothek.lookup.sources import SourceAnswer

# In seconds, where no source says when to come again.
RETRY_S = 30
MOST_ALTERNATIVES = 10
# How many of the shorter title's words the other must have, too.
ALIKE = 2 / 3

GAPS = ("subtitle", "contributors", "publisher", "place", "year", "edition", "pages", "language", "series")
# What no page shows, but the catalogue keeps.
BEHIND = ("original_language", "classes", "binding", "cover_id")


class LookupResult(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about an ISBN now.

    `record` is the best one, `alternatives` are other editions under the same ISBN, then what is merely similar. `choose` says
    that the first alternative is another edition, year or book under the very number: only somebody who has the book in hand
    can tell. `origin` says for each field of the record which source it comes from. `sources` names every source that was
    asked or left alone after an error; one whose answer was not waited for counts as unavailable. `answers` are those that
    came. `retry_after` is in seconds, None where something was found or surely not.
    """

    isbn: str
    outcome: Outcome
    record: Record | None = None
    alternatives: tuple[Record, ...] = ()
    choose: bool = False
    sources: tuple[tuple[str, Outcome], ...] = ()
    origin: dict[str, str] = msgspec.field(default_factory=dict)
    answers: tuple[SourceAnswer, ...] = ()
    retry_after: int | None = None


def put_together(isbn13: str, asked: Sequence[str], answers: Iterable[SourceAnswer]) -> LookupResult:
    """One result of several answers. `asked` are the names of all sources that were asked, the leading one first."""
    came = {answer.source: answer for answer in answers}
    ordered = [came[name] for name in asked if name in came]
    sources = tuple((name, came[name].outcome if name in came else "unavailable") for name in asked)
    own = [record for answer in ordered for record in answer.records]
    best = next((record for record in own if not is_placeholder(record.title)), own[0] if own else None)
    editions = _editions(best, own) if best else []
    record, origin = _filled_up(best, own) if best else (None, {})
    outcome = _outcome(record, [outcome for _name, outcome in sources])
    return LookupResult(
        isbn=isbn13,
        outcome=outcome,
        record=record,
        alternatives=tuple(editions + _similar(ordered))[:MOST_ALTERNATIVES],
        choose=bool(editions),
        sources=sources,
        origin=origin,
        answers=tuple(ordered),
        retry_after=_retry_after(ordered) if outcome in ("throttled", "unavailable") else None,
    )


def _outcome(record: Record | None, outcomes: list[Outcome]) -> Outcome:
    """Not found only if every source that was asked really answered. Where nobody was asked, nothing is known."""
    if record:
        return "found"
    failed = {outcome for outcome in outcomes if outcome in ("throttled", "unavailable")}
    if outcomes and not failed:
        return "not_found"
    return "throttled" if failed == {"throttled"} else "unavailable"


def _retry_after(answers: list[SourceAnswer]) -> int:
    """When the first of those who failed may be asked again."""
    return min((answer.retry_after for answer in answers if answer.retry_after), default=RETRY_S)


# --- which book ------------------------------------------------------------------------------------------------------

_NUMBER = re.compile(r"\d+|[ivxlc]+")


def are_alike(one: str, other: str) -> bool:
    """Whether two titles may be those of one book: most words of the shorter one are in the other, and no other number.

    Umlauts count in all their spellings, articles at the beginning not at all.
    """
    few, many = sorted((_words(one), _words(other)), key=len)
    if not few:
        return one == other
    numbers = [{word for word in words if _NUMBER.fullmatch(word)} for words in (few, many)]
    if all(numbers) and numbers[0] != numbers[1]:
        return False
    return len(few & many) >= ALIKE * len(few)


def _words(title: str) -> set[str]:
    return set(without_article(both_spellings(title)))


def _is_same_edition(one: Record, other: Record) -> bool:
    """Neither year nor number of the edition speaks against it."""
    pairs = [(one.year, other.year), (_edition_number(one), _edition_number(other))]
    return all(first == second or first is None or second is None for first, second in pairs)


def _edition_number(record: Record) -> int | None:
    """The 7 of "7., überarbeitete Auflage"; a year is no number."""
    found = re.search(r"(?<!\d)\d{1,3}(?!\d)", record.edition or "")
    return int(found.group()) if found else None


def _is_same(one: Record, other: Record) -> bool:
    return are_alike(one.title, other.title) and _is_same_edition(one, other)


def _editions(best: Record, own: list[Record]) -> list[Record]:
    """What else the sources have under the very number: each edition once."""
    listed = [best]
    for record in own:
        # "Bd. 3" without its set is no other book, only an incomplete record.
        if not is_placeholder(record.title) and not any(_is_same(record, other) for other in listed):
            listed.append(record)
    return listed[1:]


def _similar(answers: list[SourceAnswer]) -> list[Record]:
    """What merely mentions the number; the same e-book of two catalogues once."""
    found: dict[Any, Record] = {}
    for answer in answers:
        for record in answer.similar:
            found.setdefault((tuple(fold(record.title)), record.isbns, record.year, record.carrier), record)
    return list(found.values())


# --- what is said of it ----------------------------------------------------------------------------------------------


def _filled_up(best: Record, own: list[Record]) -> tuple[Record, dict[str, str]]:
    """The record with its gaps filled from others of the same edition, and where each of its fields comes from."""
    said: dict[str, Any] = {}
    origin = dict.fromkeys(best.filled(), best.source or "")
    subjects = list(best.subjects)
    for other in own:
        if other is best or not _is_same(best, other):
            continue
        subjects += other.subjects
        for name in (*GAPS, *BEHIND):
            told = getattr(other, name)
            if told in (None, ()) or name in said or getattr(best, name) not in (None, ()):
                continue
            if name == "subtitle" and set(fold(told)) <= set(fold(best.title)):
                continue
            said[name] = told
            if name in GAPS:
                origin[name] = other.source or ""
    return msgspec.structs.replace(best, **said, subjects=without_doubles(subjects)), origin
