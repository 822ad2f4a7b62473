"""What can be asked about loans."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from bibliothek.copies.queries import MisreadCode, UnknownCopy
from bibliothek.lending import actions, looking, queries
from tests import make
from tests.make import NOW, TODAY


def titles(rows: object) -> list[str]:
    return [row.loan.copy.title.title for row in rows]  # type: ignore[attr-defined]


def test_open_loans_come_the_longest_due_first(db: Session) -> None:
    for title, days in [("Später", 0), ("Früher", 9)]:
        make.loan(db, make.copy(db, title=title), today=TODAY - timedelta(days=days))
    make.copy(db, title="Im Regal")
    assert titles(queries.open_loans(db)) == ["Früher", "Später"]
    assert queries.count_open_loans(db) == 2


def test_overdue_loans_are_those_due_before_today(db: Session) -> None:
    for title, days in [("Heute fällig", 28), ("Gestern fällig", 29)]:
        make.loan(db, make.copy(db, title=title), today=TODAY - timedelta(days=days))
    assert titles(queries.open_loans(db, overdue_on=TODAY)) == ["Gestern fällig"]
    assert queries.count_open_loans(db, TODAY) == 1


def found(db: Session, q: str) -> list[str]:
    return titles(queries.page_of_loans(db, 1, 50, q=q).rows)


@pytest.fixture(params=["from the few", "from the loans"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loans are found among those of a few titles and members, and in their own order where these are many."""
    if request.param == "from the loans":
        monkeypatch.setattr(looking, "FEW", -1)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    "q", ["geschlecht", "das andere", "and gesch", "müller", "MULLER mia", "ia gesch", "mia - das", " "]
)
def test_loans_are_found_by_title_and_member(db: Session, q: str) -> None:
    make.loan(db, make.copy(db, title="Das andere Geschlecht"), make.member(db, "Mia Müller"))
    make.loan(db, make.copy(db, title="Momo"), make.member(db, "Kim"))
    back = make.copy(db, title="Das andere Geschlecht")
    make.loan(db, back, make.member(db, "Mia Müller"))
    actions.give_back(db, back, NOW, TODAY)
    assert found(db, q) == (["Das andere Geschlecht", "Momo"] if not q.strip() else ["Das andere Geschlecht"])


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("q", ["mia momo", "kim andere", "kim müller", "das momo", "xyzzy", "mia xyzzy"])
def test_loans_with_only_some_of_the_words_are_not_found(db: Session, q: str) -> None:
    make.loan(db, make.copy(db, title="Das andere Geschlecht"), make.member(db, "Mia Müller"))
    make.loan(db, make.copy(db, title="Momo"), make.member(db, "Kim"))
    assert found(db, q) == []


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("q", ["Tom & Jerry", "tom &", "ute - tragödie", "Faust – Tragödie", "- ute"])
def test_signs_between_words_are_not_looked_for(db: Session, q: str) -> None:
    make.loan(db, make.copy(db, title="Tom & Jerry"), make.member(db, "Tomas Jerrysen"))
    make.loan(db, make.copy(db, title="Faust – eine Tragödie"), make.member(db, "Ute Schmidt-Müller"))
    assert found(db, q) == ["Tom & Jerry" if "tom" in q.lower() else "Faust – eine Tragödie"]
    assert found(db, "&") == found(db, "- –") == []


@pytest.mark.usefixtures("way")
def test_of_loans_that_are_looked_for_the_longest_due_come_first_and_only_overdue_ones_if_wanted(db: Session) -> None:
    for title, days in [("Momo 1", 5), ("Momo 2", 40), ("Momo 3", 30), ("Emma", 50)]:
        make.loan(db, make.copy(db, title=title), today=TODAY - timedelta(days=days))
    assert found(db, "momo") == ["Momo 2", "Momo 3", "Momo 1"]
    assert titles(queries.page_of_loans(db, 1, 50, TODAY, "momo").rows) == ["Momo 2", "Momo 3"]


def test_loans_are_found_by_the_code_of_the_copy(db: Session) -> None:
    copy = make.copy(db, title="Momo")
    make.loan(db, copy)
    make.loan(db)
    assert found(db, copy.code.lower()) == ["Momo"]


@pytest.mark.parametrize("q", ["%", "_", "\\", "\x00", "x" * 10_000, "📚", "' OR 1=1", '"', "a " * 500])
def test_odd_searches_find_nothing_and_break_nothing(db: Session, q: str) -> None:
    make.loan(db, make.copy(db, title="Momo"))
    assert len(found(db, q)) <= 1
    if q == "%":
        assert found(db, q) == []


def test_a_list_of_loans_costs_the_same_number_of_statements_for_2_and_for_20(db: Session) -> None:
    def statements() -> int:
        seen: list[str] = []

        def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
            seen.append(statement)

        engine = db.get_bind()
        event.listen(engine, "before_cursor_execute", note)
        db.expunge_all()
        for row in queries.open_loans(db):
            assert row.member.name
            assert row.loan.copy.title.title
        event.remove(engine, "before_cursor_execute", note)
        return len(seen)

    for _ in range(2):
        make.loan(db)
    few = statements()
    for _ in range(18):
        make.loan(db)
    assert statements() == few == 1


def test_a_copy_at_the_desk(db: Session) -> None:
    copy, member = make.copy(db, title="Momo", shelf=make.shelf(db, "Romane")), make.member(db)
    here = queries.at_desk(db, copy.code)
    assert (here.title, here.shelf, here.on_loan, here.member_id) == ("Momo", "Romane", False, None)
    loan = make.loan(db, copy, member)
    lent = queries.at_desk(db, copy.code)
    assert (lent.loan_id, lent.due_on, lent.member_id) == (loan.id, loan.due_on, member.id)
    assert queries.at_desk_by_loan(db, loan.id) == lent
    actions.give_back(db, copy, NOW, TODAY)
    assert queries.at_desk(db, copy.code).on_loan is False
    assert queries.at_desk_by_loan(db, loan.id) is None


def test_codes_that_no_copy_has(db: Session) -> None:
    with pytest.raises(MisreadCode):
        queries.at_desk(db, "B00000X")
    with pytest.raises(UnknownCopy):
        queries.at_desk(db, "irgendwas")


def test_availability_counts_what_can_be_lent(db: Session) -> None:
    title = make.title(db)
    copies = [make.copy(db, title) for _ in range(4)]
    make.loan(db, copies[0])
    copies[1].state = "repair"
    copies[2].state = "withdrawn"
    db.flush()
    nothing = make.title(db)
    found = queries.availability(db, [title.id, nothing.id])
    assert (found[title.id].available, found[title.id].total) == (1, 3)
    assert found[nothing.id] == queries.NONE


def test_the_last_return_of_a_copy(db: Session) -> None:
    copy = make.copy(db)
    assert queries.last_return(db, copy.id) is None
    for hours in (1, 2):
        make.loan(db, copy)
        actions.give_back(db, copy, NOW + timedelta(hours=hours), TODAY)
    assert queries.last_return(db, copy.id) == NOW + timedelta(hours=2)


def test_of_loans_that_are_looked_for_only_the_first_are_counted(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "MOST_FOUND", 3)
    for n in range(5):
        make.loan(db, make.copy(db, title=f"Momo {n}"))
    found = queries.page_of_loans(db, 9, 2, q="momo")
    assert (found.total, found.more, found.number, found.pages, len(found.rows)) == (3, True, 2, 2, 1)
    every = queries.page_of_loans(db, 3, 2)
    assert (every.total, every.more, every.number, every.pages, len(every.rows)) == (5, False, 3, 3, 1)
