"""When a loan may be reminded. Pure: states in, answers out."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

# A loan gets one reminder of each stage.
OVERDUE = "overdue"

# What a librarian needs to know about the reminder of a loan. `refused`: the mail server will never deliver it;
# `unknown`: nobody knows whether it arrived.
Progress = Literal["none", "waiting", "reminded", "refused", "unknown"]


def progress(mail_state: str | None, mail_ended_at: datetime | None, mail_expires_at: datetime | None) -> Progress:
    """How far a loan's reminder has come, from the mail it is in.

    The outbox keeps that mail as long as the reminder; where it is gone (all None) silence is better than a second message.
    A mail that found no mail server for so long that it expired never left: the loan counts as not reminded.
    """
    match mail_state:
        case "pending" | "sending":
            return "waiting"
        case "cancelled":
            return "none"
        case "unknown":
            return "unknown"
        case "failed":
            expired = mail_ended_at is not None and mail_expires_at is not None and mail_ended_at >= mail_expires_at
            return "none" if expired else "refused"
        case _:
            return "reminded"


def may_be_reminded(progress: Progress, again: bool) -> bool:
    """Whether a message about the loan may be sent; `again`: a librarian wants a refused one tried once more."""
    return progress == "none" or (again and progress == "refused")
