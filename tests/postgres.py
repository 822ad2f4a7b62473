"""A real PostgreSQL for tests: a server in a temporary folder, and an empty database for each test."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    import psycopg

MISSING = "PostgreSQL fehlt. Installieren: sudo apt-get install -y postgresql   (oder ohne: SKIP_POSTGRES=1 make test)"
TEMPLATE = "bibliothek_template"


def find_programs() -> Path:
    """The folder with initdb and pg_ctl: Debian keeps it out of PATH. Raises FileNotFoundError with what to do."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if found:
        return found[-1].parent
    in_path = shutil.which("initdb")
    if in_path:
        return Path(in_path).resolve().parent
    raise FileNotFoundError(MISSING)


@contextmanager
def server(durable: bool = False) -> Iterator[Path]:
    """Start a server that listens on a unix socket only, and yield the socket's folder. Nothing survives it."""
    folder = Path(tempfile.mkdtemp(prefix="bibliothek-pg-"))
    _give_away(folder)
    try:
        # No fsync: a test database may be lost. Everything else is as an operator has it.
        careless = "" if durable else " -c fsync=off -c full_page_writes=off"
        with running(folder, f"-c max_connections=300{careless}", stop="immediate"):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running(folder: Path, options: str = "", stop: str = "fast") -> Iterator[None]:
    """A server over the data in `folder`, made when there are none, as long as the block runs. Its socket is in the folder, too."""
    if not (folder / "data").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _give_away(folder)
        _run(folder, "initdb", "-U", "postgres", "-E", "UTF8", "--auth=trust", "--no-sync")
    given = f"-k {folder} -c listen_addresses='' {options}"
    _run(folder, "pg_ctl", "-w", "-t", "600", "-o", given, "-l", str(folder / "log"), "start")
    try:
        yield
    finally:
        _run(folder, "pg_ctl", "-w", "-t", "600", "-m", stop, "stop")


def _give_away(folder: Path) -> None:
    user = _user()
    if user:
        owner = pwd.getpwnam(user)
        os.chown(folder, owner.pw_uid, owner.pw_gid)


def crash_and_restart(socket: Path) -> None:
    """All of the server's processes end at once, as in a crash; another one recovers what they left, and is ready."""
    _run(socket, "pg_ctl", "-w", "-m", "immediate", "-l", str(socket / "log"), "restart")


def _user() -> str | None:
    # PostgreSQL refuses to run as root.
    return "postgres" if os.geteuid() == 0 else None


def _run(folder: Path, program: str, *arguments: str) -> None:
    subprocess.run(
        [str(find_programs() / program), "-D", str(folder / "data"), *arguments],
        check=True,
        user=_user(),
        cwd="/",
        stdout=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
    )


def address(socket: Path, database: str) -> str:
    return f"postgresql://postgres@/{database}?host={socket}"


def administer(socket: Path, statement: str) -> None:
    import psycopg

    with psycopg.connect(f"host={socket} user=postgres dbname=postgres", autocommit=True) as connection:
        connection.execute(statement.encode())


class Databases:
    """Empty libraries, one for each test that runs at a time.

    A test's database is emptied for the next one, which takes a tenth of copying a new one; where a test changed more than
    rows (or left somebody inside), it is thrown away.
    """

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._idle: list[str] = []
        self._shapes: dict[str, str] = {}
        self._make_template()

    @contextmanager
    def one(self) -> Iterator[str]:
        """The address of an empty library of one's own."""
        name = self._idle.pop() if self._idle else self._copy()
        try:
            yield address(self._socket, name)
        finally:
            if self._emptied(name):
                self._idle.append(name)
            else:
                administer(self._socket, f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def bare(self) -> Iterator[str]:
        """The address of a database without any table."""
        name = f"bare_{uuid4().hex}"
        administer(self._socket, f"CREATE DATABASE {name} TEMPLATE template0")
        try:
            yield address(self._socket, name)
        finally:
            administer(self._socket, f"DROP DATABASE {name} WITH (FORCE)")

    def _make_template(self) -> None:
        from bibliothek.db import open_database
        from bibliothek.migrations import migrate

        administer(self._socket, f"CREATE DATABASE {TEMPLATE}")
        database = open_database(address(self._socket, TEMPLATE), None)
        migrate(database)
        database.close()
        with _inside(self._socket, TEMPLATE) as connection:
            connection.execute(KEEP_FIRST_ROWS)

    def _copy(self) -> str:
        name = f"test_{uuid4().hex}"
        administer(self._socket, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        with _inside(self._socket, name) as connection:
            self._shapes[name] = _shape(connection)
        return name

    def _emptied(self, name: str) -> bool:
        import psycopg

        with _inside(self._socket, name) as connection:
            if _shape(connection) != self._shapes[name]:
                return False
            try:
                connection.execute(EMPTY)
            except psycopg.errors.LockNotAvailable:
                return False
        return True


# The rows that a new library has (its settings, its revision), for every test to begin with.
KEEP_FIRST_ROWS = """
DO $$ DECLARE t text; has_rows boolean; BEGIN
  CREATE SCHEMA first;
  FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM public.%I)', t) INTO has_rows;
    IF has_rows THEN EXECUTE format('CREATE TABLE first.%1$I AS TABLE public.%1$I', t); END IF;
  END LOOP;
END $$
"""

EMPTY = """
DO $$ DECLARE t text; has_rows boolean; BEGIN
  SET LOCAL lock_timeout = '1s';
  SET LOCAL session_replication_role = replica;  -- no foreign keys meanwhile
  FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM public.%I)', t) INTO has_rows;
    IF has_rows THEN EXECUTE format('DELETE FROM public.%I', t); END IF;
  END LOOP;
  FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'first' LOOP
    EXECUTE format('INSERT INTO public.%1$I SELECT * FROM first.%1$I', t);
  END LOOP;
  PERFORM setval(format('public.%I', sequencename)::regclass, start_value, false)
    FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL;
END $$
"""

# Any change to a table, column, constraint, index or trigger writes one of these rows anew.
SHAPE = """
SELECT md5(string_agg(row, ' ' ORDER BY row)) FROM (
  SELECT concat('class ', oid, ' ', xmin) AS row FROM pg_class WHERE relnamespace = 'public'::regnamespace
  UNION ALL SELECT concat('constraint ', oid, ' ', xmin) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
  UNION ALL SELECT concat('trigger ', oid, ' ', xmin) FROM pg_trigger
  UNION ALL SELECT concat('column ', attrelid, ' ', attnum, ' ', a.xmin) FROM pg_attribute a
    JOIN pg_class c ON c.oid = attrelid WHERE relnamespace = 'public'::regnamespace
) rows
"""


@contextmanager
def _inside(socket: Path, database: str) -> Iterator[psycopg.Connection[tuple[str]]]:
    import psycopg

    with psycopg.connect(f"host={socket} user=postgres dbname={database}", autocommit=True) as connection:
        yield connection


def _shape(connection: psycopg.Connection[tuple[str]]) -> str:
    found = connection.execute(SHAPE).fetchone()
    assert found
    return found[0]
