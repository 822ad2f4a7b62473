"""What waits is sent once, by whoever claims it, and its text is erased at the end."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bibliothek.db import Database, open_database
from bibliothek.mail import outbox
from bibliothek.mail.message import Message
from bibliothek.mail.models import Mail
from bibliothek.mail.outbox import Delivered
from tests.conftest import Library
from tests.mail.server import Postbox, free_port, texts, wait_for

HELLO = Message("Grüße", "Hallo\n", "<p>Hallo</p>")


def with_mail(library: Library, url: str | None, sender: str = "Bücherei <bibliothek@example.org>") -> Library:
    return replace(library, settings=replace(library.settings, smtp_url=url, mail_from=sender))


def put(library: Library, *addresses: str, kind: str = "greeting", lasts: timedelta = outbox.LONGEST_WAIT) -> list[int]:
    with library.database.writing() as db:
        return [
            outbox.queue(
                db, kind=kind, member_id=None, address=address, message=HELLO, now=library.clock(), lasts=lasts
            ).id
            for address in addresses
        ]


def deliver(library: Library, wanted: Mapping[str, outbox.Wanted] | None = None) -> Delivered:
    return outbox.deliver(library.database, library.settings, library.clock, wanted or {})


def mails(library: Library) -> list[Mail]:
    with library.database.reading() as db:
        return list(db.scalars(select(Mail).order_by(Mail.id)))


def states(library: Library) -> list[str]:
    return [mail.state for mail in mails(library)]


def is_erased(mail: Mail) -> bool:
    return (mail.address, mail.subject, mail.text, mail.html, mail.member_id) == (None,) * 5


def test_what_waits_is_sent_and_its_text_erased(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    put(library, "mitglied@example.org")
    assert deliver(library) == Delivered(sent=1)
    assert box.addresses == ["mitglied@example.org"]
    assert box.received[0]["subject"] == "Grüße"
    assert box.received[0]["from"].addresses[0].display_name == "Bücherei"
    (mail,) = mails(library)
    assert (mail.state, mail.ended_at, mail.reason) == ("sent", library.clock(), None)
    assert is_erased(mail)
    assert deliver(library) == Delivered()
    assert len(box.received) == 1


def test_only_the_mails_asked_for_leave(library: Library, box: Postbox) -> None:
    library = with_mail(library, box.url)
    _first, second = put(library, "a@example.org", "b@example.org")
    assert outbox.deliver(library.database, library.settings, library.clock, {}, [second]) == Delivered(sent=1)
    assert box.addresses == ["b@example.org"]
    assert outbox.deliver(library.database, library.settings, library.clock, {}, []) == Delivered()


def test_many_mails_need_one_connection(library: Library, box: Postbox) -> None:
    library = with_mail(library, box.url)
    put(library, *(f"mitglied{n}@example.org" for n in range(10)))
    assert deliver(library) == Delivered(sent=10)
    assert box.connections == 1


def test_a_refused_recipient_fails_and_the_others_are_sent(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    box.refuse["b@example.org"] = "550 5.1.1 no such user b@example.org"
    put(library, "a@example.org", "b@example.org", "c@example.org")
    assert deliver(library) == Delivered(sent=2, failed=1)
    mail = mails(library)[1]
    assert (mail.state, mail.reason) == ("failed", "550 5.1.1 no such user …")
    assert is_erased(mail)


@pytest.mark.parametrize("address", ["kein at-zeichen", "a@x\u2026de", "a@\u2024de", "a@x\ufe50y.de"])
def test_what_is_no_address_fails_without_asking_the_server(library: Library, box: Postbox, address: str) -> None:
    library = with_mail(library, box.url)
    put(library, address, "a@example.org")
    assert deliver(library) == Delivered(sent=1, failed=1)
    assert mails(library)[0].reason == "Das ist keine E-Mail-Adresse."


def test_a_bad_sender_lets_mails_wait_until_it_is_put_right(library: Library, box: Postbox) -> None:
    bad = with_mail(library, box.url, sender="Bücherei")
    put(bad, "a@example.org")
    assert deliver(bad) == Delivered(later=1)
    library.clock.pass_time(minutes=1)
    assert deliver(with_mail(library, box.url)) == Delivered(sent=1)


def test_a_server_that_is_down_is_asked_again_after_1_5_and_30_minutes_then_hourly(both: Library) -> None:
    library = with_mail(both, f"smtp+plain://127.0.0.1:{free_port()}")
    put(library, "a@example.org", "b@example.org")
    for minutes in (1, 5, 30, 60, 60):
        assert deliver(library) == Delivered(later=2)
        assert deliver(library) == Delivered()
        library.clock.pass_time(minutes=minutes, seconds=-1)
        assert deliver(library) == Delivered()
        library.clock.pass_time(seconds=1)
    mail = mails(library)[0]
    assert (mail.state, mail.tries) == ("pending", 5)
    assert mail.reason == "Der Mailserver ist nicht zu erreichen."
    assert mail.address == "a@example.org"


def test_a_recipient_refused_for_now_is_tried_again(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    box.refuse["a@example.org"] = "451 greylisted"
    put(library, "a@example.org")
    assert deliver(library) == Delivered(later=1)
    box.refuse.clear()
    assert deliver(library) == Delivered()
    library.clock.pass_time(minutes=1)
    assert deliver(library) == Delivered(sent=1)
    assert mails(library)[0].reason is None


def test_a_connection_lost_before_the_text_is_opened_again_for_the_next_mail(library: Library, box: Postbox) -> None:
    library = with_mail(library, box.url)
    box.hang_up_before_text = True
    put(library, "a@example.org", "b@example.org")
    assert deliver(library) == Delivered(later=2)
    assert box.connections == 2


def test_a_connection_lost_after_the_text_is_never_tried_again(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    box.hang_up_after_text = True
    put(library, "a@example.org")
    assert deliver(library) == Delivered(unknown=1)
    box.hang_up_after_text = False
    for _day in range(8):
        library.clock.pass_time(days=1)
        outbox.tidy(library.database, library.settings, library.clock())
        assert deliver(library) == Delivered()
    assert len(box.received) == 1
    (mail,) = mails(library)
    assert mail.state == "unknown"
    assert is_erased(mail)


def test_a_mail_nobody_took_in_time_fails_and_is_erased(both: Library, box: Postbox) -> None:
    without = with_mail(both, None)
    put(without, "a@example.org")
    put(without, "b@example.org", lasts=timedelta(minutes=10))
    assert deliver(without) == Delivered()
    without.clock.pass_time(minutes=10)
    outbox.tidy(without.database, without.settings, without.clock())
    assert states(without) == ["pending", "failed"]
    without.clock.pass_time(days=7)
    outbox.tidy(without.database, without.settings, without.clock())
    assert deliver(with_mail(both, box.url)) == Delivered()
    assert states(without) == ["failed", "failed"]
    assert all(is_erased(mail) for mail in mails(without))
    assert mails(without)[0].reason == "Es gab keinen Mailversand."
    assert box.received == []


def test_a_mail_that_expired_is_not_sent_even_before_it_was_tidied_away(library: Library, box: Postbox) -> None:
    library = with_mail(library, box.url)
    put(library, "a@example.org", lasts=timedelta(minutes=10))
    library.clock.pass_time(minutes=10)
    assert deliver(library) == Delivered()
    assert box.received == []


def test_that_a_mail_ended_is_forgotten_after_90_days(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    put(library, "a@example.org")
    deliver(library)
    for days, left in ((89, 1), (2, 0)):
        library.clock.pass_time(days=days)
        outbox.tidy(library.database, library.settings, library.clock())
        assert len(mails(library)) == left


def test_a_mail_nobody_wants_any_more_is_cancelled(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    put(library, "a@example.org")
    assert deliver(library, {"greeting": lambda _db, _mail: None}) == Delivered(cancelled=1)
    (mail,) = mails(library)
    assert mail.state == "cancelled"
    assert is_erased(mail)
    assert box.received == []


def test_whoever_is_asked_may_change_what_a_mail_says_and_to_whom(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    put(library, "a@example.org")
    put(library, "c@example.org", kind="other")

    def ask(_db: Session, mail: Mail) -> Message:
        mail.address = "b@example.org"
        return Message("Neu", "Anders\n", "<p>Anders</p>")

    assert deliver(library, {"greeting": ask}) == Delivered(sent=2)
    assert box.addresses == ["b@example.org", "c@example.org"]
    assert [mail["subject"] for mail in box.received] == ["Neu", "Grüße"]
    assert texts(box.received[0])[0] == "Anders\n"


def test_nobody_is_kept_waiting_while_the_mail_server_thinks(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    (first,) = put(library, "a@example.org")
    seen: list[str] = []

    def write_meanwhile() -> None:
        put(library, "b@example.org")
        seen.extend(states(library))

    box.on_text = write_meanwhile
    outbox.deliver(library.database, library.settings, library.clock, {}, [first])
    assert seen == ["sending", "pending"]


def another(library: Library) -> Database:
    """The same library as another process opens it: nothing in memory is shared."""
    return open_database(library.settings.database_url, library.settings.sqlite_file)


def test_several_who_deliver_at_once_send_each_mail_once(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    put(library, *(f"mitglied{n}@example.org" for n in range(20)))
    databases = [library.database, another(library), another(library)]
    start = threading.Barrier(len(databases) * 2)
    counts: list[Delivered] = []

    def work(database: Database) -> None:
        start.wait()
        counts.append(outbox.deliver(database, library.settings, library.clock, {}))

    threads = [threading.Thread(target=work, args=(database,)) for database in databases * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for database in databases[1:]:
        database.close()
    assert Counter(box.addresses) == {f"mitglied{n}@example.org": 1 for n in range(20)}
    assert sum(count.sent for count in counts) == 20


def test_what_a_slow_process_learns_too_late_changes_nothing(both: Library, box: Postbox) -> None:
    """It took longer than its lease, was counted as lost, and then said it was to be tried later."""
    library = with_mail(both, box.url)
    put(library, "a@example.org")

    def take_long() -> None:
        library.clock.pass_time(minutes=11)
        outbox.tidy(library.database, library.settings, library.clock())

    box.on_text, box.answer = take_long, "451 later"
    assert deliver(library) == Delivered()
    assert states(library) == ["unknown"]


def test_waiting_mails_can_be_sent_at_once(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    box.refuse["a@example.org"] = "451 later"
    waiting = put(library, "a@example.org")
    put(library, "b@example.org", kind="other")
    deliver(library)
    box.refuse.clear()
    with library.database.writing() as db:
        assert outbox.try_now(db, "greeting", library.clock()) == waiting
    assert deliver(library) == Delivered(sent=1)
    with library.database.reading() as db:
        assert outbox.states(db, waiting) == {"sent": 1}


def test_more_mails_than_one_statement_may_name_are_counted(both: Library) -> None:
    put(both, "a@example.org", "b@example.org")
    with both.database.reading() as db:
        assert outbox.states(db, range(1, 66_000)) == {"pending": 2}


def test_sending_soon_returns_at_once_and_says_later_how_it_went(library: Library, box: Postbox) -> None:
    library = with_mail(library, box.url)
    box.slow = 0.3
    ids = put(library, "a@example.org")
    future = outbox.send_soon(library.database, library.settings, library.clock, {}, ids)
    assert not future.done()
    assert future.result(10) == Delivered(sent=1)


def test_a_bug_in_who_is_asked_is_logged_and_the_mail_stays(
    library: Library, box: Postbox, caplog: pytest.LogCaptureFixture
) -> None:
    library = with_mail(library, box.url)
    put(library, "geheim@example.org")

    def ask(_db: Session, _mail: Mail) -> Message:
        raise LookupError("a bug")

    future = outbox.send_soon(library.database, library.settings, library.clock, {"greeting": ask})
    assert isinstance(future.exception(10), LookupError)
    assert states(library) == ["pending"]
    wait_for(lambda: "a bug" in caplog.text)
    assert "geheim" not in caplog.text


def test_the_log_tells_what_happened_but_to_nobody_whom(
    library: Library, box: Postbox, caplog: pytest.LogCaptureFixture
) -> None:
    library = with_mail(library, box.url)
    box.refuse["geheim@example.org"] = "550 geheim@example.org unknown"
    put(library, "geheim@example.org", "auch-geheim@example.org")
    with caplog.at_level(logging.INFO, logger="bibliothek"):
        deliver(library)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("bibliothek")]
    assert ours == ["mail 1 (greeting): failed", "mail 2 (greeting): sent"]
