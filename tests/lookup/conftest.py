"""The stand-in for the outside sources, as a fixture."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from bibliothek.lookup import politeness
from tests.lookup.stand_in import StandIn

# A busy machine is no bug: examples may take their time.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """DNB and Open Library on loopback, asked without pauses."""
    monkeypatch.setattr(politeness, "SECONDS_APART", 0.0)
    monkeypatch.setattr(politeness, "AT_ONCE", 8)
    with StandIn() as stand_in:
        yield stand_in
