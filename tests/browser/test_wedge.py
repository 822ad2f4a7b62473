"""A scanner types like a keyboard: which scans came, told from keys and their times alone, on a clock that costs no time."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Page

from bibliothek.codes import COMMANDS, Kind, check_symbol, command_code, new_code
from tests.browser.conftest import PageAt, Server

pytestmark = pytest.mark.browser

TORTURE = os.environ.get("TORTURE") == "1"
SCANS = 10_000
SEEDS = range(1, 11) if TORTURE else (1,)

# What the computer's layout makes of what a scanner set to the other one types.
SAME: dict[str, str] = {}
US_ON_GERMAN = {":": "Ö", "/": "-", "-": "ß", "]": "+", "Y": "Z", "Z": "Y", "y": "z", "z": "y"}
GERMAN_ON_US = {":": ">", "/": "&", "-": "/", "]": "9", "Y": "Z", "Z": "Y", "y": "z", "z": "y"}
LAYOUTS = (SAME, US_ON_GERMAN, GERMAN_ON_US)

# Sends keys ([key, milliseconds, held down besides]) to a wedge and a field; returns the scans: text, whether again, right value.
PLAY = """(keys) => {
  const wedge = (window.wedgeOfTest ??= window.wedge(window.scanning.read));
  const scans = [];
  for (const [key, timeStamp, held] of JSON.parse(keys)) {
    const value = (window.valueOfTest ??= "");
    const scan = wedge.key({ key, timeStamp, ctrlKey: held === "AltGr", altKey: held === "AltGr" }, timeStamp, value);
    if (scan) scans.push([scan.text, scan.isAgain, window.scanning.read(scan.text)?.value ?? null]);
    if (scan || key === "Enter") window.valueOfTest = "";
    else if (key === "Backspace") window.valueOfTest = value.slice(0, -1);
    else if (key.length === 1) window.valueOfTest += key;
  }
  return JSON.stringify(scans);
}"""


@dataclass
class Desk:
    """Everything that is typed at one tablet, and what should come of it."""

    chance: random.Random
    now: float = 1000.0
    keys: list[tuple[str, float, str]] = field(default_factory=list)
    wanted: list[tuple[str, bool]] = field(default_factory=list)
    last: tuple[str, float] = ("", -1e9)

    def press(self, key: str, after: float, held: str = "") -> None:
        self.now += after
        self.keys.append((key, round(self.now, 1), held))

    def expect(self, text: str) -> None:
        text = text.upper()
        is_again = self.last[0] == text and self.now - self.last[1] < 3000
        self.last = (text, self.now)
        self.wanted.append((text, is_again))

    def scan(self, text: str, value: str, pause: float) -> None:
        """`text` comes from the scanner `pause` after whatever was before; `value` is what it means."""
        self.now += pause
        for sign in text:
            if sign.isupper():
                self.press("Shift", self.chance.uniform(0, 2))
            self.press(sign, self.chance.uniform(2, 28), "AltGr" if sign == "]" else "")
        self.press(self.chance.choice(("Enter", "Tab")), self.chance.uniform(2, 30))
        self.expect(value)

    def type(self, text: str, enter: bool) -> None:
        """A person types, a slip here and there."""
        for sign in text:
            self.press(sign, self.chance.uniform(60, 400))
            if self.chance.random() < 0.05:
                self.press("q", self.chance.uniform(60, 200))
                self.press("Backspace", self.chance.uniform(150, 400))
        if enter:
            self.press("Enter", self.chance.uniform(100, 400))
            self.expect(text)


def misread(code: str) -> str:
    wrong = code[:-1] + ("0" if code[-1] != "0" else "1")
    assert check_symbol(wrong[1:-1]) != wrong[-1]
    return wrong


def isbn(chance: random.Random) -> str:
    digits = "978" + "".join(chance.choices("0123456789", k=9))
    total = sum(int(digit) * (3 if n % 2 else 1) for n, digit in enumerate(digits))
    return digits + str(-total % 10)


def something(chance: random.Random) -> tuple[str, str]:
    """What a label or card says, and what it means."""

    def symbol() -> int:
        return chance.randrange(29)

    copy = new_code(Kind.COPY, symbol)
    address = f"{chance.choice(('HTTPS://BIBLIOTHEK.EXAMPLE', 'http://zy-x.local:8000'))}/C/{copy}"
    card = new_code(Kind.CARD, symbol)
    shelf = new_code(Kind.SHELF, symbol)
    number = isbn(chance)
    command = command_code(chance.choice(list(COMMANDS)))
    return chance.choice(
        [
            *[(copy, copy), (address, copy), (f"]Q3{address}", copy), (card, card), (card, card), (number, number)],
            *[(shelf, shelf), (command, command), (misread(copy), ""), (misread(card), ""), ("4006381333931", "")],
        ]
    )


def as_typed(text: str, layout: dict[str, str]) -> str:
    return "".join(layout.get(sign, sign) for sign in text)


def a_day_at_the_tablet(scans: int, seed: int) -> Desk:
    """Scans with all that people do between them: type, give up half-way, press scanners twice, change the keyboard's layout."""
    chance = random.Random(seed)
    desk = Desk(chance)
    for _ in range(scans):
        layout = chance.choice(LAYOUTS)
        code, value = something(chance)
        text = as_typed(code, layout)
        typed = chance.choice(("", "", "", "B", "97", "M3", "kap", "Regal 4", "marx engels"))
        desk.type(typed, enter=bool(typed) and chance.random() < 0.3)
        # A right code is told even from keys that are pressed while the scanner begins, unless it is a short one.
        is_close = len(value) > 5 and chance.random() < 0.2
        pause = chance.uniform(5, 50) if is_close else chance.uniform(400, 5000)
        desk.scan(text, value or text, pause)
        while chance.random() < 0.15:
            desk.scan(text, value or text, chance.uniform(100, 6000))
    return desk


@pytest.fixture
def play(server: Server, page_at: PageAt) -> Callable[[Desk], list[tuple[str, bool]]]:
    page: Page = page_at(800, 600)
    page.goto("/anmelden")

    def scans(desk: Desk) -> list[tuple[str, bool]]:
        found: list[Any] = json.loads(page.evaluate(PLAY, json.dumps(desk.keys)))
        return [((value or text).upper(), is_again) for text, is_again, value in found]

    return scans


Play = Callable[[Desk], list[tuple[str, bool]]]


@pytest.mark.parametrize("seed", SEEDS)
def test_of_10000_scans_between_which_people_type_none_is_wrong_and_none_is_lost(play: Play, seed: int) -> None:
    desk = a_day_at_the_tablet(SCANS, seed)
    assert len(desk.wanted) >= SCANS
    assert play(desk) == desk.wanted


def test_a_misread_label_is_not_taken_for_the_shelf_whose_code_it_ends_with(play: Play) -> None:
    desk = Desk(random.Random(1))
    shelf = new_code(Kind.SHELF)
    label = f"B{'0' if check_symbol('0' + shelf[:-1]) != shelf[-1] else '1'}{shelf}"
    desk.scan(label, label, 1000)
    assert play(desk) == desk.wanted


def test_a_hitch_of_the_scanner_does_not_break_a_code_in_two(play: Play) -> None:
    desk = Desk(random.Random(1))
    for code in (new_code(Kind.CARD), misread(new_code(Kind.CARD))):
        desk.type("kap", enter=False)
        desk.now += 1000
        for n, sign in enumerate(code):
            desk.press(sign, 200 if n == 12 else 10)
        desk.press("Enter", 10)
        desk.expect(code)
    assert play(desk) == desk.wanted
