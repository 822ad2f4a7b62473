"""What members do about their own loans and holds; what librarians see of queues and flags, rules and opening days."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time, timedelta

import pytest
from sqlalchemy import select, update

from bibliothek.catalogue.models import Material
from bibliothek.copies.models import Copy
from bibliothek.lending import actions, exceptions, flags, holds, notices, queue_pages
from bibliothek.lending.models import Borrower, Flag, Hold, Loan, Notice, SpecialDay
from bibliothek.library.models import Library as Settings
from bibliothek.members.actions import blur_sessions
from bibliothek.members.models import BrowserSession, Member
from bibliothek.members.sign_in import new_link
from tests import make
from tests.client import Client, text_of
from tests.conftest import Library
from tests.counting import statements
from tests.make import TODAY

HOLDS = "/verwaltung/vormerkungen"
REPORTED = "Du hast gemeldet, dass du es nicht findest"


@dataclass
class Desk:
    library: Library
    client: Client
    member: Member
    other: Member
    copy: Copy

    def loan(self) -> Loan | None:
        with self.library.database.reading() as db:
            return db.scalars(select(Loan).where(Loan.returned_at.is_(None))).first()

    def lend(self, to: Member) -> int:
        with self.library.database.writing() as db:
            return make.loan(db, self.copy, to).id

    def wait(self, member: Member) -> int:
        with self.library.database.writing() as db:
            return holds.place(db, self.copy.title_id, member.id, self.library.clock(), TODAY).id


@pytest.fixture
def desk(both: Library) -> Iterator[Desk]:
    with both.database.writing() as db:
        make.admin(db)
        member, other = make.member(db, "Mitglied A"), make.member(db, "Mitglied Unverkennbar")
        copy = make.copy(db, title="Das Buch")
    with both.client() as client:
        yield Desk(both, client.sign_in(member), member, other, copy)


def test_renewing_my_own_book(desk: Desk) -> None:
    loan_id = desk.lend(desk.member)
    assert "noch nicht nötig" in text_of(desk.client.get("/konto").text)
    desk.library.clock.pass_time(days=10)
    assert "Verlängern bis 31. Dezember" in text_of(desk.client.get("/konto").text)
    assert "Verlängert bis zum 31. Dezember" in text_of(desk.client.submit("/konto/verlaengern", loan=loan_id).text)
    loan = desk.loan()
    assert loan
    assert loan.due_on == TODAY + timedelta(days=38)


@pytest.mark.parametrize("loan", ["1", "999", "x", "", "-1"])
def test_nobody_renews_for_somebody_else(desk: Desk, loan: str) -> None:
    desk.lend(desk.other)
    desk.library.clock.pass_time(days=10)
    assert desk.client.submit("/konto/verlaengern", loan=loan).status_code in (200, 422)
    found = desk.loan()
    assert found
    assert found.due_on == TODAY + timedelta(days=28)


def test_waiting_and_leaving(desk: Desk) -> None:
    desk.lend(desk.other)
    path = f"/titel/{desk.copy.title_id}"
    assert "Vormerken" in text_of(desk.client.get(path).text)
    assert "an Stelle 1" in text_of(desk.client.submit(path + "/vormerken").text)
    assert "an Stelle 1" in text_of(desk.client.get("/konto").text)
    desk.client.submit(path + "/vormerken")
    with desk.library.database.reading() as db:
        hold = db.scalars(select(Hold)).one()
    left = desk.client.submit(f"/vormerkungen/{hold.id}/beenden", zurueck=path)
    assert "ist beendet" in text_of(left.text)
    assert "gibt es nicht" in text_of(desk.client.submit(f"/vormerkungen/{hold.id}/beenden").text)


def test_what_is_here_is_kept_at_once(desk: Desk) -> None:
    answer = desk.client.submit(f"/titel/{desk.copy.title_id}/vormerken")
    assert "bis zum 30. November 2026 für dich aufgehoben" in text_of(answer.text)
    assert "für dich bereit" in text_of(desk.client.get(f"/c/{desk.copy.code}").text)
    desk.client.submit(f"/c/{desk.copy.code}/ausleihen")
    with desk.library.database.reading() as db:
        assert db.scalars(select(Hold.ended_as)).all() == ["fulfilled"]


def test_nobody_leaves_for_somebody_else_and_nobody_sees_who_waits(desk: Desk) -> None:
    desk.lend(desk.member)
    hold_id = desk.wait(desk.other)
    desk.client.submit(f"/vormerkungen/{hold_id}/beenden")
    page = desk.client.get(f"/titel/{desk.copy.title_id}").text + desk.client.get(f"/c/{desk.copy.code}").text
    assert "Unverkennbar" not in page
    assert "jemand wartet" in text_of(desk.client.get("/konto").text)
    with desk.library.database.reading() as db:
        assert db.scalars(select(Hold.ended_at)).all() == [None]


def test_taking_along_what_somebody_else_had(desk: Desk) -> None:
    loan_id = desk.lend(desk.other)
    answer = desk.client.submit(f"/c/{desk.copy.code}/mitnehmen", loan=loan_id)
    assert "Ausgeliehen bis zum" in text_of(answer.text)
    with desk.library.database.reading() as db:
        assert db.scalars(select(Borrower.member_id)).all() == [desk.member.id]


def test_a_note_is_said_on_the_phone_too(desk: Desk) -> None:
    desk.wait(desk.other)
    said = text_of(desk.client.submit(f"/c/{desk.copy.code}/ausleihen").text)
    assert "wartet jemand" in said
    assert "Abholfach" in text_of(
        desk.client.submit(f"/c/{desk.copy.code}/zurueckgeben", loan=desk.loan().id).text  # type: ignore[union-attr]
    )


def test_strangers_sign_in_first(desk: Desk) -> None:
    desk.lend(desk.member)
    with desk.library.client() as stranger:
        for path in ("/konto/verlaengern", f"/titel/{desk.copy.title_id}/vormerken", "/vormerkungen/1/beenden"):
            assert stranger.submit(path, False, loan=1).headers["location"].startswith("/anmelden")
        assert "Vormerken" not in text_of(stranger.get(f"/titel/{desk.copy.title_id}").text)


def test_the_account_asks_as_often_for_twenty_books_as_for_ten(library: Library) -> None:
    with library.database.writing() as db:
        make.admin(db)
        member = make.member(db)
    counts = []
    with library.client() as client:
        client.sign_in(member)
        client.get("/konto")
        for _ in range(2):
            with library.database.writing() as db:
                for _n in range(10):
                    make.loan(db, to=member)
                    waited = make.copy(db)
                    make.loan(db, waited)
                    holds.place(db, waited.title_id, member.id, make.NOW, TODAY)
            with statements() as asked:
                client.get("/konto")
            counts.append(len(asked))
    assert counts[0] == counts[1]


# ---- For librarians ----


@pytest.fixture
def librarian(desk: Desk) -> Client:
    with desk.library.database.writing() as db:
        member = make.member(db, role="librarian")
    return desk.client.sign_in(member)


def test_what_is_to_be_settled(desk: Desk, librarian: Client) -> None:
    with desk.library.database.writing() as db:
        db.execute(update(Copy).values(state="repair"))
    desk.lend(desk.member)
    page = text_of(librarian.get("/verwaltung/klaeren").text)
    assert "Das Buch" in page
    assert "repariert" in page
    assert "Mitglied A" not in page
    assert "Erledigt." in text_of(librarian.submit("/verwaltung/klaeren/1").text)
    assert "schon erledigt" in text_of(librarian.submit("/verwaltung/klaeren/1").text)
    assert "Nichts zu klären" in text_of(librarian.get("/verwaltung/klaeren").text)
    with desk.library.database.writing() as db:
        flags.forget(db, desk.library.clock() + timedelta(days=91))
        assert db.scalars(select(Flag)).all() == []


def test_who_waits_and_what_is_ready(desk: Desk, librarian: Client) -> None:
    desk.lend(desk.member)
    hold_id = desk.wait(desk.other)
    assert "Warten noch" in text_of(librarian.get("/verwaltung/vormerkungen").text)
    with desk.library.database.writing() as db:
        actions.give_back(db, desk.copy, desk.library.clock() + timedelta(minutes=1), TODAY)
    ready = text_of(librarian.get("/verwaltung/vormerkungen").text)
    assert "für Mitglied Unverkennbar, bis zum 30. November 2026 · im Abholfach" in ready
    assert "ist beendet" in text_of(librarian.submit(f"/verwaltung/vormerkungen/{hold_id}").text)
    assert "Niemand wartet" in text_of(librarian.get("/verwaltung/vormerkungen").text)


def test_holds_stand_page_by_page_what_is_ready_first(
    desk: Desk, librarian: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_pages, "PER_PAGE", 2)
    with desk.library.database.writing() as db:
        for title in ("Anfang", "Mitte", "Ende"):
            copy = make.copy(db, title=title)
            if title != "Mitte":
                make.loan(db, copy)
            holds.place(db, copy.title_id, desk.other.id, desk.library.clock(), TODAY)
    first, second, beyond = (librarian.get(HOLDS, params={"seite": n}).text for n in (1, 2, 9))
    assert re.findall("Anfang|Mitte|Ende", text_of(first)) == ["Mitte", "Anfang"]
    assert re.findall("Anfang|Mitte|Ende", text_of(second)) == ["Ende"]
    assert text_of(beyond) == text_of(second)
    ((end, form),) = re.findall(rf'action="({HOLDS}/\d+)">(.*?)</form>', second, re.DOTALL)
    assert f'name="zurueck" value="{HOLDS}?seite=2"' in form
    left = librarian.submit(end, zurueck=f"{HOLDS}?seite=2")
    assert "ist beendet" in text_of(left.text)
    assert re.findall("Anfang|Mitte|Ende", text_of(left.text)) == ["Mitte", "Anfang"]


RULES = {"loan_days": "14", "renewals": "0", "renew_from": "due", "loan_limit": "", "hold_days": "3"}


def test_rules_are_changed(desk: Desk, librarian: Client) -> None:
    assert "bis 21. Dezember 2026" in text_of(librarian.get("/verwaltung/regeln").text)
    assert "Gespeichert" in text_of(librarian.submit("/verwaltung/regeln", **RULES, takes_guests="1").text)
    with desk.library.database.reading() as db:
        found = db.get_one(Settings, 1)
        assert (found.loan_days, found.renewals, found.renew_from, found.loan_limit) == (14, 0, "due", None)
        assert (found.hold_days, found.takes_guests) == (3, True)
    librarian.submit("/verwaltung/regeln", **(RULES | {"loan_limit": "5"}))
    with desk.library.database.reading() as db:
        assert (db.get_one(Settings, 1).loan_limit, db.get_one(Settings, 1).takes_guests) == (5, False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"loan_days": "0"},
        {"loan_days": "zwei"},
        {"renewals": "-1"},
        {"renewals": "100"},
        {"renew_from": "morgen"},
        {"loan_limit": "0"},
        {"loan_limit": "9" * 30},
        {"hold_days": ""},
    ],
)
def test_rules_that_make_no_sense_are_refused(desk: Desk, librarian: Client, wrong: dict[str, str]) -> None:
    answer = librarian.submit("/verwaltung/regeln", **(RULES | wrong))
    assert answer.status_code == 422
    with desk.library.database.reading() as db:
        assert db.get_one(Settings, 1).loan_days == 28


def test_since_when_somebody_waits_is_a_date_of_the_library(desk: Desk, librarian: Client) -> None:
    desk.lend(desk.other)
    desk.library.clock.pass_time(hours=12, minutes=30)
    hold_id = desk.wait(desk.member)
    with desk.library.database.reading() as db:
        assert db.get_one(Hold, hold_id).placed_at.date() == date(2026, 11, 23)
    assert "seit 24. November 2026" in text_of(librarian.get("/verwaltung/vormerkungen").text)


def test_a_closure_moves_dates_and_says_how_many_are_told(desk: Desk, librarian: Client) -> None:
    desk.lend(desk.member)
    closed = {"first": "2026-12-20", "last": "2027-01-06", "reason": "Winterpause"}
    asked = librarian.submit("/verwaltung/oeffnung/tage", **closed).text
    assert "Ein Mitglied bekommt dadurch ein neues Datum" in text_of(asked)
    assert 'value="Winterpause"' in asked
    with desk.library.database.reading() as db:
        assert db.scalars(select(SpecialDay)).all() == []
        assert db.scalars(select(Loan.due_on)).all() == [date(2026, 12, 21)]
    assert "Ein Mitglied hat jetzt ein neues Datum" in text_of(
        librarian.submit("/verwaltung/oeffnung/tage", **closed, sure="1").text
    )
    page = text_of(librarian.get("/verwaltung/oeffnung").text)
    assert "20. Dezember 2026 – 6. Januar 2027 geschlossen · Winterpause" in page
    loan = desk.loan()
    assert loan
    assert loan.due_on.isoformat() == "2027-01-07"
    # As the page's own button sends it.
    librarian.submit("/verwaltung/oeffnung/tage/loeschen", first=closed["first"], last=closed["last"])
    with desk.library.database.reading() as db:
        assert db.scalars(select(SpecialDay)).all() == []


def test_weekdays(desk: Desk, librarian: Client) -> None:
    librarian.post("/verwaltung/oeffnung", data={"tag": ["1", "3"]}, headers={"sec-fetch-site": "same-origin"})
    with desk.library.database.reading() as db:
        assert db.get_one(Settings, 1).open_weekdays == 0b1010
    assert librarian.submit("/verwaltung/oeffnung").status_code == 422
    assert librarian.submit("/verwaltung/oeffnung", tag="9").status_code == 422


@pytest.mark.parametrize(
    "wrong",
    [
        {"first": "2026-11-22"},
        {"first": "2026-02-30"},
        {"first": "bald"},
        {"first": ""},
        {"last": "2026-11-30"},
        {"last": "2028-06-01"},
        {"last": "9999-12-31"},
        {"reason": "x" * 101},
    ],
)
def test_days_that_make_no_sense_are_refused(desk: Desk, librarian: Client, wrong: dict[str, str]) -> None:
    form = {"first": "2026-12-24", "last": "2026-12-26", "reason": "Feiertage"} | wrong
    answer = librarian.submit("/verwaltung/oeffnung/tage", **form)
    assert answer.status_code == 422
    with desk.library.database.reading() as db:
        assert db.scalars(select(SpecialDay)).all() == []


def test_a_single_day_too_far_away_is_said_at_the_day_that_was_filled_in(librarian: Client) -> None:
    page = librarian.submit("/verwaltung/oeffnung/tage", first="9999-12-31", last="", reason="weit").text
    assert 'id="f-first-error"' in page
    assert 'id="f-last-error"' not in page


def test_the_opening_days_belong_to_the_rules(librarian: Client) -> None:
    page = librarian.get("/verwaltung/oeffnung").text
    assert '<a href="/verwaltung/regeln" aria-current="true">' in page


@pytest.mark.parametrize("path", ["klaeren", "vormerkungen", "regeln", "oeffnung"])
def test_members_see_nothing_of_it(desk: Desk, path: str) -> None:
    assert desk.client.get(f"/verwaltung/{path}").status_code == 403
    assert desk.client.submit(f"/verwaltung/{path}/1").status_code in (403, 404, 405)
    assert desk.client.submit(f"/verwaltung/{path}", **RULES).status_code in (403, 405)


def test_what_was_read_is_not_mailed_any_more(desk: Desk) -> None:
    desk.lend(desk.other)
    desk.wait(desk.member)
    with desk.library.database.writing() as db:
        actions.give_back(db, desk.copy, desk.library.clock(), TODAY)
    page = desk.client.get("/konto").text
    assert "liegt für dich bereit" in text_of(page)
    desk.client.submit("/konto/gelesen", last=last_notice(page))
    assert "liegt für dich bereit" not in text_of(desk.client.get("/konto").text)
    with desk.library.database.reading() as db:
        assert db.scalars(select(Notice)).all() == []


def last_notice(page: str) -> str:
    return re.findall(r'name="last" value="(\d+)"', page)[0]


def test_what_came_after_the_page_was_opened_has_not_been_read(desk: Desk) -> None:
    with desk.library.database.writing() as db:
        notices.tell(db, desk.member.id, "taken_over", None, desk.library.clock())
    page = desk.client.get("/konto").text
    with desk.library.database.writing() as db:
        notices.tell(db, desk.member.id, "hold_ready", TODAY, desk.library.clock())
    desk.client.submit("/konto/gelesen", last=last_notice(page))
    with desk.library.database.reading() as db:
        assert db.scalars(select(Notice.kind)).all() == ["hold_ready"]


def test_who_signed_in_to_borrow_a_book_has_no_moment_in_common_with_its_loan(desk: Desk) -> None:
    with desk.library.database.writing() as db:
        link = new_link(db, desk.member, desk.library.clock())
    with desk.library.client() as phone:
        phone.submit(f"/c/{desk.copy.code}/ausleihen")
        phone.submit(f"/anmelden/{link}")
    assert desk.loan()
    desk.library.clock.pass_time(minutes=2)
    with desk.library.database.writing() as db:
        blur_sessions(db, desk.library.clock())
        same = select(BrowserSession).join(Loan, Loan.lent_at == BrowserSession.created_at)
        assert db.scalars(same).all() == []
        lasting = select(BrowserSession.expires_at).where(BrowserSession.member_id == desk.member.id)
        assert {until.time() for until in db.scalars(lasting)} == {time(0)}
    assert desk.client.get("/konto").status_code == 200


def test_a_new_copy_that_is_set_aside_is_in_its_shelf(desk: Desk) -> None:
    desk.lend(desk.other)
    desk.wait(desk.member)
    with desk.library.database.writing() as db:
        make.copy(db, make.db_title(db, desk.copy.title_id), make.shelf(db, "Rot"))
        assert holds.serve_waiting(db, desk.library.clock() + timedelta(minutes=1), TODAY) == 1
    assert "für dich bereit · in Regal Rot" in text_of(desk.client.get("/konto").text)


def test_the_date_that_a_loan_would_have_follows_the_rules_for_its_material(desk: Desk) -> None:
    with desk.library.database.writing() as db:
        exceptions.add(db, Material, "Film")
        film = exceptions.materials(db)[0].id
        exceptions.make_material(db, desk.copy.title_id, film)
        exceptions.set_rule(db, None, film, 7, None, None)
    page = f"/c/{desk.copy.code}"
    assert "Du behältst es bis zum 30. November 2026" in text_of(desk.client.get(page).text)
    assert "bis zum 30. November 2026" in text_of(desk.client.submit(f"{page}/ausleihen").text)


def test_what_was_reported_as_not_to_be_found_is_not_offered_for_reporting_again(desk: Desk) -> None:
    loan_id = desk.lend(desk.member)
    with desk.library.database.writing() as db:
        make.loan(db, make.copy(db, title="Ein anderes"), desk.member)
    assert (REPORTED in desk.client.get("/konto").text, offers(desk)) == (False, 2)
    assert REPORTED in desk.client.submit("/konto/verloren", loan=loan_id).text
    assert offers(desk) == 1
    with desk.library.database.writing() as db:
        flags.settle(db, db.scalars(select(Flag.id)).one(), desk.other.id, desk.library.clock())
    assert (REPORTED in desk.client.get("/konto").text, offers(desk)) == (False, 2)


def test_the_next_reader_is_not_told_that_a_book_was_not_to_be_found(desk: Desk) -> None:
    desk.client.submit("/konto/verloren", loan=desk.lend(desk.member))
    desk.library.clock.pass_time(days=1)
    now = desk.library.clock()
    with desk.library.database.writing() as db:
        actions.give_back(db, desk.copy, now, TODAY)
        make.loan(db, desk.copy, desk.other, now=now)
    desk.client.sign_in(desk.other)
    assert (REPORTED in desk.client.get("/konto").text, offers(desk)) == (False, 1)


def offers(desk: Desk) -> int:
    """How many of my books I could report as not to be found."""
    return int(desk.client.get("/konto").text.count('action="/konto/verloren"'))


def test_a_book_that_was_not_to_be_found_and_came_back_is_settled(desk: Desk) -> None:
    loan_id = desk.lend(desk.member)
    desk.client.submit("/konto/verloren", loan=loan_id)
    now = desk.library.clock()
    with desk.library.database.writing() as db:
        flags.forget(db, now)
        assert flags.count_open(db) == 1
        actions.give_back(db, desk.copy, now, TODAY)
        flags.forget(db, now)
        assert flags.count_open(db) == 0


def test_what_was_ready_is_no_news_once_it_was_fetched(desk: Desk) -> None:
    desk.lend(desk.other)
    desk.wait(desk.member)
    with desk.library.database.writing() as db:
        actions.give_back(db, desk.copy, desk.library.clock(), TODAY)
    assert "liegt für dich bereit" in text_of(desk.client.get("/konto").text)
    desk.lend(desk.member)
    assert "liegt für dich bereit" not in text_of(desk.client.get("/konto").text)
