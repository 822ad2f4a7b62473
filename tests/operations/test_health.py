"""`/healthz` and `/readyz`, for service managers, containers and proxies."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from tests.conftest import Library


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_library_that_serves_says_ok(both: Library, path: str, method: str) -> None:
    with both.client() as client:
        answer = client.request(method, path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == ("ok\n" if method == "GET" else "")


def test_without_its_tables_it_is_alive_but_not_ready(both: Library) -> None:
    with both.database.writing() as db:
        db.execute(text("UPDATE alembic_version SET version_num = '2000-01-01'"))
    with both.client() as client:
        assert client.get("/healthz").status_code == 200
        answer = client.get("/readyz")
    assert (answer.status_code, answer.text) == (503, "migrations are missing\n")
