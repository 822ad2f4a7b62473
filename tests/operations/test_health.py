"""`/healthz` and `/readyz`, for service managers, containers and proxies."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from bibliothek import jobs
from bibliothek.clock import SteadyClock
from bibliothek.mail.models import Mail
from bibliothek.operations import health
from tests import make
from tests.conftest import NOON, Library

JSON = {"accept": "application/json"}


def begin(library: Library, job: str) -> None:
    """The job was done at this moment."""
    now = library.clock()
    with library.database.writing() as db:
        jobs.claim(db, job, now, timedelta(minutes=2))
        jobs.finish(db, job, now, now)


@pytest.fixture
def well(both: Library) -> Library:
    """A library without anything to complain of."""
    begin(both, "round")
    with both.database.writing() as db:
        make.backup(db, both.clock())
    return both


def warnings(library: Library) -> list[str]:
    """What `/readyz` says below its first line, which is `ok`."""
    with library.client() as client:
        answer = client.get("/readyz")
    first, *more = answer.text.splitlines()
    assert (answer.status_code, first) == (200, "ok")
    return more


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_library_that_serves_says_ok(well: Library, path: str, method: str) -> None:
    with well.client() as client:
        answer = client.request(method, path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == ("ok\n" if method == "GET" else "")


def test_without_its_tables_it_is_alive_but_not_ready(both: Library) -> None:
    with both.database.writing() as db:
        db.execute(text("UPDATE alembic_version SET version_num = '2000-01-01'"))
    with both.client() as client:
        assert client.get("/healthz").status_code == 200
        answer = client.get("/readyz")
        checks = client.get("/readyz", headers=JSON)
    assert (answer.status_code, answer.text) == (503, "migrations are missing\n")
    assert checks.status_code == 503
    assert checks.json() == {
        "status": "failed",
        "checks": [
            {"name": "migrations", "status": "failed", "reason": "migrations are missing"},
            {"name": "disk", "status": "ok", "reason": ""},
            {"name": "clock", "status": "ok", "reason": ""},
        ],
    }


def test_programs_get_every_check(well: Library) -> None:
    with well.client() as client:
        answer = client.get("/readyz", headers=JSON)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json()["status"] == "ok"
    names = [check["name"] for check in answer.json()["checks"]]
    assert names == ["database", "migrations", "round", "backup", "mail", "disk", "clock"]
    assert {(check["status"], check["reason"]) for check in answer.json()["checks"]} == {("ok", "")}


def test_a_database_that_cannot_be_written_is_said_without_what_it_quotes(
    well: Library, caplog: pytest.LogCaptureFixture
) -> None:
    with well.database.writing() as db:
        db.execute(text("DROP TABLE library"))
    with well.client() as client:
        answer = client.get("/readyz")
    assert (answer.status_code, answer.text) == (503, "the database cannot be written\n")
    assert "not ready" in caplog.text


def test_in_a_new_library_there_is_something_to_look_at_and_it_serves(both: Library) -> None:
    assert warnings(both) == ["warning: no round has ended yet", "warning: no backup yet"]


def hours(library: Library, count: float) -> None:
    library.clock.pass_time(hours=count)
    begin(library, "round")


def test_an_old_backup_is_something_to_look_at(well: Library) -> None:
    hours(well, 36)
    assert warnings(well) == []
    hours(well, 1)
    assert warnings(well) == ["warning: the last backup is 37 hours old"]
    hours(well, 200)
    assert warnings(well) == ["warning: the last backup is 10 days old"]


def test_a_backup_that_is_not_good_is_something_to_look_at(well: Library) -> None:
    with well.database.writing() as db:
        make.backup(db, well.clock(), trouble="cut short")
    well.clock.pass_time(minutes=1)
    assert warnings(well) == ["warning: the last backup, 1 minutes ago, is not good"]


def test_a_round_that_stopped_is_something_to_look_at(well: Library) -> None:
    well.clock.pass_time(minutes=5)
    assert warnings(well) == []
    well.clock.pass_time(minutes=1)
    assert warnings(well) == ["warning: the last round ended 6 minutes ago"]


MAIL_WAITS = ["warning: mail waits: the mail server does not take it"]


@pytest.mark.parametrize(
    ("change", "smtp", "says"),
    [
        ({}, True, []),
        ({"created_at": NOON - timedelta(hours=2)}, True, MAIL_WAITS),
        ({"tries": 3}, True, MAIL_WAITS),
        ({"tries": 3, "state": "sent"}, True, []),
        ({"created_at": NOON - timedelta(hours=2)}, False, []),
    ],
)
def test_mail_that_does_not_leave_is_something_to_look_at(
    well: Library, change: dict[str, object], smtp: bool, says: list[str]
) -> None:
    row = {
        "created_at": NOON,
        "state": "pending",
        "tries": 1,
        "next_try_at": NOON,
        "expires_at": NOON + timedelta(days=7),
    }
    with well.database.writing() as db:
        member = make.member(db)
        db.add(Mail(kind="reminder", member_id=member.id, address=member.email, **(row | change)))
    settings = replace(well.settings, smtp_url="smtp://mail.example.org", mail_from="b@example.org")
    assert warnings(replace(well, settings=settings) if smtp else well) == says


def test_a_clock_that_is_behind_is_something_to_look_at(well: Library) -> None:
    machine = SteadyClock(well.clock)
    machine.learn(well.clock() + timedelta(hours=1))
    begin(replace(well, clock=lambda: well.clock() + timedelta(hours=1)), "round")  # type: ignore[arg-type]
    assert warnings(replace(well, clock=machine)) == [  # type: ignore[arg-type]
        "warning: the clock is behind: nothing is judged by the date and no mail is sent"
    ]


def test_a_disk_that_fills_up_is_something_to_look_at_before_it_is_full(
    well: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = shutil.disk_usage(well.settings.data.parent).free
    monkeypatch.setattr(health, "LITTLE_ROOM", free * 2)
    well.settings.data.mkdir(exist_ok=True)
    assert warnings(well) == ["warning: the disk is nearly full"]


def test_whoever_asks_learns_nothing_of_people_or_secrets(well: Library) -> None:
    with well.database.writing() as db:
        make.member(db, "Ava Unverkennbar")
    well.clock.pass_time(hours=100)
    settings = replace(well.settings, smtp_url="smtp://ava:geheim@mail.example.org", mail_from="b@example.org")
    ask: Callable[[str], str] = lambda accept: client.get("/readyz", headers={"accept": accept}).text  # noqa: E731
    with replace(well, settings=settings).client() as client:
        said = ask("application/json") + ask("text/plain")
    for secret in ("Ava", "ava", "geheim", "example.org", str(well.settings.data), well.settings.database_url or "Ava"):
        assert secret not in said
