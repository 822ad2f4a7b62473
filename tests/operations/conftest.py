"""Where a backup is restored to: nothing at all, on either database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bibliothek.db import Database, open_database
from bibliothek.settings import Settings


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def nothing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """The settings of a library that is not there yet."""
    if request.param == "sqlite":
        yield Settings(data=tmp_path / "new")
        return
    with request.getfixturevalue("postgres_databases").bare() as url:
        yield Settings(data=tmp_path / "new", database_url=url)


def opened(settings: Settings) -> closing[Database]:
    return closing(open_database(settings.database_url, settings.sqlite_file))
