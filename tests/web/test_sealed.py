"""Refusals are kept so that only the same request can read them."""

from __future__ import annotations

from bibliothek.web.sealed import seal, unseal

SEED = bytes(range(32))
WORDS = {"detail": "Ein Regal „Krimis“ gibt es hier nicht.", "status": 404}


def test_the_same_seed_reads_what_was_sealed() -> None:
    assert unseal(SEED, seal(SEED, WORDS)) == WORDS


def test_nothing_is_read_from_outside_and_no_seal_is_like_another() -> None:
    first, second = seal(SEED, WORDS), seal(SEED, WORDS)
    assert first != second
    assert first[24:] != second[24:]
