"""Several people bring the same new book at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import func, select

from bibliothek.catalogue.models import Title
from bibliothek.copies.models import Copy
from bibliothek.lookup.models import StoredAnswer
from tests.client import Client
from tests.lookup.stand_in import StandIn

ISBN = "9783551551672"


def test_the_same_new_book_from_eight_people_is_one_title(program: Client, sources: StandIn) -> None:
    def donate(_number: int) -> int:
        return int(program.post("/api/v1/donations", json={"isbn": ISBN}).status_code)

    with ThreadPoolExecutor(8) as people:
        assert set(people.map(donate, range(8))) == {201}
    with program.library.database.reading() as db:
        counts = [db.scalar(select(func.count()).select_from(table)) for table in (Title, Copy, StoredAnswer)]
    assert counts == [1, 8, len({asked.source for asked in sources.asked})]
