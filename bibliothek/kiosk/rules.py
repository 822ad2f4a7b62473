"""How long things last on the tablet, and what an answer to a scan is. Pure."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import msgspec

# Somebody's card counts for this long after their last scan: details for 10 s, then a countdown of 20 s.
SESSION_LASTS = timedelta(seconds=30)
DETAILS_LAST = timedelta(seconds=10)
# The same code within this time is one scan: hands shake, scanners repeat themselves.
SAME_SCAN = timedelta(seconds=3)
# Nobody touches the screen for this long: the book that is on loan to somebody else was brought back.
QUESTION_LASTS = timedelta(seconds=10)
# Titles of a shelf or an ISBN that fit on the screen.
MOST_ROWS = 6


class Row(msgspec.Struct, frozen=True):
    """A title as the tablet shows it."""

    id: int
    title: str
    byline: str = ""
    year: int | None = None
    available: int = 0
    total: int = 0


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of a scan; words and colours come later, in pages.py. It never names a member.

    `kind` is the mark of the contract (`data-kind`); `what` says which thing is unknown or misread ("card", "copy", "shelf",
    "text"). `settled` is the title of a book about which the tablet still asked, and which this scan made returned.
    """

    kind: str
    what: str = ""
    code: str = ""
    rows: tuple[Row, ...] = ()
    count: int = 0
    due_on: date | None = None
    loan_id: int | None = None
    shelf: str | None = None
    isbn: str | None = None
    settled: str | None = None


class MemberId(msgspec.Struct, frozen=True):
    """A member of whom the tablet knows the number only."""

    id: int


class LastScan(msgspec.Struct, frozen=True):
    """The last scan of a tablet: `number` is what the page called it, `code` the hash of what was scanned."""

    number: str
    code: str
    at: datetime
    answer: Answer

    def is_repeated_by(self, number: str, code: str, now: datetime) -> bool:
        """The same scan once more: sent again because no answer came, or read twice by a quick scanner."""
        return code == self.code and (now - self.at < SAME_SCAN or (number != "" and number == self.number))


def is_somebodys_card(kind: str, value: str) -> bool:
    """Whether a scan, readable or not, was a member card: then whoever was here before is not any more."""
    return kind == "card" or (kind == "misread" and value.startswith("M"))
