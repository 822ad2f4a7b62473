"""A backup holds everything that it should, nothing that it must not, and comes back on either database."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import time
import zipfile
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from random import Random
from threading import Event

import msgspec
import pytest
from sqlalchemy import delete, select, text

from bibliothek import __version__, serving
from bibliothek.catalogue import covers
from bibliothek.catalogue.models import Title
from bibliothek.db import open_database
from bibliothek.mail.models import Mail
from bibliothek.members.models import Member
from bibliothek.migrations import newest, upgrade
from bibliothek.models import metadata
from bibliothek.operations import backup, reading, restore
from bibliothek.operations.reading import BadBackup
from bibliothek.operations.verify import NotSound, verify
from bibliothek.problems import Failed
from bibliothek.settings import Settings, ensure_secret_key
from tests import make, postgres
from tests.conftest import Library
from tests.make import NOW
from tests.operations.conftest import opened
from tests.operations.filled import fill_every_table, picture
from tests.operations.test_crash import await_answers, busy
from tests.operations.test_full_disk import fill, small_disk  # noqa: F401 (a fixture)
from tests.serving import serving as server_of
from tests.traffic import NOTHING, Book, assert_sound, deeds_in, furnish

TORTURE = os.environ.get("TORTURE") == "1"
BACKUPS, KILLS = (50, 40) if TORTURE else (2, 2)
FIXTURES = Path(__file__).parent / "backups"
# What a restored library changes at once: see restore.py.
CHANGED = {"tables/mail.jsonl"}


def written(library: Library, file: Path) -> backup.Written:
    return backup.write(library.database, library.settings, file, NOW)


def assert_passes_verify(settings: Settings, now: datetime | None = None) -> None:
    with opened(settings) as database, database.reading() as db:
        found = verify(db, now or datetime.now(UTC), covers.folder_of(settings))
    assert [(one.invariant, one.broken) for one in found if one.broken] == []


def test_a_backup_comes_back_as_it_was_from_and_to_either_database(
    both: Library, nothing: Settings, tmp_path: Path
) -> None:
    fill_every_table(both.database, both.settings)
    with both.database.writing() as db:
        gone = make.title(db)
        db.flush()
        db.execute(delete(Title).where(Title.id == gone.id))
    there = written(both, tmp_path / "there.zip")
    restore.restore(there.file, nothing, NOW)
    with opened(nothing) as database:
        again = backup.write(database, nothing, tmp_path / "again.zip", NOW)
        with database.writing() as db:
            assert make.title(db).id > gone.id
    before, after = ({part.name: part for part in one.manifest.parts} for one in (there, again))
    assert {name for name in before if before[name].count == 0} == set()
    wanted = set(metadata.tables) - backup.NOT_CARRIED_OVER
    assert {name[len("tables/") : -len(".jsonl")] for name in before if name.startswith("tables/")} == wanted
    different = {name for name in before if before[name].sha256 != after[name].sha256}
    assert different == CHANGED
    assert_passes_verify(nothing, NOW)


@pytest.mark.parametrize("file", sorted(FIXTURES.glob("*.zip")), ids=lambda file: file.stem)
def test_a_backup_of_each_release_is_restored(file: Path, nothing: Settings) -> None:
    restore.restore(file, nothing, datetime.now(UTC))
    assert_passes_verify(nothing)


def test_each_release_leaves_a_backup_for_those_that_follow() -> None:
    assert (FIXTURES / f"{__version__}.zip").is_file(), "docs/developer.md says how it is made"


def test_a_library_that_is_still_to_be_migrated_is_backed_up_and_comes_back_as_new(tmp_path: Path) -> None:
    old, new = Settings(data=tmp_path / "old"), Settings(data=tmp_path / "new")
    with opened(old) as database:
        upgrade(database, "2026_11_23_first")
        with database.writing() as db:
            member = {"id": 7, "name": "Ada", "sort_name": "ada", "role": "admin", "created_at": "2026-01-01 00:00:00"}
            db.execute(text(f"INSERT INTO member ({', '.join(member)}) VALUES (:{', :'.join(member)})"), member)
        made = backup.write(database, old, tmp_path / "old.zip", NOW)
    assert made.manifest.revision == "2026_11_23_first"
    restore.restore(made.file, new, NOW)
    with opened(new) as database, database.reading() as db:
        assert db.scalar(text("SELECT version_num FROM alembic_version")) == newest()
        assert db.get_one(Member, 7).name == "Ada"


# ---- What is in it ----


def test_a_backup_is_readable_by_us_alone_and_lets_nobody_in(library: Library, tmp_path: Path) -> None:
    key = ensure_secret_key(Settings(data=library.settings.data))
    fill_every_table(library.database, library.settings)
    made = written(library, tmp_path / "a.zip")
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o600
    with zipfile.ZipFile(made.file) as box:
        names, content = box.namelist(), b"".join(box.read(name) for name in box.namelist())
    assert not {name for name in names if any(table in name for table in ("session", "sign_in", "pairing", "once"))}
    assert key.hex().encode() not in content
    assert "Der Schlüssel dieser Bibliothek" in (library.settings.data / "secret-key").read_text(encoding="utf-8")


def test_what_waited_to_be_mailed_is_not_sent_again(library: Library, tmp_path: Path) -> None:
    fill_every_table(library.database, library.settings)
    made, new = written(library, tmp_path / "a.zip"), Settings(data=tmp_path / "new")
    restore.restore(made.file, new, NOW)
    with opened(new) as database, database.reading() as db:
        assert {(mail.state, mail.address, mail.text) for mail in db.scalars(select(Mail))} == {("unknown", None, None)}


def test_a_backup_that_fails_leaves_the_one_before(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = written(library, tmp_path / "a.zip").file.read_bytes()
    monkeypatch.setattr(backup, "_write_pictures", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        written(library, tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == before
    assert list(tmp_path.glob(".*")) == []


# ---- While it is used ----


def test_what_one_that_was_killed_left_is_in_nobodys_way(library: Library, tmp_path: Path) -> None:
    # In a container, processes have the same number after each start.
    (tmp_path / f".x.zip.{os.getpid()}.half").touch()
    assert written(library, tmp_path / "x.zip").file.stat().st_size > 0


def test_backups_made_while_people_lend_hold_all_that_was_acknowledged(both: Library, tmp_path: Path) -> None:
    book, is_up = Book(furnish(both)), Event()
    is_up.set()
    files, began = [], time.monotonic()
    with server_of(both) as server:
        with busy(book, server.port, is_up) as (answered, _programs):
            for n in range(BACKUPS):
                await_answers(answered, Random(n))
                acknowledged = book.so_far()
                files.append((written(both, tmp_path / f"{n}.zip").file, acknowledged))
            took = time.monotonic() - began
        assert server.bugs() == []
    rate = sum(book.answers.values()) / took
    print(f"{BACKUPS} backups in {took:.1f} s while {rate:.0f} operations a second went on")
    for file, acknowledged in files:
        new = Settings(data=tmp_path / file.stem)
        restore.restore(file, new, datetime.now(UTC))
        with opened(new) as database:
            assert_sound(Library(new, database))
            with database.reading() as db:
                assert acknowledged.without(deeds_in(db)) == NOTHING
        shutil.rmtree(new.data)


# ---- All or nothing ----


@pytest.fixture
def good(library: Library, tmp_path: Path) -> Path:
    with library.database.writing() as db:
        make.loan(db)
        make.admin(db)
    return written(library, tmp_path / "good.zip").file


def assert_refused(file: Path, library: Library, said: str, kind: type[Failed] = BadBackup) -> None:
    """Nothing of the library is changed, and nothing is left lying about."""
    library.database.close()
    assert library.settings.sqlite_file
    before, names = library.settings.sqlite_file.read_bytes(), set(os.listdir(library.settings.data))
    with pytest.raises(kind, match=said):
        restore.restore(file, library.settings, NOW)
    assert library.settings.sqlite_file.read_bytes() == before
    assert set(os.listdir(library.settings.data)) - names <= {serving.FILE}


def test_a_backup_that_is_cut_short_or_damaged_anywhere_is_refused(library: Library, good: Path) -> None:
    content = good.read_bytes()
    for n in range(1, 20):
        part = content[: len(content) * n // 20]
        good.write_bytes(part)
        assert_refused(good, library, "nicht ganz angekommen")
    with zipfile.ZipFile(BytesIO(content)) as box:
        at = box.getinfo("tables/loan.jsonl").header_offset + 90
    good.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
    assert_refused(good, library, "beschädigt")


def repacked(file: Path, change: dict[str, bytes | None], manifest: dict[str, object] | None = None) -> Path:
    """The same backup with other content under some names (None for left out), and a manifest that fits unless told otherwise."""
    with zipfile.ZipFile(file) as box:
        parts = {name: box.read(name) for name in box.namelist()}
    parts = {name: content for name, content in {**parts, **change}.items() if content is not None}
    said = msgspec.json.decode(parts.pop("manifest.json"))
    counts = {part["name"]: part["count"] for part in said["parts"]}
    sums = {name: sha256(content).hexdigest() for name, content in parts.items()}
    said["parts"] = [
        {"name": name, "count": counts.get(name, 0), "size": len(content), "sha256": sums[name]}
        for name, content in parts.items()
    ]
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as box:
        for name, content in parts.items():
            box.writestr(name, content, zipfile.ZIP_STORED if name.endswith(".tar") else None)
        box.writestr("manifest.json", msgspec.json.encode({**said, **(manifest or {})}))
    return file


def test_a_foreign_file_is_refused(library: Library, tmp_path: Path) -> None:
    file = tmp_path / "urlaub.zip"
    file.write_text("Liebe Grüße")
    assert_refused(file, library, "keine Sicherung einer Bibliothek")
    with zipfile.ZipFile(file, "w") as box:
        box.writestr("bild.jpg", b"x")
    assert_refused(file, library, "ein Zip, aber keine Sicherung")


@pytest.mark.parametrize("columns", ['"Notes" (x INTEGER)', "notes2 (x INTEGER)", "notes (x NUMERIC)"])
def test_what_somebody_else_keeps_in_the_same_database_is_in_no_backup_and_in_nobodys_way(
    both: Library, tmp_path: Path, columns: str
) -> None:
    with both.database.writing() as db:
        db.execute(text(f"CREATE TABLE {columns}"))
    names = {part.name for part in written(both, tmp_path / "x.zip").manifest.parts}
    assert not [name for name in names if "otes" in name]
    assert restore.rehearse(tmp_path / "x.zip", both.settings, tmp_path, NOW) == []


def test_every_table_of_ours_is_in_a_backup_or_left_out_on_purpose(both: Library, tmp_path: Path) -> None:
    names = {f"tables/{name}.jsonl" for name in metadata.tables.keys() - backup.NOT_CARRIED_OVER}
    assert {part.name for part in written(both, tmp_path / "x.zip").manifest.parts} >= names


def test_one_that_needs_a_password_is_refused(library: Library, good: Path) -> None:
    content = bytearray(good.read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 8] |= reading.ENCRYPTED
    good.write_bytes(content)
    assert_refused(good, library, "beschädigt")


@pytest.mark.parametrize("revision", ["2026_01_01_never", "-1", ""])
def test_a_revision_that_never_was_is_refused(library: Library, good: Path, revision: str) -> None:
    assert_refused(repacked(good, {}, {"revision": revision}), library, "beschädigt")


@pytest.mark.postgres
@pytest.mark.parametrize("change", ["title = 'a' || char(0)", "year = 99999999999"])
def test_what_postgresql_cannot_keep_is_said_in_a_line(
    library: Library, tmp_path: Path, postgres_databases: postgres.Databases, change: str
) -> None:
    with library.database.writing() as db:
        make.title(db)
        db.execute(text(f"UPDATE title SET {change}"))
    file = written(library, tmp_path / "x.zip").file
    with postgres_databases.bare() as url, pytest.raises(Failed, match="nimmt diese Datenbank nicht an"):
        restore.restore(file, Settings(data=tmp_path / "new", database_url=url), NOW)


def test_a_newer_backup_is_refused(library: Library, good: Path) -> None:
    assert_refused(repacked(good, {}, {"revision": "2999_01_01_next"}), library, "neueren Version", Failed)
    assert_refused(repacked(good, {}, {"format": 2, "revision": newest()}), library, "neueren Version", Failed)


@pytest.mark.parametrize(
    "change",
    [
        {"../../etc/passwd": b"x"},
        {"tables/../loan.jsonl": b"[]"},
        {"tables/loan.jsonl": b'[["id","integer"]]\n[1]\n'},
        {"tables/loan.jsonl": b"so etwas"},
        {"tables/copy.jsonl": None, "tables/copy_.jsonl": b"[]\n"},
        {"covers/00.tar": b"kein Tar" * 1000},
    ],
    ids=["path", "path within", "columns", "no rows", "rows that others need", "pictures"],
)
def test_a_backup_made_to_do_harm_does_none(library: Library, good: Path, change: dict[str, bytes | None]) -> None:
    assert_refused(repacked(good, change), library, "beschädigt|passt nicht|widerspricht")


def test_a_zip_that_unpacks_to_more_than_the_disk_is_refused_before_it_is_unpacked(
    library: Library, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil._ntuple_diskusage(10**9, 10**9 - restore.ROOM, restore.ROOM)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage)
    monkeypatch.setattr(reading.Backup, "check_sums", lambda _self: 1 / 0)
    assert_refused(good, library, "MB frei", Failed)


def test_what_breaks_invariants_comes_back_only_when_somebody_says_so(library: Library, tmp_path: Path) -> None:
    with library.database.writing() as db:
        loan = make.loan(db)
        db.execute(text("DELETE FROM borrower WHERE loan_id = :id"), {"id": loan.id})
    file = written(library, tmp_path / "a.zip").file
    assert_refused(file, library, "--trotzdem", NotSound)
    restore.restore(file, library.settings, NOW, even_if_unsound=True)


def test_lists_that_were_being_read_in_lie_aside_too(nothing: Settings, good: Path) -> None:
    """Their files are called by numbers that lead to other lists now."""
    if nothing.sqlite_file:
        restore.restore(good, nothing, NOW)
    (nothing.data / "imports").mkdir(parents=True)
    (nothing.data / "imports" / "1").write_text("Mitglied 1")
    done = restore.restore(good, nothing, NOW)
    assert done.aside
    assert (done.aside / "imports" / "1").read_text() == "Mitglied 1"
    assert not (nothing.data / "imports").exists()


def test_the_library_that_was_there_lies_aside_as_a_whole(library: Library, good: Path) -> None:
    digest = covers.keep(covers.folder_of(library.settings), picture())
    with library.database.writing() as db:
        title = make.title(db, "Neuer als die Sicherung")
        covers.set_own_picture(db, title.id, digest, NOW)
    library.database.close()
    done = restore.restore(good, library.settings, NOW)
    assert done.aside
    with closing(open_database(None, done.aside / "bibliothek.sqlite")) as database, database.reading() as db:
        assert db.get_one(Title, title.id).title == "Neuer als die Sicherung"
        assert covers.missing_files(db, covers.folder_of(Settings(data=done.aside))) == []
    with library.database.reading() as db:
        assert db.get(Title, title.id) is None


def test_a_restore_that_is_killed_leaves_the_old_library_or_the_new_one(library: Library, good: Path) -> None:
    with library.database.writing() as db:
        new_title = make.title(db, "Neuer als die Sicherung").id
    library.database.close()
    assert library.settings.sqlite_file
    old = library.settings.sqlite_file.read_bytes()
    command = [sys.executable, "-m", "bibliothek", "restore", str(good)]
    surroundings = {**os.environ, "BIBLIOTHEK_DATA": str(library.settings.data)}
    began = time.monotonic()
    subprocess.run(command, env=surroundings, check=True, capture_output=True)
    whole, ended = time.monotonic() - began, []
    for n in range(KILLS):
        library.settings.sqlite_file.write_bytes(old)
        process = subprocess.Popen(command, env=surroundings, stdout=subprocess.DEVNULL)
        with suppress(subprocess.TimeoutExpired):
            process.wait(whole * (0.5 + 0.5 * n / KILLS))
        process.kill()
        process.wait()
        assert_passes_verify(library.settings)
        with opened(library.settings) as database, database.reading() as db:
            ended.append("old" if db.get(Title, new_title) else "new")
        shutil.rmtree(library.settings.data / "covers", ignore_errors=True)
    print(f"a restore takes {whole:.1f} s; after kills: {ended}")
    assert "old" in ended
    restore.tidy(library.settings.data, library.settings)
    assert list(library.settings.data.glob(f"{restore.SCRATCH}*")) == []


def test_nothing_is_restored_under_a_command_that_is_still_at_work(library: Library, good: Path) -> None:
    with library.database.reading() as db:
        before = len(db.scalars(select(Title.id)).all())
        with library.database.writing() as other:
            make.title(other, "Neuer als die Sicherung")
        with pytest.raises(Failed, match="benutzt die Datenbank"):
            restore.restore(good, library.settings, NOW)
    with library.database.reading() as db:
        assert len(db.scalars(select(Title.id)).all()) == before + 1
    assert list(library.settings.data.glob("*-vor-*")) == []


def test_what_a_killed_restore_left_goes_with_the_next_one(library: Library, good: Path) -> None:
    left = library.settings.data / f"{restore.SCRATCH}abc"
    left.mkdir()
    library.database.close()
    restore.restore(good, library.settings, NOW)
    assert not left.exists()


@pytest.mark.postgres
def test_a_postgresql_database_that_holds_something_is_refused(
    library: Library, good: Path, tmp_path: Path, postgres_databases: postgres.Databases
) -> None:
    with postgres_databases.one() as url:
        settings = Settings(data=tmp_path / "new", database_url=url)
        with pytest.raises(Failed, match="createdb"):
            restore.restore(good, settings, NOW)


def test_a_full_disk_leaves_nothing_half_written_behind(small_disk: Path, empty_sqlite: Path) -> None:  # noqa: F811
    settings = Settings(data=small_disk)
    shutil.copy(empty_sqlite, str(settings.sqlite_file))
    with opened(settings) as database:
        names = {*os.listdir(small_disk), fill(small_disk).name}
        with pytest.raises(OSError, match="No space left"):
            backup.write(database, settings, small_disk / "a.zip", NOW)
    assert {name for name in os.listdir(small_disk) if not name.endswith(("-wal", "-shm"))} == names


# ---- Never under a running server ----


def test_nothing_is_restored_while_a_server_runs_and_no_server_starts_meanwhile(both: Library, good_of: Path) -> None:
    with (
        serving.serving(both.settings, both.database),
        serving.serving(both.settings, both.database),
        pytest.raises(Failed, match="läuft gerade"),
    ):
        restore.restore(good_of, both.settings, NOW)
    with (
        serving.nobody_serves(both.settings, both.database),
        pytest.raises(Failed, match="Gerade wird hier"),
        serving.serving(both.settings, both.database),
    ):
        pass


@pytest.fixture
def good_of(both: Library, tmp_path: Path) -> Path:
    return written(both, tmp_path / "both.zip").file


@pytest.mark.postgres
def test_the_mark_is_there_again_after_postgresql_threw_everybody_out(
    both: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    if both.database.is_sqlite:
        pytest.skip("a lock on a file stays as long as its process")
    monkeypatch.setattr(serving, "EVERY_S", 0.05)
    holders = text(f"SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = {serving.NUMBER}")

    def holder(other_than: int = 0) -> int:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with both.database.engine.connect() as connection:
                found = [pid for pid in connection.scalars(holders) if pid != other_than]
            if found:
                return int(found[0])
        raise AssertionError("nobody has the mark")

    with serving.serving(both.settings, both.database):
        first = holder()
        with both.database.engine.connect() as connection:
            connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": first})
        assert holder(other_than=first) != first
        with pytest.raises(Failed, match="läuft gerade"), serving.nobody_serves(both.settings, both.database):
            pass


def test_a_backup_of_last_year_does_not_bring_back_what_was_to_be_forgotten(library: Library, tmp_path: Path) -> None:
    fill_every_table(library.database, library.settings)
    file, new = written(library, tmp_path / "a.zip").file, Settings(data=tmp_path / "new")
    restore.restore(file, new, NOW + timedelta(days=400))
    assert_passes_verify(new, NOW + timedelta(days=400))
