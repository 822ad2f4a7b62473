"""How long things last on the tablet, and what an answer to a scan is. Pure."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import msgspec

from bibliothek import codes
from bibliothek.lending.rules import Note, Refusal

# Somebody's card counts for this long after their last scan: details for 10 s, then a countdown of 20 s.
SESSION_LASTS = timedelta(seconds=30)
# What was scanned in time may arrive this much later, over bad Wi-Fi, and still counts for whose card it was.
LATEST = timedelta(minutes=2)
# A scan sent again within this time gets the answer it got first.
ANSWERS_KEPT = timedelta(days=1)
# The same code within this time is one scan: hands shake, scanners repeat themselves.
SAME_SCAN = timedelta(seconds=3)
# Nobody touches the screen for this long: the book that is on loan to somebody else was brought back.
QUESTION_LASTS = timedelta(seconds=10)
# Copies scanned before a card wait so long for it, counted from the last one.
BASKET_LASTS = timedelta(seconds=20)
MOST_IN_BASKET = 200
# What came back is not taken for a wish to borrow it: somebody scans their pile twice.
JUST_RETURNED = timedelta(minutes=5)
# The last thing done can be undone so long.
UNDO_LASTS = timedelta(seconds=30)
# Titles of a shelf or an ISBN that fit on the screen.
MOST_ROWS = 6


class Moment(msgspec.Struct, frozen=True):
    """When a scan or press arrived (`now`), and how long before it was made, as the page says."""

    now: datetime
    age: timedelta = timedelta(0)

    @property
    def claimed(self) -> datetime:
        """When it was made, if the page is right. Enough to do nothing, not enough to do something."""
        return self.now - self.age

    @property
    def at(self) -> datetime:
        """The moment that decides whose card counts: no page can claim one longer ago than LATEST."""
        return self.now - min(self.age, LATEST)


class Row(msgspec.Struct, frozen=True):
    """A title as the tablet shows it."""

    id: int
    title: str
    byline: str = ""
    year: int | None = None
    available: int = 0
    total: int = 0
    # On the shelf that was scanned.
    copies: int = 0


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of a scan; words and colours come later, in pages.py. It never names a member.

    `kind` is the mark of the contract (`data-kind`); `what` says which thing is unknown or misread ("card", "copy", "shelf",
    "text"). `rows` are the first of `count` titles; a shelf has so many `copies` of them. `settled` is the title of a book
    about which the tablet still asked, and which this scan made returned; `settled_is_kept` when somebody waits for it.
    """

    kind: str
    what: str = ""
    code: str = ""
    rows: tuple[Row, ...] = ()
    count: int = 0
    copies: int = 0
    due_on: date | None = None
    loan_id: int | None = None
    shelf: str | None = None
    isbn: str | None = None
    settled: str | None = None
    settled_is_kept: bool = False
    # Sentences about a loan that was recorded although something spoke against it (lending.rules.Note).
    notes: tuple[Note, ...] = ()
    # Until when a copy that came back is kept for somebody; the state of a copy that does not go back to its shelf.
    kept_until: date | None = None
    state: str = ""
    # What renewing one's own loan would lead to, or why it is refused, with how often it may be done at all.
    renewed_until: date | None = None
    refusal: Refusal | None = None
    times: int = 0
    # The same code a blink ago was answered so: what is about the page itself is not done once more.
    again: bool = False


class Basket(msgspec.Struct, frozen=True):
    """Codes of copies scanned before a card, which borrows all of them until then."""

    codes: tuple[str, ...]
    until: datetime


class Done(msgspec.Struct, frozen=True):
    """The last thing done: `lent` are loans that began, each with the hold that it fulfilled; `returned` loans that ended;
    `renewed` loans with the date that they got."""

    at: datetime
    lent: tuple[tuple[int, int | None], ...] = ()
    returned: tuple[int, ...] = ()
    renewed: tuple[tuple[int, date], ...] = ()
    taken_over: bool = False
    titles: tuple[Row, ...] = ()


class MemberId(msgspec.Struct, frozen=True):
    """A member of whom the tablet knows the number only."""

    id: int


class LastScan(msgspec.Struct, frozen=True):
    """The last scan of a tablet, made `at`: `code` is the hash of what was scanned."""

    code: str
    at: datetime
    answer: Answer

    def is_fresh(self, now: datetime) -> bool:
        """Whether the same code, scanned now, would be the same scan: read twice by a quick scanner."""
        return now - self.at < SAME_SCAN


def age_of(text: str) -> timedelta:
    """How old the page says a scan is, in milliseconds; 0 for whatever is no such number, at most a day."""
    if not (text.isascii() and text.isdigit()):
        return timedelta(0)
    return min(timedelta(milliseconds=int(text[:12])), timedelta(days=1))


def is_somebodys_card(kind: str, value: str) -> bool:
    """Whether a scan, readable or not, was a member card: then whoever was here before is not any more.

    A card of which a symbol was lost has not even the length of a code, so it is `unknown`.
    """
    if kind == "misread":
        return value.startswith(codes.Kind.CARD)
    return kind == "card" or (kind == "unknown" and codes.holds_card(value))
