"""Servers that are killed, several on one database, and a database that goes away: nothing acknowledged is lost."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from statistics import median
from threading import Event, Semaphore
from typing import Any

import pytest

from bibliothek.db import open_database
from bibliothek.settings import Settings
from tests import postgres, serving, traffic
from tests.client import text_of
from tests.conftest import Library
from tests.serving import GONE, Answer, Program
from tests.traffic import Book, assert_done_once, assert_nothing_lost, assert_sound, furnish, one_operation

TORTURE = os.environ.get("TORTURE") == "1"
PROGRAMS, KILLS, RESTARTS = 8, 300 if TORTURE else 3, 30 if TORTURE else 2
OPERATIONS_OF_TWO = 40_000 if TORTURE else 200
# So many operations are answered between two crashes, at most.
BETWEEN = 40
# On a machine that does much else a start takes longer: then as long as a few without a crash before.
READY_S, STARTS = 3.0, 3
UNAVAILABLE = (
    "Die Bibliothek kann gerade nicht auf ihre Daten zugreifen. Es ist nichts geändert. Versuche es gleich noch einmal."
)
UNKNOWN = (
    "Die Verbindung zu den Daten ist beim Speichern abgebrochen. Ob noch gespeichert wurde, ist nicht bekannt: "
    "Sieh nach, bevor du es noch einmal tust."
)


class Persistent:
    """A program that repeats each call under its key until it gets an answer other than that nobody could be reached, be it
    from the library or from a proxy.

    Once `is_over`, it gives up instead.
    """

    def __init__(self, program: Program, is_up: Event, is_over: Event, answered: Semaphore) -> None:
        self._program = program
        self._is_up = is_up
        self._is_over = is_over
        self._answered = answered
        self.unavailable: list[Answer] = []

    def send(self, method: str, path: str, body: Any, key: str) -> Answer:
        while True:
            assert self._is_up.wait(serving.PATIENCE_S)
            try:
                answer = self._program.send(method, path, body, key)
            except GONE:
                if self._is_over.is_set():
                    raise
                continue
            if answer.status in (502, 503, 504):
                self.unavailable.append(answer)
                continue
            self._answered.release()
            return answer

    def close(self) -> None:
        self._program.close()


@contextmanager
def busy(book: Book, port: int, is_up: Event) -> Iterator[tuple[Semaphore, list[Persistent]]]:
    """Programs that do what they can until the block ends. Yields what counts their answers, and the programs."""
    is_over, answered = Event(), Semaphore(0)
    programs = [Persistent(Program(port, book.things.token), is_up, is_over, answered) for _ in range(PROGRAMS)]

    def run(program: Persistent, dice: Random) -> None:
        while not is_over.is_set():
            one_operation(book, dice, program.send)
        program.close()

    with ThreadPoolExecutor(PROGRAMS) as threads:
        running = [threads.submit(run, program, Random(n)) for n, program in enumerate(programs)]
        try:
            yield answered, programs
        finally:
            is_over.set()
            is_up.set()
        for one in running:
            one.result()


def await_answers(answered: Semaphore, dice: Random) -> None:
    """Until a few more calls were answered, and then a moment in the middle of the next ones."""
    while answered.acquire(blocking=False):
        pass
    for _ in range(dice.randint(1, BETWEEN)):
        assert answered.acquire(timeout=serving.PATIENCE_S)
    time.sleep(dice.random() * 0.02)


def test_a_server_that_is_killed_again_and_again_loses_nothing(both: Library) -> None:
    book, dice, ready = Book(furnish(both)), Random(0), []
    is_up = Event()
    # Whoever has SQLite's file open would spare the next server the work after a crash.
    both.database.close()
    with ExitStack() as last:
        server = serving.start(both)
        calm = server.ready_after
        last.callback(lambda: server.kill())
        with busy(book, server.port, is_up) as (answered, _programs):
            for _ in range(KILLS):
                is_up.set()
                await_answers(answered, dice)
                is_up.clear()
                server.kill()
                acknowledged = book.so_far()
                server = serving.start(both, server.port)
                ready.append(server.ready_after)
                assert_nothing_lost(both, acknowledged)
                assert_sound(both)
                both.database.close()
        assert server.bugs() == []
    assert_sound(both)
    assert_done_once(both, book.so_far())
    print(
        f"ready {calm:.2f} s, after kills {median(ready):.2f} s (median), {max(ready):.2f} s (at most); {book.answers}"
    )
    assert median(ready) < max(READY_S, STARTS * calm)


def test_two_servers_on_one_database_break_nothing(both: Library) -> None:
    book = Book(furnish(both))
    with serving.serving(both) as one, serving.serving(both) as other, ThreadPoolExecutor(2 * PROGRAMS) as threads:
        programs = [Program(port, book.things.token) for port in [one.port, other.port] * PROGRAMS]
        each = OPERATIONS_OF_TWO // len(programs)
        for running in [threads.submit(traffic.operate, book, program, each) for program in programs]:
            running.result()
        assert one.bugs() == []
    assert_sound(both)
    assert_done_once(both, book.so_far())


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[tuple[Library, Path]]:
    """A library on a PostgreSQL server of its own, and the folder of that server."""
    with postgres.server() as socket, postgres.Databases(socket).one() as url:
        database = open_database(url, None)
        yield Library(Settings(data=tmp_path / "data", database_url=url), database), socket
        database.close()


def read_on(port: int, is_over: Event) -> dict[int, str]:
    """Look at a page again and again: the statuses that were met, each with the text of one such page."""
    seen, reader = {}, Program(port, "")
    while not is_over.is_set():
        answer = reader.ask("GET", "/katalog")
        seen[answer.status] = text_of(answer.body.decode())
    reader.close()
    return seen


@pytest.mark.postgres
def test_when_postgresql_crashes_the_library_says_so_and_goes_on_by_itself(own_postgres: tuple[Library, Path]) -> None:
    library, folder = own_postgres
    book, dice, is_up, is_over = Book(furnish(library)), Random(0), Event(), Event()
    library.database.close()
    is_up.set()
    with serving.serving(library) as server, ThreadPoolExecutor(1) as thread:
        pages = thread.submit(read_on, server.port, is_over)
        try:
            with busy(book, server.port, is_up) as (answered, programs):
                for _ in range(RESTARTS):
                    await_answers(answered, dice)
                    postgres.crash_and_restart(folder)
                await_answers(answered, dice)
        finally:
            is_over.set()
        assert serving.is_ready(server.port)
        assert server.bugs() == []
    told = [answer for program in programs for answer in program.unavailable]
    said = {(answer.json["code"], answer.json["detail"], answer.headers.get("retry-after")) for answer in told}
    # Only whoever was caught at the commit is told that it is not known: nobody is invited to do it again.
    assert ("unavailable", UNAVAILABLE, "5") in said
    assert said <= {("unavailable", UNAVAILABLE, "5"), ("outcome-unknown", UNKNOWN, None)}
    seen = pages.result()
    assert seen.keys() == {200, 503}
    assert UNAVAILABLE in seen[503]
    assert_sound(library)
    assert_done_once(library, book.so_far())
