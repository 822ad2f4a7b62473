"""Is the process alive, and can it serve? For service managers, containers and proxies; open to all, says nothing secret."""

from __future__ import annotations

import logging
from typing import Any

from litestar import MediaType, Request, Response
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, TimeoutError

from bibliothek.db import Database
from bibliothek.migrations import current, newest
from bibliothek.web.routes import READ
from bibliothek.web.sign_in import Audience
from bibliothek.web.visit import Kit

log = logging.getLogger("bibliothek")


def why_not_ready(database: Database) -> str | None:
    """What keeps the library from serving, or None: its tables are of this version and can be written."""
    try:
        with database.writing() as db:
            if current(db.connection()) != newest():
                return "migrations are missing"
            # Written and taken back: a database that is locked or read-only shows here. A full disk does not, because SQLite
            # writes nothing before it commits.
            db.execute(text("UPDATE library SET name = name"))
            db.rollback()
        if not database.has_room():
            return "the disk is full"
    except (DBAPIError, TimeoutError) as error:
        log.error("not ready: %s", getattr(error, "orig", error))
        return "the database cannot be written"
    return None


@READ("/healthz", sync_to_thread=False, include_in_schema=False, opt={"audience": Audience.EVERYONE})
def alive() -> Response[str]:
    """200 as long as the process answers."""
    return Response("ok\n", media_type=MediaType.TEXT)


@READ("/readyz", sync_to_thread=True, include_in_schema=False, opt={"audience": Audience.EVERYONE})
def ready(request: Request[Any, Any, Any]) -> Response[str]:
    """200 when requests can be served, also before the first run; 503 with the reason otherwise."""
    kit: Kit = request.app.state.kit
    reason = why_not_ready(kit.database)
    return Response(f"{reason or 'ok'}\n", status_code=503 if reason else 200, media_type=MediaType.TEXT)


handlers = [alive, ready]
