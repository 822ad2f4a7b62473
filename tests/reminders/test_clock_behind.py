"""While the machine's clock is behind, lending goes on, but nobody is reminded, no mail leaves and nothing expires."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bibliothek import jobs
from bibliothek.clock import SteadyClock
from bibliothek.lending import holds
from bibliothek.mail import rounds
from bibliothek.members.models import Member
from tests import make
from tests.client import Client, text_of
from tests.conftest import NOON, Clock, Library
from tests.mail.server import Postbox, wait_for
from tests.mail.test_outbox import put, states
from tests.reminders.late import late_member, with_mail
from tests.reminders.test_command import run
from tests.test_clock import A_DAY, AN_HOUR, WRONG


@pytest.fixture(params=WRONG, ids=["1970", "an hour", "a day"])
def behind(request: pytest.FixtureRequest, both: Library, box: Postbox) -> Library:
    """A library that was alive at NOON, on a machine whose clock says less. Its mails would arrive in `box`."""
    with both.database.writing() as db:
        jobs.claim(db, "round", NOON, timedelta())
    steady = SteadyClock(Clock(request.param))
    steady.learn(NOON)
    return replace(with_mail(both, box.url), clock=steady)  # type: ignore[arg-type]


@pytest.fixture
def librarian(behind: Library) -> Iterator[Client]:
    with behind.database.writing() as db:
        make.admin(db)
        found: Member = make.member(db, role="librarian")
    with behind.client() as client:
        yield client.sign_in(found)


def test_lending_goes_on_with_the_right_date(behind: Library) -> None:
    with behind.database.writing() as db:
        make.admin(db)
        card, copy = make.card(db), make.copy(db)
    with behind.client() as client:
        answer = client.with_token().post("/api/v1/loans", json={"copy": copy.code, "member": card})
    assert answer.status_code == 201
    assert answer.json()["due_on"] == (NOON.date() + timedelta(days=28)).isoformat()


def test_librarians_are_told_and_nobody_is_reminded(behind: Library, librarian: Client, box: Postbox) -> None:
    with behind.database.writing() as db:
        make.loan(db, make.copy(db), make.member(db, email="a@example.org"), today=make.TODAY - timedelta(days=60))
    assert "geht nach" in text_of(librarian.get("/verwaltung").text)
    refused = librarian.submit("/verwaltung/erinnerungen")
    assert refused.status_code == 503
    assert "wird nicht erinnert" in text_of(refused.text)
    assert not box.addresses
    assert states(behind) == []


def test_no_mail_leaves_and_nothing_expires_until_the_clock_is_right(
    behind: Library, box: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "FIRST_AFTER", 0.01)
    monkeypatch.setattr(rounds, "EVERY", 0.05)
    put(behind, "a@example.org")
    judged = []
    monkeypatch.setattr(holds, "expire", lambda *_: judged.append(1))
    steady: SteadyClock = behind.clock  # type: ignore[assignment]
    with behind.client():
        wait_for(lambda: _rounds(behind) >= NOON + timedelta(seconds=0.2))
        assert not box.addresses
        assert not judged
        steady._machine.now = NOON + A_DAY  # type: ignore[attr-defined]
        wait_for(lambda: box.addresses == ["a@example.org"])
        wait_for(lambda: bool(judged))


def _rounds(library: Library) -> datetime:
    with library.database.reading() as db:
        found = jobs.find(db, "round")
    return found.ended_at if found and found.ended_at else datetime.min.replace(tzinfo=UTC)


def test_the_command_does_not_remind_either(
    both: Library, box: Postbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    library = with_mail(both, box.url)
    late_member(library)
    with library.database.writing() as db:
        jobs.claim(db, "round", datetime.now(UTC) + AN_HOUR, timedelta())
    assert run(library, monkeypatch) == 1
    assert "geht nach" in capsys.readouterr().err
    assert run(library, monkeypatch, "--dry-run") == 0
    assert not box.addresses
