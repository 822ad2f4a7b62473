"""A mail server and late members for the tests of reminders."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.mail import server


@pytest.fixture
def box() -> Iterator[server.Postbox]:
    with server.postbox() as made:
        yield made
