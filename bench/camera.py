"""From the camera button to the code, for every way of holding a book, on a machine with a fourth of this one's speed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Page, Playwright, Route, sync_playwright

from bench import library, server
from bibliothek.db import open_database
from bibliothek.kiosk import actions as kiosk
from bibliothek.members import actions as members
from bibliothek.members.models import Member
from tests.browser.clips import NOTE_READS, SITUATIONS, as_held, chromium_seeing

SLOWER = 4
ISBN = "9783551551672"
# Longer than this nobody holds a book up.
GIVE_UP_MS = 15_000
# How long it goes on looking at the same book, for wrong codes to turn up.
LINGER_MS = 2000

# The browser slows down the page's own thread only; the thread that reads is slowed down so.
SLOW_READER = f"""
const quickly = read;
read = async (picture) => {{
  const began = performance.now();
  const codes = await quickly(picture);
  const end = began + {SLOWER} * (performance.now() - began);
  while (performance.now() < end);
  return codes;
}};
"""

NOTE_TIMES = """() => {
  document.addEventListener("click", (event) => { window.pressed ??= performance.now(); }, true);
  document.querySelector("#camera video").addEventListener("playing", () => { window.playing ??= performance.now(); });
}"""


@dataclass(frozen=True)
class Reading:
    """Seconds until the code was there, since the button was pressed and since there was a picture; and what else was read."""

    kind: str
    situation: str
    since_button: float
    since_picture: float
    wrong: list[str]


def readings() -> Iterator[Reading]:
    """Every situation with an ISBN and with a label, each in a browser of its own."""
    with tempfile.TemporaryDirectory(prefix="bibliothek-bench-") as folder, sync_playwright() as playwright:
        data = Path(folder)
        made = library.make(data, 50)
        label = f"HTTPS://BIBLIOTHEK.EXAMPLE/C/{made.copies[0]}"
        cookies = _signed_in(data)
        with server.bibliothek(data) as running:
            base = f"http://127.0.0.1:{running.port}"
            for kind, text, path, wanted in (
                ("ean13", ISBN, "/spenden", ISBN),
                ("qr", label, "/kiosk", made.copies[0]),
            ):
                for situation in SITUATIONS:
                    clip = as_held(kind, text, situation, data / f"{kind}-{situation}.mjpeg", frames=10)
                    with _page(playwright, clip, base, cookies[path]) as page:
                        page.goto(path)
                        yield _reading(page, kind, situation, wanted)


def _signed_in(data: Path) -> dict[str, tuple[str, str]]:
    """For each page the cookie of somebody who may see it."""
    database, now = open_database(None, data / "bibliothek.sqlite"), datetime.now(UTC)
    with database.writing() as db:
        session = members.start_session(db, db.get_one(Member, 1), now)
        device = kiosk.enrol(db, "Eingang", now)
    database.close()
    return {"/spenden": ("bibliothek", session), "/kiosk": ("tablet", device)}


@contextmanager
def _page(playwright: Playwright, clip: Path, base: str, cookie: tuple[str, str]) -> Iterator[Page]:
    def slow(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text() + SLOW_READER)

    with chromium_seeing(playwright, clip) as browser:
        context = browser.new_context(base_url=base, viewport={"width": 390, "height": 844}, locale="de-DE")
        context.add_cookies([{"name": cookie[0], "value": cookie[1], "url": base}])
        context.route("**/read-codes.js*", slow)
        page = context.new_page()
        context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
        yield page


def _reading(page: Page, kind: str, situation: str, wanted: str) -> Reading:
    page.evaluate(NOTE_READS)
    page.evaluate(NOTE_TIMES)
    page.get_by_role("button", name="Kamera", exact=True).click()
    for _ in range(GIVE_UP_MS // 50):
        if page.evaluate("window.reads.length"):
            break
        page.wait_for_timeout(50)
    page.wait_for_timeout(LINGER_MS)
    pressed, playing, reads = page.evaluate("[window.pressed, window.playing, window.reads]")
    right = [read["at"] for read in reads if read["text"] == wanted] or [float("inf")]
    wrong = [read["text"] for read in reads if read["text"] != wanted]
    return Reading(kind, situation, (right[0] - pressed) / 1000, (right[0] - playing) / 1000, wrong)
