"""Words kept so that only whoever sends the same request again can read them.

A refusal may quote what somebody sent ("Ein Regal „…“ gibt es hier nicht"), and it has to be given again word for word under
the same Idempotency-Key. The key as it was sent is kept nowhere, and the seed of a request comes from it.
"""

from __future__ import annotations

import base64
import hashlib
import secrets

import msgspec

_SALT = 16


def seal(seed: bytes, words: object) -> str:
    """`words` (whatever JSON can say) as text that needs the same `seed` of 16 bytes or more to be read."""
    salt = secrets.token_bytes(_SALT)
    return base64.b64encode(salt + _masked(seed, salt, msgspec.json.encode(words))).decode()


def unseal(seed: bytes, sealed: str) -> dict[str, object]:
    """What was sealed with this seed."""
    both = base64.b64decode(sealed)
    return msgspec.json.decode(_masked(seed, both[:_SALT], both[_SALT:]), type=dict[str, object])


def _masked(seed: bytes, salt: bytes, text: bytes) -> bytes:
    """A salt is used once, so that its mask hides one text only; masking again takes the mask off."""
    mask = hashlib.shake_256(b"sealed words" + salt + seed).digest(len(text))
    return bytes(a ^ b for a, b in zip(text, mask, strict=True))
