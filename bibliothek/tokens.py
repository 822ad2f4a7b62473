"""Secrets that a browser, a mail or a program carries; the database keeps only their hashes."""

from __future__ import annotations

import hashlib
import secrets


def new_token() -> str:
    """256 random bits as URL-safe text: a session id, a sign-in link, a bearer token."""
    return secrets.token_urlsafe(32)


def hashed(token: str) -> str:
    """SHA-256 in hex. No salt and no slow hash: what is hashed has 128 random bits or more."""
    return hashlib.sha256(token.encode()).hexdigest()
