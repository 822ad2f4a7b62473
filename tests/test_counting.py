"""What is counted when a test says that ten rows cost as much as twenty."""

from __future__ import annotations

import threading

from sqlalchemy import text

from tests.conftest import Library
from tests.counting import BACKGROUND, statements


def test_what_background_threads_ask_meanwhile_is_not_counted(library: Library) -> None:
    def ask() -> None:
        with library.database.reading() as db:
            db.execute(text("SELECT 1"))

    with statements() as seen:
        for name in (*BACKGROUND, "web_0"):
            thread = threading.Thread(target=ask, name=name)
            thread.start()
            thread.join()
        ask()
    assert seen == ["SELECT 1"] * 2


def test_every_thread_that_an_app_starts_for_itself_is_known(library: Library) -> None:
    before = set(threading.enumerate())
    with library.client() as client:
        client.get("/einrichten")
        started = {thread.name for thread in set(threading.enumerate()) - before if thread.daemon}
    ours = {name for name in started if not name.startswith(("AnyIO", "asyncio", "Thread-"))}
    assert ours
    assert all(name.startswith(BACKGROUND) for name in ours), ours
