"""A real server and a real Chromium."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Playwright, sync_playwright

from bibliothek.app import create_app
from tests.conftest import NOON, Library

# The same engine as chromium without the windows around it: these alone are a third of the time.
CHROMIUM = Path("/usr/bin/chromium-headless-shell")
MISSING = "Chromium fehlt. Installieren: sudo apt-get install -y chromium-headless-shell   (oder ohne: SKIP_BROWSER=1 make test)"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class RunningClock:
    """Begins at noon and goes on as time passes; a test may push it ahead."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return NOON + timedelta(seconds=time.monotonic() - self._began) + self._ahead

    def pass_time(self, **span: float) -> None:
        self._ahead += timedelta(**span)


@dataclass
class Server:
    """A library that is being served at `url`."""

    url: str
    library: Library
    clock: RunningClock


@pytest.fixture
def server(library: Library) -> Iterator[Server]:
    """The app on a free port of this machine, over an empty library of its own; it asks no source outside."""
    clock = RunningClock()
    sources = dict.fromkeys(("dnb_url", "k10plus_url", "lobid_url", "openlibrary_url", "covers_url"))
    app = create_app(replace(library.settings, **sources), library.database, clock)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
        with running(uvicorn.Server(config), listener):
            yield Server(f"http://127.0.0.1:{listener.getsockname()[1]}", library, clock)


@contextmanager
def running(app: uvicorn.Server, listener: socket.socket) -> Iterator[None]:
    thread = threading.Thread(target=app.run, kwargs={"sockets": [listener]})
    thread.start()
    while not app.started and thread.is_alive():
        time.sleep(0.01)
    assert app.started, "the server did not start"
    try:
        yield
    finally:
        app.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """What drives Chromium; there can be one only."""
    if not CHROMIUM.exists():
        pytest.fail(MISSING, pytrace=False)
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """One Chromium for all browser tests."""
    chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    yield chromium
    chromium.close()


PageAt = Callable[..., Page]


@pytest.fixture
def page_at(browser: Browser, server: Server) -> Iterator[PageAt]:
    """`page_at(1280, 800)` opens a window of that size with cookies of its own; `cookies={"tablet": …}` sets some first.

    More keyword arguments go to Playwright (`java_script_enabled=False`, `color_scheme="dark"`); `chromium` is another browser
    than that of all tests. When a page's script fails or breaks the content security policy, so does the test.
    """
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    # That an answer was no 2xx is for the test to judge; the other belongs to plain http.
    expected = ("Failed to load resource", "The Cross-Origin-Opener-Policy header has been ignored")

    def complain(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(expected):
            wrong.append(message.text)

    def fail(error: Error) -> None:
        wrong.append(str(error))

    def open_page(
        width: int,
        height: int,
        cookies: dict[str, str] | None = None,
        chromium: Browser = browser,
        **more: object,
    ) -> Page:
        options = {"base_url": server.url, "viewport": {"width": width, "height": height}, "locale": "de-DE", **more}
        context = chromium.new_context(**options)  # type: ignore[arg-type]
        contexts.append(context)
        context.set_default_timeout(10_000)
        context.add_cookies(
            [{"name": name, "value": value, "url": server.url} for name, value in (cookies or {}).items()]
        )
        page = context.new_page()
        page.on("console", complain)
        page.on("pageerror", fail)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong
