"""Who waits for a title, and for whom a copy is set aside."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from bibliothek.catalogue import merging
from bibliothek.copies.models import Copy
from bibliothek.lending import actions, holds
from bibliothek.lending.models import Flag, Hold, Notice
from bibliothek.lending.queries import availability
from bibliothek.members.models import Member
from tests import make
from tests.make import NOW, TODAY

LATER = NOW + timedelta(hours=1)
A_WEEK = TODAY + timedelta(days=7)


def wait(db: Session, title_id: int, member: Member | None = None) -> holds.Placed:
    return holds.place(db, title_id, (member or make.member(db)).id, NOW, TODAY)


def notices(db: Session) -> list[tuple[int, str]]:
    return [(row.member_id, row.kind) for row in db.scalars(select(Notice).order_by(Notice.id))]


def flags(db: Session) -> list[str]:
    return list(db.scalars(select(Flag.kind).where(Flag.settled_at.is_(None)).order_by(Flag.id)))


def test_a_place_in_the_queue(db: Session) -> None:
    copy = make.copy(db)
    make.loan(db, copy)
    assert [wait(db, copy.title_id).position for _ in range(3)] == [1, 2, 3]


def test_waiting_twice_is_waiting_once(db: Session) -> None:
    copy, member = make.copy(db), make.member(db)
    make.loan(db, copy)
    first = wait(db, copy.title_id, member)
    again = wait(db, copy.title_id, member)
    assert (again.id, again.position, again.already) == (first.id, 1, True)


def test_a_copy_that_is_here_is_set_aside_at_once_and_no_other(db: Session) -> None:
    first = make.copy(db)
    make.copy(db, make.db_title(db, first.title_id))
    placed = wait(db, first.title_id)
    assert placed.ready_until == A_WEEK
    assert db.get_one(Hold, placed.id).copy_id == first.id
    assert availability(db, [first.title_id])[first.title_id].available == 1


def test_what_comes_back_goes_to_the_first_in_line(db: Session) -> None:
    copy, first = make.copy(db), make.member(db)
    make.loan(db, copy)
    wait(db, copy.title_id, first)
    wait(db, copy.title_id)
    back = actions.give_back(db, copy, LATER, TODAY)
    assert back.kept_until == A_WEEK
    assert notices(db) == [(first.id, "hold_ready")]
    assert availability(db, [copy.title_id])[copy.title_id].available == 0
    again = actions.give_back(db, copy, LATER, TODAY)
    assert (again.already, again.kept_until) == (True, A_WEEK)


def test_the_holder_borrows_the_ready_copy_like_any_other(db: Session) -> None:
    copy, member = make.copy(db), make.member(db)
    make.loan(db, copy)
    placed = wait(db, copy.title_id, member)
    actions.give_back(db, copy, LATER, TODAY)
    lent = actions.lend(db, copy, member, LATER, TODAY)
    assert (lent.notes, lent.fulfilled) == ((), placed.id)
    hold = db.get_one(Hold, placed.id, populate_existing=True)
    assert (hold.ended_as, hold.member_id, hold.copy_id) == ("fulfilled", None, None)
    assert flags(db) == []


def test_whoever_takes_what_is_kept_for_somebody_else_has_it_and_the_librarians_know(db: Session) -> None:
    copy, waiting = make.copy(db), make.member(db)
    make.loan(db, copy)
    placed = wait(db, copy.title_id, waiting)
    actions.give_back(db, copy, LATER, TODAY)
    lent = actions.lend(db, copy, make.member(db), LATER, TODAY)
    assert lent.notes == ("passed_over",)
    assert flags(db) == ["passed_over"]
    assert db.get_one(Hold, placed.id, populate_existing=True).copy_id is None
    assert notices(db)[-1] == (waiting.id, "hold_moved")


def test_another_copy_is_set_aside_when_the_first_is_taken(db: Session) -> None:
    copy = make.copy(db)
    other = make.copy(db, make.db_title(db, copy.title_id))
    placed = wait(db, copy.title_id)
    lent = actions.lend(db, copy, make.member(db), LATER, TODAY)
    assert lent.notes == ()
    assert db.get_one(Hold, placed.id, populate_existing=True).copy_id == other.id


def test_the_holder_who_takes_another_copy_frees_the_one_kept(db: Session) -> None:
    copy, first, second = make.copy(db), make.member(db), make.member(db)
    other = make.copy(db, make.db_title(db, copy.title_id))
    make.loan(db, other)
    wait(db, copy.title_id, first)
    behind = wait(db, copy.title_id, second)
    actions.give_back(db, other, LATER, TODAY)
    db.execute(update(Hold).where(Hold.id == behind.id).values(copy_id=None, ready_at=None, ready_until=None))
    actions.lend(db, other, first, LATER, TODAY)
    assert db.get_one(Hold, behind.id, populate_existing=True).copy_id == copy.id


def test_leaving_passes_the_copy_on(db: Session) -> None:
    copy, first, second = make.copy(db), make.member(db), make.member(db)
    make.loan(db, copy)
    mine = wait(db, copy.title_id, first)
    behind = wait(db, copy.title_id, second)
    actions.give_back(db, copy, LATER, TODAY)
    holds.cancel(db, mine.id, LATER, TODAY, first.id)
    assert db.get_one(Hold, behind.id, populate_existing=True).copy_id == copy.id
    holds.cancel(db, behind.id, LATER, TODAY)
    assert flags(db) == ["put_back"]
    assert availability(db, [copy.title_id])[copy.title_id].available == 1


def test_nobody_leaves_the_queue_for_somebody_else(db: Session) -> None:
    copy = make.copy(db)
    make.loan(db, copy)
    placed = wait(db, copy.title_id)
    with pytest.raises(holds.NoSuchHold):
        holds.cancel(db, placed.id, NOW, TODAY, make.member(db).id)


def test_what_nobody_fetches_goes_to_the_next(db: Session) -> None:
    copy, first, second = make.copy(db), make.member(db), make.member(db)
    make.loan(db, copy)
    wait(db, copy.title_id, first)
    behind = wait(db, copy.title_id, second)
    actions.give_back(db, copy, LATER, TODAY)
    assert holds.expire(db, LATER, A_WEEK) == 0
    assert holds.expire(db, LATER, A_WEEK + timedelta(days=1)) == 1
    assert notices(db)[-2:] == [(first.id, "hold_expired"), (second.id, "hold_ready")]
    assert db.get_one(Hold, behind.id, populate_existing=True).copy_id == copy.id


def test_a_new_copy_is_set_aside_for_whoever_waits(db: Session) -> None:
    copy = make.copy(db)
    make.loan(db, copy)
    placed = wait(db, copy.title_id)
    new = make.copy(db, make.db_title(db, copy.title_id))
    assert holds.serve_waiting(db, LATER, TODAY) == 1
    assert db.get_one(Hold, placed.id, populate_existing=True).copy_id == new.id
    assert holds.serve_waiting(db, LATER, TODAY) == 0


def test_nobody_waits_for_what_they_have_or_what_is_not_there(db: Session) -> None:
    copy, member = make.copy(db), make.member(db)
    make.loan(db, copy, member)
    with pytest.raises(holds.OwnLoan):
        wait(db, copy.title_id, member)
    gone = make.copy(db)
    db.execute(update(Copy).where(Copy.id == gone.id).values(state="withdrawn"))
    with pytest.raises(holds.NothingToWaitFor):
        wait(db, gone.title_id)


def test_a_return_undone_lets_the_first_wait_again(db: Session) -> None:
    copy, member = make.copy(db), make.member(db)
    loan = make.loan(db, copy, member)
    placed = wait(db, copy.title_id)
    actions.give_back(db, copy, LATER, TODAY, undo_within=timedelta(seconds=30))
    again = actions.undo_return(db, loan.id, LATER + timedelta(seconds=29), TODAY)
    assert again == loan
    assert db.get_one(Hold, placed.id, populate_existing=True).copy_id is None
    assert notices(db) == []


def test_a_loan_undone_opens_the_hold_it_fulfilled(db: Session) -> None:
    copy, member = make.copy(db), make.member(db)
    make.loan(db, copy)
    placed = wait(db, copy.title_id, member)
    actions.give_back(db, copy, LATER, TODAY)
    lent = actions.lend(db, copy, member, LATER, TODAY)
    actions.undo_loan(db, lent.loan.id, LATER, TODAY, lent.fulfilled)
    hold = db.get_one(Hold, placed.id, populate_existing=True)
    assert (hold.member_id, hold.copy_id, hold.ended_at) == (member.id, copy.id, None)


def test_ended_holds_name_nobody(db: Session) -> None:
    copy, member = make.copy(db), make.member(db)
    make.loan(db, copy)
    holds.cancel(db, wait(db, copy.title_id, member).id, NOW, TODAY)
    assert db.scalar(select(func.count(Hold.id)).where(Hold.member_id.is_not(None))) == 0


def test_whoever_waits_for_two_titles_that_become_one_waits_once(db: Session) -> None:
    kept, gone, member = make.copy(db), make.copy(db), make.member(db)
    first, second = wait(db, kept.title_id), wait(db, gone.title_id, make.member(db))
    make.loan(db, make.copy(db, make.db_title(db, kept.title_id)))
    mine, same = wait(db, kept.title_id, member), wait(db, gone.title_id, member)
    holds.join_queues(db, kept.title_id, gone.title_id, LATER, TODAY)
    merging.merge(db, kept.title_id, gone.title_id, LATER)
    waiting = [row.id for row in holds.queue_of(db, kept.title_id)]
    assert waiting == [first.id, second.id, mine.id]
    assert db.get_one(Hold, same.id, populate_existing=True).ended_as == "cancelled"


def test_who_has_one_of_two_merged_titles_waits_for_neither(db: Session) -> None:
    kept, gone, member = make.copy(db), make.copy(db), make.member(db)
    make.loan(db, kept, member)
    make.loan(db, gone)
    mine, other = wait(db, gone.title_id, member), wait(db, gone.title_id)
    holds.join_queues(db, kept.title_id, gone.title_id, LATER, TODAY)
    merging.merge(db, kept.title_id, gone.title_id, LATER)
    assert [row.id for row in holds.queue_of(db, kept.title_id)] == [other.id]
    assert db.get_one(Hold, mine.id, populate_existing=True).ended_as == "cancelled"


def test_titles_that_are_two_again_keep_no_copy_for_who_waits_for_the_other(db: Session) -> None:
    """Somebody waited for the title that comes back, and got a copy of the other one set aside; and the other way round."""
    kept, gone = make.copy(db), make.copy(db)
    for copy in (kept, gone):
        make.loan(db, copy)
    theirs = wait(db, gone.title_id)
    merge = merging.merge(db, kept.title_id, gone.title_id, LATER)
    ours = wait(db, kept.title_id)
    for copy in (kept, gone):
        actions.give_back(db, copy, LATER, TODAY)
    back = merging.undo(db, kept.title_id, merge.id, LATER)
    holds.part_queues(db, [kept.title_id, back], LATER, TODAY)
    assert {row.id: row.copy_id for row in holds.queue_of(db, back)} == {theirs.id: gone.id}
    assert {row.id: row.copy_id for row in holds.queue_of(db, kept.title_id)} == {ours.id: kept.id}


def test_of_a_long_list_what_is_kept_ready_is_never_left_out(db: Session) -> None:
    waited_for, here = make.copy(db, title="Anfang"), make.copy(db, title="Zuletzt")
    make.loan(db, waited_for)
    wait(db, waited_for.title_id)
    ready = wait(db, here.title_id)
    assert [row.id for row in holds.open_holds(db, 0, 1)] == [ready.id]


def test_what_was_set_aside_of_a_title_that_parts_again_is_set_aside_no_more(db: Session) -> None:
    kept, gone = make.copy(db), make.copy(db)
    kept_id, gone_id, waiting = kept.title_id, gone.title_id, make.member(db)
    make.loan(db, kept)
    placed = wait(db, kept_id, waiting)
    done = merging.merge(db, kept_id, gone_id, LATER)
    assert holds.serve_waiting(db, LATER, TODAY) == 1
    merging.undo(db, kept_id, done.id, LATER)
    holds.part_queues(db, [kept_id, gone_id], LATER, TODAY)
    assert db.get_one(Hold, placed.id, populate_existing=True).copy_id is None
    assert notices(db) == [(waiting.id, "hold_ready"), (waiting.id, "hold_moved")]
    assert holds.is_free(db, gone.id)
