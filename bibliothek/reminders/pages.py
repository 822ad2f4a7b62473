"""The reminder desk: who is late, what they would be told, and one button to tell them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from functools import partial
from typing import Literal

from litestar.params import FromPath, FromQuery
from sqlalchemy.orm import Session

from bibliothek.clock import refuse_if_behind
from bibliothek.i18n import _, ngettext
from bibliothek.library.queries import library
from bibliothek.mail import outbox
from bibliothek.members import queries as members
from bibliothek.problems import NotFound
from bibliothek.reminders import queries
from bibliothek.reminders.actions import hooks, in_parts, message, remind
from bibliothek.reminders.queries import KIND, LateMember, overdue_by_member
from bibliothek.web import once
from bibliothek.web.paging import LAST_PAGE, page_number
from bibliothek.web.routes import errand, page
from bibliothek.web.sign_in import Audience
from bibliothek.web.visit import Kit, Page, Redirect, Visit

DESK = "/verwaltung/erinnerungen"

# How long a press of the button waits to say how it went; what takes longer goes on in the background.
PATIENCE = 5.0
# Members on a page of the desk.
PER_PAGE = 100


class NobodyLate(NotFound):
    """Nobody of this number has anything overdue."""

    code = "not-late"

    def __init__(self) -> None:
        super().__init__(_("Dieses Mitglied hat nichts Überfälliges, oder nicht mehr."))


@page(DESK, Audience.LIBRARIANS)
def desk(visit: Visit, seite: FromQuery[str] = "1") -> Page:
    """Who is late and with what, and how far their reminders have come."""
    members, loans = queries.count_late(visit.db, visit.today)
    # Of more members nobody knows how many pages they fill.
    pages = max(1, -(-members // PER_PAGE)) if members <= queries.MOST_COUNTED else None
    number = min(page_number(seite), pages or LAST_PAGE)
    first = (number - 1) * PER_PAGE
    late = queries.late_members(visit.db, visit.today, first, PER_PAGE + 1, members > queries.MOST_COUNTED > first)
    shown = late[:PER_PAGE]
    waiting, reason = queries.waiting_reason(visit.db)
    return visit.page(
        "reminders/desk.html",
        by_mail=[member for member in shown if member.email and not member.is_refused],
        in_person=[member for member in shown if not member.email or member.is_refused],
        late_members=members,
        late_loans=loans,
        to_remind=queries.count_to_remind(visit.db, visit.today),
        most=queries.MOST_COUNTED,
        page=number,
        pages=pages,
        more=len(late) > PER_PAGE,
        zone=visit.settings.timezone,
        waiting=waiting,
        waiting_reason=reason,
        mail_is_possible=visit.settings.mail_is_possible,
        base_url=visit.settings.base_url,
        base_is_loopback=visit.settings.base_is_loopback,
    )


@page(DESK + "/{member_id:int}", Audience.LIBRARIANS)
def preview(visit: Visit, member_id: FromPath[int]) -> Page:
    """The message that one member gets."""
    member = _late_member(visit, member_id)
    loans = len(member.open_ids) or len(member.loans)
    said = message(visit.kit.templates, visit.settings, library(visit.db).name, member.name, loans)
    return visit.page("reminders/preview.html", member=member, message=said, sender=visit.settings.mail_from)


def _late_member(visit: Visit, member_id: int) -> LateMember:
    members.member(visit.db, member_id)
    found = overdue_by_member(visit.db, visit.today, [member_id])
    if not found:
        raise NobodyLate
    return found[0]


@errand(DESK, Audience.LIBRARIANS, outside=True)
def remind_all(visit: Visit) -> Redirect:
    """One message to everybody who is late and was not told yet."""
    return _remind(visit, None)


@errand(DESK + "/{member_id:int}", Audience.LIBRARIANS, outside=True)
def remind_one(visit: Visit, member_id: FromPath[int]) -> Redirect:
    """A message to one member; a message refused before is tried once more."""
    with visit.kit.database.reading() as db:
        members.member(db, member_id)
    return _remind(visit, [member_id])


@errand(DESK + "/senden", Audience.LIBRARIANS, outside=True)
def send_waiting(visit: Visit) -> Redirect:
    """Try at once what waits for its next try."""
    return _send(visit, lambda db: outbox.try_now(db, KIND, visit.now))


def _remind(visit: Visit, member_ids: Sequence[int] | None) -> Redirect:
    kit = visit.kit
    again = member_ids is not None
    if member_ids is None:
        with kit.database.reading() as db:
            member_ids = queries.to_remind(db, visit.today)

    def some(of: Sequence[int], db: Session) -> list[int]:
        return remind(db, visit.today, visit.now, kit.templates, kit.settings, of, again).mail_ids

    return _send(visit, *(partial(some, part) for part in in_parts(member_ids) or [[]]))


def _send(visit: Visit, choose: Callable[[Session], list[int]], *more: Callable[[Session], list[int]]) -> Redirect:
    """Send the mails that `choose` names, and `more` in transactions of their own; the second press of a button says the same of
    the first one's mails."""
    refuse_if_behind(visit.kit.clock)
    with visit.kit.database.writing() as db:
        mail_ids = _chosen_once(visit, db, choose)
    for others in more:
        with visit.kit.database.writing() as db:
            mail_ids += others(db)
    return _say(visit, deliver_for(visit.kit, mail_ids, PATIENCE))


