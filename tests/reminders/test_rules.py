"""When a loan may be reminded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bibliothek.reminders.rules import may_be_reminded, progress

NOW = datetime(2026, 11, 23, tzinfo=UTC)
LATER = NOW + timedelta(days=7)


@pytest.mark.parametrize(
    ("state", "ended_at", "expected"),
    [
        (None, None, "reminded"),
        ("pending", None, "waiting"),
        ("sending", None, "waiting"),
        ("sent", NOW, "reminded"),
        ("unknown", NOW, "unknown"),
        ("failed", NOW, "refused"),
        ("failed", LATER, "none"),
        ("cancelled", NOW, "none"),
    ],
)
def test_a_mail_says_how_far_its_reminder_has_come(state: str | None, ended_at: datetime | None, expected: str) -> None:
    assert progress(state, ended_at, LATER if state else None) == expected


def test_nothing_is_sent_twice_unless_it_was_refused_and_a_librarian_asks() -> None:
    assert may_be_reminded("none", again=False)
    assert not may_be_reminded("refused", again=False)
    assert may_be_reminded("refused", again=True)
    for done in ("waiting", "reminded", "unknown"):
        assert not may_be_reminded(done, again=True)  # type: ignore[arg-type]
