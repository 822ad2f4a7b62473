"""What a session may count on."""

from __future__ import annotations

from sqlalchemy import func, select

from bibliothek.catalogue.models import Title
from tests import make
from tests.conftest import Library


def test_a_reading_session_sees_one_moment_of_the_database(both: Library) -> None:
    with both.database.writing() as db:
        make.title(db)
    counted = select(func.count()).select_from(Title)
    with both.database.reading() as reading:
        before = reading.scalar(counted)
        with both.database.writing() as db:
            make.title(db)
        assert (before, reading.scalar(counted)) == (1, 1)
    with both.database.reading() as reading:
        assert reading.scalar(counted) == 2
