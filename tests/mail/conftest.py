"""A mail server for the tests of mail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mail import server


@pytest.fixture
def box() -> Iterator[server.Postbox]:
    """A mail server that takes everything until a test tells it otherwise."""
    with server.postbox() as made:
        yield made


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return server.make_certificate(tmp_path_factory.mktemp("tls"))
