"""The reminder desk in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from bibliothek.mail import outbox, rounds
from bibliothek.members.models import Member
from bibliothek.reminders import actions, pages, queries
from tests import make
from tests.client import Client, text_of
from tests.conftest import Library
from tests.counting import count
from tests.mail.server import Postbox, free_port, wait_for
from tests.members.mails import once_of
from tests.reminders.late import bring_back, deliver, late, late_member, mails, remind, with_mail

DESK = "/verwaltung/erinnerungen"


def librarian(library: Library) -> Member:
    with library.database.writing() as db:
        make.admin(db)
        return make.member(db, name="Mitglied Betreuung", role="librarian")


@pytest.fixture
def mailing(both: Library, box: Postbox) -> Library:
    """A library whose mails arrive in `box`."""
    return with_mail(both, box.url)


@pytest.fixture
def desk(mailing: Library) -> Iterator[Client]:
    """A librarian's browser."""
    with mailing.client() as client:
        yield client.sign_in(librarian(mailing))


def test_the_desk_says_who_is_late_and_with_what(mailing: Library, desk: Client) -> None:
    with mailing.database.writing() as db:
        member = make.member(db, "Mitglied Jürgen")
        late(db, member, days=1, title="Momo")
        late(db, member, days=12, title="Emma")
        late(db, days=0, title="Rechtzeitig")
    said = text_of(desk.get(DESK).text)
    assert "1 Person hat etwas Überfälliges: zusammen 2 Bücher." in said
    assert "Alle erinnern (1)" in said
    assert "Mitglied Jürgen" in said
    assert "Emma seit 12 Tagen 11.11.2026 noch nicht erinnert" in said
    assert "Momo seit 1 Tag 22.11.2026" in said
    assert "Rechtzeitig" not in said


def test_one_press_reminds_everybody_and_a_second_nobody(mailing: Library, desk: Client, box: Postbox) -> None:
    for _ in range(3):
        late_member(mailing, loans=2)
    answer = desk.submit(DESK)
    assert "3 Nachrichten sind verschickt." in text_of(answer.text)
    assert "erinnert am 23.11.2026" in text_of(answer.text)
    assert "Alle erinnern" not in text_of(answer.text)
    again = text_of(desk.submit(DESK).text)
    assert "Es war nichts zu verschicken" in again
    assert len(box.received) == 3


def test_a_button_pressed_twice_says_what_the_first_press_did(mailing: Library, desk: Client, box: Postbox) -> None:
    for _ in range(3):
        late_member(mailing)
    once = once_of(desk.get(DESK).text)
    for _ in range(2):
        assert "3 Nachrichten sind verschickt." in text_of(desk.submit(DESK, once=once).text)
    assert len(box.received) == 3


def test_one_member_alone_can_be_reminded(mailing: Library, desk: Client, box: Postbox) -> None:
    wanted = late_member(mailing, email="a@example.org")
    late_member(mailing)
    assert "1 Nachricht ist verschickt." in text_of(desk.submit(f"{DESK}/{wanted}").text)
    assert "Es war nichts zu verschicken" in text_of(desk.submit(f"{DESK}/{wanted}").text)
    assert box.addresses == ["a@example.org"]


def test_the_preview_is_the_mail(mailing: Library, desk: Client, box: Postbox) -> None:
    member_id = late_member(mailing, loans=2, name="Mitglied <Eins>")
    page = desk.get(f"{DESK}/{member_id}")
    assert "Erinnerung von Bibliothek" in page.text
    assert "Hallo Mitglied &lt;Eins&gt;," in page.text
    assert "2 Bücher, die du ausgeliehen hast" in page.text
    assert box.received == []
    assert mails(mailing) == []


def test_the_preview_of_somebody_who_is_not_late_is_not_there(mailing: Library, desk: Client) -> None:
    with mailing.database.writing() as db:
        on_time = make.member(db).id
    for number in (on_time, 999_999, 99_999_999_999_999_999_999):
        assert desk.get(f"{DESK}/{number}").status_code == 404
    assert desk.submit(f"{DESK}/99999999999999999999").status_code == 404


