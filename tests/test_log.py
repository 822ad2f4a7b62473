"""The log tells what went wrong, and of nobody."""

from __future__ import annotations

import logging

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from bibliothek.log import Formatter, without_persons
from tests.conftest import Library

VALUES = {"name": "Mitglied\n\nUnverwechselbar", "now": "2026-11-23 11:00:00+00"}
STATEMENT = text(
    "INSERT INTO member (name, sort_name, role, created_at) VALUES (:name, 'unverwechselbar', 'kaiser', :now)"
)


@pytest.mark.parametrize("chained", [False, True])
def test_a_row_that_postgresql_quotes_is_not_written_down(both: Library, chained: bool) -> None:
    formatter = Formatter("%(levelname)s %(message)s")
    try:
        with both.database.writing() as db:
            db.execute(STATEMENT, VALUES)
    except IntegrityError as error:
        fault = error if chained else error.orig
        trace = (type(fault), fault, fault.__traceback__)
        message = f"not forgotten: {fault}"
    record = logging.LogRecord("bibliothek", logging.ERROR, "", 0, message, (), trace)
    said = formatter.format(record)
    assert "Unverwechselbar" not in said
    assert "ck_member_role" in said
    assert said.count("Traceback (most recent call last)") == (2 if chained else 1)
    if chained:
        assert "The above exception was the direct cause" in said
        assert "INSERT INTO member" in said


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ("no\nDETAIL:  Key (name)=(Anna).\n[SQL: INSERT]", "no\nDETAIL: …\n[SQL: INSERT]"),
        ("no\nDETAIL:  Failing row contains (1, Anna\nB.).\nHINT:  Ask.", "no\nDETAIL: …\nHINT:  Ask."),
        ("no\nDETAIL:  (Anna).\n\nThe above exception was", "no\nDETAIL: …\n\nThe above exception was"),
        ("no\nDETAIL:  Key (name)=(Anna).", "no\nDETAIL: …"),
        ("nothing of that kind", "nothing of that kind"),
    ],
)
def test_what_comes_after_the_quoted_row_stays(written: str, left: str) -> None:
    assert without_persons(written) == left
