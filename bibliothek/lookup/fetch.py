"""One GET to an outside source, which may be slow, broken or hostile. It never raises for what the other side does.

All requests run on one event loop in a thread of its own, although this house is synchronous: only a request that waits can be
cut off at a deadline wherever it waits, in the name service, between two bytes of a header, or behind a proxy. The timeouts
of a synchronous client begin anew with every byte that a dripping server sends.

Proxies of the environment (HTTPS_PROXY, NO_PROXY) and SSL_CERT_FILE count, because some networks know no other way out;
loopback addresses are always asked directly.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import wait
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from threading import Lock, Thread
from time import monotonic
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import msgspec

from bibliothek import __version__
from bibliothek.settings import is_loopback

if TYPE_CHECKING:
    import httpx

LARGEST_BODY = 2 * 1024 * 1024
MOST_REDIRECTS = 3
# Waiting for the next bytes, and for a connection.
TIMEOUT_S = 10.0
CONNECT_S = 4.0
LONGEST_RETRY_S = 3600

# Where this software can be found. It has no public address yet; until it has, a library's own address stands in for it.
PROJECT_URL: str | None = None
NO_ADDRESS = "https://bibliothek.example"

Trouble = Literal["throttled", "unavailable"]


class Answer(msgspec.Struct, frozen=True):
    """What came back. With `trouble` there is no usable body, and `reason` says why, for the log.

    404 is no trouble: what it means is for the source to say. `retry_after` is in seconds. `asked` is False where nobody was
    asked, so that nothing is known about the source.
    """

    status: int | None = None
    body: bytes = b""
    content_type: str = ""
    trouble: Trouble | None = None
    reason: str = ""
    retry_after: int | None = None
    asked: bool = True


def user_agent(contact: str | None, base_url: str) -> str:
    """How we introduce ourselves: `Bibliothek/<version> (+<address>; <contact>)`. Header text is ASCII without line breaks.

    An address that only this machine knows would tell nobody anything.
    """
    own = None if is_loopback(urlsplit(base_url).hostname or "") else base_url
    said = "; ".join(filter(None, (f"+{PROJECT_URL or own or NO_ADDRESS}", contact)))
    plain = " ".join(said.split()).encode("ascii", "ignore").decode()
    return f"Bibliothek/{__version__} ({plain.replace('(', '').replace(')', '')})"


def fetch(
    url: str,
    params: Mapping[str, str],
    *,
    accept: tuple[str, ...],
    agent: str,
    deadline: float,
    timeout: float = TIMEOUT_S,
    slow_at: float | None = None,
    slow: Callable[[], None] | None = None,
    leads_to: str | None = None,
) -> Answer:
    """GET `url`, done with by `deadline` (of `time.monotonic`) whatever happens.

    `accept` are the media types that count as an answer. At most 2 MB are read, before and after unpacking; redirects are
    followed only within the host, and by https to the domain `leads_to` and all names below it, where one is given. `slow` is
    called once where there is no answer by `slow_at`.
    """
    left = deadline - monotonic()
    if left <= 0:
        return Answer(trouble="unavailable", reason="no time left", asked=False)
    work = _within(left, _get(url, dict(params), accept, agent, timeout, leads_to))
    future = asyncio.run_coroutine_threadsafe(work, _loop())
    if slow and slow_at and not wait([future], max(0.0, slow_at - monotonic())).done:
        slow()
    return future.result()


_making = Lock()


def _loop() -> asyncio.AbstractEventLoop:
    with _making:
        return _running_loop()


@cache
def _running_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    Thread(target=loop.run_forever, name="fetch", daemon=True).start()
    return loop


@cache
def _client() -> httpx.AsyncClient:
    """One client for all sources; made on the loop, at the first request."""
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    import httpx

    limits = httpx.Limits(max_connections=16, max_keepalive_connections=4, keepalive_expiry=4)
    direct = httpx.AsyncHTTPTransport(limits=limits)
    loopback = {f"all://{host}": direct for host in ("127.0.0.1", "localhost", "[::1]")}
    # Nothing is sent but the question: no cookie is kept.
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    return httpx.AsyncClient(limits=limits, follow_redirects=False, mounts=loopback, cookies=no_cookies)


async def _within(seconds: float, work: Coroutine[None, None, Answer]) -> Answer:
    import httpx

    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        return Answer(trouble="unavailable", reason="deadline passed")
    except (httpx.HTTPError, httpx.InvalidURL, zlib.error, UnicodeError) as error:
        return Answer(trouble="unavailable", reason=f"{type(error).__name__}: {error}"[:200])


async def _get(
    address: str, params: dict[str, str], accept: tuple[str, ...], agent: str, timeout: float, leads_to: str | None
) -> Answer:
    import httpx

    url = httpx.URL(address, params=params)
    # gzip only, because its unpacking can be stopped in time.
    headers = {"User-Agent": agent, "Accept": ", ".join(accept), "Accept-Encoding": "gzip"}
    for _hop in range(MOST_REDIRECTS + 1):
        patience = httpx.Timeout(timeout, connect=min(timeout, CONNECT_S))
        request = _client().build_request("GET", url, headers=headers, timeout=patience)
        response = await _client().send(request, stream=True)
        try:
            if not response.has_redirect_location:
                return await _read(response, accept)
            target = url.join(response.headers["location"])
            if target.userinfo or not (_same_host(url, target) or _is_below(leads_to, target)):
                return Answer(response.status_code, trouble="unavailable", reason=f"redirect to {target.host}"[:200])
            url = target
        finally:
            await response.aclose()
    return Answer(trouble="unavailable", reason="too many redirects")


def _same_host(url: httpx.URL, target: httpx.URL) -> bool:
    """The same server, or the same name reached by https instead of http."""
    if target.host != url.host:
        return False
    upgrade = (url.scheme, target.scheme) == ("http", "https") and url.port is None and target.port is None
    return upgrade or (target.scheme, target.port) == (url.scheme, url.port)


def _is_below(domain: str | None, target: httpx.URL) -> bool:
    """A server of this domain, at the usual port, by https: its certificate proves that it is one, whatever address its name has
    just now. No address of this machine or its network can pass for it."""
    if domain is None or target.scheme != "https" or target.port is not None:
        return False
    return target.host == domain or target.host.endswith(f".{domain}")


async def _read(response: httpx.Response, accept: tuple[str, ...]) -> Answer:
    status = response.status_code
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if status == 429:
        return Answer(status, trouble="throttled", reason="429", retry_after=_retry_after(response))
    if status not in (200, 404):
        return Answer(status, trouble="unavailable", reason=str(status), retry_after=_retry_after(response))
    if status == 200 and kind not in accept:
        return Answer(status, trouble="unavailable", reason=f"content type {kind or 'missing'}"[:200])
    body = await _body(response)
    if body is None:
        return Answer(status, trouble="unavailable", reason="body too large or packed otherwise")
    return Answer(status, body, kind)


async def _body(response: httpx.Response) -> bytes | None:
    """The unpacked body, or None where it is larger than allowed, packed or not, or packed in a way we did not ask for."""
    packing = response.headers.get("content-encoding", "identity").strip().lower()
    if packing not in ("identity", "gzip", "x-gzip"):
        return None
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16) if packing != "identity" else None
    body = bytearray()
    received = 0
    async for chunk in response.aiter_raw():
        received += len(chunk)
        # One byte more than allowed is enough to know; a gzip bomb unpacks no further.
        body += unpack.decompress(chunk, LARGEST_BODY + 1 - len(body)) if unpack else chunk
        if received > LARGEST_BODY or len(body) > LARGEST_BODY:
            return None
    return bytes(body) if unpack is None or unpack.eof else None


def _retry_after(response: httpx.Response) -> int | None:
    """Seconds of a Retry-After (RFC 9110, section 10.2.3), a number or a date, from 1 to an hour."""
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return min(max(int(text[:9]), 1), LONGEST_RETRY_S)
    try:
        wanted = parsedate_to_datetime(text)
    except (ValueError, IndexError):
        return None
    seconds = (wanted.replace(tzinfo=wanted.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(int(seconds), 1), LONGEST_RETRY_S)
