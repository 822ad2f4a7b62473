"""Lending against a plain model of it: whatever people do, in whatever order, both end up with the same library."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select
from sqlalchemy.orm import Session

from bibliothek.copies import actions as copies
from bibliothek.copies.models import Copy
from bibliothek.copies.queries import copy_for_change
from bibliothek.lending import actions, closures, holds
from bibliothek.lending.models import Borrower, Hold, Loan, Notice
from bibliothek.lending.own import own_holds
from bibliothek.lending.queries import availability, on_loan
from bibliothek.members.actions import remove_member
from bibliothek.members.models import Member
from bibliothek.operations import verify
from bibliothek.operations.verify import CHECKS
from bibliothek.problems import Problem
from tests import make
from tests.conftest import NOON, Library
from tests.lending.model import UNDO, Model, Refused
from tests.lending.model import Hold as ModelHold

TORTURE = os.environ.get("TORTURE") == "1"
MEMBERS, TITLES, COPIES = 4, 2, 4
# Of `verify`: the others are about what lending does not touch, and asked at the end.
ABOUT_LENDING = (
    verify._one_open_loan,
    verify._open_loans_have_a_borrower,
    verify._closed_loans_lead_to_nobody,
    verify._open_loans_are_not_forgotten,
    verify._renewals_lead_to_the_due_date,
    verify._nobody_waits_for_what_they_have,
    verify._kept_copies_are_here,
    verify._withdrawn_copies_are_nowhere,
)
WHICH = st.integers(0, 19)


class Lending(RuleBasedStateMachine):
    """Four people, two titles, four copies: so few that they get into each other's way all the time."""

    library: Library
    codes: dict[int, str]
    titles: list[int]
    people: list[int]

    @initialize()
    def open_library(self) -> None:
        self.transaction = self.library.database.writing()
        self.db: Session = self.transaction.__enter__()
        self.now: datetime = NOON
        self.model = Model(
            {copy: self.titles[0] if n < 3 else self.titles[1] for n, copy in enumerate(self.codes)}, self.people
        )
        # What may be undone: (loan, the hold it fulfilled), and (loan, the date it was renewed to).
        self.lent: list[tuple[int, int | None]] = []
        self.renewed: list[tuple[int, date]] = []

    def teardown(self) -> None:
        if not hasattr(self, "db"):
            return
        try:
            assert {name: broken for name, check in CHECKS.items() if (broken := check(self.db))} == {}
        finally:
            self.db.rollback()
            self.transaction.__exit__(None, None, None)

    # ---- Helpers ----

    @property
    def today(self) -> date:
        return self.now.date()

    def pick(self, things: Any, n: int) -> Any:
        things = sorted(things)
        return things[n % len(things)]

    def copy(self, n: int) -> Copy:
        return self.db.get_one(Copy, self.pick(self.codes, n))

    def member(self, n: int) -> Member:
        return self.db.get_one(Member, self.pick(self.model.members, n))

    def tick(self) -> None:
        """No two loans begin at the same moment: by it an undone one knows whom it passed over."""
        self.now += timedelta(microseconds=1)

    def both(self, real: Callable[[], Any], model: Callable[[], Any]) -> tuple[Any, Any] | None:
        """Do it in both; they must agree about whether it can be done. What is refused changes nothing."""
        expected = answer = refusal = None
        try:
            expected = model()
        except Refused as said:
            refusal = str(said)
        try:
            with self.db.begin_nested():
                answer = real()
        except Problem as problem:
            refused = type(problem).__name__
        else:
            refused = None
        assert refused == refusal, answer
        return None if refused else (answer, expected)

    # ---- What people do ----

    @rule(c=WHICH, m=WHICH)
    def lend(self, c: int, m: int) -> None:
        self.tick()
        copy, member = self.copy(c), self.member(m)
        done = self.both(
            lambda: actions.lend(self.db, copy, member, self.now, self.today),
            lambda: self.model.lend(copy.id, member.id, self.today),
        )
        self.note_lent(done)

    def note_lent(self, done: tuple[Any, Any] | None) -> None:
        if done is None:
            return
        lent, (loan, hold) = done
        assert lent.already is (loan is None)
        if loan:
            self.model.loans[lent.loan.id] = self.model.loans.pop(-1)
            assert lent.loan.due_on == loan.due
            assert (None if lent.fulfilled is None else self.model.holds[lent.fulfilled]) is hold
            self.lent.append((lent.loan.id, lent.fulfilled))

    @rule(c=WHICH, may_undo=st.booleans())
    def give_back(self, c: int, may_undo: bool) -> None:
        copy = self.copy(c)
        back, loan = self.both(
            lambda: actions.give_back(self.db, copy, self.now, self.today, undo_within=UNDO if may_undo else None),
            lambda: self.model.give_back(copy.id, self.now, self.today, may_undo),
        ) or (None, None)
        holder = self.model.holder_of(copy.id)
        assert (back.loan_id, back.kept_until) == (loan, holder.until if holder else None)

    @rule(c=WHICH, m=WHICH, may_undo=st.booleans())
    def take_over(self, c: int, m: int, may_undo: bool) -> None:
        self.tick()
        copy, member = self.copy(c), self.member(m)
        number = self.model.loan_of(copy.id)
        if number is None:
            return

        def model() -> Any:
            loan = self.model.loans[number]
            if loan.member != member.id:
                self.model.notices.append((loan.member, "taken_over", None))
                self.model.close(loan, self.now, may_undo)
            return self.model.lend(copy.id, member.id, self.today)

        within = UNDO if may_undo else None
        self.note_lent(
            self.both(lambda: actions.take_over(self.db, copy, member, self.now, self.today, number, within), model)
        )

    @rule(n=WHICH)
    def renew(self, n: int) -> None:
        open_ones = [number for number, loan in self.model.loans.items() if loan.is_open]
        if open_ones:
            number = self.pick(open_ones, n)
            done = self.both(
                lambda: actions.renew(self.db, number, self.now, self.today),
                lambda: self.model.renew(number, self.today),
            )
            if done:
                self.renewed.append((number, done[0].due_on))

    @precondition(lambda self: self.lent)
    @rule(n=WHICH)
    def undo_loan(self, n: int) -> None:
        number, fulfilled = self.lent[-1 - n % min(3, len(self.lent))]
        self.both(
            lambda: actions.undo_loan(self.db, number, self.now, self.today, fulfilled),
            lambda: self.model.undo_loan(number, fulfilled, self.today),
        )

    @precondition(lambda self: self.lent)
    @rule(n=WHICH)
    def undo_return(self, n: int) -> None:
        number = self.lent[-1 - n % min(5, len(self.lent))][0]
        self.both(
            lambda: actions.undo_return(self.db, number, self.now, self.today),
            lambda: self.model.undo_return(number, self.now, self.today),
        )

    @precondition(lambda self: self.renewed)
    @rule(n=WHICH)
    def undo_renewal(self, n: int) -> None:
        number, until = self.renewed[-1 - n % min(3, len(self.renewed))]
        self.both(lambda: actions.undo_renewal(self.db, number, until), lambda: self.model.undo_renewal(number, until))
        self.settle_dates()

    @rule(t=WHICH, m=WHICH)
    def place(self, t: int, m: int) -> None:
        title, member = self.pick(self.titles, t), self.member(m)
        placed, hold = self.both(
            lambda: holds.place(self.db, title, member.id, self.now, self.today),
            lambda: self.model.place(title, member.id, self.today),
        ) or (None, None)
        if hold:
            self.model.holds[placed.id] = hold
        if placed:
            assert self.model.queue(title)[placed.position - 1].member == member.id
            assert [hold.position for hold in own_holds(self.db, member.id, title)] == [placed.position]

    @rule(n=WHICH)
    def cancel(self, n: int) -> None:
        open_ones = [number for number, hold in self.model.holds.items() if not hold.ended]
        if open_ones:
            number = self.pick(open_ones, n)
            self.both(
                lambda: holds.cancel(self.db, number, self.now, self.today),
                lambda: self.model.end(self.model.holds[number], "cancelled", self.today),
            )

    # ---- What librarians do ----

    @rule(c=WHICH, state=st.sampled_from(["active", "missing", "repair"]), reference=st.booleans())
    def mark(self, c: int, state: str, reference: bool) -> None:
        copy = self.copy(c)
        book = self.model.books[copy.id]
        if book.state == "withdrawn":
            return
        book.state, book.is_reference = state, reference
        copy.state, copy.is_reference = state, reference
        self.db.flush()
        self.go_round()

    @rule(c=WHICH, back=st.booleans())
    def withdraw(self, c: int, back: bool) -> None:
        copy = copy_for_change(self.db, self.codes[self.pick(self.codes, c)])
        if self.model.loan_of(copy.id) is not None:
            return
        if back:
            copies.bring_back(self.db, copy, self.now, None)
        else:
            copies.withdraw(self.db, copy, "worn", self.now, on_loan([copy.id], self.db).get(copy.id), None)
        self.db.flush()
        book = self.model.books[copy.id]
        book.state = "withdrawn" if not back else "intake" if book.state == "withdrawn" else book.state
        self.go_round()

    @rule(c=WHICH)
    def lose(self, c: int) -> None:
        number = self.model.loan_of(self.pick(self.codes, c))
        if number is not None:
            actions.lose(self.db, number, self.now, None)
            loan = self.model.loans[number]
            self.model.close(loan, self.now, may_undo=False)
            self.model.books[loan.copy].state = "missing"

    @rule(after=st.integers(1, 30))
    def close_day(self, after: int) -> None:
        day = self.today + timedelta(days=after)
        closures.set_days(self.db, [day], False, "zu", self.now, self.today)
        self.model.close_day(day, self.today)

    @precondition(lambda self: len(self.model.members) > 2)
    @rule(m=WHICH)
    def erase(self, m: int) -> None:
        member = self.member(m)

        def real() -> None:
            actions.leave(self.db, member.id, self.now, self.today)
            remove_member(self.db, member.id, self.now)

        self.both(real, lambda: self.model.erase(member.id, self.today))

    # ---- What time does ----

    @rule(seconds=st.sampled_from([5, 29, 30, 31]))
    def moments_pass(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.go_round()

    @rule(days=st.sampled_from([1, 1, 7, 8, 28]))
    def days_pass(self, days: int) -> None:
        self.now += timedelta(days=days)
        self.go_round()

    def go_round(self) -> None:
        """As `app.create_app` lists it."""
        actions.forget_returned(self.db, self.now)
        self.model.forget(self.now)
        holds.expire(self.db, self.now, self.today)
        self.model.expire(self.today)
        holds.serve_waiting(self.db, self.now, self.today)
        self.model.serve_waiting(self.today)
        self.settle_dates()

    def settle_dates(self) -> None:
        closures.settle_dates(self.db, self.now, self.today)
        self.model.settle(self.today)

    # ---- What is true ever after ----

    @invariant()
    def is_the_same_library(self) -> None:
        if not hasattr(self, "db"):
            return
        db, model = self.db, self.model
        rows = db.execute(
            select(
                Loan.id, Loan.copy_id, Loan.due_on, Borrower.member_id, Borrower.forget_at, Loan.returned_at
            ).outerjoin(Borrower)
        )
        real = {row[0]: (row[1], row[2], row[3], row[4], row[5] is None) for row in rows}
        assert real == {n: (x.copy, x.due, x.member, x.forget_at, x.is_open) for n, x in model.loans.items()}
        kept = db.execute(select(Hold.id, Hold.title_id, Hold.member_id, Hold.copy_id, Hold.ready_until, Hold.ended_as))
        assert {row[0]: tuple(row[1:]) for row in kept} == {n: self.row(hold) for n, hold in model.holds.items()}
        states = {row[0]: (row[1], row[2]) for row in db.execute(select(Copy.id, Copy.state, Copy.is_reference))}
        assert states == {n: (book.state, book.is_reference) for n, book in model.books.items()}
        told = db.execute(select(Notice.member_id, Notice.kind, Notice.day)).all()
        assert sorted(map(str, map(tuple, told))) == sorted(map(str, model.notices))

    def row(self, hold: ModelHold) -> tuple[Any, ...]:
        ended = hold.ended is not None
        return (hold.title, None if ended else hold.member, hold.copy, None if ended else hold.until, hold.ended)

    @invariant()
    def is_sound(self) -> None:
        if not hasattr(self, "db"):
            return
        assert [broken for check in ABOUT_LENDING if (broken := check(self.db))] == []
        for title, found in availability(self.db, self.titles).items():
            assert found.available == len(self.model.free(title))

    @invariant()
    def promises_are_kept(self) -> None:
        """What is set aside is here and can be lent, nobody waits for what they have, and no date is a closed day."""
        if not hasattr(self, "db"):
            return
        model = self.model
        for hold in model.holds.values():
            if hold.copy and not hold.ended:
                assert model.books[hold.copy].is_lendable
                assert model.loan_of(hold.copy) is None
        for loan in model.loans.values():
            if loan.is_open:
                assert loan.member not in [hold.member for hold in model.queue(model.books[loan.copy].title)]
                assert loan.due < self.today or loan.due not in model.closed


def make_things(db: Session) -> dict[str, Any]:
    titles = [make.title(db) for _ in range(TITLES)]
    made = [make.copy(db, titles[0] if n < 3 else titles[1]) for n in range(COPIES)]
    people = [make.member(db).id for _ in range(MEMBERS)]
    return {"titles": [title.id for title in titles], "codes": {copy.id: copy.code for copy in made}, "people": people}


def test_lending_does_what_the_model_does(library: Library) -> None:
    with library.database.writing() as db:
        things = make_things(db)
    machine = type("LendingHere", (Lending,), {"library": library, **things})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=20_000 if TORTURE else 20,
            stateful_step_count=50,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        ),
    )
