"""A disk without room: whatever writes says so in plain words, nothing is lost, and all goes on once there is room."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bibliothek.db import open_database
from bibliothek.kiosk.actions import enrol
from bibliothek.settings import Settings
from tests import make, serving
from tests.client import text_of
from tests.conftest import Library
from tests.serving import Answer, Program, Server
from tests.traffic import Book, assert_done_once, assert_sound, furnish

# SQLite writes into the log what it has room for there: until that is used up, a full disk stops nobody.
ENOUGH = 2000
UNAVAILABLE = (
    "Die Bibliothek kann gerade nicht auf ihre Daten zugreifen. Es ist nichts geändert. Versuche es gleich noch einmal."
)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own with 16 MB."""
    disk = tmp_path / "data"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may make a small disk, and not in every container")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.fixture
def library(small_disk: Path, empty_sqlite: Path) -> Iterator[Library]:
    """An empty library on the small disk."""
    settings = Settings(data=small_disk, secret_key=b"only for tests, 32 bytes at least")
    assert settings.sqlite_file
    shutil.copy(empty_sqlite, settings.sqlite_file)
    database = open_database(None, settings.sqlite_file)
    yield Library(settings, database)
    database.close()


def fill(disk: Path) -> Path:
    """Take all the room there is; returns the file that has it."""
    file = disk / "filler"
    with file.open("wb", buffering=0) as filler:
        for size in (4096, 1):
            while True:
                try:
                    filler.write(b"x" * size)
                except OSError:
                    break
    return file


def do_all(book: Book, program: Program) -> list[Answer]:
    """Something of each kind; the first loan and the first hold are what is renewed, given back and left."""
    here, lent, card, title = *book.things.copies[1::-1], book.things.cards[0], book.things.titles[2]
    answers = []
    for what, code, number, method, path, body in (
        ("lend", here, 0, "POST", "/loans", {"copy": here, "member": card}),
        ("renew", lent, 1, "POST", "/loans/1/renewals", None),
        ("place", "", 0, "POST", "/holds", {"title": title, "member": card}),
        ("leave", "", 1, "DELETE", "/holds/1", None),
        ("give back", lent, 0, "POST", "/returns", {"copy": lent}),
    ):
        answers.append(program.send(method, f"/api/v1{path}", body))
        book.note(what, code, number, answers[-1])
    return answers


def use_up_the_log(book: Book, program: Program) -> None:
    """Lend and return until that is no longer possible."""
    copy, card = book.things.copies[1], book.things.cards[0]
    for _ in range(ENOUGH):
        for what, path, body in (
            ("lend", "/loans", {"copy": copy, "member": card}),
            ("give back", "/returns", {"copy": copy}),
        ):
            answer = program.send("POST", f"/api/v1{path}", body)
            book.note(what, copy, 0, answer)
            if answer.status >= 500:
                return
    raise AssertionError("the disk never was full")


def begin(book: Book, program: Program) -> None:
    things = book.things
    loan = program.send("POST", "/api/v1/loans", {"copy": things.copies[0], "member": things.cards[1]})
    hold = program.send("POST", "/api/v1/holds", {"title": things.titles[3], "member": things.cards[1]})
    book.note("lend", things.copies[0], 0, loan)
    book.note("place", "", 0, hold)
    assert (loan.json["id"], hold.json["id"]) == (1, 1)


def scan(server: Server, tablet: str, code: str) -> Answer:
    """What a tablet is told that scans a code, as a page."""
    headers = {
        "Cookie": f"tablet={tablet}",
        "Sec-Fetch-Site": "same-origin",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    with closing(Program(server.port, "")) as program:
        return program.ask("POST", "/kiosk", f"scan={code}&nummer=1".encode(), headers)


def test_a_full_disk_is_said_plainly_and_loses_nothing(library: Library, small_disk: Path) -> None:
    book = Book(furnish(library))
    things = book.things
    with library.database.writing() as db:
        tablet = enrol(db, "Eingang", make.NOW)
    library.database.close()
    with serving.serving(library) as server, closing(Program(server.port, things.token)) as program:
        begin(book, program)
        filler = fill(small_disk)
        use_up_the_log(book, program)
        refused = do_all(book, program)
        assert {(one.status, one.json["code"], one.json["detail"]) for one in refused} == {
            (503, "unavailable", UNAVAILABLE)
        }
        page = scan(server, tablet, things.copies[0])
        assert page.status == 503
        assert UNAVAILABLE in text_of(page.body.decode())
        assert program.ask("GET", "/katalog").status == 200
        assert not serving.is_ready(server.port)
        filler.unlink()
        assert serving.is_ready(server.port)
        # The last thing that the full disk kept may have been a loan of the same copy.
        assert [answer.status for answer in do_all(book, program)][1:] == [201, 201, 204, 200]
        assert scan(server, tablet, things.copies[0]).status == 200
        assert server.bugs() == []
    assert_sound(library)
    assert_done_once(library, book.so_far())
