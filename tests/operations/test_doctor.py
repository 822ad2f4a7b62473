"""`bibliothek doctor`: what is wrong with an installation, said with the mend, whatever else is broken."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, text, update

from bibliothek import cli, jobs
from bibliothek.db import open_database
from bibliothek.lending import actions as lending
from bibliothek.lending.models import Borrower
from bibliothek.mail import send
from bibliothek.mail.models import Mail
from bibliothek.members import queries, sign_in
from bibliothek.migrations import migrate
from bibliothek.operations import doctor, nightly
from bibliothek.settings import Settings, ensure_secret_key
from bibliothek.tokens import hashed
from tests import make
from tests.conftest import NOON, Library
from tests.mail.server import make_certificate, postbox
from tests.serving import SOURCES, free_port

Examine = Callable[..., "Report"]
NETWORK = "https://bibliothek.example.org"


class Report:
    """What `doctor --json` said, and how it ended."""

    def __init__(self, code: int, said: str) -> None:
        self.code, self.said, self.findings = code, said, json.loads(said)

    def of(self, about: str) -> list[tuple[str, str]]:
        return [(one["level"], one["says"]) for one in self.findings if one["about"] == about]

    def level(self, about: str, says: str) -> str:
        """The level of the one finding that says so; what is not good has a mend."""
        [found] = [one for one in self.findings if one["about"] == about and says in one["says"]]
        assert bool(found["mend"]) == (found["level"] != "gut")
        return str(found["level"])


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Examine:
    """Run it in an empty folder; keywords are settings. It asks nobody outside."""
    monkeypatch.chdir(tmp_path)
    for name in SOURCES:
        monkeypatch.setenv(f"BIBLIOTHEK_{name}_URL", "off")

    def examine(**settings: str) -> Report:
        with monkeypatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(f"BIBLIOTHEK_{name}", value)
            code = cli.run(["doctor", "--json"])
        return Report(code, capsys.readouterr().out)

    return examine


@pytest.fixture
def examine(both: Library, empty: Examine, monkeypatch: pytest.MonkeyPatch) -> Examine:
    """The same over a library."""
    both.settings.data.mkdir(exist_ok=True)
    both.settings.data.chmod(0o700)
    monkeypatch.setenv("BIBLIOTHEK_DATA", str(both.settings.data))
    monkeypatch.setenv("BIBLIOTHEK_DATABASE_URL", both.settings.database_url or "")
    return empty


def now() -> datetime:
    return datetime.now(UTC)


def done(library: Library, job: str, at: datetime) -> None:
    with library.database.writing() as db:
        jobs.claim(db, job, at, timedelta(minutes=2))
        jobs.finish(db, job, at, at)


# ---- All is well, and nothing is there ----


def test_where_no_library_is_nothing_is_broken_and_nothing_is_made(empty: Examine, tmp_path: Path) -> None:
    report = empty()
    assert report.code == 0
    assert report.level("Datenordner", "gibt es nicht") == "Achtung"
    assert report.level("Datenbank", "noch keine Bibliothek") == "Achtung"
    assert report.level("Mailserver", "keine Mails") == "Achtung"
    assert list(tmp_path.iterdir()) == []


def test_a_library_that_is_well(both: Library, examine: Examine) -> None:
    done(both, "round", now())
    with both.database.writing() as db:
        make.backup(db, now() - timedelta(hours=9))
    with postbox() as box:
        report = examine(SMTP_URL=box.url, MAIL_FROM="b@example.org", BASE_URL=NETWORK, TRUSTED_PROXY="127.0.0.1")
    assert (box.connections, box.received) == (1, [])
    for about in ("Version", "Einstellungen", "Datenordner", "Platte", "Runde", "Sicherung", "Mails", "Mailserver"):
        assert [level for level, _says in report.of(about)] == ["gut"], about
    # The tests' PostgreSQL does without what saves it from a power cut.
    assert report.code == (0 if both.database.is_sqlite else 1)


def test_people_read_a_line_each_with_the_mend_below(
    empty: Examine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIBLIOTHEK_BASE_URL", "http://192.168.178.20:8000")
    assert cli.run(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("gut      Version: Bibliothek ")
    found = next(n for n, line in enumerate(lines) if "nicht verschlüsselt" in line)
    assert lines[found].startswith("Achtung  Adresse: http://192.168.178.20:8000")
    assert lines[found + 1] == (
        "         → Stelle einen Proxy mit Zertifikat davor und setze BIBLIOTHEK_BASE_URL=https://…"
    )


# ---- Settings ----


def test_a_misspelt_setting_is_named_with_the_one_that_is_meant(empty: Examine) -> None:
    report = empty(BASEURL=NETWORK, WHATEVER_ELSE="1")
    mends = {one["says"].split()[0]: one["mend"] for one in report.findings if "gibt es nicht und" in one["says"]}
    assert mends == {
        "BIBLIOTHEK_BASEURL": "Gemeint ist wohl BIBLIOTHEK_BASE_URL.",
        "BIBLIOTHEK_WHATEVER_ELSE": "Streiche sie; welche es gibt, sagt docs/operator.md.",
    }
    assert report.code == 0


def test_a_setting_that_cannot_be_read_is_broken_and_ends_the_examination(empty: Examine) -> None:
    report = empty(PORT="achtzig")
    assert report.code == 1
    assert report.level("Einstellungen", "BIBLIOTHEK_PORT ist „achtzig“") == "kaputt"
    assert report.of("Platte") == []


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, ["nur auf diesen Rechner"]),
        ({"BASE_URL": "http://127.0.0.1:8000"}, ["nur auf diesen Rechner"]),
        ({"BASE_URL": "http://192.168.178.20"}, ["nicht verschlüsselt"]),
        ({"BASE_URL": NETWORK}, ["keinem Proxy"]),
        ({"BASE_URL": NETWORK, "TRUSTED_PROXY": "127.0.0.1"}, []),
    ],
)
def test_an_address_that_will_not_do(empty: Examine, settings: dict[str, str], says: list[str]) -> None:
    found = empty(**settings).of("Adresse")
    assert len(found) == len(says)
    assert all(level == "Achtung" and word in said for (level, said), word in zip(found, says, strict=True))


def test_no_password_is_ever_said(empty: Examine) -> None:
    reports = [
        empty(
            SMTP_URL="smtp://ava:ge%40heim@127.0.0.1:9", MAIL_FROM="b@example.org", DNB_URL="http://x:ge@127.0.0.1:9"
        ),
        empty(DATABASE_URL="postgresql://ava:ge%40heim@127.0.0.1:9/b"),
        empty(DATABASE_URL="postgresql://ava:ge%40heim@127.0.0.1:9/b?sslmode=geheim"),
        empty(GOOGLEBOOKS_URL="ftp://ava:geheim@127.0.0.1"),
        empty(GOOGLEBOOKS_KEY="ein-geheimer-schluessel", GOOGLEBOOKS_URL="http://127.0.0.1:9"),
    ]
    assert [report.code for report in reports] == [1, 1, 1, 1, 0]
    for report in reports:
        for secret in ("ge%40heim", "ge@heim", "ava:", "x:ge", "ein-geheimer-schluessel", ":geheim"):
            assert secret not in report.said


# ---- Files and disk ----


def test_a_folder_and_a_key_that_others_may_read(both: Library, examine: Examine) -> None:
    data, key = both.settings.data, both.settings.data / "secret-key"
    key.write_text("ab" * 32)
    key.chmod(0o644)
    data.chmod(0o755)
    report = examine()
    assert report.level("Datenordner", f"{key} dürfen auch andere") == "Achtung"
    assert report.level("Datenordner", f"{data} dürfen auch andere") == "Achtung"
    for one in report.findings:
        if "dürfen auch andere" in one["says"]:
            subprocess.run(one["mend"].strip("„“").split(), check=True)
    assert [level for level, _says in examine().of("Datenordner")] == ["gut"]


def test_a_key_as_the_first_start_makes_it_is_whole(both: Library, examine: Examine) -> None:
    ensure_secret_key(replace(both.settings, secret_key=None))
    assert [level for level, _says in examine().of("Datenordner")] == ["gut"]


@pytest.mark.parametrize("written", ["", "ab" * 31, "kein Schlüssel"])
def test_a_key_that_is_not_whole_is_broken(both: Library, examine: Examine, written: str) -> None:
    (both.settings.data / "secret-key").write_text(written)
    report = examine()
    assert report.level("Datenordner", "kein ganzer Schlüssel") == "kaputt"
    assert report.code == 1
    assert not written or written not in report.said


def test_the_key_of_a_first_start_is_good(both: Library, examine: Examine) -> None:
    ensure_secret_key(both.settings)
    assert [level for level, _says in examine().of("Datenordner")] == ["gut"]


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_what_a_killed_server_left_beside_the_database_must_be_writable_too(
    library: Library, empty: Examine, suffix: str
) -> None:
    left = Path(f"{library.settings.sqlite_file}{suffix}")
    left.touch()
    says = "lässt sich mit diesem Konto nicht lesen und schreiben"
    if os.geteuid() == 0:
        os.chown(left, 65534, 65534)
        says = "gehört einem anderen Konto"
    else:
        left.chmod(0o400)
    assert empty(DATA=str(library.settings.data)).level("Datenordner", f"{left} {says}") == "kaputt"


def test_a_file_that_the_server_may_not_write_is_broken(library: Library, empty: Examine) -> None:
    file = library.settings.sqlite_file
    assert file
    if os.geteuid() == 0:
        os.chown(file, 65534, 65534)
        says = f"{file} gehört einem anderen Konto als der Ordner"
    else:
        file.chmod(0o400)
        says = f"{file} lässt sich mit diesem Konto nicht lesen und schreiben"
    report = empty(DATA=str(library.settings.data))
    assert report.level("Datenordner", says) == "kaputt"
    assert report.code == 1


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """With an account that may not look into the folder."""
    if os.geteuid() == 0:
        folder.chmod(0o700)
        os.seteuid(65534)
    else:
        folder.chmod(0)
    try:
        yield
    finally:
        os.seteuid(os.getuid())
        folder.chmod(0o700)


def test_with_the_wrong_account_it_says_so_and_all_that_it_can_see(
    library: Library, empty: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    with as_nobody(library.settings.data):
        report = empty(DATA=str(library.settings.data))
    assert "Sicherung zurück" not in report.said
    assert report.level("Datenordner", "lässt sich mit diesem Konto nicht öffnen") == "kaputt"
    assert report.level("Datenbank", "nicht zu benutzen") == "kaputt"
    assert [level for level, _says in report.of("Platte")] == ["gut"]
    assert report.of("Mailserver")


def test_who_looks_with_another_account_into_a_folder_that_all_may_see_is_told_which_one_to_take(
    empty: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can take another account")
    with TemporaryDirectory() as data:
        with closing(open_database(None, Path(data) / "bibliothek.sqlite")) as database:
            migrate(database)
        backups = Path(data) / "backups"
        for place in (Path(data), backups):
            place.mkdir(exist_ok=True)
            place.chmod(0o755)
        monkeypatch.chdir("/")
        os.seteuid(65534)
        try:
            report = empty(DATA=data)
        finally:
            os.seteuid(0)
    assert report.level("Datenordner", "gehört dem Konto root, doctor läuft als nobody") == "kaputt"
    assert report.level("Datenbank", "mit diesem Konto nicht lesen") == "kaputt"
    assert "„sudo -u root …“" in report.said
    assert "chmod" not in report.said
    assert report.level("Sicherung", f"In {backups} lässt sich nichts schreiben") == "kaputt"
    assert f"chown -R NAME {backups}" not in report.said
    assert "Sicherung zurück" not in report.said


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", f"mode=700,{options}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may make a small disk, and not in every container")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_for_reading_only_is_broken(empty: Examine, tmp_path: Path) -> None:
    with small_disk(tmp_path / "data", "ro") as data:
        report = empty(DATA=str(data))
    assert report.level("Datenordner", "lässt sich nichts schreiben") == "kaputt"


def test_a_disk_that_fills_up_is_told_before_and_when_it_is_full(empty: Examine, tmp_path: Path) -> None:
    with small_disk(tmp_path / "data", "size=16m") as data:
        nearly = empty(DATA=str(data))
        (data / "filler").write_bytes(b"x" * 15_000_000)
        full = empty(DATA=str(data))
    assert (nearly.code, nearly.level("Platte", "fast voll")) == (0, "Achtung")
    assert (full.code, full.level("Platte", "Die Platte ist voll")) == (1, "kaputt")


def test_a_disk_without_room_for_more_files_is_full(empty: Examine, tmp_path: Path) -> None:
    with small_disk(tmp_path / "data", "size=900m,nr_inodes=20") as data:
        nearly = empty(DATA=str(data))
        for number in range(19):
            (data / str(number)).touch()
        full = empty(DATA=str(data))
    assert nearly.level("Platte", "fast voll") == "Achtung"
    assert full.level("Platte", "Platz für 0 Dateien") == "kaputt"


# ---- Database ----


def test_what_is_no_database_is_broken(library: Library, empty: Examine) -> None:
    assert library.settings.sqlite_file
    library.database.close()
    library.settings.sqlite_file.write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    report = empty(DATA=str(library.settings.data))
    assert report.level("Datenbank", "Sie ist nicht zu benutzen") == "kaputt"
    assert report.code == 1


def test_a_postgresql_that_is_not_there_is_broken_and_all_else_is_told(empty: Examine) -> None:
    report = empty(DATABASE_URL=f"postgresql://ava@127.0.0.1:{free_port()}/bibliothek")
    assert report.level("Datenbank", "Sie ist nicht zu benutzen") == "kaputt"
    assert report.of("Mailserver")
    assert report.of("Platte")


def test_a_postgresql_that_does_not_answer_is_not_waited_for(empty: Examine) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as mute:
        began = time.monotonic()
        report = empty(DATABASE_URL=f"postgresql://ava@127.0.0.1:{mute.getsockname()[1]}/bibliothek")
    assert report.level("Datenbank", "Sie ist nicht zu benutzen") == "kaputt"
    assert time.monotonic() - began < 15


def test_an_address_that_says_how_long_to_wait_is_taken_at_its_word(empty: Examine) -> None:
    report = empty(DATABASE_URL=f"postgresql://ava@127.0.0.1:{free_port()}/bibliothek?connect_timeout=2")
    assert report.level("Datenbank", "Connection refused") == "kaputt"


def test_postgresql_settings_that_lose_loans_are_broken(both: Library, examine: Examine) -> None:
    report = examine()
    if both.database.is_sqlite:
        assert report.level("Datenbank", "SQLite 3.") == "gut"
        return
    # The tests' server has these two off, because it may lose what it has.
    assert report.level("Datenbank", "fsync ist aus") == "kaputt"
    assert report.level("Datenbank", "full_page_writes ist aus") == "kaputt"
    assert "synchronous_commit" not in report.said


@pytest.mark.parametrize(
    ("revision", "says", "level"),
    [("2000-01-01", "älteren Version", "Achtung"), ("2999-01-01", "neueren Version", "kaputt")],
)
def test_data_of_another_version(both: Library, examine: Examine, revision: str, says: str, level: str) -> None:
    with both.database.writing() as db:
        db.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    report = examine()
    assert report.level("Datenbank", says) == level
    assert report.of("Runde") == []


# ---- What the server did by itself ----


@pytest.mark.parametrize(
    ("hours", "trouble", "level", "says"),
    [
        (9, None, "gut", "und geprüft"),
        (40, None, "Achtung", "und geprüft"),
        (9, "cut short", "Achtung", "nicht zu gebrauchen"),
        (None, None, "Achtung", "noch keine"),
    ],
)
def test_the_last_backup(
    both: Library, examine: Examine, hours: int | None, trouble: str | None, level: str, says: str
) -> None:
    if hours:
        with both.database.writing() as db:
            make.backup(db, now() - timedelta(hours=hours), trouble)
    assert examine().level("Sicherung", says) == level


def test_what_the_other_place_of_backups_says_is_told_without_its_password(both: Library, examine: Examine) -> None:
    account = nightly.Account(trouble="login as ava with ge/heim failed")
    with both.database.writing() as db:
        jobs.claim(db, nightly.JOB, now(), timedelta())
        jobs.finish(db, nightly.JOB, now(), now(), msgspec.json.encode(account).decode())
    report = examine(BACKUP_TO="webdavs://ava:ge%2Fheim@cloud.example.org/bibliothek")
    assert report.level("Sicherung", "login as ava with … failed") == "Achtung"
    assert "heim" not in report.said


def test_folders_of_backups_that_cannot_take_the_next_one(both: Library, examine: Examine) -> None:
    with both.database.writing() as db:
        make.backup(db, now() - timedelta(hours=9))
    # Nobody, not even root, makes a file there.
    report = examine(BACKUP_DIR="/proc", BACKUP_TO="/proc/nirgends")
    assert report.level("Sicherung", "In /proc lässt sich nichts schreiben") == "kaputt"
    assert report.level("Sicherung", "/proc/nirgends gibt es gerade nicht") == "Achtung"
    assert examine(BACKUP_TO="/proc").level("Sicherung", "In /proc lässt sich nichts schreiben") == "Achtung"
    assert [level for level, _says in examine(BACKUP_TO=str(both.settings.data)).of("Sicherung")] == ["gut"]


def test_a_round_that_stopped_and_mail_that_waits(both: Library, examine: Examine) -> None:
    done(both, "round", now() - timedelta(minutes=10))
    ago = now() - timedelta(hours=2)
    with both.database.writing() as db:
        member = make.member(db, "Ava Unverkennbar", "ava@example.org")
        times = {"created_at": ago, "next_try_at": now(), "expires_at": now() + timedelta(days=1)}
        db.add(Mail(kind="reminder", state="pending", member_id=member.id, address=member.email, **times))
    with postbox() as box:
        report = examine(SMTP_URL=box.url, MAIL_FROM="b@example.org")
    assert report.level("Runde", "keine Runde") == "Achtung"
    assert report.level("Mails", "Mails warten") == "Achtung"
    assert box.received == []
    assert "Unverkennbar" not in report.said
    assert "ava@" not in report.said


# ---- Clock ----


def test_a_clock_from_before_this_version_is_broken() -> None:
    [finding] = doctor._clock(Settings(), datetime(1970, 1, 1, 0, 5, tzinfo=UTC))
    assert finding.level == "kaputt"
    assert "01.01.1970, 01:05" in finding.says


def test_a_clock_behind_what_the_library_saw_is_broken_until_somebody_trusts_it(
    both: Library, examine: Examine, capsys: pytest.CaptureFixture[str]
) -> None:
    done(both, "round", now() + timedelta(days=400))
    report = examine()
    assert report.code == 1
    assert report.level("Uhr", "hat schon den") == "kaputt"
    assert cli.run(["doctor", "--trust-clock"]) == 0
    assert "gilt die Uhr dieses Rechners" in capsys.readouterr().out
    assert "hat schon den" not in examine().said
    with both.database.writing() as db:
        seen = jobs.last_instant(db)
        assert seen
        assert abs(seen - now()) < timedelta(minutes=1)
        # It is due again at once, not in 400 days.
        assert jobs.claim(db, "round", now(), timedelta(minutes=1))


def test_what_a_clock_wrote_that_was_a_year_ahead_does_not_count_for_a_year(both: Library) -> None:
    later = NOON + timedelta(days=365)
    with both.database.writing() as db:
        jobs.claim(db, "round", later, timedelta())
        loan = make.loan(db)
        member = make.member(db, email="ava@example.org")
        link = sign_in.new_link(db, member, later)
        db.execute(update(Borrower).where(Borrower.loan_id == loan.id).values(forget_at=later))
        times = {"created_at": later, "next_try_at": later, "expires_at": later + timedelta(days=1)}
        db.add(Mail(kind="reminder", state="pending", member_id=member.id, address="ava@example.org", **times))
    assert doctor.trust_clock(both.database, NOON)
    with both.database.writing() as db:
        assert queries.usable_link(db, hashed(link), NOON) is None
        assert db.scalars(select(Mail.next_try_at)).all() == [NOON]
        lending.forget_returned(db, NOON)
        assert db.get(Borrower, loan.id) is None


def test_a_clock_that_nobody_doubts_is_left_alone(
    both: Library, examine: Examine, capsys: pytest.CaptureFixture[str]
) -> None:
    before = now() - timedelta(hours=1)
    done(both, "round", before)
    assert examine().of("Version")
    assert cli.run(["doctor", "--trust-clock"]) == 0
    assert "Nichts zu tun" in capsys.readouterr().out
    with both.database.reading() as db:
        assert jobs.last_instant(db) == before


# ---- Others in the network ----


@contextmanager
def source(status: int = 200, ahead: timedelta = timedelta(), slow_s: float = 0, promised: int = 0) -> Iterator[str]:
    """Somebody who answers with that status, and whose clock is so far ahead."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers["user-agent"])
            gone.wait(slow_s)
            self.send_response_only(status)
            self.send_header("Date", format_datetime(now() + ahead))
            self.send_header("Content-Length", str(promised))
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    asked: list[str] = []
    gone = threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            gone.set()
            server.shutdown()
            thread.join()
    assert all(agent.startswith("Bibliothek/") for agent in asked)


