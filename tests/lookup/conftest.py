"""The stand-in for the outside sources, as a fixture."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.lookup.stand_in import StandIn

# A busy machine is no bug: examples may take their time.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture
def sources() -> Iterator[StandIn]:
    """The sources on loopback, asked without pauses, and no trouble known of them."""
    with StandIn() as stand_in:
        yield stand_in
