"""What is asked often reads no table from its beginning to its end, however many rows it has."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from bibliothek.catalogue import pages as catalogue
from bibliothek.copies import queries as copies
from bibliothek.lending import actions, holds
from bibliothek.lending import queries as lending
from bibliothek.members import queries as members
from bibliothek.reminders import queries as reminders
from tests import make
from tests.conftest import Library

LARGE = "title contributor series_part title_isbn subject paper_code copy loan borrower member card renewal"
# Without an index, or with one that it reads whole: partial ones are as small as what they hold, and a part of a name is looked
# for among all names, but without the members.
WHOLE = re.compile(
    rf"SCAN ({'|'.join(LARGE.split())})\b(?! USING (COVERING )?INDEX "
    "(ix_loan_open|one_open|ix_copy_unlabelled|ix_member_sort_name))"
)


def find(**chosen: Any) -> Callable[[Session], object]:
    given = {"q": "", "available": False, "shelf": "", "language": "", "sort": "", **chosen}
    return lambda db: catalogue._find(db, catalogue.Search(**given), 2)


def lend_and_take_back(db: Session) -> None:
    copy, member = make.copy(db), make.member(db)
    found = lending.at_desk(db, copy.code)
    actions.lend(db, found, member, make.NOW, make.TODAY)
    holds.place(db, copy.title_id, make.member(db).id, make.NOW, make.TODAY)
    actions.give_back(db, lending.at_desk(db, copy.code), make.NOW + timedelta(days=1), make.TODAY)


OFTEN: dict[str, Callable[[Session], object]] = {
    "words": find(q="die geschichte"),
    "words, here now": find(q="die", available=True),
    "words in one language": find(q="die", language="de"),
    "words, by title": find(q="die", sort="titel"),
    "a copy in the hand": lambda db: lending.at_desk(db, make.copy(db).code),
    "lending and taking back": lend_and_take_back,
    "open loans": lambda db: lending.open_loans(db, 50),
    "overdue loans": lambda db: lending.open_loans(db, 0, 50, make.TODAY),
    "loans looked for": lambda db: lending.page_of_loans(db, 1, 50, None, f"die {make.member(db).name}"),
    "how many are out": lending.count_open_loans,
    "how many are overdue": lambda db: lending.count_open_loans(db, make.TODAY),
    "late members": lambda db: reminders.late_members(db, make.TODAY, 0, 100),
    "how many are late": lambda db: reminders.count_late(db, make.TODAY),
    "how many are to be reminded": lambda db: reminders.count_to_remind(db, make.TODAY),
    "what is waited for": lambda db: (holds.count_open_holds(db), holds.open_holds(db)),
    "how many books are on each shelf": copies.counts_by_shelf,
    "who is to be reminded": lambda db: reminders.to_remind(db, make.TODAY),
    "copies without a label": copies.unlabelled,
    "how many have none": copies.count_unlabelled,
    "labels that were printed last": copies.last_labelled,
    "a member's loans": lambda db: lending.loans_of(db, 1),
    "a card": lambda db: members.member_ref(db, make.card(db)),
}


@pytest.mark.parametrize("what", OFTEN)
def test_what_is_asked_often_reads_no_large_table_whole(library: Library, what: str) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, values: Any, *_more: object) -> None:
        asked.append((statement, values))

    with library.database.writing() as db:
        event.listen(Engine, "before_cursor_execute", note)
        try:
            OFTEN[what](db)
        finally:
            event.remove(Engine, "before_cursor_execute", note)
        driver: Any = db.connection().connection.driver_connection
        plans = {
            f"{step[3]}: {statement}"
            for statement, values in asked
            if statement.lstrip().startswith(("SELECT", "UPDATE", "DELETE", "WITH"))
            for step in driver.execute(f"EXPLAIN QUERY PLAN {statement}", values)
        }
    assert plans
    assert [step for step in plans if WHOLE.match(step)] == []
