"""The demo fills an empty library, and no other."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from bibliothek.kiosk.actions import enrol
from bibliothek.lending.closures import settle_dates
from bibliothek.lending.flags import open_flags
from bibliothek.lending.holds import expire, open_holds, serve_waiting
from bibliothek.lending.models import Loan, Renewal
from bibliothek.lending.opening import weekdays
from bibliothek.lending.queries import count_open_loans
from bibliothek.lending.terms import terms
from bibliothek.members.actions import add_token
from bibliothek.members.models import Member
from bibliothek.operations.demo import LATE_LOANS, OPEN_ON, RENEWED, NotEmpty, fill, holds_data
from bibliothek.operations.verify import verify
from bibliothek.settings import Settings, load_settings
from tests import make
from tests.conftest import Library

TORTURE = os.environ.get("TORTURE") == "1"
DATA: dict[str, Callable[[Session], object]] = {
    "a title": make.title,
    "a shelf": make.shelf,
    "a tablet": lambda db: enrol(db, "Tablet", make.NOW),
    "a token": lambda db: add_token(db, "Programm", "librarian", make.NOW),
    "a member": make.member,
    "a second admin": make.admin,
}


@pytest.mark.parametrize("of", DATA)
def test_a_library_that_holds_anything_is_refused(db: Session, of: str) -> None:
    make.admin(db)
    DATA[of](db)
    assert holds_data(db)
    with pytest.raises(NotEmpty):
        fill(db, make.NOW, make.TODAY)


def test_a_member_without_an_admin_is_data(db: Session) -> None:
    make.member(db)
    assert holds_data(db)


def test_an_admin_alone_is_no_data_and_stays_the_only_one(db: Session) -> None:
    assert not holds_data(db)
    admin = make.member(db, email="mitglied9@example.org", role="admin")
    assert not holds_data(db)
    assert fill(db, make.NOW, make.TODAY) is admin
    assert holds_data(db)


@pytest.mark.parametrize("weekday", range(7) if TORTURE else [0])
def test_the_demo_shows_what_people_do_with_a_library(library: Library, weekday: int) -> None:
    now, today = make.NOW + timedelta(days=weekday), make.TODAY + timedelta(days=weekday)
    with library.database.writing() as db:
        fill(db, now, today)
        loans = db.execute(select(Loan.due_on, Renewal.id).outerjoin(Renewal).where(Loan.returned_at.is_(None))).all()
        assert {row.due_on.weekday() for row in loans} == set(OPEN_ON)
        assert terms(db).calendar.weekdays == weekdays(OPEN_ON)
        assert sum(row.id is not None for row in loans) == RENEWED
        assert count_open_loans(db, today) == LATE_LOANS
        assert sorted(flag.kind for flag in open_flags(db)) == ["passed_over", "put_back", "was_missing"]
        waiting = open_holds(db, limit=100)
        kept = [(hold.ready_until > today, hold.ready_at == hold.placed_at) for hold in waiting if hold.copy_id]
        assert sorted(kept) == [(True, False), (True, True)]
        assert sorted(Counter(hold.title_id for hold in waiting if not hold.copy_id).values()) == [1, 2]
        assert all(re.fullmatch("Mitglied [0-9]+", name) for name in db.scalars(select(Member.name)))
        # The first round finds nothing to do.
        assert (expire(db, now, today), serve_waiting(db, now, today), settle_dates(db, now, today)) == (0, 0, 0)
        assert [finding for finding in verify(db, now) if finding.broken] == []


REAL = {
    "BIBLIOTHEK_DATA": "echt",
    "BIBLIOTHEK_DATABASE_URL": "postgresql://name@127.0.0.1/echt",
    "BIBLIOTHEK_SMTP_URL": "smtps://mail.example.org",
    "BIBLIOTHEK_MAIL_FROM": "echt@example.org",
}


def of_make_demo(folder: Path, *arguments: str, **environ: str) -> list[Settings]:
    """The settings that each command of `make demo` would read in this folder. Nothing is run."""
    make_, house = shutil.which("make"), Path(__file__).parents[2]
    assert make_
    plain = {name: value for name, value in os.environ.items() if name == "PATH"}
    said = subprocess.run(
        [make_, "-n", "-f", str(house / "Makefile"), "demo", *arguments],
        cwd=folder,
        env={**plain, **environ},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    commands = [shlex.split(line) for line in said.splitlines() if "bin/bibliothek " in line]
    assert [command[command.index(".venv/bin/bibliothek") + 1] for command in commands] == ["demo", "serve"]
    given = [dict(part.split("=", 1) for part in command if part.startswith("BIBLIOTHEK_")) for command in commands]
    return [load_settings({**environ, **variables}, folder) for variables in given]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder in which `make` has been before."""
    for name in ("pyproject.toml", "uv.lock", ".venv/.can-run"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize("by", ["the environment", "files in the environment", ".env", "files in .env"])
def test_make_demo_keeps_away_from_the_real_library(folder: Path, by: str) -> None:
    real = REAL
    if by.startswith("files"):
        for name, value in REAL.items():
            (folder / name).write_text(value)
        real = {f"{name}_FILE": str(folder / name) for name in REAL}
    if by.endswith(".env"):
        (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in real.items()))
        real = {}
    for settings in of_make_demo(folder, **real):
        assert settings.sqlite_file == Path("demo-data/bibliothek.sqlite")
        assert not settings.mail_is_possible


@pytest.mark.parametrize(
    ("arguments", "environ", "port", "base_url"),
    [
        ([], {}, 8000, "http://localhost:8000"),
        (["PORT=9000"], {}, 9000, "http://localhost:9000"),
        ([], {"BIBLIOTHEK_PORT": "9000"}, 9000, "http://localhost:9000"),
        (["BIBLIOTHEK_BASE_URL=https://demo.example.org"], {}, 8000, "https://demo.example.org"),
        ([], {"BIBLIOTHEK_BASE_URL": "https://demo.example.org", "PORT": "9000"}, 9000, "https://demo.example.org"),
    ],
)
def test_links_of_make_demo_lead_to_the_demo(
    folder: Path, arguments: list[str], environ: dict[str, str], port: int, base_url: str
) -> None:
    (folder / ".env").write_text("BIBLIOTHEK_BASE_URL=https://echt.example.org\nBIBLIOTHEK_PORT=8001\n")
    for settings in of_make_demo(folder, *arguments, **environ):
        assert (settings.port, settings.base_url) == (port, base_url)
