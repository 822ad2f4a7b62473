"""The server's own round: what waits is sent when the mail server is back, and a crash doubles nothing."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from bibliothek.library.queries import library as library_of
from bibliothek.mail import outbox, rounds
from bibliothek.mail.outbox import Delivered
from bibliothek.mail.rounds import Rounds
from tests.conftest import Library
from tests.mail.server import Postbox, wait_for
from tests.mail.test_outbox import deliver, is_erased, mails, put, states, with_mail


@pytest.fixture(autouse=True)
def _quick_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "FIRST_AFTER", 0.01)
    monkeypatch.setattr(rounds, "EVERY", 0.05)


@contextmanager
def going_rounds(library: Library, *forget: Callable[[Session, datetime], None]) -> Iterator[None]:
    running = Rounds(library.database, library.settings, library.clock, {}, forget)
    running.start()
    try:
        yield
    finally:
        running.stop()


def test_what_waits_leaves_when_the_mail_server_is_back(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    box.refuse["a@example.org"] = "451 later"
    with going_rounds(library):
        put(library, "a@example.org")
        wait_for(lambda: mails(library)[0].tries == 1)
        box.refuse.clear()
        library.clock.pass_time(minutes=1)
        wait_for(lambda: states(library) == ["sent"])
    assert box.addresses == ["a@example.org"]


def test_without_smtp_the_rounds_end_what_waited_too_long(library: Library) -> None:
    with going_rounds(library):
        put(library, "a@example.org")
        library.clock.pass_time(days=7)
        wait_for(lambda: states(library) == ["failed"])
    assert is_erased(mails(library)[0])


def test_forgetting_waits_for_no_mail_server_and_there_is_one_delivery_at_a_time(
    library: Library, box: Postbox
) -> None:
    library = with_mail(library, box.url)
    reached, answered, forgotten = threading.Event(), threading.Event(), []

    def hold() -> None:
        reached.set()
        answered.wait(10)

    box.on_text = hold
    put(library, "a@example.org", "b@example.org")

    def has_gone_round_thrice() -> bool:
        # A round is due only some time after the last one.
        library.clock.pass_time(seconds=1)
        return len(forgotten) >= before + 3

    with going_rounds(library, lambda _db, now: forgotten.append(now)):
        assert reached.wait(10)
        before = len(forgotten)
        put(library, "c@example.org", lasts=outbox.LEASE)
        library.clock.pass_time(minutes=10)
        wait_for(has_gone_round_thrice)
        # It waited too long, and is emptied though the round before is still on its way.
        assert states(library)[2] == "failed"
        assert box.connections == 1
        box.on_text = None
        answered.set()
        wait_for(lambda: states(library)[1] == "sent")


def test_what_one_forgets_does_not_hang_on_what_the_next_one_does(both: Library) -> None:
    """And none holds locks while the next one asks for others."""

    def rename(db: Session, _now: datetime) -> None:
        library_of(db).name = "Vergessen"

    def fail(db: Session, _now: datetime) -> None:
        db.execute(text("SELECT nothing FROM nowhere"))

    def name() -> str:
        with both.database.reading() as db:
            return library_of(db).name

    with going_rounds(both, rename, fail):
        wait_for(lambda: name() == "Vergessen")


def test_stopping_waits_for_the_mail_that_is_just_leaving(library: Library, box: Postbox) -> None:
    library = with_mail(library, box.url)
    reached = threading.Event()

    def take_a_while() -> None:
        reached.set()
        threading.Event().wait(0.3)

    box.on_text = take_a_while
    put(library, "a@example.org")
    with going_rounds(library):
        assert reached.wait(10)
    assert states(library) == ["sent"]


def test_stopping_ends_the_thread(library: Library) -> None:
    with going_rounds(library):
        assert "mail-rounds" in [thread.name for thread in threading.enumerate()]
    assert "mail-rounds" not in [thread.name for thread in threading.enumerate()]


DELIVER = """
import sys
from datetime import datetime
from pathlib import Path
from bibliothek.db import open_database
from bibliothek.mail import outbox
from bibliothek.models import metadata
from bibliothek.settings import Settings

url, file, smtp, now = sys.argv[1:]
database = open_database(url or None, Path(file))
settings = Settings(smtp_url=smtp, mail_from="bibliothek@example.org")
outbox.deliver(database, settings, lambda: datetime.fromisoformat(now), {})
"""


def in_another_process(library: Library) -> subprocess.Popen[bytes]:
    settings = library.settings
    given = [settings.database_url or "", str(settings.data / "bibliothek.sqlite"), settings.smtp_url or ""]
    return subprocess.Popen([sys.executable, "-c", DELIVER, *given, library.clock().isoformat()])


def test_two_processes_send_each_mail_once(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    box.slow = 0.05
    put(library, *(f"mitglied{n}@example.org" for n in range(10)))
    running = [in_another_process(library) for _ in range(2)]
    assert [process.wait(30) for process in running] == [0, 0]
    assert sorted(box.addresses) == sorted(f"mitglied{n}@example.org" for n in range(10))
    assert states(library) == ["sent"] * 10


def test_a_process_killed_while_a_mail_is_leaving_leaves_it_unknown(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    reached, killed = threading.Event(), threading.Event()

    def hold() -> None:
        reached.set()
        killed.wait(10)

    box.on_text = hold
    put(library, "a@example.org")
    process = in_another_process(library)
    assert reached.wait(30)
    process.kill()
    process.wait(10)
    killed.set()
    assert states(library) == ["sending"]
    # Nobody touches it while the one who claimed it may still be alive …
    library.clock.pass_time(minutes=9)
    outbox.tidy(library.database, library.settings, library.clock())
    assert states(library) == ["sending"]
    # … and afterwards nobody knows, so nobody sends it again.
    library.clock.pass_time(minutes=1)
    outbox.tidy(library.database, library.settings, library.clock())
    (mail,) = mails(library)
    assert (mail.state, mail.reason) == ("unknown", "Unterbrochen, als die Nachricht gerade hinausging.")
    assert is_erased(mail)
    library.clock.pass_time(hours=2)
    assert deliver(library) == Delivered()
    assert len(box.received) <= 1
