"""Open loans that a librarian looks for by words of titles and of names.

There may be two hundred thousand open loans, so they are not gone through: from the titles and members that have the rarest of
the words, which their own indexes know, it is not far to their loans. Only where even of these there are many, loans are
looked at in their order, until enough fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, CompoundSelect, Select, false, select, union_all
from sqlalchemy.orm import Session

from bibliothek import codes
from bibliothek.catalogue.dialects import Dialect
from bibliothek.catalogue.entries import TITLE, Term
from bibliothek.catalogue.models import Title
from bibliothek.catalogue.search import dialect_of, up_to
from bibliothek.catalogue.words import fold, spellings
from bibliothek.copies.models import Copy
from bibliothek.lending.models import Borrower, Loan
from bibliothek.letters import MOST_WORDS
from bibliothek.members.models import Member
from bibliothek.members.rules import folded

# Titles or members: with more, it takes less to look at the loans themselves, as every fiftieth of them fits.
FEW = 20_000
NOBODY = select(Member.id).where(false())


class Wanted(msgspec.Struct, frozen=True):
    """SQL: the numbers of the titles in which words begin with what was typed, and of the members in whose names it stands."""

    titles: Select[Any]
    members: Select[int]

    def fits(self) -> ColumnElement[bool]:
        """SQL: a Copy or a Borrower is of one of these."""
        return Copy.title_id.in_(self.titles) | Borrower.member_id.in_(self.members)

    def count(self, db: Session) -> int:
        """How many these are; counting ends soon after FEW."""
        counts = (up_to(FEW, some).scalar_subquery() for some in (self.titles, self.members))
        return sum(db.execute(select(*counts)).one())


def looked_for(db: Session, among: Select[int], q: str, most: int) -> Sequence[int]:
    """The first `most` of the numbers of loans that `among` selects, open ones, in whose title or member's name all words of `q`
    stand; in a title at the beginning of a word. Or the one of the copy with the code `q`."""
    scanned = codes.read(q)
    of = among.join(Copy, Copy.id == Loan.copy_id).join(Borrower, Borrower.loan_id == Loan.id).limit(most)
    if scanned.kind == "copy":
        return db.scalars(of.where(Copy.code == scanned.value)).all()
    words = [word for word in q.split() if fold(word)][:MOST_WORDS]
    if not words:
        return []
    wanted = _wanted(db, words)
    counts = [one.count(db) for one in wanted]
    if min(counts) <= FEW:
        rarest = wanted.pop(counts.index(min(counts)))
        of = of.where(Loan.id.in_(_loans_of(rarest)))
    return db.scalars(of.where(*(one.fits() for one in wanted))).all()


def _wanted(db: Session, words: Sequence[str]) -> list[Wanted]:
    """Each word that stands in somebody's name, and all the others together: these must be in the title."""
    dialect = dialect_of(db.connection())
    named = [word for word in words if db.scalar(_called(word).limit(1)) is not None]
    wanted = [Wanted(_titles(dialect, word), _called(word)) for word in named]
    titled = " ".join(word for word in words if word not in named)
    return [*wanted, Wanted(_titles(dialect, titled), NOBODY)] if titled else wanted


def _called(word: str) -> Select[int]:
    return select(Member.id).where(Member.sort_name.contains(folded(word), autoescape=True))


def _titles(dialect: Dialect, words: str) -> Select[Any]:
    """SQL: the titles with all of these words, or with words that begin so."""
    question = tuple(tuple(Term(TITLE + spelling, True) for spelling in word) for word in spellings(words))
    if not question:
        return select(Title.id).where(false())
    return select(dialect.table.c[0]).where(dialect.answers(question))


def _loans_of(wanted: Wanted) -> CompoundSelect[int]:
    """SQL: the numbers of their open loans."""
    titles = select(Loan.id).join(Copy, Copy.id == Loan.copy_id)
    titles = titles.where(Loan.returned_at.is_(None), Copy.title_id.in_(wanted.titles))
    return union_all(titles, select(Borrower.loan_id).where(Borrower.member_id.in_(wanted.members)))
