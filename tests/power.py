"""Power cuts on SQLite: what the disk may hold after one, at any moment of what the app really did.

Python's own SQLite takes no file layer of ours, so there are three steps. `Script` writes down all that the app says to SQLite
through its own engine, from the pragmas of a connection to its closing, with the contents after each commit and the moments
at which an operation is acknowledged. `replay` says the same, word by word, to the SQLite of apsw, whose VFS writes down every
write, truncation, sync and deletion. `Disk` follows these up to the cut: what was synced is there; of the rest each sector is
there, is missing, or is torn, and a file that was made or deleted may or may not be, until its folder was synced.

The log's index (-shm) is left out: it is memory, and made anew after a crash.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from operator import methodcaller
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import apsw

from bibliothek.models import metadata

State = dict[str, int]


def state_of(connection: sqlite3.Connection) -> State:
    """What a database holds, as one hash for each table and one for the schema."""
    asked = {name: f"SELECT * FROM {name}" for name in metadata.tables}
    asked["search"] = "SELECT rowid, words FROM title_search"
    asked["schema"] = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name"
    plain = partial(sqlite3.Connection.cursor, connection, sqlite3.Cursor)
    return {name: hash(tuple(plain().execute(sql))) for name, sql in asked.items()}


# ---- Writing down what is said ----


@dataclass
class Said:
    """A statement with its sets of parameters; `sql` is None where the connection was closed."""

    connection: int
    sql: str | None
    parameters: list[Any] = field(default_factory=list)
    was_refused: bool = False


@dataclass
class Acknowledged:
    """Somebody was told that it is done: from now on the database must be in the state with this number, or a later one."""

    state: int


class Script:
    """`states[n]` is what the database held after the n-th commit."""

    def __init__(self, start: State) -> None:
        self.said: list[Said | Acknowledged] = []
        self.states = [start]
        self.connections = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Every connection to SQLite that is opened meanwhile is written down, for as long as it lives."""
        with patch("sqlite3.dbapi2.connect", partial(_Connection, self)):
            yield

    @contextmanager
    def acknowledging(self) -> Iterator[None]:
        """What is done within is acknowledged at its end, unless it raises. It must have been committed by then."""
        before = len(self.states)
        yield
        assert len(self.states) > before, "acknowledged, but not committed"
        self.said.append(Acknowledged(len(self.states) - 1))


