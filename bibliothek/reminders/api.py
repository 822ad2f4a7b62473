"""Reminders for programs: the same as the button at the desk."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
from litestar.params import JSONBody

from bibliothek.clock import refuse_if_behind
from bibliothek.reminders.actions import remind_everybody, would_remind
from bibliothek.reminders.pages import deliver_for
from bibliothek.web.calls import Call, Made, write_call
from bibliothek.web.sign_in import Audience

# A program may wait longer than a person; what takes longer still goes on in the background.
PATIENCE = 20.0


class RemindersCall(msgspec.Struct):
    """`dry_run` only counts. `today` is the library's date unless another is given."""

    dry_run: bool = False
    today: date | None = None


class RemindersAnswer(msgspec.Struct):
    """Messages queued (or to be queued, in a dry run) about so many loans; `sent` and `failed` of these, so far."""

    messages: int
    loans: int
    sent: int
    failed: int


def counts(_call: Call, ids: dict[str, Any]) -> RemindersAnswer:
    """What was done, as it was counted."""
    return RemindersAnswer(**ids)


def send(call: Call, data: RemindersCall | None) -> dict[str, int]:
    """Remind in transactions of its own, then deliver without one."""
    wanted = data or RemindersCall()
    kit, today = call.kit, wanted.today or call.today
    if wanted.dry_run:
        with kit.database.reading() as db:
            would = would_remind(db, today)
        return {"messages": would.messages, "loans": would.loans, "sent": 0, "failed": 0}
    refuse_if_behind(kit.clock)
    did = remind_everybody(kit.database, today, call.now, kit.templates, kit.settings)
    states = deliver_for(kit, did.mail_ids, PATIENCE)
    return {"messages": did.messages, "loans": did.loans, "sent": states["sent"], "failed": states["failed"]}


@write_call("/reminders", Audience.LIBRARIAN_TOKENS, counts, status=200, ask=send)
def remind_all(_call: Call, asked: dict[str, int], data: JSONBody[RemindersCall | None] = None) -> Made:
    """Remind everybody with overdue loans who was not reminded yet, one message a member."""
    return Made(200, asked)


handlers = [remind_all]
