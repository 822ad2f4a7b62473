"""From nothing to the first lent book, as people do it, and how long it took: `python3 scripts/first_loan.py [command …]`.

Starts the command that serves a new library (`make run`, when none is named), reads the code of the first run from what it
says, and fills in the forms of the pages. Nothing but the standard library: it runs before anything is installed.
"""

from __future__ import annotations

import http.cookiejar
import os
import re
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable
from urllib.parse import urlencode, urlsplit

FIRST_RUN = re.compile(r"Öffne (\S+)/einrichten und gib diesen Code ein: (\S+)")
COPY_CODE = re.compile(r"\bB[0-9A-HJKMNPRSTVWX]{6}\b")
TITLE, READER = "Das Kapital", "Mitglied 1"
PATIENCE_S = 60


class Unexpected(Exception):
    """A page or a terminal that does not say what it should."""


class Browser:
    """Keeps cookies, follows redirects, and says where a form comes from."""

    def __init__(self, address: str, tls: ssl.SSLContext | None = None) -> None:
        self.address = address
        self.cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPCookieProcessor(self.cookies),
            urllib.request.HTTPSHandler(context=tls),
        )

    def send(self, path: str, **fields: str) -> tuple[str, str]:
        """Where it led, and the page that is there. Without fields the page is only looked at."""
        body = urlencode(fields).encode() if fields else None
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(self.address))
        request = urllib.request.Request(self.address + path, body, {"Origin": origin, "Sec-Fetch-Site": "same-origin"})
        with self._opener.open(request, timeout=PATIENCE_S) as answer:
            return urlsplit(answer.url).path, answer.read().decode()


def open_library(browser: Browser, code: str) -> None:
    """The first run: whoever has the code names the library and is signed in."""
    person = {"name": "Betreuung", "email": "betreuung@example.org"}
    _must_lead(browser.send("/einrichten", code=code, library="Probe", **person), "/verwaltung")


def lend_first_book(browser: Browser) -> str:
    """A title by hand, a member, the loan; the code of the copy that is lent now."""
    _path, page = browser.send("/spenden/buch", title=TITLE)
    code = COPY_CODE.search(page)
    if not code:
        raise Unexpected("Nach dem Aufnehmen steht auf der Seite kein Code des Exemplars.")
    _must_lead(browser.send("/verwaltung/mitglieder/neu", name=READER, email=""), r"/verwaltung/mitglieder/\d+")
    _path, page = browser.send("/verwaltung/ausleihen", copy=code[0], member=READER)
    if f"{READER} hat jetzt „{TITLE}“" not in page:
        raise Unexpected("Nach dem Ausleihen steht auf der Seite nicht, wer das Buch jetzt hat.")
    return code[0]


def give_back(browser: Browser, copy: str) -> None:
    _path, page = browser.send("/verwaltung/ausleihen/zuruecknehmen", zurueck=copy)
    if f"„{TITLE}“ ist zurück." not in page:
        raise Unexpected("Nach dem Zurückgeben steht auf der Seite nicht, dass das Buch zurück ist.")


def _must_lead(answer: tuple[str, str], wanted: str) -> None:
    if not re.fullmatch(wanted, answer[0]):
        raise Unexpected(f"Die Seite führte nach {answer[0]}, erwartet war {wanted}.")


def first_run(lines: Iterable[str]) -> tuple[str, str]:
    """The address and the code, out of what `bibliothek serve` says. Raises Unexpected when it says none."""
    for line in lines:
        print(f"        {line}", end="")
        found = FIRST_RUN.search(line)
        if found:
            return found[1], found[2]
        if "Strg+C" in line:
            break
    raise Unexpected("Kein Code für eine neue Bibliothek: Gibt es sie schon, oder ist der Start misslungen?")


def main(command: list[str]) -> None:
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {what}", flush=True)

    # A group of its own, so that `make` and the server that it starts end together.
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8", start_new_session=True)
    try:
        assert server.stdout
        address, code = first_run(server.stdout)
        say("Die Bibliothek läuft.")
        browser = Browser(address)
        open_library(browser, code)
        say("Sie ist eingerichtet.")
        copy = lend_first_book(browser)
        say("Das erste Buch ist ausgeliehen.")
        give_back(browser, copy)
        say("Es ist zurück.")
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(PATIENCE_S)
    say("Die Bibliothek ist beendet.")


if __name__ == "__main__":
    try:
        main(sys.argv[1:] or ["make", "run"])
    except Unexpected as error:
        sys.exit(str(error))
