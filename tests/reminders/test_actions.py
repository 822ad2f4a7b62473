"""One message a member, once, and never for a returned book."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from bibliothek.db import open_database
from bibliothek.mail import outbox
from bibliothek.mail.outbox import Delivered
from bibliothek.members.models import Member
from bibliothek.reminders import actions
from bibliothek.reminders.queries import check, overdue_by_member
from tests import make
from tests.conftest import Library
from tests.mail.server import Postbox, texts
from tests.reminders.late import (
    TEMPLATES,
    bring_back,
    deliver,
    late,
    late_member,
    mails,
    remind,
    reminders,
    with_mail,
)


def test_somebody_with_three_late_books_gets_one_message(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    member_id = late_member(library, loans=3, email="mitglied@example.org", name="Mitglied Jürgen")
    reminded = remind(library)
    assert (reminded.messages, reminded.loans) == (1, 3)
    assert [(one.member_id, one.loans) for one in reminded.said] == [(member_id, 3)]
    assert deliver(library) == Delivered(sent=1)
    (mail,) = box.received
    assert mail["to"] == "mitglied@example.org"
    assert mail["subject"] == "Erinnerung von Bibliothek"
    plain, html = texts(mail)
    assert "Hallo Mitglied Jürgen," in plain
    assert "3 Bücher, die du ausgeliehen hast" in plain
    assert "https://bibliothek.example.org/konto" in plain
    assert "3 Bücher" in html
    assert 'href="https://bibliothek.example.org/konto"' in html


def test_a_message_names_no_title_and_loads_nothing(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    with library.database.writing() as db:
        late(db, title="Das Kapital")
    remind(library)
    deliver(library)
    (raw,) = box.raw
    assert b"Kapital" not in raw
    everything = "".join(texts(box.received[0])) + str(box.received[0]["subject"])
    assert "Kapital" not in everything
    assert "Beauvoir" not in everything
    for loads in ("<img", "src=", "<link", "url(", "@import", "<script"):
        assert loads not in everything


def test_an_english_library_writes_in_english(library: Library) -> None:
    settings = replace(library.settings, language="en")
    said = actions.message(TEMPLATES, settings, "Library", "Mitglied 1", 2)
    assert 'lang="en"' in said.html


def test_a_second_press_says_nothing_more(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    late_member(library)
    assert remind(library).messages == 1
    assert remind(library).messages == 0
    deliver(library)
    assert remind(library).messages == 0
    library.clock.pass_time(days=30)
    assert remind(library, again=True).messages == 0
    assert len(box.received) == 1


def test_a_book_that_becomes_late_afterwards_is_reminded_by_itself(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    member_id = late_member(library, loans=2)
    remind(library)
    with library.database.writing() as db:
        late(db, db.get_one(Member, member_id))
    assert remind(library).loans == 1
    assert deliver(library) == Delivered(sent=2)
    assert "\nein Buch, das" in texts(box.received[1])[0]


def test_only_those_asked_for_are_reminded(both: Library) -> None:
    first, second = late_member(both), late_member(both)
    assert [one.member_id for one in remind(both, member_ids=[second]).said] == [second]
    assert [one.member_id for one in remind(both).said] == [first]


def test_nobody_without_an_address_is_written_to(both: Library) -> None:
    late_member(both, email=None)
    assert remind(both).messages == 0
    assert mails(both) == []


def test_a_dry_run_says_the_same_and_does_nothing(both: Library) -> None:
    late_member(both, loans=2)
    late_member(both, email=None)
    with both.database.reading() as db:
        would = actions.would_remind(db, make.TODAY)
    assert mails(both) == []
    did = remind(both)
    assert [(one.member_id, one.loans) for one in would.said] == [(one.member_id, one.loans) for one in did.said]


def test_a_book_that_comes_back_before_the_mail_leaves_is_not_reminded(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    member_id = late_member(library, loans=2)
    remind(library)
    bring_back(library, member_id, 2)
    assert reminders(library) == []
    assert deliver(library) == Delivered(cancelled=1)
    assert box.received == []
    (mail,) = mails(library)
    assert (mail.state, mail.member_id, mail.address, mail.text) == ("cancelled", None, None, None)


def test_if_one_of_three_comes_back_the_mail_speaks_of_two(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    member_id = late_member(library, loans=3)
    remind(library)
    bring_back(library, member_id, 1)
    assert deliver(library) == Delivered(sent=1)
    assert "\n2 Bücher, die" in texts(box.received[0])[0]


def test_the_mail_goes_to_the_address_the_member_has_when_it_leaves(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    member_id = late_member(library, email="alt@example.org")
    remind(library)
    with library.database.writing() as db:
        db.get_one(Member, member_id).email = "neu@example.org"
    deliver(library)
    assert box.addresses == ["neu@example.org"]


def test_whose_address_was_taken_out_is_spoken_to_instead(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    member_id = late_member(library)
    remind(library)
    with library.database.writing() as db:
        db.get_one(Member, member_id).email = None
    assert deliver(library) == Delivered(cancelled=1)
    with library.database.reading() as db:
        (member,) = overdue_by_member(db, make.TODAY)
    assert [loan.progress for loan in member.loans] == ["none"]


def test_a_refused_address_is_tried_again_only_when_a_librarian_asks(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    member_id = late_member(library, loans=2, email="weg@example.org")
    box.refuse["weg@example.org"] = "550 unknown"
    remind(library)
    assert deliver(library) == Delivered(failed=1)
    assert remind(library).messages == 0
    box.refuse.clear()
    again = remind(library, again=True, member_ids=[member_id])
    assert (again.messages, again.loans) == (1, 2)
    assert remind(library, again=True, member_ids=[member_id]).messages == 0
    assert deliver(library) == Delivered(sent=1)
    assert len(reminders(library)) == 2


def test_a_message_that_waited_in_vain_for_a_week_is_sent_anew(both: Library, box: Postbox) -> None:
    without = with_mail(both, None)
    late_member(without)
    remind(without)
    assert remind(without).messages == 0
    without.clock.pass_time(days=7)
    outbox.tidy(without.database, without.settings, without.clock())
    assert remind(without).messages == 1
    assert deliver(with_mail(both, box.url)) == Delivered(sent=1)


def a_year_of_rounds(library: Library) -> None:
    """Time passes, and now and then the server tidies up."""
    for _month in range(12):
        library.clock.pass_time(days=30)
        outbox.tidy(library.database, library.settings, library.clock())


def test_a_message_that_never_left_can_be_sent_however_long_ago_that_was(both: Library, box: Postbox) -> None:
    without = with_mail(both, None)
    late_member(without)
    remind(without)
    a_year_of_rounds(without)
    assert remind(without).messages == 1
    assert deliver(with_mail(both, box.url)) == Delivered(sent=1)


def test_a_refused_address_stays_refused_however_long_ago_that_was(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    member_id = late_member(library, email="weg@example.org")
    box.refuse["weg@example.org"] = "550 unknown"
    remind(library)
    deliver(library)
    a_year_of_rounds(library)
    with library.database.reading() as db:
        assert overdue_by_member(db, make.TODAY)[0].is_refused
    assert remind(library, again=True, member_ids=[member_id]).messages == 1


def test_the_mail_of_a_returned_book_is_forgotten_like_any_other(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    member_id = late_member(library)
    remind(library)
    deliver(library)
    a_year_of_rounds(library)
    assert [mail.state for mail in mails(library)] == ["sent"]
    bring_back(library, member_id, 1)
    a_year_of_rounds(library)
    assert mails(library) == []


def test_an_unknown_fate_is_never_tried_again(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    box.hang_up_after_text = True
    late_member(library)
    remind(library)
    assert deliver(library) == Delivered(unknown=1)
    assert remind(library, again=True).messages == 0


def test_several_presses_at_once_make_one_message_each(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    for _ in range(5):
        late_member(library, loans=2)
    others = [open_database(library.settings.database_url, library.settings.sqlite_file) for _ in range(2)]
    databases = [library.database, *others] * 2
    start, said = threading.Barrier(len(databases)), []

    def press(at: int) -> None:
        start.wait()
        with databases[at].writing() as db:
            said.append(actions.remind(db, make.TODAY, library.clock(), TEMPLATES, library.settings).messages)
        outbox.deliver(databases[at], library.settings, library.clock, actions.hooks(TEMPLATES, library.settings))

    threads = [threading.Thread(target=press, args=(at,)) for at in range(len(databases))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for database in others:
        database.close()
    assert sorted(said) == [0, 0, 0, 0, 0, 5]
    assert len(box.received) == len(set(box.addresses)) == 5


def test_reminding_and_bringing_back_at_once_do_not_block_each_other(both: Library) -> None:
    members = [late_member(both, loans=2) for _ in range(6)]
    start, wrong = threading.Barrier(2), []

    def bring() -> None:
        start.wait()
        for member_id in members:
            bring_back(both, member_id, 1)

    def press() -> None:
        start.wait()
        for member_id in reversed(members):
            remind(both, member_ids=[member_id])

    def watch(work: object) -> None:
        try:
            work()  # type: ignore[operator]
        except Exception as error:  # noqa: BLE001 (told in the assertion below)
            wrong.append(error)

    threads = [threading.Thread(target=watch, args=(work,)) for work in (bring, press)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    with both.database.reading() as db:
        assert check(db) == []


def test_nothing_leads_from_a_returned_book_to_a_person(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    member_id = late_member(library, loans=2, email="geheim@example.org", name="Mitglied Geheim")
    remind(library)
    deliver(library)
    bring_back(library, member_id, 2)
    assert reminders(library) == []
    with library.database.reading() as db:
        kept = " ".join(str(tuple(row)) for row in db.execute(text("SELECT * FROM mail")))
    assert "geheim" not in kept.lower()
    assert [mail.member_id for mail in mails(library)] == [None]


@pytest.mark.parametrize("days", [1, 400])
def test_however_late_it_is_said_once(library: Library, days: int) -> None:
    with library.database.writing() as db:
        late(db, days=days)
    assert remind(library).messages == 1
    library.clock.pass_time(days=400)
    with library.database.writing() as db:
        later = actions.remind(db, make.TODAY + timedelta(days=400), library.clock(), TEMPLATES, library.settings)
    assert later.messages == 0
