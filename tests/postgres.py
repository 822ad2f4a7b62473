"""A real PostgreSQL for tests: one server per test run in a temporary folder, one database per test from a template."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

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
def server() -> Iterator[Path]:
    """Start a server that listens on a unix socket only, and yield the socket's folder. Nothing survives it."""
    programs = find_programs()
    folder = Path(tempfile.mkdtemp(prefix="bibliothek-pg-"))
    # PostgreSQL refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        owner = pwd.getpwnam(user)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    data = folder / "data"

    def run(*command: str) -> None:
        subprocess.run(
            [*command],
            check=True,
            user=user,
            cwd="/",
            stdout=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        )

    run(str(programs / "initdb"), "-D", str(data), "-U", "postgres", "-E", "UTF8", "--auth=trust", "--no-sync")
    # No fsync: a test database may be lost. Everything else is as an operator has it.
    options = f"-k {folder} -c listen_addresses='' -c fsync=off -c max_connections=300 -c full_page_writes=off"
    run(str(programs / "pg_ctl"), "-D", str(data), "-w", "-o", options, "-l", str(folder / "log"), "start")
    try:
        yield folder
    finally:
        run(str(programs / "pg_ctl"), "-D", str(data), "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def address(socket: Path, database: str) -> str:
    return f"postgresql://postgres@/{database}?host={socket}"


def _administer(socket: Path, statement: str) -> None:
    import psycopg

    with psycopg.connect(f"host={socket} user=postgres dbname=postgres", autocommit=True) as connection:
        connection.execute(statement.encode())


def make_template(socket: Path) -> None:
    """A migrated, empty library, from which each test's database is copied in some 50 ms."""
    from bibliothek.db import open_database
    from bibliothek.migrations import migrate

    _administer(socket, f"CREATE DATABASE {TEMPLATE}")
    database = open_database(address(socket, TEMPLATE), None)
    migrate(database)
    database.close()


@contextmanager
def fresh(socket: Path) -> Iterator[str]:
    """The address of a new library of one's own."""
    name = f"test_{uuid4().hex}"
    _administer(socket, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    try:
        yield address(socket, name)
    finally:
        _administer(socket, f"DROP DATABASE {name} WITH (FORCE)")
