"""`bibliothek remind`."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bibliothek import cli
from bibliothek.clock import utc_now
from bibliothek.lending.rules import later
from tests import make
from tests.conftest import Library
from tests.mail.server import Postbox, free_port
from tests.reminders.late import late_member, mails, with_mail


def run(library: Library, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    settings = library.settings
    given = {
        "DATA": str(settings.data),
        "DATABASE_URL": settings.database_url or "",
        "SMTP_URL": settings.smtp_url or "",
        "MAIL_FROM": settings.mail_from or "",
    }
    for name, value in given.items():
        monkeypatch.setenv(f"BIBLIOTHEK_{name}", value)
    return cli.run(["remind", *arguments])


def test_everybody_late_is_reminded_once(
    both: Library, box: Postbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    library = with_mail(both, box.url)
    number = late_member(library, loans=2, email="geheim@example.org", name="Mitglied Geheim")
    assert run(library, monkeypatch, "--today", "2026-11-23") == 0
    said = capsys.readouterr().out
    assert said.splitlines() == [
        f"Mitglied Nr. {number}, Ausleihen: 2",
        "Nachrichten: 1, Ausleihen: 2, verschickt: 1, abgelehnt: 0, unklar: 0, wartend: 0",
    ]
    assert run(library, monkeypatch, "--today", "2026-11-24") == 0
    again = capsys.readouterr().out
    assert again == "Nachrichten: 0, Ausleihen: 0, verschickt: 0, abgelehnt: 0, unklar: 0, wartend: 0\n"
    assert box.addresses == ["geheim@example.org"]


def test_a_dry_run_sends_nothing(
    both: Library, box: Postbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    library = with_mail(both, box.url)
    number = late_member(library)
    assert run(library, monkeypatch, "--dry-run", "--today", "2026-11-23") == 0
    said = capsys.readouterr().out
    assert said.splitlines() == [
        f"Mitglied Nr. {number}, Ausleihen: 1",
        "Nichts verschickt. Es wären Nachrichten: 1, Ausleihen: 1",
    ]
    assert (mails(library), box.received) == ([], [])


def test_without_a_day_it_is_today(
    library: Library, box: Postbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mailing = with_mail(library, box.url)
    today = utc_now().astimezone(library.settings.timezone).date()
    with library.database.writing() as db:
        make.loan(db, today=today - timedelta(days=28))
        loan = make.loan(db, today=today - timedelta(days=29))
    assert loan.due_on == later(today, 28) - timedelta(days=29)
    assert run(mailing, monkeypatch) == 0
    assert "Nachrichten: 1, Ausleihen: 1, verschickt: 1" in capsys.readouterr().out


def test_what_waited_from_before_leaves_too(
    both: Library, box: Postbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without = with_mail(both, None)
    late_member(without)
    assert run(without, monkeypatch, "--today", "2026-11-23") == 0
    assert "wartend: 1" in capsys.readouterr().out
    assert run(with_mail(both, box.url), monkeypatch, "--today", "2026-11-23") == 0
    assert len(box.received) == 1


def test_a_mail_server_that_is_down_is_a_failure_in_one_line(
    library: Library, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mailing = with_mail(library, f"smtp+plain://127.0.0.1:{free_port()}")
    late_member(mailing)
    assert run(mailing, monkeypatch, "--today", "2026-11-23") == 1
    assert capsys.readouterr().err == (
        "Der Mailserver ist nicht zu erreichen. Was wartet, verschickt der laufende Server später.\n"
    )


@pytest.mark.parametrize("arguments", [["--today", "gestern"], ["--today", "2026-02-30"], ["--morgen"]])
def test_wrong_usage_is_said(library: Library, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    assert run(library, monkeypatch, *arguments) == 2


def test_a_folder_without_a_library_is_refused(
    library: Library, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BIBLIOTHEK_DATA", str(library.settings.data / "leer"))
    assert cli.run(["remind"]) == 1
    assert "liegt keine Bibliothek" in capsys.readouterr().err
