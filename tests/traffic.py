"""Many programs that lend, return, renew, join queues and leave them at the same time, and what must be true afterwards.

Every acknowledged operation leaves a trace in the database that no later one removes. So the list of what was acknowledged
(`Deeds`) can be held against the list of what is there: nothing may be missing, and nothing be there twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from itertools import count
from random import Random
from threading import Lock
from typing import Any
from uuid import uuid4

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from bibliothek.copies.models import Copy
from bibliothek.lending.models import Borrower, Hold, Loan, Renewal
from bibliothek.lending.queries import is_available
from bibliothek.library.models import Library as Settings
from bibliothek.members import actions as members
from bibliothek.operations.verify import verify
from tests import make
from tests.conftest import Library
from tests.serving import Answer, Program

# Few things and many people, so that they get into each other's way all the time.
COPIES_OF_TITLES = (1, 1, 2, 2, 3, 4)
MEMBERS = 20
# Cancellations are of one of the last so many holds.
RECENT = 15


@dataclass
class Things:
    """What is lent, to whom, and the token of a librarian's program."""

    titles: list[int]
    copies: list[str]
    cards: list[str]
    token: str


def furnish(library: Library) -> Things:
    """A library with few books, where a loan may be renewed again and again."""
    with library.database.writing() as db:
        make.admin(db)
        db.execute(update(Settings).values(renew_from="due", renewals=99))
        titles = [make.title(db) for _ in COPIES_OF_TITLES]
        copies = [make.copy(db, title) for title, n in zip(titles, COPIES_OF_TITLES, strict=True) for _ in range(n)]
        cards = [make.card(db) for _ in range(MEMBERS)]
        token = members.add_token(db, "Program", "librarian", datetime.now(UTC))
        return Things([title.id for title in titles], [copy.code for copy in copies], cards, token)


@dataclass
class Deeds:
    """What was done: loans and returns with the copy's code, renewals with the date, holds placed and left by number."""

    loans: set[tuple[int, str]] = field(default_factory=set)
    returns: set[tuple[str, datetime]] = field(default_factory=set)
    renewals: set[tuple[int, str]] = field(default_factory=set)
    placed: set[int] = field(default_factory=set)
    left: set[int] = field(default_factory=set)

    def without(self, other: Deeds) -> Deeds:
        return Deeds(*(getattr(self, one.name) - getattr(other, one.name) for one in fields(self)))


NOTHING = Deeds()


def deeds_in(db: Session) -> Deeds:
    """What the database knows of."""
    code = select(Copy.code).where(Copy.id == Loan.copy_id).scalar_subquery()
    returned = select(code, Loan.returned_at).where(Loan.returned_at.is_not(None))
    return Deeds(
        {(row[0], row[1]) for row in db.execute(select(Loan.id, code))},
        {(row[0], row[1]) for row in db.execute(returned)},
        {(row[0], row[1].isoformat()) for row in db.execute(select(Renewal.loan_id, Renewal.due_on))},
        set(db.scalars(select(Hold.id))),
        set(db.scalars(select(Hold.id).where(Hold.ended_as == "cancelled"))),
    )


@dataclass
class Book:
    """What all programs of a test share: what they do it with, what was acknowledged, and what was answered how often;
    the last loan of each copy, and all holds."""

    things: Things
    acknowledged: Deeds = field(default_factory=Deeds)
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    loans: dict[str, int] = field(default_factory=dict)
    holds: list[int] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def note(self, what: str, code: str, number: int, answer: Answer) -> None:
        """Write down what a program was told; `code` and `number` are what it asked about."""
        with self.lock:
            self.answers[what, answer.status] += 1
            match what, answer.status:
                case "lend", 201:
                    self.acknowledged.loans.add((answer.json["id"], code))
                    self.loans[code] = answer.json["id"]
                case "give back", 200 if not answer.json["already"]:
                    self.acknowledged.returns.add((code, datetime.fromisoformat(answer.json["returned_at"])))
                case "renew", 201:
                    self.acknowledged.renewals.add((number, answer.json["due_on"]))
                case "place", 201:
                    self.acknowledged.placed.add(answer.json["id"])
                    self.holds.append(answer.json["id"])
                case "leave", 204:
                    self.acknowledged.left.add(number)

    def so_far(self) -> Deeds:
        with self.lock:
            return Deeds(*(set(getattr(self.acknowledged, one.name)) for one in fields(Deeds)))


# How often each is done; with the statuses that it may be answered with.
WEIGHTS = {"lend": 35, "give back": 30, "renew": 10, "place": 15, "leave": 10}
MAY_BE = {
    "lend": {200, 201, 409},
    "give back": {200},
    "renew": {201, 404, 409},
    "place": {200, 201, 409},
    "leave": {204, 404},
}
Send = Callable[[str, str, Any, str], Answer]
_seeds = count(1)


def one_operation(book: Book, dice: Random, send: Send) -> None:
    """Do something, whatever the dice say; `send(method, path, body, key)` answers. Raises AssertionError for a bad answer."""
    things = book.things
    [what] = dice.choices([*WEIGHTS], [*WEIGHTS.values()])
    code, card = dice.choice(things.copies), dice.choice(things.cards)
    # Nobody waits for the last title, so that it can be renewed.
    title = dice.choice(things.titles[:-1])
    number = dice.choice(book.holds[-RECENT:] or [1]) if what == "leave" else book.loans.get(code, 1)
    method, path, body = {
        "lend": ("POST", "/loans", {"copy": code, "member": card}),
        "give back": ("POST", "/returns", {"copy": code}),
        "renew": ("POST", f"/loans/{number}/renewals", None),
        "place": ("POST", "/holds", {"title": title, "member": card}),
        "leave": ("DELETE", f"/holds/{number}", None),
    }[what]
    answer = send(method, f"/api/v1{path}", body, uuid4().hex)
    assert answer.status in MAY_BE[what], (what, answer.status, answer.body)
    book.note(what, code, number, answer)


def operate(book: Book, program: Program, how_many: int) -> None:
    """`how_many` operations, one after the other, by one program that uses no keys."""
    dice = Random(next(_seeds))
    for _ in range(how_many):
        one_operation(book, dice, lambda method, path, body, _key: program.send(method, path, body))
    program.close()


def assert_sound(library: Library) -> None:
    """`verify` finds nothing; nobody waits for what they have, and nobody waits while a copy stands in the shelf."""
    with library.database.reading() as db:
        assert [(one.invariant, one.broken) for one in verify(db, datetime.now(UTC)) if one.broken] == []
        waiting = select(Hold.id).where(Hold.ended_at.is_(None), Hold.copy_id.is_(None))
        free = exists().where(Copy.title_id == Hold.title_id, is_available())
        assert db.scalars(waiting.where(free)).all() == []
        theirs = (
            select(Hold.id)
            .join(Borrower, Borrower.member_id == Hold.member_id)
            .join(Loan, (Loan.id == Borrower.loan_id) & Loan.returned_at.is_(None))
            .join(Copy, (Copy.id == Loan.copy_id) & (Copy.title_id == Hold.title_id))
        )
        assert db.scalars(theirs.where(Hold.ended_at.is_(None))).all() == []


def assert_nothing_lost(library: Library, acknowledged: Deeds) -> None:
    """Whatever was acknowledged is there."""
    with library.database.reading() as db:
        assert acknowledged.without(deeds_in(db)) == NOTHING


def assert_done_once(library: Library, acknowledged: Deeds) -> None:
    """Whatever was acknowledged is there, and nothing besides."""
    with library.database.reading() as db:
        assert deeds_in(db) == acknowledged
