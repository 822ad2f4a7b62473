"""What lending does, said once more and simply: for `test_model.py`, which holds the real thing against it.

Numbers are those of the database. A day passes over nothing here: who is late, and by how much, is none of its business.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

LOAN_DAYS, HOLD_DAYS, RENEWALS = 28, 7, 2
UNDO = timedelta(seconds=30)


@dataclass
class Book:
    title: int
    state: str = "intake"
    is_reference: bool = False

    @property
    def is_lendable(self) -> bool:
        return self.state in ("intake", "active") and not self.is_reference


@dataclass
class Loan:
    copy: int
    member: int | None
    due: date
    is_open: bool = True
    was_undone: bool = False
    forget_at: datetime | None = None
    moves: list[tuple[str, date, date]] = field(default_factory=list)
    # Whom it passed over: what they are told is taken back when it is undone.
    told: list[tuple[int, str, date | None]] = field(default_factory=list)


@dataclass
class Hold:
    title: int
    member: int
    copy: int | None = None
    until: date | None = None
    ended: str | None = None

    @property
    def waits(self) -> bool:
        return self.ended is None and self.copy is None


class Refused(Exception):
    """With the name of the problem that the library raises."""


class Model:
    def __init__(self, copies: dict[int, int], members: list[int]) -> None:
        self.books = {copy: Book(title) for copy, title in copies.items()}
        self.members = list(members)
        self.loans: dict[int, Loan] = {}
        self.holds: dict[int, Hold] = {}
        self.notices: list[tuple[int, str, date | None]] = []
        self.closed: set[date] = set()

    # ---- Asking ----

    def open_from(self, day: date) -> date:
        while day in self.closed:
            day += timedelta(days=1)
        return day

    def loan_of(self, copy: int) -> int | None:
        return next((n for n, loan in self.loans.items() if loan.copy == copy and loan.is_open), None)

    def queue(self, title: int) -> list[Hold]:
        return [hold for _n, hold in sorted(self.holds.items()) if hold.title == title and not hold.ended]

    def is_free(self, copy: int) -> bool:
        kept = any(hold.copy == copy and not hold.ended for hold in self.holds.values())
        return self.books[copy].is_lendable and self.loan_of(copy) is None and not kept

    def free(self, title: int) -> list[int]:
        return [copy for copy, book in sorted(self.books.items()) if book.title == title and self.is_free(copy)]

    # ---- Queues ----

    def keep(self, hold: Hold, copy: int, today: date, tell: bool = True) -> None:
        hold.copy, hold.until = copy, self.open_from(today + timedelta(days=HOLD_DAYS))
        if tell:
            self.notices.append((hold.member, "hold_ready", hold.until))

    def serve(self, copy: int, today: date) -> None:
        first = next((hold for hold in self.queue(self.books[copy].title) if hold.waits), None)
        if first and self.is_free(copy):
            self.keep(first, copy, today)

    def end(self, hold: Hold, why: str, today: date) -> None:
        copy, hold.ended, hold.copy = hold.copy, why, None
        if copy is not None:
            self.serve(copy, today)

    def lose_copy(self, hold: Hold, today: date) -> None:
        """What was kept is not there any more: another copy, or wait in the old place."""
        hold.copy = hold.until = None
        for copy in self.free(hold.title):
            self.serve(copy, today)
        if hold.copy is None:
            self.notices.append((hold.member, "hold_moved", None))

    def holder_of(self, copy: int) -> Hold | None:
        return next((hold for hold in self.holds.values() if hold.copy == copy and not hold.ended), None)

    def place(self, title: int, member: int, today: date) -> Hold | None:
        if any(hold.member == member for hold in self.queue(title)):
            return None
        books = {copy: book for copy, book in self.books.items() if book.title == title}
        if any(loan.is_open and loan.member == member and loan.copy in books for loan in self.loans.values()):
            raise Refused("OwnLoan")
        if all(book.state == "withdrawn" or book.is_reference for book in books.values()):
            raise Refused("NothingToWaitFor")
        hold = Hold(title, member)
        if not any(other.waits for other in self.queue(title)) and self.free(title):
            self.keep(hold, self.free(title)[0], today, tell=False)
        return hold

    def expire(self, today: date) -> None:
        for _n, hold in sorted(self.holds.items(), key=lambda item: (item[1].title, item[0])):
            if hold.until and not hold.ended and hold.until < today:
                self.notices.append((hold.member, "hold_expired", None))
                self.end(hold, "expired", today)

    def serve_waiting(self, today: date) -> None:
        for hold in self.holds.values():
            if hold.copy and not hold.ended and not self.books[hold.copy].is_lendable:
                self.lose_copy(hold, today)
        for copy in sorted(self.books):
            self.serve(copy, today)

    # ---- Lending ----

    def lend(self, copy: int, member: int, today: date) -> tuple[Loan | None, Hold | None]:
        """The new loan, None when they have it already; and the hold that it fulfils."""
        book, before = self.books[copy], self.loan_of(copy)
        if book.state == "withdrawn":
            raise Refused("CopyWithdrawn")
        if before is not None and self.loans[before].member != member:
            raise Refused("CopyOnLoan")
        if before is not None:
            return None, None
        loan = Loan(copy, member, self.open_from(today + timedelta(days=LOAN_DAYS)))
        self.loans[-1] = loan
        book.state = "active" if book.state in ("missing", "intake") else book.state
        queue, noted = self.queue(book.title), len(self.notices)
        mine = next((hold for hold in queue if hold.member == member), None)
        other = next((hold for hold in queue if hold.copy == copy and hold is not mine), None)
        if other:
            other.copy = other.until = None
        if mine:
            self.end(mine, "fulfilled", today)
        if other and other.waits:
            self.lose_copy(other, today)
        loan.told = [notice for notice in self.notices[noted:] if notice[1] == "hold_moved"]
        return loan, mine

    def give_back(self, copy: int, now: datetime, today: date, may_undo: bool) -> int | None:
        book, number = self.books[copy], self.loan_of(copy)
        book.state = "active" if book.state == "missing" else book.state
        if number is None:
            return None
        self.close(self.loans[number], now, may_undo)
        self.serve(copy, today)
        return number

    def close(self, loan: Loan, now: datetime, may_undo: bool) -> None:
        loan.is_open, loan.forget_at = False, now + UNDO if may_undo else None
        loan.member = loan.member if may_undo else None

    def renew(self, number: int, today: date) -> None:
        loan = self.loans[number]
        until = self.open_from(today + timedelta(days=LOAN_DAYS))
        others = [hold for hold in self.queue(self.books[loan.copy].title) if hold.waits and hold.member != loan.member]
        if others or sum(kind == "renewal" for kind, *_ in loan.moves) >= RENEWALS or until <= loan.due:
            raise Refused("NotRenewed")
        loan.moves.append(("renewal", loan.due, until))
        loan.due = until

    def close_day(self, day: date, today: date) -> None:
        self.closed.add(day)
        self.settle(today)

    def settle(self, today: date) -> None:
        told: set[tuple[int, date]] = set()
        for loan in self.loans.values():
            if loan.is_open and loan.due >= today and loan.due in self.closed and loan.member:
                loan.moves.append(("closure", loan.due, self.open_from(loan.due)))
                loan.due = self.open_from(loan.due)
                told.add((loan.member, loan.due))
        for hold in self.holds.values():
            if not hold.ended and hold.until and hold.until >= today and hold.until in self.closed:
                hold.until = self.open_from(hold.until)
                told.add((hold.member, hold.until))
        self.notices += [(member, "due_moved", day) for member, day in sorted(told)]

    # ---- Undoing ----

    def undo_loan(self, number: int, fulfilled: int | None, today: date) -> None:
        loan = self.loans[number]
        if not loan.is_open:
            raise Refused("TooLateToUndo")
        has_another = any(
            other.is_open and other is not loan and other.member == loan.member
            and self.books[other.copy].title == self.books[loan.copy].title
            for other in self.loans.values()
        )  # fmt: skip
        member, loan.is_open, loan.was_undone, loan.member = loan.member, False, True, None
        book, lent = self.books[loan.copy], [other for other in self.loans.values() if other.copy == loan.copy]
        if book.state == "active" and all(other.was_undone for other in lent):
            book.state = "intake"
        for notice in loan.told:
            if notice in self.notices:
                self.untell(notice)
        if fulfilled is not None and not has_another:
            hold = self.holds[fulfilled]
            hold.ended = hold.copy = hold.until = None
            first = next(other for other in self.queue(hold.title) if other.waits)
            if first.member == member and self.is_free(loan.copy):
                self.keep(first, loan.copy, today, tell=False)
                return
        self.serve(loan.copy, today)

    def undo_return(self, number: int, now: datetime, today: date) -> None:
        loan = self.loans[number]
        later = any(n > number and other.copy == loan.copy and not other.was_undone for n, other in self.loans.items())
        if loan.is_open or later or loan.forget_at is None or loan.forget_at <= now:
            raise Refused("TooLateToUndo")
        if self.books[loan.copy].state == "withdrawn":
            raise Refused("TooLateToUndo")
        loan.is_open, loan.forget_at = True, None
        holder = self.holder_of(loan.copy)
        if holder:
            ready = (holder.member, "hold_ready", holder.until)
            self.notices.append((holder.member, "hold_moved", None)) if ready not in self.notices else self.untell(
                ready
            )
            holder.copy = holder.until = None
        for hold in self.queue(self.books[loan.copy].title):
            if hold.member == loan.member:
                self.end(hold, "fulfilled", today)

    def untell(self, notice: tuple[int, str, date | None]) -> None:
        last = len(self.notices) - 1 - self.notices[::-1].index(notice)
        del self.notices[last]

    def undo_renewal(self, number: int, until: date) -> None:
        loan = self.loans[number]
        if not loan.is_open or not loan.moves or loan.moves[-1][0] != "renewal" or loan.moves[-1][2] != until:
            raise Refused("TooLateToUndo")
        loan.due = loan.moves.pop()[1]

    def forget(self, now: datetime) -> None:
        for loan in self.loans.values():
            if loan.forget_at and loan.forget_at <= now:
                loan.member = loan.forget_at = None

    def erase(self, member: int, today: date) -> None:
        if any(loan.is_open and loan.member == member for loan in self.loans.values()):
            raise Refused("HasOpenLoans")
        for hold in sorted(self.holds.values(), key=lambda hold: hold.title):
            if hold.member == member and not hold.ended:
                self.end(hold, "cancelled", today)
        for loan in self.loans.values():
            if loan.member == member:
                loan.member = loan.forget_at = None
        self.members.remove(member)
        self.notices = [notice for notice in self.notices if notice[0] != member]
