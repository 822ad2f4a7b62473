"""Adding, changing and deleting people, and their cards. On both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bibliothek.copies.models import Copy
from bibliothek.lending.actions import give_back
from bibliothek.lending.models import Loan
from bibliothek.mail import outbox
from bibliothek.mail.message import Message
from bibliothek.members import actions, queries, sign_in
from bibliothek.members.models import BrowserSession, Card, Member, SignIn
from bibliothek.problems import Invalid
from bibliothek.tokens import hashed
from tests import make
from tests.conftest import Library
from tests.make import NOW, TODAY
from tests.race import until_another_waits


def test_an_address_is_kept_in_lower_case(db: Session) -> None:
    assert make.member(db, email=" Mitglied@Example.ORG ").email == "mitglied@example.org"


def test_an_address_belongs_to_one_member(db: Session) -> None:
    make.member(db, email="mitglied@example.org")
    with pytest.raises(actions.AddressTaken):
        make.member(db, email="MITGLIED@example.org")
    other = make.member(db, email=None)
    with pytest.raises(actions.AddressTaken):
        actions.change_member(db, other.id, "Mitglied", "mitglied@example.org", "member", NOW)


def test_many_members_may_have_no_address(db: Session) -> None:
    assert make.member(db, email=None).email is None
    assert make.member(db, email=None).email is None


def test_of_two_who_take_an_address_at_once_one_gets_it(both: Library) -> None:
    def add(_number: int) -> bool:
        try:
            with both.database.writing() as db:
                actions.add_member(db, "Mitglied", "mitglied@example.org", "member", NOW)
        except actions.AddressTaken:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(add, range(6))) == 1


@pytest.mark.parametrize(
    "address",
    ["x", "@example.org", "x@", "a b@c", "a@b@c", "a@b,c@d", "a@b\nc", "a\x00@b", '"a"@b', "a@x\u2026de", "a@\u2024de"],
)
def test_what_is_no_address_is_refused(db: Session, address: str) -> None:
    with pytest.raises(actions.BadAddress):
        actions.add_member(db, "Mitglied", address, "member", NOW)


@pytest.mark.parametrize("name", ["", "   ", "\x00", "x" * 101])
def test_a_name_has_1_to_100_characters(db: Session, name: str) -> None:
    with pytest.raises(Invalid):
        actions.add_member(db, name, None, "member", NOW)


def test_a_new_card_stops_the_old_one_and_is_stored_hashed(db: Session) -> None:
    member = make.member(db)
    old = actions.new_card(db, member, NOW)
    new = actions.new_card(db, member, NOW)
    assert queries.member_by_card(db, new).id == member.id
    with pytest.raises(queries.UnknownCard):
        queries.member_by_card(db, old)
    assert set(db.scalars(select(Card.code_hash))) == {hashed(old), hashed(new)}


def test_another_role_signs_out_everywhere(db: Session) -> None:
    member = make.member(db)
    make.admin(db)
    actions.start_session(db, member, NOW)
    actions.change_member(db, member.id, member.name, member.email, "member", NOW)
    assert db.scalar(select(func.count()).select_from(BrowserSession)) == 1
    actions.change_member(db, member.id, member.name, member.email, "librarian", NOW)
    assert db.scalar(select(func.count()).select_from(BrowserSession)) == 0


def test_waiting_mails_follow_to_the_new_address(db: Session) -> None:
    member = make.member(db, email="alt@example.org")
    text = Message("s", "t", "h")
    for kind in ("reminder", "sign_in"):
        outbox.queue(db, kind=kind, member_id=member.id, address="alt@example.org", message=text, now=NOW)
    sign_in.new_link(db, member, NOW)
    actions.change_member(db, member.id, member.name, "neu@example.org", "member", NOW)
    found = {
        mail.kind: (mail.address, mail.state) for mail in db.scalars(select(outbox.Mail)) if mail.kind == "reminder"
    }
    assert found == {"reminder": ("neu@example.org", "pending")}
    assert db.scalars(select(outbox.Mail.state).where(outbox.Mail.kind == "sign_in")).all() == ["cancelled"]
    assert db.scalar(select(func.count()).select_from(SignIn)) == 0


def test_the_last_admin_stays_an_admin(db: Session) -> None:
    admin = make.admin(db)
    with pytest.raises(actions.LastAdmin):
        actions.change_member(db, admin.id, admin.name, admin.email, "member", NOW)
    with pytest.raises(actions.LastAdmin):
        actions.remove_member(db, admin.id, NOW)
    other = make.admin(db)
    actions.remove_member(db, other.id, NOW)
    assert queries.has_admin(db)


def test_of_two_admins_who_leave_at_once_one_stays(both: Library) -> None:
    with both.database.writing() as db:
        ids = [make.admin(db).id, make.admin(db).id]

    def leave(member_id: int) -> bool:
        try:
            with both.database.writing() as db:
                actions.remove_member(db, member_id, NOW)
        except actions.LastAdmin:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(leave, ids)) == 1


def test_a_member_with_a_book_at_home_cannot_be_deleted(both: Library) -> None:
    with both.database.writing() as db:
        loan = make.loan(db, to=make.member(db, "Mitglied 1"))
    with pytest.raises(actions.HasOpenLoans), both.database.writing() as db:
        actions.remove_member(db, queries.members(db, "Mitglied 1")[0].id, NOW)
    with both.database.reading() as db:
        assert queries.count_members(db) == 1
        assert db.get_one(Loan, loan.id).returned_at is None


def test_deleting_a_member_deletes_no_book_and_no_loan(db: Session) -> None:
    member = make.member(db)
    loan = make.loan(db, to=member)
    give_back(db, db.get_one(Copy, loan.copy_id), NOW, TODAY)
    actions.start_session(db, member, NOW)
    card = actions.new_card(db, member, NOW)
    text = Message("s", "t", "h")
    outbox.queue(db, kind="reminder", member_id=member.id, address=member.email or "", message=text, now=NOW)
    actions.remove_member(db, member.id, NOW)
    db.expire_all()
    assert db.scalar(select(func.count()).select_from(Loan)) == 1
    assert db.scalar(select(func.count()).select_from(Copy)) == 1
    assert db.scalar(select(func.count()).select_from(BrowserSession)) == 0
    kept = db.scalars(select(Card)).one()
    assert (kept.member_id, kept.code_hash, kept.revoked_at) == (None, hashed(card), NOW)
    mail = db.scalars(select(outbox.Mail)).one()
    assert (mail.state, mail.address, mail.member_id, mail.text) == ("cancelled", None, None, None)


@pytest.mark.parametrize("number", [0, -1, 4711, 2**31, 2**80])
def test_nobody_has_this_number(db: Session, number: int) -> None:
    with pytest.raises(queries.NoSuchMember):
        queries.member(db, number)
    with pytest.raises(queries.NoSuchMember):
        actions.remove_member(db, number, NOW)


def test_members_are_found_by_parts_of_name_and_address(db: Session) -> None:
    for name, email in (("Özge Öz", "o@example.org"), ("Anna Bach", "anna_b@example.org"), ("Berta 100%", None)):
        actions.add_member(db, name, email, "member", NOW)

    def found(q: str) -> list[str]:
        return [member.name for member in queries.members(db, q)]

    assert found("") == ["Anna Bach", "Berta 100%", "Özge Öz"]
    assert found("ozge") == found("ÖZ öz") == found("öz OZGE") == ["Özge Öz"]
    assert found("anna_b") == ["Anna Bach"]
    assert found("%") == found("100%") == ["Berta 100%"]
    assert found("annaxb") == []
    assert found("_") == ["Anna Bach"]
    assert queries.count_members(db, "a") == 3
    # More than anybody types is left out; SQLite takes no more than a thousand conditions.
    assert found("Berta " + "100 " * 3000) == ["Berta 100%"]
    assert found("x " * 3000) == []
    assert [member.name for member in queries.members(db, offset=1, limit=1)] == ["Berta 100%"]


def test_tokens_are_stored_hashed_and_named(db: Session) -> None:
    token = actions.add_token(db, "Scanner am Eingang", "kiosk", NOW)
    assert queries.token_role(db, hashed(token)) is not None
    assert token not in str(db.execute(select(actions.ApiToken.__table__)).all())
    with pytest.raises(Invalid):
        actions.add_token(db, "  ", "kiosk", NOW)


def test_only_the_first_of_many_sets_the_library_up(both: Library) -> None:
    def set_up(number: int) -> bool:
        try:
            with both.database.writing() as db:
                actions.set_up(db, f"Bibliothek {number}", f"Mitglied {number}", f"mitglied{number}@example.org", NOW)
        except actions.AlreadySetUp:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(set_up, range(8))) == 1
    with both.database.reading() as db:
        assert db.scalar(select(func.count()).select_from(Member)) == 1


def test_a_first_admin_from_the_terminal_ends_the_first_run_too(both: Library) -> None:
    def set_up(_number: int) -> bool:
        try:
            with both.database.writing() as db:
                actions.set_up(db, "Bibliothek", "Mitglied 1", "mitglied1@example.org", NOW)
        except actions.AlreadySetUp:
            return False
        return True

    with both.database.writing() as db:
        actions.add_member(db, "Mitglied 2", None, "admin", NOW)
    assert not set_up(1)


def test_of_two_cards_printed_at_once_one_is_valid(both: Library) -> None:
    with both.database.writing() as db:
        member = make.member(db)
    first = Lock()

    def print_card(_number: int) -> str:
        with both.database.writing() as db:
            code = actions.new_card(db, queries.member(db, member.id), NOW)
            if first.acquire(blocking=False):
                until_another_waits(both.database)
            return code

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(print_card, range(4)))) == 4
    with both.database.reading() as db:
        assert len(db.scalars(select(Card).where(Card.revoked_at.is_(None))).all()) == 1


def test_the_database_itself_refuses_a_second_valid_card(db: Session) -> None:
    member = make.member(db)
    actions.new_card(db, member, NOW)
    db.add(Card(member_id=member.id, code_hash="x", created_at=NOW))
    with pytest.raises(IntegrityError):
        db.flush()


def test_the_same_seed_makes_one_card(db: Session) -> None:
    member = make.member(db)
    assert actions.new_card(db, member, NOW, b"s" * 16) == actions.new_card(db, member, NOW, b"s" * 16)
    card = db.scalars(select(Card)).one()
    assert card.revoked_at is None


def test_nobody_who_was_erased_gets_a_card(db: Session) -> None:
    member = make.member(db)
    actions.remove_member(db, member.id, NOW)
    with pytest.raises(queries.NoSuchMember):
        actions.new_card(db, member, NOW)
