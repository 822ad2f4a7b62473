"""A library that mails, for the tests of members."""

from __future__ import annotations

import pytest

from bibliothek.mail import outbox
from tests.conftest import Library
from tests.members.mails import with_mail


@pytest.fixture
def mailing(both: Library, monkeypatch: pytest.MonkeyPatch) -> Library:
    """A library on both databases whose mails stay in the outbox, where a test reads them."""
    monkeypatch.setattr(outbox, "send_soon", lambda *_given: None)
    return with_mail(both)