def test_somebody_without_an_address_is_listed_to_be_spoken_to(mailing: Library, desk: Client) -> None:
    late_member(mailing, email=None, name="Mitglied Ohne")
    said = text_of(desk.get(DESK).text)
    assert "Ansprechen" in said
    assert "Mitglied Ohne" in said
    assert "keine E-Mail-Adresse" in said
    assert "Alle erinnern" not in said
    assert "Es war nichts zu verschicken" in text_of(desk.submit(DESK).text)


def test_a_refused_address_is_said_with_the_reason_and_can_be_tried_again(
    mailing: Library, desk: Client, box: Postbox
) -> None:
    member_id = late_member(mailing, email="weg@example.org")
    box.refuse["weg@example.org"] = "550 5.1.1 weg@example.org unknown"
    said = text_of(desk.submit(DESK).text)
    assert "1 Nachricht nimmt der Mailserver nicht an" in said
    assert "Der Mailserver sagt: 550 5.1.1 … unknown" in said
    assert "Noch einmal versuchen" in said
    box.refuse.clear()
    assert "1 Nachricht ist verschickt." in text_of(desk.submit(f"{DESK}/{member_id}").text)
    assert "Noch einmal versuchen" not in text_of(desk.get(DESK).text)


def test_a_lost_connection_is_said_to_be_unclear(mailing: Library, desk: Client, box: Postbox) -> None:
    late_member(mailing)
    box.hang_up_after_text = True
    said = text_of(desk.submit(DESK).text)
    assert "Bei 1 Nachricht ist unklar, ob sie ankommt." in said
    assert "unklar, ob die Mail ankam" in said
    assert "Es war nichts zu verschicken" in text_of(desk.submit(DESK).text)


