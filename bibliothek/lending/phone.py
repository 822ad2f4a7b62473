"""What members do with the book in their hand, on their own phone, and what they are told then.

Whoever is not signed in is sent to do so first; what they had begun is written into a cookie and finished after that.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

import msgspec
from sqlalchemy.orm import Session

from bibliothek.copies.queries import MisreadCode, UnknownCopy
from bibliothek.i18n import _, format_date
from bibliothek.lending import actions, holds
from bibliothek.lending.queries import AtDesk, at_desk
from bibliothek.lending.wording import note_sentences
from bibliothek.problems import Problem

BORROW, WAIT = "ausleihen", "vormerken"


class Said(msgspec.Struct, frozen=True):
    """What came of it, in a sentence; `kind` is that of a notice."""

    sentence: str
    kind: Literal["ok", "look", "stop"] = "ok"


def borrow(db: Session, copy: AtDesk, member: actions.HasId, now: datetime, today: date) -> Said:
    """I take it. Raises CopyOnLoan, CopyWithdrawn."""
    return lent(actions.lend(db, copy, member, now, today))


def lent(loan: actions.Lent) -> Said:
    until = _("Ausgeliehen bis zum {date}.", date=format_date(loan.loan.due_on))
    return Said(" ".join([until, *note_sentences(loan.notes)]))


def wait(db: Session, title_id: int, member_id: int, now: datetime, today: date) -> Said:
    """I wait for a title; a copy that is here is kept for me. Raises what `holds.place` raises."""
    placed = holds.place(db, title_id, member_id, now, today)
    if placed.ready_until:
        return Said(
            _("Ein Exemplar wird bis zum {date} für dich aufgehoben.", date=format_date(placed.ready_until)),
        )
    return Said(_("Vorgemerkt. Du bist an Stelle {n} und bekommst Bescheid.", n=placed.position))


# ---- What was begun before signing in ----


def begun(what: str, code: str) -> str:
    """For the cookie: `what` is BORROW or WAIT."""
    return f"{what}-{code}"


def path_of(text: str) -> str | None:
    """Where the book is that a cookie names, None for no such cookie."""
    what, _dash, code = text.partition("-")
    return "/c/" + code if what in (BORROW, WAIT) and code.isascii() and code.isalnum() else None


def finish(db: Session, text: str, member: actions.HasId, now: datetime, today: date) -> Said | None:
    """Do what was begun, now that it is known for whom; None where there is nothing to say. What speaks against it is said."""
    what, _dash, code = text.partition("-")
    try:
        copy = at_desk(db, code)
        if what == BORROW:
            return borrow(db, copy, member, now, today)
        return wait(db, copy.title_id, member.id, now, today)
    except (MisreadCode, UnknownCopy):
        return None
    except Problem as problem:
        return Said(problem.sentence, "look")
