"""Bring a library to the shape of this version: a backup first, then the migration and the invariants in one transaction.

The way back is automatic: whatever fails, also a power cut, takes the whole migration back, and the version from before goes on as
if nothing had been. The backup is for faults that show only later.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from bibliothek.db import Database
from bibliothek.migrations import is_older, newest, upgrade
from bibliothek.operations import backup
from bibliothek.operations.reading import opened
from bibliothek.operations.rotation import folder_before, name_before, own_id
from bibliothek.operations.verify import NotSound, verify
from bibliothek.problems import Failed, of_file
from bibliothek.serving import nobody_serves
from bibliothek.settings import Settings


def bring_up_to_date(
    settings: Settings, database: Database, now: datetime, say: Callable[[str], None], even_if_unsound: bool = False
) -> None:
    """Migrate a library of an older version, and `say` what was done; leave any other alone.

    Raises Failed when a server still runs, or the backup or the migration did not succeed: then the library is as it was.
    """
    began = time.monotonic()
    with nobody_serves(settings, database):
        # Of two servers that start at once, the other one may have done it meanwhile.
        if not is_older(database):
            return
        kept = _keep(settings, database, now)
        say(f"Die Bibliothek ist von einer älteren Version. Zuerst wurde sie gesichert: {kept}")
        _migrate(database, kept, even_if_unsound)
    say(f"Jetzt ist sie auf dem neuesten Stand. Gedauert hat es {time.monotonic() - began:.1f} s.")


def _migrate(database: Database, kept: Path, even_if_unsound: bool) -> None:
    try:
        upgrade(database, check=None if even_if_unsound else _refuse_unsound)
    except (NotSound, SQLAlchemyError) as error:
        # What broke an invariant may have done so long before.
        anyway = " Oder bring sie mit „bibliothek upgrade --trotzdem“ dahin." if isinstance(error, NotSound) else ""
        raise Failed(
            f"Die Bibliothek ließ sich nicht auf den neuesten Stand bringen ({_in_a_line(error)}). An ihr ist nichts geändert: "
            f"Mit der Version von vorher läuft sie weiter. Melde den Fehler; eine Sicherung liegt in {kept}.{anyway}"
        ) from error
    except Exception as error:
        # A bug of ours: its trace is wanted, and below it what it means for the library.
        error.add_note(
            "Die Bibliothek ließ sich nicht auf den neuesten Stand bringen. An ihr ist nichts geändert: Mit der Version von vorher "
            f"läuft sie weiter. Melde den Fehler mit allem, was hier steht; eine Sicherung liegt in {kept}."
        )
        raise


def _keep(settings: Settings, database: Database, now: datetime) -> Path:
    """A backup that was read back. A second try to upgrade writes it anew: it does not pile up where a service starts again and
    again."""
    folder = folder_before(settings)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = folder / name_before(newest(), own_id(settings))
        backup.write(database, settings, kept, now)
        with opened(kept) as written:
            written.check_sums()
    except (OSError, Failed) as error:
        why = of_file(error, str(folder)) if isinstance(error, OSError) else error
        raise Failed(
            f"Vor dem Aktualisieren ließ sich keine Sicherung schreiben ({why}). Es ist nichts geändert. Gebraucht wird Platz in "
            f"{folder}."
        ) from error
    return kept


def _refuse_unsound(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        # Rules that are looked at only at the end of a transaction must speak while there is a way back.
        connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    with Session(connection, join_transaction_mode="create_savepoint") as db:
        broken = [finding for finding in verify(db, None, has_new_index=True) if finding.broken]
    if broken:
        raise NotSound(broken)


def _in_a_line(error: Exception) -> str:
    return " ".join(str(getattr(error, "orig", error)).split())[:300]