@pytest.mark.parametrize(("status", "level"), [(200, "gut"), (400, "gut"), (404, "gut"), (500, "Achtung")])
def test_a_source_that_answers(empty: Examine, status: int, level: str) -> None:
    with source(status) as url:
        report = empty(DNB_URL=url)
    assert [found for found, _says in report.of("Quelle")] == [level]
    assert report.code == 0


def test_of_a_source_only_the_first_words_are_waited_for(empty: Examine) -> None:
    with source(promised=1_000_000) as url:
        report = empty(DNB_URL=url)
    assert [found for found, _says in report.of("Quelle")] == ["gut"]


def test_sources_that_do_not_answer_are_waited_for_together_and_not_long(
    empty: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "SOURCE_S", 1.0)
    monkeypatch.setattr(send, "PATIENCE", 1.0)
    with source(slow_s=30) as slow, closing(socket.create_server(("127.0.0.1", 0))) as mute:
        urls = {f"{name}_URL": slow for name in ("DNB", "K10PLUS", "LOBID", "OPENLIBRARY")}
        began = time.monotonic()
        report = empty(
            **urls,
            COVERS_URL=f"http://127.0.0.1:{free_port()}",
            SMTP_URL=f"smtp+plain://127.0.0.1:{mute.getsockname()[1]}",
            MAIL_FROM="b@example.org",
        )
    assert [level for level, _says in report.of("Quelle")] == ["Achtung"] * 5
    assert report.level("Mailserver", "nicht zu erreichen") == "kaputt"
    # One after the other, they would take six.
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("ahead", "level", "says"),
    [
        (timedelta(minutes=10), "Achtung", "10 Minuten nach"),
        (timedelta(minutes=-10), "Achtung", "10 Minuten vor"),
        (timedelta(days=1), "kaputt", "1440 Minuten nach"),
        (timedelta(minutes=1), "", ""),
    ],
)
def test_a_clock_that_differs_from_that_of_the_sources(empty: Examine, ahead: timedelta, level: str, says: str) -> None:
    with source(ahead=ahead) as url:
        report = empty(DNB_URL=url)
    if level:
        assert report.level("Uhr", says) == level
    else:
        assert "Nach der Uhr der Quellen" not in report.said
    assert report.code == (level == "kaputt")


