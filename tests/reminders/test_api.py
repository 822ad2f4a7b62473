"""`POST /api/v1/reminders`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import make
from tests.client import Client
from tests.conftest import Library
from tests.mail.server import Postbox, free_port
from tests.reminders.late import late_member, mails, with_mail

PATH = "/api/v1/reminders"


@pytest.fixture
def mailing(both: Library, box: Postbox) -> Library:
    return with_mail(both, box.url)


@pytest.fixture
def program(mailing: Library) -> Iterator[Client]:
    """A program with a librarian's token."""
    with mailing.client() as client:
        yield client.with_token()


def test_everybody_late_is_reminded_once(mailing: Library, program: Client, box: Postbox) -> None:
    late_member(mailing, loans=2)
    late_member(mailing)
    late_member(mailing, email=None)
    answer = program.post(PATH, json={})
    assert answer.status_code == 200
    assert answer.json() == {"messages": 2, "loans": 3, "sent": 2, "failed": 0}
    assert program.post(PATH, json={"dry_run": False}).json() == {"messages": 0, "loans": 0, "sent": 0, "failed": 0}
    assert len(box.received) == 2


def test_a_dry_run_only_counts(mailing: Library, program: Client, box: Postbox) -> None:
    late_member(mailing, loans=2)
    assert program.post(PATH, json={"dry_run": True}).json() == {"messages": 1, "loans": 2, "sent": 0, "failed": 0}
    assert (mails(mailing), box.received) == ([], [])


def test_the_day_can_be_given(mailing: Library, program: Client) -> None:
    with mailing.database.writing() as db:
        make.loan(db)
    assert program.post(PATH, json={"dry_run": True}).json()["messages"] == 0
    assert program.post(PATH, json={"dry_run": True, "today": "2026-12-21"}).json()["messages"] == 0
    assert program.post(PATH, json={"dry_run": True, "today": "2026-12-22"}).json()["messages"] == 1
    assert program.post(PATH, json={"dry_run": False, "today": None}).json()["messages"] == 0


def test_a_body_is_not_needed(mailing: Library, program: Client) -> None:
    late_member(mailing)
    assert program.post(PATH).json()["sent"] == 1


def test_what_cannot_be_read_is_refused(mailing: Library, program: Client) -> None:
    late_member(mailing)
    for body in ({"today": "gestern"}, {"dry_run": "ja"}, {"today": "2026-02-30"}, [], "x"):
        answer = program.post(PATH, json=body)
        assert answer.status_code in (400, 422), body
        assert answer.headers["content-type"] == "application/problem+json"
    assert mails(mailing) == []


def test_refused_messages_are_counted(mailing: Library, program: Client, box: Postbox) -> None:
    late_member(mailing, email="weg@example.org")
    late_member(mailing)
    box.refuse["weg@example.org"] = "550 unknown"
    assert program.post(PATH, json={}).json() == {"messages": 2, "loans": 2, "sent": 1, "failed": 1}


def test_what_waits_is_neither_sent_nor_failed(both: Library) -> None:
    for url in (None, f"smtp+plain://127.0.0.1:{free_port()}"):
        library = with_mail(both, url)
        late_member(library)
        with library.client() as client:
            answer = client.with_token().post(PATH, json={}).json()
        assert answer == {"messages": 1, "loans": 1, "sent": 0, "failed": 0}


def test_the_same_key_gets_the_same_answer(mailing: Library, program: Client, box: Postbox) -> None:
    late_member(mailing)
    first = program.post(PATH, json={}, headers={"idempotency-key": "heute"})
    late_member(mailing)
    second = program.post(PATH, json={}, headers={"idempotency-key": "heute"})
    assert first.json() == second.json() == {"messages": 1, "loans": 1, "sent": 1, "failed": 0}
    assert len(box.received) == 1


def test_only_a_librarians_program_may(mailing: Library, box: Postbox) -> None:
    late_member(mailing)
    with mailing.client() as client:
        assert client.post(PATH, json={}).status_code == 401
        assert client.with_token("kiosk").post(PATH, json={}).status_code == 403
    assert box.received == []
