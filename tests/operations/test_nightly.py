"""A backup each night: when, by whom, which ones stay, what its rehearsal says, and who sees that."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from datetime import time as wall_time
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from sqlalchemy import text, update

from bibliothek import jobs
from bibliothek.clock import SteadyClock, is_behind
from bibliothek.library.models import Library as LibraryRow
from bibliothek.operations import apart, nightly, rotation
from bibliothek.operations.doctor import trust_clock
from bibliothek.operations.nightly import Nights
from bibliothek.operations.reading import opened
from bibliothek.operations.rotation import ID_FILE, name_before, next_night, own_id, to_keep
from bibliothek.operations.rotation import name_at as name_of
from bibliothek.problems import Failed
from bibliothek.settings import Keep, Settings
from tests import make
from tests.client import text_of
from tests.conftest import NOON, Library

BERLIN = ZoneInfo("Europe/Berlin")
PAGE = "/verwaltung/sicherungen"
WEEK_AND_MONTH = Keep(7, 4)


def name_at(moment: datetime, library: Library | None = None) -> str:
    return name_of(moment, own_id(library.settings) if library else "1a2b3c4d")


# ---- When, and which ones stay ----


def test_the_next_night_begins_by_the_clock_on_the_wall_also_where_it_is_turned() -> None:
    settings = Settings(backup_at=wall_time(3, 0), timezone=BERLIN)
    assert next_night(datetime(2026, 7, 1, 0, 59, tzinfo=UTC), settings) == datetime(2026, 7, 1, 1, tzinfo=UTC)
    assert next_night(datetime(2026, 7, 1, 1, 0, tzinfo=UTC), settings) == datetime(2026, 7, 2, 1, tzinfo=UTC)
    assert next_night(datetime(2026, 10, 24, 12, tzinfo=UTC), settings) == datetime(2026, 10, 25, 2, tzinfo=UTC)


def kept(days: list[int], bad: tuple[int, ...] = (), keep: Keep = WEEK_AND_MONTH) -> list[int]:
    """Of backups that are so many days old, those that stay."""
    names = {name_at(NOON - timedelta(days=day)): day for day in days}
    wanted = to_keep(names, keep, BERLIN, NOON, [name for name, day in names.items() if day in bad])
    return sorted(names[name] for name in wanted)


def test_a_week_of_days_and_a_month_of_weeks_stay() -> None:
    # NOON is a Monday: the newest of the weeks before are of Sundays.
    assert kept(list(range(60))) == [0, 1, 2, 3, 4, 5, 6, 8, 15]
    assert kept(list(range(60)), keep=Keep(0, 2)) == [0, 1]


def test_the_last_sound_one_stays_however_many_came_after() -> None:
    assert 40 in kept([*range(20), 40], bad=tuple(range(20)))
    assert kept([400, 500]) == [400, 500]
    assert kept([0], keep=Keep(0, 0)) == [0]


def test_of_two_of_one_day_the_sound_one_stays() -> None:
    names = [name_at(NOON - timedelta(hours=1)), name_at(NOON)]
    assert to_keep(names, Keep(1, 0), BERLIN, NOON, bad=names[1:]) == {names[0]}
    assert to_keep(names, Keep(1, 0), BERLIN, NOON) == {names[1]}


def test_those_of_a_clock_that_was_ahead_take_no_places_of_the_others_nor_the_other_way_round() -> None:
    ahead = [-day for day in range(400, 460)]
    stay = kept([*range(60), *ahead])
    assert [day for day in stay if day >= 0] == [0, 1, 2, 3, 4, 5, 6, 8, 15]
    assert 7 <= len([day for day in stay if day < 0]) <= 7 + 4
    # Of a new box whose clock stands in 1970, too, none goes that was there.
    assert kept(ahead[:5]) == sorted(ahead[:5])


# ---- By the server itself ----


def nights_of(library: Library, monkeypatch: pytest.MonkeyPatch, **settings: object) -> Nights:
    """What a server does, but in this process."""
    library.settings = replace(library.settings, **settings)  # type: ignore[arg-type]
    nights = Nights(library.database, library.settings, library.clock)
    monkeypatch.setattr(apart, "load_settings", lambda: library.settings)
    monkeypatch.setattr(apart, "ROOM", 0)
    monkeypatch.setattr(nights, "_ask", lambda _patience, *words: apart._answer(list(words)))
    return nights


def state(library: Library) -> nightly.LastBackup:
    with library.database.reading() as db:
        return nightly.last_backup(db, library.clock())


def test_a_server_makes_a_sound_backup_in_the_first_night_and_only_one_of_two_does(
    both: Library, tmp_path: Path
) -> None:
    with both.database.writing() as db:
        make.loan(db)
    both.settings = replace(both.settings, backup_to=str(tmp_path / "disk"))
    nights = [Nights(both.database, both.settings, both.clock) for _ in range(2)]
    for one in nights:
        one.do_what_is_due()
    assert state(both).newest is None
    both.clock.pass_time(hours=16)
    for one in nights:
        one.do_what_is_due()
    last = state(both)
    assert last.newest is not None
    assert (last.newest.broken, last.newest.trouble, last.good_at) == ([], None, both.clock.now)
    # Nobody has mounted the disk: said, tried again, and the one here counts.
    assert last.sending_trouble is not None
    assert "eingehängt" in last.sending_trouble
    (tmp_path / "disk").mkdir()
    both.clock.pass_time(hours=1)
    nights[1].do_what_is_due()
    assert os.listdir(tmp_path / "disk") == [last.newest.name]
    assert (state(both).sent_at, state(both).sending_trouble) == (both.clock.now, None)
    [file] = nightly.local_files(both.settings).values()
    with opened(file) as backup:
        assert backup.manifest.made_at == last.good_at
    assert os.listdir(file.parent) == [file.name]


def test_where_nobody_may_step_back_behind_others_it_is_made_all_the_same(library: Library, tmp_path: Path) -> None:
    script = (
        "import errno, os, sys\n"
        "def nice(_by): raise PermissionError(errno.EPERM, 'no')\n"
        "os.nice = nice\n"
        "from bibliothek.operations.apart import main\n"
        "main()"
    )
    given = {"DATA": library.settings.data, "BACKUP_DIR": tmp_path / "backups"}
    with subprocess.Popen(
        [sys.executable, "-c", script, "make", NOON.isoformat()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **{f"BIBLIOTHEK_{name}": str(value) for name, value in given.items()}},
    ) as process:
        assert process.stdout
        said = process.stdout.read()
    made = msgspec.json.decode(said, type=apart.Answer).made
    assert made
    assert made.is_sound


def test_one_that_breaks_invariants_is_red_and_the_good_one_stays(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights = nights_of(library, monkeypatch, backup_keep=Keep(1, 0))
    with library.database.writing() as db:
        loan = make.loan(db)
        nightly.now_please(db, library.clock())
    nights.do_what_is_due()
    good_at = state(library).good_at
    assert good_at == NOON
    with library.database.writing() as db:
        db.execute(text("DELETE FROM borrower WHERE loan_id = :id"), {"id": loan.id})
    library.clock.pass_time(days=3)
    nights.do_what_is_due()
    last = state(library)
    assert last.newest is not None
    assert last.newest.broken == ["Jede offene Ausleihe gehört zu einem Mitglied"]
    assert last.good_at == good_at
    assert last.is_too_old(library.clock())
    assert len(nightly.local_files(library.settings)) == 2


def test_a_bad_one_after_a_good_one_of_the_same_day_is_red_too(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights = nights_of(library, monkeypatch)
    with library.database.writing() as db:
        loan = make.loan(db)
        nightly.now_please(db, library.clock())
    nights.do_what_is_due()
    with library.database.writing() as db:
        db.execute(text("DELETE FROM borrower WHERE loan_id = :id"), {"id": loan.id})
        nightly.now_please(db, library.clock())
    library.clock.pass_time(hours=1)
    nights.do_what_is_due()
    last = state(library)
    assert last.newest is not None
    assert last.newest.is_sound is False
    assert last.newest.name in nightly.local_files(library.settings)
    assert last.good_at == NOON


def test_without_room_none_is_begun_and_it_is_tried_again_in_an_hour(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights = nights_of(library, monkeypatch)
    with library.database.writing() as db:
        nightly.now_please(db, library.clock())
    usage = shutil._ntuple_diskusage(10**9, 10**9 - 1000, 1000)
    with monkeypatch.context() as full:
        full.setattr(shutil, "disk_usage", lambda _folder: usage)
        nights.do_what_is_due()
    last = state(library)
    assert last.newest is None
    assert last.trouble is not None
    assert "MB frei" in last.trouble
    library.clock.pass_time(minutes=59)
    nights.do_what_is_due()
    assert state(library).newest is None
    library.clock.pass_time(minutes=1)
    nights.do_what_is_due()
    assert state(library).good_at == library.clock.now


def test_what_a_killed_one_left_is_tidied_up(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    nights = nights_of(library, monkeypatch)
    folder = library.settings.backups
    assert folder
    (folder / ".zurueckgespielt-abc").mkdir(parents=True)
    (library.settings.data / ".zurueckgespielt-abc").mkdir()
    for name, age in (
        (f".{name_at(NOON, library)}.abc_1234.half", 2 * 86400),
        (f".vor-2026_11_27_t_turns-{own_id(library.settings)}.zip.x.half", 2 * 86400),
        (f".{name_at(NOON, library)}.new_1234.half", 60),
        # Somebody else's.
        (f".{name_at(NOON)}.abc_1234.half", 2 * 86400),
        (".umzug.zip.half", 400 * 86400),
        ("vor-2026_11_26_intake.zip", 29 * 86400),
        ("vor-2026_11_27_t_turns.zip", 86400),
        # Made by hand: nobody but the one who made it removes it.
        ("vor-dem-umzug.zip", 400 * 86400),
        ("vor-2026_11_27_mein_umzug.zip", 400 * 86400),
    ):
        (folder / name).touch()
        os.utime(folder / name, (time.time() - age,) * 2)
    with library.database.writing() as db:
        nightly.now_please(db, library.clock())
    nights.do_what_is_due()
    assert set(os.listdir(folder)) == {
        f".{name_at(NOON, library)}.new_1234.half",
        f".{name_at(NOON)}.abc_1234.half",
        ".umzug.zip.half",
        name_at(NOON, library),
        "vor-2026_11_27_t_turns.zip",
        "vor-dem-umzug.zip",
        "vor-2026_11_27_mein_umzug.zip",
    }
    assert not (library.settings.data / ".zurueckgespielt-abc").exists()


def test_two_libraries_in_one_folder_leave_each_others_backups_alone(
    library: Library, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    nights = nights_of(library, monkeypatch, backup_dir=shared, backup_keep=Keep(1, 0))
    (shared / ".zurueckgespielt-99999999-abc").mkdir(parents=True)
    theirs = [name_of(NOON - timedelta(days=day), "99999999") for day in (0, 1, 40)] + [
        "vor-2026_11_26_intake-99999999.zip",
        # Of an earlier version: nobody knows whose.
        "bibliothek-20261101T030000Z.zip",
        "vor-2026_11_26_intake.zip",
    ]
    ours = [name_at(NOON - timedelta(days=3), library), name_before("2026_11_26_intake", own_id(library.settings))]
    for name in theirs + ours:
        (shared / name).touch()
        os.utime(shared / name, (time.time() - 100 * 86400,) * 2)
    with library.database.writing() as db:
        nightly.now_please(db, library.clock())
    nights.do_what_is_due()
    made = name_at(NOON, library)
    assert sorted(os.listdir(shared)) == sorted([*theirs, ".zurueckgespielt-99999999-abc", made])
    assert list(nightly.local_files(library.settings)) == [made]
    assert nightly.file_of(library.settings, theirs[0]) is None


def test_what_is_renamed_while_the_folder_is_tidied_keeps_nobody_from_a_backup(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights = nights_of(library, monkeypatch)
    folder, listed = library.settings.backups, Path.iterdir
    gone = [f".{name_at(NOON)}.abc_1234.half", f".{name_at(NOON, library)}.abc_1234.half"]
    gone.append(name_before("2026_11_26_intake", own_id(library.settings)))

    def with_what_is_gone(here: Path) -> Iterator[Path]:
        return iter([*listed(here), *(here / name for name in gone if here == folder)])

    monkeypatch.setattr(Path, "iterdir", with_what_is_gone)
    with library.database.writing() as db:
        nightly.now_please(db, library.clock())
    nights.do_what_is_due()
    assert state(library).trouble is None
    assert state(library).good_at == NOON


def test_a_library_that_is_restored_elsewhere_leaves_those_of_the_one_it_was_alone(
    library: Library, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nights = nights_of(library, monkeypatch, backup_dir=tmp_path / "shared", backup_keep=Keep(1, 0))
    for _which in range(2):
        with library.database.writing() as db:
            nightly.now_please(db, library.clock())
        nights.do_what_is_due()
        # Its database knows the first backup; its data folder is another one.
        (library.settings.data / ID_FILE).unlink()
        library.clock.pass_time(minutes=5)
    assert len(os.listdir(tmp_path / "shared")) == 2


def test_backups_of_an_earlier_version_are_removed_where_they_can_only_be_ours(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights = nights_of(library, monkeypatch, backup_keep=Keep(1, 0))
    assert library.settings.backups
    library.settings.backups.mkdir()
    (library.settings.backups / "bibliothek-20261101T030000Z.zip").touch()
    with library.database.writing() as db:
        nightly.now_please(db, library.clock())
    nights.do_what_is_due()
    assert os.listdir(library.settings.backups) == [name_at(NOON, library)]


@pytest.mark.parametrize("written", ["", "\n", "\ufeff"])
def test_a_file_without_an_id_in_it_gets_one(library: Library, written: str) -> None:
    file = library.settings.data / ID_FILE
    file.write_text(written, encoding="utf-8")
    made = own_id(library.settings)
    assert file.read_text(encoding="utf-8") == f"{made}\n"
    assert own_id(library.settings) == made


@pytest.mark.parametrize("written", ["deadbeef", "DEADBEEF\r\n", "\ufeff deadbeef \n\n"])
def test_an_id_that_was_written_by_hand_counts_however_the_editor_wrote_it(library: Library, written: str) -> None:
    file = library.settings.data / ID_FILE
    file.write_bytes(written.encode())
    assert own_id(library.settings) == "deadbeef"
    assert file.read_bytes() == written.encode()


@pytest.mark.parametrize(
    "written", ["Bücherei".encode(), b"deadbeef1", b"library-id: deadbeef", "deadbeef".encode("utf-16")]
)
def test_what_is_no_id_stays_and_the_backup_says_what_belongs_there(
    library: Library, monkeypatch: pytest.MonkeyPatch, written: bytes
) -> None:
    nights = nights_of(library, monkeypatch)
    file = library.settings.data / ID_FILE
    file.write_bytes(written)
    with pytest.raises(Failed, match=r"library-id steht keine Kennung.*acht Zeichen"):
        own_id(library.settings)
    assert library.settings.backups
    library.settings.backups.mkdir()
    (library.settings.backups / name_at(NOON)).touch()
    with library.database.writing() as db:
        nightly.now_please(db, library.clock())
        admin = make.admin(db)
    nights.do_what_is_due()
    assert file.read_bytes() == written
    assert os.listdir(library.settings.backups) == [name_at(NOON)]
    with library.client() as client:
        assert "steht keine Kennung" in text_of(client.sign_in(admin).get(PAGE).text)


def test_an_id_that_another_process_makes_at_the_same_time_is_kept(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = rotation._id_in

    def made_meanwhile(file: Path) -> str | None:
        found = looked(file)
        if not file.exists():
            file.write_text("deadbeef\n", encoding="utf-8")
        return found

    monkeypatch.setattr(rotation, "_id_in", made_meanwhile)
    assert own_id(library.settings) == "deadbeef"


def test_one_of_a_clock_that_was_a_year_ahead_neither_replaces_the_next_nor_hides_that_there_is_none(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights = nights_of(library, monkeypatch, backup_keep=Keep(1, 0))
    library.clock.pass_time(days=365)
    with library.database.writing() as db:
        nightly.now_please(db, library.clock())
    nights.do_what_is_due()
    library.clock.pass_time(days=-365)
    trust_clock(library.database, library.clock())
    assert state(library).is_too_old(library.clock())
    with library.database.writing() as db:
        nightly.now_please(db, library.clock())
    nights.do_what_is_due()
    assert state(library).good_at == NOON
    assert name_at(NOON, library) in nightly.local_files(library.settings)


def test_while_the_clock_is_behind_there_are_backups_all_the_same(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    steady = SteadyClock(library.clock)
    library.clock.pass_time(hours=-1)
    assert is_behind(steady)
    nights = nights_of(library, monkeypatch)
    monkeypatch.setattr(nights, "_clock", steady)
    with library.database.writing() as db:
        nightly.now_please(db, steady())
    nights.do_what_is_due()
    assert len(nightly.local_files(library.settings)) == 1


def test_a_server_that_ends_in_the_middle_leaves_it_to_the_next_one(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights = nights_of(library, monkeypatch)
    with library.database.writing() as db:
        nightly.now_please(db, library.clock())
    library.clock.pass_time(minutes=1)
    with monkeypatch.context() as ending:
        ending.setattr(nights, "_ask", lambda *_words: None)
        nights.do_what_is_due()
    with library.database.reading() as db:
        job = jobs.find(db, nightly.JOB)
    assert job
    assert job.next_at <= library.clock.now
    nights.do_what_is_due()
    assert state(library).good_at == library.clock.now


def test_a_place_that_hangs_does_not_hold_up_the_next_night(library: Library) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        there = f"webdav://anna:x@127.0.0.1:{deaf.getsockname()[1]}/"
        nights = Nights(library.database, replace(library.settings, backup_to=there), library.clock)
        assert library.settings.backups
        library.settings.backups.mkdir()
        answer = nights._ask(timedelta(seconds=0.5), "send", NOON.isoformat())
    assert answer is not None
    assert "brach ab" in (answer.trouble or "")


def test_switched_off_what_was_written_before_an_upgrade_goes_all_the_same_once_it_is_old(library: Library) -> None:
    folder = library.settings.data / "backups"
    folder.mkdir()
    for name, days in (("vor-2026_11_26_intake.zip", 29), ("vor-2026_11_27_t_turns.zip", 27), ("umzug.zip", 400)):
        (folder / name).touch()
        os.utime(folder / name, (time.time() - days * 86400,) * 2)
    Nights(library.database, replace(library.settings, backup_dir=None), library.clock).start()
    assert sorted(os.listdir(folder)) == ["umzug.zip", "vor-2026_11_27_t_turns.zip"]


def test_what_was_written_before_an_upgrade_stays_a_week_also_where_no_backups_stay(library: Library) -> None:
    folder = library.settings.data / "backups"
    folder.mkdir()
    for name, days in (
        ("vor-2026_11_27_u_scale.zip", 0),
        ("vor-2026_11_27_t_turns.zip", 6),
        ("vor-2026_11_26_intake.zip", 8),
    ):
        (folder / name).touch()
        os.utime(folder / name, (time.time() - days * 86400 - 1,) * 2)
    Nights(library.database, replace(library.settings, backup_dir=None, backup_keep=Keep(0, 0)), library.clock).start()
    assert sorted(os.listdir(folder)) == ["vor-2026_11_27_t_turns.zip", "vor-2026_11_27_u_scale.zip"]


def test_switched_off_nothing_happens_and_nobody_is_alarmed(library: Library) -> None:
    library.settings = replace(library.settings, backup_dir=None)
    nights = Nights(library.database, library.settings, library.clock)
    nights.start()
    assert nights._thread is None
    with library.database.reading() as db:
        assert not nightly.is_alarming(db, library.settings, NOON + timedelta(days=400))


# ---- Seen by people ----


@pytest.fixture
def _no_background(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Nights, "start", lambda _self: None)


@pytest.mark.usefixtures("_no_background")
def test_librarians_see_how_backups_go_and_only_admins_fetch_one(both: Library) -> None:
    name = name_at(NOON, both)
    folder = both.settings.backups
    assert folder
    folder.mkdir(parents=True)
    (folder / name).write_bytes(b"zip")
    good, bad = (
        apart.Made(name, NOON, 3, 1.0),
        apart.Made(name_at(NOON + timedelta(days=1), both), NOON, 3, 1.0, ["So nicht"]),
    )
    with both.database.writing() as db:
        people = {role: make.member(db, role=role) for role in ("member", "librarian", "admin")}
        jobs.claim(db, nightly.JOB, NOON, timedelta())
        done = nightly.Account([bad, good])
        jobs.finish(db, nightly.JOB, NOON, NOON + timedelta(days=1), msgspec.json.encode(done).decode())
    with both.client() as client:
        client.sign_in(people["member"])
        assert client.get(PAGE).status_code == 403
        client.sign_in(people["librarian"])
        seen = client.get(PAGE)
        assert "Es gilt nicht: So nicht" in text_of(seen.text)
        assert "Prüfung nicht bestanden" in text_of(seen.text)
        assert f"{PAGE}/{name}" not in seen.text
        assert client.get(f"{PAGE}/{name}").status_code == 403
        assert "Gerade wird gesichert" not in seen.text
        client.submit(f"{PAGE}/jetzt")
        assert "Gerade wird gesichert" in client.get(PAGE).text
        client.sign_in(people["admin"])
        assert f"{PAGE}/{name}" in client.get(PAGE).text
        assert client.get(f"{PAGE}/{name}").content == b"zip"
        for none in (bad.name, "..%2Fsecret-key", "secret-key"):
            assert client.get(f"{PAGE}/{none}").status_code == 404
    with both.database.reading() as db:
        job = jobs.find(db, nightly.JOB)
        assert job is not None
        assert job.next_at == NOON
        assert nightly.account(db).backups == [bad, good]


@pytest.mark.usefixtures("_no_background")
def test_the_overview_says_when_there_is_no_good_backup_for_two_days(library: Library) -> None:
    said = "Keine gute Sicherung"
    with library.database.writing() as db:
        admin = make.admin(db)
        db.execute(update(LibraryRow).values(set_up_at=NOON - timedelta(days=1)))
    with library.client() as client:
        client.sign_in(admin)
        assert said not in client.get("/verwaltung").text
        with library.database.writing() as db:
            db.execute(update(LibraryRow).values(set_up_at=NOON - timedelta(days=3)))
        assert said in client.get("/verwaltung").text
        done = nightly.Account([apart.Made(name_at(NOON, library), NOON, 3, 1.0)])
        with library.database.writing() as db:
            jobs.claim(db, nightly.JOB, NOON, timedelta())
            jobs.finish(db, nightly.JOB, NOON, NOON, msgspec.json.encode(done).decode())
        assert said not in client.get("/verwaltung").text
