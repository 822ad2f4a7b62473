"""Donations are looked up at the stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.client import Client
from tests.conftest import Library
from tests.lookup.conftest import sources
from tests.lookup.stand_in import StandIn

__all__ = ["sources"]


@pytest.fixture
def asking(both: Library, sources: StandIn) -> Library:
    """A library on each database that asks the stand-in."""
    return Library(replace(both.settings, **sources.settings()), both.database, both.clock)


@pytest.fixture
def program(asking: Library) -> Iterator[Client]:
    """A program with a librarian's token."""
    with asking.client() as client:
        yield client.with_token("librarian")
