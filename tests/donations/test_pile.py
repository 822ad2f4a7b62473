"""A pile on both databases: onto it, off it, what was found, and all of it in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bibliothek.catalogue.actions import edit_title
from bibliothek.catalogue.fields import Person, TitleFields
from bibliothek.catalogue.models import Title
from bibliothek.catalogue.provenance import origins
from bibliothek.catalogue.queries import fields_of, title
from bibliothek.copies.models import Copy
from bibliothek.donations import drafts, looking, piles
from bibliothek.donations.actions import Donor
from bibliothek.donations.models import DonatedCopy, Donation, Pile, PileBook
from bibliothek.donations.piles import Owner
from bibliothek.lookup.merge import LookupResult
from bibliothek.lookup.record import Record
from bibliothek.members.actions import remove_member
from tests import make
from tests.conftest import NOON, Library

ISBN, OTHER, THIRD = "9783551551672", "9783499623479", "9783161484100"


@pytest.fixture
def owner(db: Session) -> Owner:
    return Owner(member_id=make.member(db).id)


def scan(db: Session, owner: Owner, isbn: str = ISBN, number: str | None = None) -> PileBook:
    return piles.scan(db, owner, number or f"n{isbn}", isbn, NOON)


def found(isbn: str = ISBN, title: str = "Momo", **more: object) -> LookupResult:
    record = Record(title=title, isbns=(isbn,), source="dnb", contributors=(Person("Person 1", "aut"),))
    origin = dict.fromkeys(record.filled(), "dnb")
    return LookupResult(
        isbn=isbn,
        outcome="found",
        record=record,
        origin=origin,
        sources=(("dnb", "found"),),
        **more,  # type: ignore[arg-type]
    )


def nothing(outcome: str, isbn: str = ISBN, retry_after: int | None = None) -> LookupResult:
    return LookupResult(isbn=isbn, outcome=outcome, sources=(("dnb", outcome),), retry_after=retry_after)  # type: ignore[arg-type]


def count(db: Session, table: type) -> int:
    return db.scalar(select(func.count()).select_from(table)) or 0


# ---- Onto the pile ----


def test_a_scan_that_is_sent_twice_is_one_book(db: Session, owner: Owner) -> None:
    assert scan(db, owner, number="1").id == scan(db, owner, number="1").id
    assert count(db, PileBook) == 1


def test_the_same_isbn_scanned_five_times_is_five_books_and_one_question(db: Session, owner: Owner) -> None:
    first = scan(db, owner, number="0")
    assert looking.claim(db, NOON) == ISBN
    more = [scan(db, owner, number=str(n)) for n in range(1, 5)]
    assert looking.claim(db, NOON) is None
    looking.settle(db, found(), NOON)
    assert {book.state for book in (first, *more)} == {"found"}


def test_a_scan_that_arrives_again_after_the_pile_came_in_is_no_new_book(db: Session, owner: Owner) -> None:
    scan(db, owner, number="1")
    looking.settle(db, found(), NOON)
    piles.take_in(db, owner, NOON)
    assert scan(db, owner, number="1").state == "saved"
    assert count(db, PileBook) == 1


def test_two_people_have_two_piles(db: Session, owner: Owner) -> None:
    other = Owner(member_id=make.member(db).id)
    book = scan(db, owner)
    scan(db, other)
    assert count(db, Pile) == 2
    with pytest.raises(piles.NoSuchBook):
        piles.book_for_change(db, other, book.id, NOON)


def test_a_book_that_is_here_is_known_at_once_as_one_more_copy(db: Session, owner: Owner) -> None:
    here = make.title(db, "Tschick", isbns=(ISBN,))
    assert (scan(db, owner).state, scan(db, owner).title_id) == ("found", here.id)
    assert piles.take_in(db, owner, NOON).count == 1
    assert count(db, Title) == 1


def test_two_titles_with_the_isbn_are_to_choose_from(db: Session, owner: Owner) -> None:
    _one, two = (make.title(db, name, isbns=(ISBN,)) for name in ("Momo", "Jim Knopf"))
    book = scan(db, owner)
    assert book.state == "choose"
    piles.choose_title(db, book, two.id)
    piles.take_in(db, owner, NOON)
    assert db.scalars(select(Copy.title_id)).all() == [two.id]


# ---- What was found ----


def test_what_was_found_fills_the_row(db: Session, owner: Owner) -> None:
    book = scan(db, owner)
    looking.settle(db, found(), NOON)
    draft = drafts.read(book.record)
    assert book.state == "found"
    assert draft
    assert (draft.title, draft.sources["title"]) == ("Momo", "dnb")


def test_two_editions_are_to_choose_from(db: Session, owner: Owner) -> None:
    book = scan(db, owner)
    other = Record(title="Momo", year=1999, isbns=(ISBN,), source="k10plus")
    similar = Record(title="Momo als Hörbuch", isbns=(OTHER,), carrier="disc")
    looking.settle(db, found(choose=True, alternatives=(other, similar)), NOON)
    assert book.state == "choose"
    assert [one.year for one in drafts.read_choices(book.choices)] == [None, 1999]
    with pytest.raises(piles.NoSuchChoice):
        piles.choose(db, book, 2, NOON)
    piles.choose(db, book, 1, NOON)
    assert book.state == "found"
    piles.take_in(db, owner, NOON)
    assert db.scalars(select(Title.year)).all() == [1999]


def test_what_nobody_knows_is_missing_and_what_a_source_says_badly_too(db: Session, owner: Owner) -> None:
    unknown, bad = scan(db, owner), scan(db, owner, OTHER)
    looking.settle(db, nothing("not_found"), NOON)
    looking.settle(db, found(OTHER, title="x" * 2000), NOON)
    assert (unknown.state, bad.state) == ("missing", "missing")


def test_while_the_sources_are_away_it_is_tried_again_after_one_five_and_thirty_minutes(
    db: Session, owner: Owner
) -> None:
    book, now = scan(db, owner), NOON
    for minutes in (1, 5, 30, 30):
        assert looking.claim(db, now) == ISBN
        looking.settle(db, nothing("unavailable"), now)
        assert book.state == "looking"
        assert book.next_try_at == now + timedelta(minutes=minutes)
        now += timedelta(minutes=minutes)
        assert looking.claim(db, now - timedelta(seconds=1)) is None


def test_a_busy_source_says_itself_when_to_come_again(db: Session, owner: Owner) -> None:
    book = scan(db, owner)
    looking.settle(db, nothing("throttled", retry_after=7), NOON)
    assert book.next_try_at == NOON + timedelta(seconds=8)


def test_where_no_source_is_switched_on_the_form_is_there_at_once(db: Session, owner: Owner) -> None:
    book = scan(db, owner)
    looking.settle(db, LookupResult(isbn=ISBN, outcome="unavailable"), NOON)
    assert book.state == "missing"


def test_what_a_person_said_meanwhile_stays(db: Session, owner: Owner) -> None:
    book = scan(db, owner)
    piles.describe(db, book, TitleFields(title="Von Hand", isbns=(ISBN,)))
    looking.settle(db, found(), NOON)
    draft = drafts.read(book.record)
    assert draft
    assert draft.title == "Von Hand"


def test_a_field_that_was_left_as_it_was_keeps_its_source(db: Session, owner: Owner) -> None:
    book = scan(db, owner)
    looking.settle(db, found(), NOON)
    draft = drafts.read(book.record)
    assert draft
    piles.describe(db, book, TitleFields(title="Momo", contributors=draft.contributors, year=1973, isbns=(ISBN,)))
    piles.take_in(db, owner, NOON)
    (title_id,) = db.scalars(select(Title.id))
    assert {name: row.source for name, row in origins(db, title_id).items()} == {
        "title": "dnb",
        "contributors": "dnb",
        "year": "person",
        "isbns": "dnb",
    }


def test_another_book_with_the_isbn_of_one_that_is_here_is_looked_up(db: Session, owner: Owner) -> None:
    make.title(db, "Tschick", isbns=(ISBN,))
    book = scan(db, owner)
    piles.look_up_again(db, book, NOON)
    looking.settle(db, found(), NOON)
    piles.take_in(db, owner, NOON)
    assert sorted(db.scalars(select(Title.title))) == ["Momo", "Tschick"]


# ---- In ----


def test_all_that_is_ready_comes_in_as_one_donation_and_the_rest_stays(db: Session, owner: Owner) -> None:
    shelf, other = make.shelf(db), make.shelf(db)
    for isbn in (ISBN, OTHER, THIRD):
        scan(db, owner, isbn)
    off = scan(db, owner, ISBN, "off")
    looking.settle(db, found(), NOON)
    looking.settle(db, found(OTHER, "Jim Knopf"), NOON)
    piles.take_off(db, off, NOON)
    books = {book.isbn: book for book in db.scalars(select(PileBook)) if book.id != off.id}
    piles.place(db, books[OTHER], other.id, "worn")
    piles.say_of_all(db, piles.pile_for_change(db, owner, NOON), Donor(name="Haus 7"), shelf.id)
    taken = piles.take_in(db, owner, NOON)
    assert (taken.count, taken.left) == (2, 1)
    assert db.scalars(select(Donation.donor_name)).all() == ["Haus 7"]
    copies = db.scalars(select(Copy).order_by(Copy.id)).all()
    assert [(copy.shelf_id, copy.condition, copy.labelled_at) for copy in copies] == [
        (shelf.id, None, None),
        (other.id, "worn", None),
    ]
    pile = piles.open_pile(db, owner)
    assert pile
    assert [book.isbn for book in piles.books_on(db, pile) if book.removed_at is None] == [THIRD]
    with pytest.raises(piles.NothingToTakeIn):
        piles.take_in(db, owner, NOON)


def test_an_empty_pile_is_closed_and_the_next_scan_begins_another(db: Session, owner: Owner) -> None:
    scan(db, owner)
    looking.settle(db, found(), NOON)
    piles.take_in(db, owner, NOON)
    assert piles.open_pile(db, owner) is None
    scan(db, owner, OTHER)
    assert piles.open_pile(db, owner)


def test_the_same_new_book_twice_on_a_pile_is_one_title(db: Session, owner: Owner) -> None:
    scan(db, owner, number="1")
    scan(db, owner, number="2")
    looking.settle(db, found(), NOON)
    piles.take_in(db, owner, NOON)
    assert (count(db, Title), count(db, Copy)) == (1, 2)


def test_what_was_taken_off_can_be_put_back(db: Session, owner: Owner) -> None:
    book = scan(db, owner)
    piles.take_off(db, book, NOON)
    assert looking.claim(db, NOON) is None
    piles.put_back(db, book)
    assert looking.claim(db, NOON) == ISBN


# ---- In before anybody knew what it is ----


def take_in_unknown(db: Session, owner: Owner) -> Title:
    scan(db, owner)
    piles.take_in(db, owner, NOON, unknown_too=True)
    return title(db, db.scalars(select(Title.id)).one())


def test_a_book_that_is_still_looked_up_comes_in_with_its_isbn_and_is_filled_in_later(
    db: Session, owner: Owner
) -> None:
    before = take_in_unknown(db, owner)
    assert before.title == "ISBN 978-3-551-55167-2 (wird nachgeschlagen)"
    assert looking.claim(db, NOON) == ISBN
    looking.settle(db, found(), NOON)
    db.expire_all()
    fields = fields_of(title(db, before.id))
    assert (fields.title, fields.contributors[0].name, fields.isbns) == ("Momo", "Person 1", (ISBN,))
    assert db.scalars(select(PileBook.state)).all() == ["saved"]


def test_what_a_person_typed_meanwhile_is_not_overwritten(db: Session, owner: Owner) -> None:
    before = take_in_unknown(db, owner)
    edit_title(db, before, TitleFields(title="Von Hand", isbns=(ISBN,)), NOON)
    looking.settle(db, found(), NOON)
    db.expire_all()
    assert title(db, before.id).title == "Von Hand"


def test_what_nobody_knows_stays_without_a_title(db: Session, owner: Owner) -> None:
    before = take_in_unknown(db, owner)
    looking.settle(db, nothing("not_found"), NOON)
    db.expire_all()
    assert title(db, before.id).title == "ISBN 978-3-551-55167-2 (ohne Angaben)"


# ---- Forgetting ----


def test_who_scanned_what_is_forgotten_after_a_day(db: Session, owner: Owner) -> None:
    scan(db, owner)
    looking.settle(db, found(), NOON)
    piles.take_in(db, owner, NOON)
    piles.forget(db, NOON + timedelta(hours=23))
    assert count(db, PileBook) == 1
    piles.forget(db, NOON + timedelta(hours=25))
    assert (count(db, PileBook), count(db, Pile)) == (0, 0)
    assert (count(db, Copy), count(db, DonatedCopy)) == (1, 1)


def test_a_book_that_waits_for_its_title_outlives_its_pile_and_names_nobody(db: Session, owner: Owner) -> None:
    take_in_unknown(db, owner)
    piles.forget(db, NOON + timedelta(days=2))
    assert db.execute(select(Pile.member_id, Pile.donor_id)).all() == [(None, None)]
    assert looking.claim(db, NOON + timedelta(days=2)) == ISBN


def test_the_pile_of_somebody_who_was_erased_goes_with_them(db: Session, owner: Owner) -> None:
    scan(db, owner)
    assert owner.member_id
    remove_member(db, owner.member_id, NOON)
    piles.forget(db, NOON)
    assert (count(db, PileBook), count(db, Pile)) == (0, 0)


def test_an_open_pile_stays_for_as_long_as_it_takes(db: Session, owner: Owner) -> None:
    scan(db, owner)
    piles.forget(db, NOON + timedelta(days=30))
    assert count(db, PileBook) == 1


# ---- Races ----


def test_one_scan_sent_eight_times_at_once_is_one_row(both: Library) -> None:
    with both.database.writing() as db:
        owner = Owner(member_id=make.member(db).id)

    def send(_n: int) -> int:
        with both.database.writing() as db:
            return piles.scan(db, owner, "one", ISBN, NOON).id

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(send, range(8)))) == 1
    with both.database.reading() as db:
        assert (count(db, Pile), count(db, PileBook)) == (1, 1)


def test_a_pile_taken_in_by_four_presses_at_once_is_one_donation(both: Library) -> None:
    with both.database.writing() as db:
        owner = Owner(member_id=make.member(db).id)
        for n in range(5):
            piles.scan(db, owner, str(n), ISBN, NOON)
        looking.settle(db, found(), NOON)

    def press(_n: int) -> int:
        try:
            with both.database.writing() as db:
                return piles.take_in(db, owner, NOON).count
        except piles.NothingToTakeIn:
            return 0

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(press, range(4))) == [0, 0, 0, 5]
    with both.database.reading() as db:
        assert (count(db, Donation), count(db, Copy), count(db, Title)) == (1, 5, 1)


def test_eight_runners_claim_each_book_once(both: Library) -> None:
    isbns = [f"978355155{n:03}{0}" for n in range(20)]
    with both.database.writing() as db:
        owner = Owner(member_id=make.member(db).id)
        for isbn in isbns:
            piles.scan(db, owner, isbn, isbn, NOON)

    def claim_all(_n: int) -> list[str]:
        claimed = []
        for _try in range(40):
            with both.database.writing() as db:
                isbn = looking.claim(db, NOON)
            if isbn:
                claimed.append(isbn)
        return claimed

    with ThreadPoolExecutor(8) as threads:
        claimed = [isbn for some in threads.map(claim_all, range(8)) for isbn in some]
    assert sorted(claimed) == isbns
