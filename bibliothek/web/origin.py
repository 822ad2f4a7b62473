"""Same-origin check on every unsafe request, from headers that a page of another site cannot forge.

Browsers send `Sec-Fetch-Site` (Fetch Metadata, W3C) to trustworthy origins and `Origin` (Fetch standard, 3.2) with every
POST. One of them must say that the request comes from our own pages; otherwise it is refused before its body is read.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from litestar import Request
from litestar.connection import ASGIConnection

from bibliothek.i18n import _
from bibliothek.problems import Problem
from bibliothek.settings import Settings, is_loopback

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class ForeignOrigin(Problem):
    """A form of another site was sent to us."""

    status = 403
    code = "foreign-origin"

    def __init__(self) -> None:
        super().__init__(
            _(
                "Diese Anfrage kam nicht von einer Seite der Bibliothek. Öffne die Seite neu und versuche es noch einmal."
            )
        )


class BadHost(Problem):
    """The Host header is no host and port (RFC 9110, section 7.2): no browser sends that, and no address can be built of it."""

    status = 400
    code = "bad-host"

    def __init__(self) -> None:
        super().__init__(_("Unter dieser Adresse ist die Bibliothek nicht zu erreichen."))


# A name or an IPv4 address, or an IPv6 address in brackets; then perhaps a port.
_HOST = re.compile(r"(?:[\w.-]+|\[[\da-f:.]+\])(?::\d*)?", re.ASCII | re.IGNORECASE)


@lru_cache(maxsize=64)
def is_host(host: str) -> bool:
    """Whether this is a host, with or without a port. Nothing at all is what HTTP/1.0 sends."""
    try:
        return not host or (bool(_HOST.fullmatch(host)) and urlsplit(f"//{host}").port != 0)
    except ValueError:
        return False


def behind_proxy(request: ASGIConnection[Any, Any, Any, Any], settings: Settings) -> bool:
    """Whether the request came through the one proxy whose word is believed."""
    return request.client is not None and is_trusted(request.client.host, settings)


def is_trusted(address: str, settings: Settings) -> bool:
    """Whether somebody at this address is the proxy whose word is believed."""
    # Where a socket listens for IPv6, IPv4 comes as ::ffff:127.0.0.1.
    return settings.trusted_proxy is not None and address.removeprefix("::ffff:") == settings.trusted_proxy


def own_origin(request: ASGIConnection[Any, Any, Any, Any], settings: Settings) -> str:
    """Scheme and host under which this request reached us, as a browser writes an Origin."""
    if behind_proxy(request, settings):
        parts = urlsplit(settings.base_url)
        return f"{parts.scheme}://{parts.netloc}".lower()
    return f"{request.scope['scheme']}://{request.headers.get('host', '')}".lower()


def https_is_missing(request: ASGIConnection[Any, Any, Any, Any], settings: Settings) -> bool:
    """Plain http from another machine: no camera, no offline pages, and a cookie that the network can read."""
    parts = urlsplit(own_origin(request, settings))
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")


def is_api(request: ASGIConnection[Any, Any, Any, Any]) -> bool:
    """Whether a program asks, or a browser."""
    return str(request.scope["path"]).startswith("/api/")


async def check_origin(request: Request[Any, Any, Any]) -> None:
    """Before every request. The API is left out: it reads no session cookie, so there is nothing to ride on.

    Async although it waits for nothing: Litestar would send a plain function to a thread, with every request. Not a guard,
    for each of which it copies the handler.
    """
    if not is_host(request.headers.get("host", "")):
        raise BadHost
    if request.method in SAFE or is_api(request):
        return
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin", "").lower()
    settings: Settings = request.app.state.kit.settings
    if site == "same-origin" or (site is None and origin and origin == own_origin(request, settings)):
        return
    raise ForeignOrigin