def test_one_source_with_a_wrong_clock_proves_nothing(empty: Examine) -> None:
    with source(ahead=timedelta(days=3)) as wrong, source() as right:
        report = empty(DNB_URL=wrong, LOBID_URL=right)
    assert "Nach der Uhr der Quellen" not in report.said


def test_a_mail_server_that_refuses_the_sign_in_is_broken(
    empty: Examine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with postbox(certificate, password="richtig") as box:
        good = empty(SMTP_URL=f"smtp://ava:richtig@127.0.0.1:{box.port}", MAIL_FROM="b@example.org")
        bad = empty(SMTP_URL=f"smtp://ava:falsch@127.0.0.1:{box.port}", MAIL_FROM="b@example.org")
    assert (good.code, good.level("Mailserver", "nimmt Mails an")) == (0, "gut")
    assert (bad.code, bad.level("Mailserver", "lehnt die Anmeldung ab")) == (1, "kaputt")
    assert "falsch" not in bad.said


def test_a_mail_server_with_a_certificate_that_nobody_knows_is_broken(empty: Examine, tmp_path: Path) -> None:
    folder = tmp_path / "certificate"
    folder.mkdir()
    with postbox(make_certificate(folder)) as box:
        report = empty(SMTP_URL=f"smtp://127.0.0.1:{box.port}", MAIL_FROM="b@example.org")
    assert report.level("Mailserver", "Zertifikat") == "kaputt"


def test_half_a_mail_server_sends_nothing(empty: Examine) -> None:
    report = empty(SMTP_URL="smtp://mail.example.org")
    assert report.level("Mailserver", "nur eins von beiden") == "Achtung"


def test_a_whole_disk_is_left_as_it_was(library: Library, empty: Examine) -> None:
    data = library.settings.data
    library.database.close()
    before = sorted(path.name for path in data.iterdir())
    empty(DATA=str(data))
    assert sorted(path.name for path in data.iterdir()) == before
    shutil.rmtree(data)
    empty(DATA=str(data))
    assert not data.exists()