def _chosen_once(visit: Visit, db: Session, choose: Callable[[Session], list[int]]) -> list[int]:
    token = visit.field("once")
    if not token:
        return choose(db)
    key = once.key_of("form", token, visit.request.scope["path"].encode())
    before = once.claim(db, key, visit.now)
    if before:
        return list((before.made or {}).get("mails", []))
    mail_ids = choose(db)
    once.finish(db, key, visit.now, 303, {"mails": mail_ids})
    return mail_ids


def deliver_for(kit: Kit, mail_ids: Sequence[int], seconds: float) -> Counter[str]:
    """Send these mails, wait for at most so many seconds, and tell how many are in which state."""
    if not mail_ids:
        return Counter()
    give_up_at = time.monotonic() + seconds
    under_way = outbox.send_soon(kit.database, kit.settings, kit.clock, hooks(kit.templates, kit.settings), mail_ids)
    wait([under_way], seconds)
    while True:
        with kit.database.reading() as db:
            states = outbox.states(db, mail_ids)
        # The server's own round may have been quicker with some of them.
        if not states["sending"] or time.monotonic() > give_up_at:
            return states
        time.sleep(0.05)


def _say(visit: Visit, states: Counter[str]) -> Redirect:
    kind: Literal["ok", "look", "stop"] = "ok"
    if states["failed"] and not states["sent"]:
        kind = "stop"
    elif states["sent"] != states.total() or not states:
        kind = "look"
    return visit.redirect(DESK, " ".join(_sentences(states, visit.settings.mail_is_possible)), kind)


def _sentences(states: Counter[str], mail_is_possible: bool) -> list[str]:
    waiting = states["pending"] + states["sending"]
    said = []
    if states["sent"]:
        said.append(ngettext("{n} Nachricht ist verschickt.", "{n} Nachrichten sind verschickt.", states["sent"]))
    if waiting and mail_is_possible:
        said.append(ngettext("{n} Nachricht ist noch unterwegs.", "{n} Nachrichten sind noch unterwegs.", waiting))
    elif waiting:
        said.append(
            ngettext(
                "{n} Nachricht wartet, bis Mails verschickt werden können, höchstens 7 Tage.",
                "{n} Nachrichten warten, bis Mails verschickt werden können, höchstens 7 Tage.",
                waiting,
            )
        )
    if states["failed"]:
        said.append(
            ngettext(
                "{n} Nachricht nimmt der Mailserver nicht an; sieh unter „Ansprechen“ nach.",
                "{n} Nachrichten nimmt der Mailserver nicht an; sieh unter „Ansprechen“ nach.",
                states["failed"],
            )
        )
    if states["unknown"]:
        said.append(
            ngettext(
                "Bei {n} Nachricht ist unklar, ob sie ankommt.",
                "Bei {n} Nachrichten ist unklar, ob sie ankommen.",
                states["unknown"],
            )
        )
    if states["cancelled"]:
        said.append(
            ngettext(
                "{n} Nachricht war nicht mehr nötig.", "{n} Nachrichten waren nicht mehr nötig.", states["cancelled"]
            )
        )
    return said or [
        _("Es war nichts zu verschicken: Alle, die eine Mail bekommen können, haben ihre Erinnerung schon.")
    ]


handlers = [desk, preview, remind_all, remind_one, send_waiting]