class _Connection(sqlite3.Connection):
    def __init__(self, script: Script, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.script, self.number = script, script.connections
        script.connections += 1

    def cursor(self, *_factory: Any) -> Any:
        return super().cursor(_Cursor)

    def execute(self, *statement: Any) -> Any:
        return self.cursor().execute(*statement)

    def commit(self) -> None:
        if self.in_transaction:
            self.execute("COMMIT")

    def rollback(self) -> None:
        if self.in_transaction:
            self.execute("ROLLBACK")

    def close(self) -> None:
        super().close()
        self.script.said.append(Said(self.number, None))


class _Cursor(sqlite3.Cursor):
    connection: _Connection

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        return self._say(sql, [parameters], partial(super().execute, sql, parameters))

    def executemany(self, sql: str, parameters: Any) -> Any:
        rows = list(parameters)
        return self._say(sql, rows, partial(super().executemany, sql, rows))

    def _say(self, sql: str, parameters: list[Any], say: Callable[[], Any]) -> Any:
        script, said = self.connection.script, Said(self.connection.number, sql, parameters)
        script.said.append(said)
        try:
            answer = say()
        except sqlite3.Error:
            said.was_refused = True
            raise
        if sql == "COMMIT":
            script.states.append(state_of(self.connection))
        return answer


# ---- Saying it again, to files that are watched ----

Event = Callable[["Disk"], None]


class _Files(apsw.VFS):
    def __init__(self, file: Path, happened: list[Event]) -> None:
        self.name, self.base, self.happened = f"watched {id(self)}", "unix", happened
        # Two that are called the same one after the other are two files: numbers tell them apart.
        self.numbers, self.made = {file.name: 0}, 0
        super().__init__(self.name, self.base)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite calls it so
        if name is None:  # it sorts, or keeps a savepoint, and nobody asks for it after a crash
            return apsw.VFSFile(self.base, name, flags)
        called = Path(name.filename() if isinstance(name, apsw.URIFilename) else name).name
        if called not in self.numbers:
            self.made += 1
            self.numbers[called] = self.made
            self.happened.append(methodcaller("make", called, self.made))
        return _File(self, self.numbers[called], name, flags)

    def xDelete(self, path: str, syncs_folder: bool) -> None:  # noqa: N802
        super().xDelete(path, syncs_folder)
        del self.numbers[Path(path).name]
        self.happened.append(methodcaller("delete", Path(path).name, syncs_folder))


class _File(apsw.VFSFile):
    def __init__(self, files: _Files, number: int, name: Any, flags: list[int]) -> None:
        self.number, self.happened = number, files.happened
        super().__init__(files.base, name, flags)

    def xWrite(self, written: bytes, offset: int) -> None:  # noqa: N802
        super().xWrite(written, offset)
        self.happened.append(methodcaller("write", self.number, offset, bytes(written)))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        super().xTruncate(size)
        self.happened.append(methodcaller("truncate", self.number, size))

    def xSync(self, flags: int) -> None:  # noqa: N802
        super().xSync(flags)
        self.happened.append(methodcaller("sync", self.number))


def replay(script: Script, file: Path) -> list[Event]:
    """Say all of the script to the SQLite of apsw, on `file` as it was when the script began. Returns what happened to files."""
    happened: list[Event] = []
    files = _Files(file, happened)
    connections: dict[int, apsw.Connection] = {}
    for said in script.said:
        if isinstance(said, Acknowledged):
            happened.append(methodcaller("acknowledge", said.state))
        elif said.sql is None:
            connections.pop(said.connection).close()
        else:
            if said.connection not in connections:
                connections[said.connection] = apsw.Connection(str(file), vfs=files.name)
            if said.sql == "COMMIT" and not said.was_refused:
                happened.append(methodcaller("begin_commit"))
            _say_again(connections[said.connection], said)
    assert not connections, "the script ends with all connections closed"
    files.unregister()
    return happened


def _say_again(connection: apsw.Connection, said: Said) -> None:
    try:
        for parameters in said.parameters:
            connection.execute(said.sql or "", parameters).fetchall()
    except apsw.Error:
        if not said.was_refused:
            raise
    else:
        assert not said.was_refused, f"this was refused by the app's SQLite: {said.sql}"


# ---- The disk ----


@dataclass
class _Contents:
    synced: bytearray
    # Since then, in order: (offset, bytes) that were written, and sizes that it was cut to.
    pending: list[tuple[int, bytes] | int] = field(default_factory=list)
    is_new: bool = True


class Disk:
    """A folder with one database, which is as `file` at first. What happens to it is told by calling its methods in order.

    At any moment, somebody was told of state `acknowledged`, and `begun` is the last one for which a commit was begun.
    """

    def __init__(self, file: Path) -> None:
        self.contents = {0: _Contents(bytearray(file.read_bytes()), is_new=False)}
        # Which file has a name: first what is safely in the folder, then what may be instead.
        self.names: dict[str, list[int | None]] = {file.name: [0]}
        self.acknowledged = self.begun = 0

    def acknowledge(self, state: int) -> None:
        self.acknowledged = state

    def begin_commit(self) -> None:
        self.begun += 1

    def make(self, name: str, number: int) -> None:
        self.contents[number] = _Contents(bytearray())
        self.names.setdefault(name, [None]).append(number)

    def delete(self, name: str, syncs_folder: bool) -> None:
        self.names[name].append(None)
        if syncs_folder:
            self._sync_folder()

    def write(self, number: int, offset: int, written: bytes) -> None:
        self.contents[number].pending.append((offset, written))

    def truncate(self, number: int, size: int) -> None:
        self.contents[number].pending.append(size)

    def sync(self, number: int) -> None:
        contents = self.contents[number]
        for change in contents.pending:
            _apply(contents.synced, change)
        contents.pending.clear()
        if contents.is_new:
            # With the first sync of a journal, SQLite syncs the folder that it was made in.
            contents.is_new = False
            self._sync_folder()

    def _sync_folder(self) -> None:
        self.names = {name: numbers[-1:] for name, numbers in self.names.items()}

    def cut(self, random: Random) -> dict[str, bytes]:
        """One of the many ways in which a power cut may leave the files now."""
        sector, kept = random.choice((512, 4096)), random.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        found = {name: random.choice(numbers) for name, numbers in self.names.items()}
        return {
            name: _left_of(self.contents[number], random, sector, kept)
            for name, number in found.items()
            if number is not None
        }


def _apply(contents: bytearray, change: tuple[int, bytes] | int) -> None:
    if isinstance(change, int):
        del contents[change:]
        return
    offset, written = change
    contents.extend(bytes(max(0, offset - len(contents))))
    contents[offset : offset + len(written)] = written


def _left_of(contents: _Contents, random: Random, sector: int, kept: float) -> bytes:
    """What was synced, and of what was not each sector with the probability `kept`. Half of the others are torn."""
    left = bytearray(contents.synced)
    for change in contents.pending:
        for part in [change] if isinstance(change, int) else _by_sector(*change, sector):
            if random.random() < kept:
                _apply(left, part)
            elif isinstance(part, tuple) and random.random() < 0.5:
                _apply(left, (part[0], _torn(part[1], random)))
    return bytes(left)


def _by_sector(offset: int, written: bytes, sector: int) -> Iterator[tuple[int, bytes]]:
    end = offset + len(written)
    while offset < end:
        until = min(end, offset - offset % sector + sector)
        yield offset, written[len(written) - (end - offset) : len(written) - (end - until)]
        offset = until


def _torn(written: bytes, random: Random) -> bytes:
    """The beginning of it; after that what was there before, or noise."""
    arrived = random.randrange(len(written))
    return written[:arrived] + random.choice((b"", random.randbytes(len(written) - arrived)))
