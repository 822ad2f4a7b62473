"""A key is claimed once, also while the one who has it changes their mind."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from bibliothek.web import once
from tests.conftest import Library

KEY = once.key_of("token 1", "key", b"POST", b"/api/v1/donations", b"{}")


def test_a_key_given_up_between_a_second_ones_insert_and_its_look_is_free_again(both: Library) -> None:
    """On SQLite the one who gives up waits for the other's transaction; then the second one sees the first still running."""
    with both.database.writing() as db:
        assert once.claim(db, KEY, both.clock()) is None

    def give_up() -> None:
        with both.database.writing() as db:
            once.give_up(db, KEY, both.clock())

    first = threading.Thread(target=give_up)

    def after_insert(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if statement.startswith("INSERT INTO once") and not first.ident:
            first.start()
            first.join(timeout=0.3 if both.database.is_sqlite else 10)

    event.listen(both.database.engine, "after_cursor_execute", after_insert)
    with both.database.writing() as db:
        claimed = once.claim(db, KEY, both.clock()) is None
    first.join()
    assert claimed is not both.database.is_sqlite


def test_who_was_overtaken_neither_finishes_nor_gives_up_what_is_another_ones_now(both: Library) -> None:
    first, second = both.clock(), both.clock() + once.RUNNING + timedelta(seconds=1)
    with both.database.writing() as db:
        assert once.claim(db, KEY, first) is None
    with both.database.writing() as db:
        assert once.claim(db, KEY, second) is None
    with both.database.writing() as db:
        once.give_up(db, KEY, first)
        with pytest.raises(once.StillRunning):
            once.finish(db, KEY, first, 201, {"id": 1})
    with both.database.writing() as db:
        once.finish(db, KEY, second, 201, {"id": 2})
    with both.database.writing() as db:
        with pytest.raises(once.StillRunning):
            once.finish(db, KEY, second, 201, {"id": 3})
        found = once.claim(db, KEY, second)
        assert found
        assert found.made == {"id": 2}
