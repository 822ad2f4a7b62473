"""Each request has an id: it stands in the answer's header, in every line of the log that the request causes, and, where it is
short, on the page that says that something broke."""

from __future__ import annotations

import re
from random import getrandbits

from litestar.types import ASGIApp, Receive, Scope, Send

from bibliothek.log import request_id
from bibliothek.settings import Settings
from bibliothek.web.origin import is_trusted

_HEADER = b"x-request-id"
# Written to a log and sent back in a header: nothing that could be mistaken for either's own signs.
_SAFE = re.compile(rb"[A-Za-z0-9._-]{1,64}")


def with_request_id(app: ASGIApp, settings: Settings) -> ASGIApp:
    """`app` for requests that are known by an id: the trusted proxy's, or one of ours."""

    async def known(scope: Scope, receive: Receive, send: Send) -> None:
        # No secret, so nobody has to ask the kernel for it, which takes five times as long.
        request_id.set(_from_proxy(scope, settings) or f"{getrandbits(32):08x}")
        await app(scope, receive, send)

    return known


def _from_proxy(scope: Scope, settings: Settings) -> str | None:
    client = scope["client"]
    if not client or not is_trusted(client[0], settings):
        return None
    found = next((value for name, value in scope["headers"] if name == _HEADER), b"")
    return found.decode() if _SAFE.fullmatch(found) else None
