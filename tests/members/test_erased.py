"""Somebody who was erased is gone from the files, and not only from the pages."""

from __future__ import annotations

import pytest

from bibliothek.mail import outbox, rounds
from tests import make
from tests.conftest import Library
from tests.mail.server import wait_for
from tests.members.mails import last_mail, once_of, with_mail

NAME, EMAIL = "Mitglied Unverwechselbar", "unverwechselbar@example.org"


def files_with(library: Library, *words: str) -> list[str]:
    """Names of files in the library's folder that hold any of `words`."""
    files = [file for file in library.settings.data.rglob("*") if file.is_file()]
    return [file.name for file in files if any(word.encode() in file.read_bytes() for word in words)]


def test_somebody_erased_is_in_no_file_after_the_next_round(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "send_soon", lambda *_given: None)
    mailing = with_mail(library)
    with mailing.database.writing() as db:
        make.admin(db)
    with mailing.client() as librarian, mailing.client() as member:
        librarian.with_token()
        made = librarian.post("/api/v1/members", json={"name": NAME, "email": EMAIL, "role": "member"}).json()
        member.submit("/anmelden", email=EMAIL, once=once_of(member.get("/anmelden").text))
        code = last_mail(mailing).code
        member.submit("/anmelden/code", code=code)
        assert NAME in member.get("/konto").text
        assert librarian.delete(f"/api/v1/members/{made['id']}").status_code == 204
        words = (NAME, EMAIL, f"{code[:3]} {code[3:]}")
        assert files_with(mailing, *words)
    monkeypatch.setattr(rounds, "FIRST_AFTER", 0.01)
    with mailing.client():
        wait_for(lambda: not files_with(mailing, *words))
