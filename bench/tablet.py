"""From the scanner's Enter to what the tablet shows, in a real browser over a real server, at ten scans a second."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from bench import library, server
from bibliothek.db import open_database
from bibliothek.kiosk import actions as kiosk
from tests.browser.conftest import CHROMIUM, FLAGS

COPIES = 20_000
SCANS = 200
A_SECOND = 10

# Types like a scanner, a key every 2 ms, and notes for each scan when Enter went down, when the page first said anything, and
# when the answer stood there. Answers come in the order of the scans, because the page sends one after the other.
SCAN = """async ([codes, every]) => {
  const entered = [], told = [], answered = [];
  const result = document.querySelector("#result"), status = document.querySelector("#scan-status");
  const now = () => performance.now();
  const pause = (until) => new Promise((done) => setTimeout(done, Math.max(0, until - now())));
  let sent = 0;
  const quickly = window.fetch;
  window.fetch = async (...given) => {
    const n = sent++;
    const answer = await quickly(...given);
    const text = await answer.clone().text();
    const seen = new MutationObserver(() => { answered[n] ??= now(); seen.disconnect(); });
    if (text) seen.observe(result, { childList: true });
    return answer;
  };
  new MutationObserver(() => { if (status.textContent) told[entered.length - 1] ??= now(); })
    .observe(status, { childList: true, characterData: true, subtree: true });
  const press = (key) => document.activeElement.dispatchEvent(
    new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const began = now();
  for (const [n, code] of codes.entries()) {
    await pause(began + n * every);
    for (const [k, key] of [...code].entries()) { await pause(began + n * every + 2 * k); press(key); }
    entered.push(now());
    press("Enter");
  }
  for (const until = now() + 20000; answered.filter(Boolean).length < codes.length && now() < until;) await pause(now() + 20);
  window.fetch = quickly;
  return codes.map((_, n) => [
    Math.min(told[n] ?? Infinity, answered[n] ?? Infinity) - entered[n], (answered[n] ?? Infinity) - entered[n]]);
}"""

# What the browser and the line between take without a library: the same page asks for a file as often.
BARE = """async ([times, every]) => {
  const spans = [];
  for (let n = 0; n < times; n += 1) {
    const began = performance.now();
    await (await fetch("/healthz")).text();
    spans.push(performance.now() - began);
    await new Promise((done) => setTimeout(done, Math.max(0, began + every - performance.now())));
  }
  return spans;
}"""


@dataclass(frozen=True)
class Measured:
    """Milliseconds until the first word and until the answer, and those of a bare request; how many loans there were after."""

    first: list[float]
    answer: list[float]
    bare: list[float]
    lent: int


def measure() -> Measured:
    """`SCANS` books are lent one after the other with one card, and brought back."""
    with tempfile.TemporaryDirectory(prefix="bibliothek-bench-") as folder, sync_playwright() as playwright:
        data = Path(folder)
        made = library.make(data, COPIES)
        database = open_database(None, data / "bibliothek.sqlite")
        with database.writing() as db:
            token = kiosk.enrol(db, "Eingang", datetime.now(UTC))
        codes = made.copies[: SCANS // 2]
        with server.bibliothek(data) as running:
            base = f"http://127.0.0.1:{running.port}"
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            context = browser.new_context(base_url=base, viewport={"width": 1280, "height": 800}, locale="de-DE")
            context.add_cookies([{"name": "tablet", "value": token, "url": base}])
            page = context.new_page()
            page.goto("/kiosk")
            bare = page.evaluate(BARE, [SCANS, 1000 / A_SECOND])
            lending = _scan(page, [made.card, *codes])
            lent = _open_loans(data)
            page.locator("#result form[data-ends] button").click()
            page.wait_for_function("!document.querySelector('#result [data-session]')")
            returning = _scan(page, codes)
            assert _open_loans(data) == 0
            browser.close()
        database.close()
    spans = [*lending, *returning]
    return Measured([first for first, _ in spans], [answer for _, answer in spans], bare, lent)


def _scan(page: Page, codes: Sequence[str]) -> list[tuple[float, float]]:
    return [(first, answer) for first, answer in page.evaluate(SCAN, [codes, 1000 / A_SECOND])]


def _open_loans(data: Path) -> int:
    from bibliothek.lending.queries import count_open_loans

    database = open_database(None, data / "bibliothek.sqlite")
    with database.reading() as db:
        count = count_open_loans(db)
    database.close()
    return count