def test_a_slow_server_does_not_keep_the_librarian_waiting(
    mailing: Library, desk: Client, box: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PATIENCE", 0.1)
    box.slow = 0.5
    late_member(mailing)
    assert "1 Nachricht ist noch unterwegs." in text_of(desk.submit(DESK).text)
    wait_for(lambda: [mail.state for mail in mails(mailing)] == ["sent"])


def test_a_server_that_is_down_lets_mails_wait_until_a_librarian_or_the_round_tries_again(
    both: Library, box: Postbox
) -> None:
    down = with_mail(both, f"smtp+plain://127.0.0.1:{free_port()}")
    late_member(down)
    member = librarian(down)
    with down.client() as client:
        said = text_of(client.sign_in(member).submit(DESK).text)
    assert "1 Nachricht ist noch unterwegs." in said
    assert "1 Nachricht wartet darauf, verschickt zu werden." in said
    assert "Der Mailserver ist nicht zu erreichen." in said
    assert "Mail wartet" in said
    with with_mail(both, box.url).client() as client:
        assert "1 Nachricht ist verschickt." in text_of(client.sign_in(member).submit(f"{DESK}/senden").text)


def test_without_smtp_the_desk_says_so_and_reminders_wait(both: Library, box: Postbox) -> None:
    without = with_mail(both, None)
    late_member(without)
    member = librarian(without)
    with without.client() as client:
        client.sign_in(member)
        assert "Mails können noch nicht verschickt werden" in client.get(DESK).text
        said = text_of(client.submit(DESK).text)
        assert "1 Nachricht wartet, bis Mails verschickt werden können, höchstens 7 Tage." in said
        assert "Jetzt versuchen" not in said
    assert deliver(with_mail(both, box.url)).sent == 1


def test_a_book_that_came_back_while_the_page_was_open_is_not_reminded(
    mailing: Library, desk: Client, box: Postbox
) -> None:
    member_id = late_member(mailing)
    desk.get(DESK)
    bring_back(mailing, member_id, 1)
    assert "Es war nichts zu verschicken" in text_of(desk.submit(DESK).text)
    assert "Alles rechtzeitig" in desk.get(DESK).text
    assert box.received == []


def test_a_link_that_leads_nowhere_is_said(library: Library, box: Postbox) -> None:
    mailing = with_mail(library, box.url)
    local = replace(mailing, settings=replace(mailing.settings, base_url="http://localhost:8000"))
    with local.client() as client:
        assert "führt ins Leere" in client.sign_in(librarian(local)).get(DESK).text


def test_strangers_neither_see_nor_press_anything(mailing: Library, box: Postbox) -> None:
    member_id = late_member(mailing, name="Mitglied Geheim")
    with mailing.database.writing() as db:
        make.admin(db)
        member = make.member(db)
    with mailing.client() as nobody, mailing.client() as somebody, mailing.client() as tablet:
        for client in (nobody, somebody.sign_in(member), tablet.be_tablet()):
            for path in (DESK, f"{DESK}/{member_id}", f"{DESK}/senden"):
                for answer in (client.get(path, follow_redirects=False), client.submit(path, False)):
                    assert answer.status_code in (303, 403, 405), (path, answer.status_code)
                    assert "Geheim" not in answer.text
    assert box.received == []
    assert mails(mailing) == []


def test_another_site_cannot_press_the_button(mailing: Library, desk: Client, box: Postbox) -> None:
    late_member(mailing)
    assert desk.post(DESK, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert box.received == []


def test_the_desk_asks_as_much_for_twenty_late_members_as_for_ten(mailing: Library, desk: Client) -> None:
    counted = []
    for _ in range(2):
        for _member in range(10):
            late_member(mailing)
        counted.append(count(lambda: desk.get(DESK)))
    assert counted[0] == counted[1]


def test_the_server_sends_what_waits_by_itself(mailing: Library, box: Postbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "FIRST_AFTER", 0.01)
    monkeypatch.setattr(rounds, "EVERY", 0.05)
    late_member(mailing, loans=2)
    member_id = late_member(mailing)
    remind(mailing)
    bring_back(mailing, member_id, 1)
    with mailing.client():
        wait_for(lambda: sorted(mail.state for mail in mails(mailing)) == ["cancelled", "sent"])
    assert len(box.received) == 1


def test_the_week_that_a_mail_waits_is_the_week_that_is_promised() -> None:
    assert timedelta(days=7) == outbox.LONGEST_WAIT


def test_the_desk_shows_a_hundred_members_a_page_and_counts_all(
    mailing: Library, desk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PER_PAGE", 2)
    for name in ("Mitglied C", "Mitglied A", "Mitglied B"):
        late_member(mailing, 2, name=name)
    first, second = text_of(desk.get(DESK).text), text_of(desk.get(DESK + "?seite=2").text)
    for said in (first, second):
        assert "3 Personen haben etwas Überfälliges: zusammen 6 Bücher." in said
        assert "Alle erinnern (3)" in said
    assert [name in first for name in ("Mitglied A", "Mitglied B", "Mitglied C")] == [True, True, False]
    assert [name in second for name in ("Mitglied A", "Mitglied B", "Mitglied C")] == [False, False, True]


def test_of_many_members_the_desk_counts_only_some_but_shows_all(
    mailing: Library, desk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PER_PAGE", 1)
    monkeypatch.setattr(queries, "MOST_COUNTED", 2)
    for name in ("Mitglied A", "Mitglied B", "Mitglied C"):
        late_member(mailing, 2, name=name)
    for number, name in enumerate(("Mitglied A", "Mitglied B", "Mitglied C", None), 1):
        page = desk.get(f"{DESK}?seite={number}").text
        assert "Mehr als 2 Personen haben etwas Überfälliges: zusammen 6 Bücher." in text_of(page)
        assert "Alle erinnern (mehr als 2)" in text_of(page)
        assert re.findall("Mitglied [ABC]", text_of(page))[:1] == ([name] if name else [])
        assert (f"{DESK}?seite={number + 1}" in page) == (number < 3)


def test_all_are_reminded_in_transactions_of_a_few_members(
    mailing: Library, desk: Client, box: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "AT_ONCE", 2)
    for _ in range(5):
        late_member(mailing)
    parts = []

    def noting(db: Session, *given: Any) -> actions.Reminded:
        done = actions.remind(db, *given)
        parts.append(done.messages)
        return done

    monkeypatch.setattr(pages, "remind", noting)
    assert "5 Nachrichten sind verschickt." in text_of(desk.submit(DESK).text)
    assert parts == [2, 2, 1]
    assert len(set(box.addresses)) == 5
