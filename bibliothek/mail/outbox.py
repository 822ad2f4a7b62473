"""The outbox: what waits to be sent, and who sends it.

A row goes `pending → sending → sent | failed | unknown | cancelled`. A mail is claimed by one conditional update, so that of two
processes one sends it; no session and no lock is held while the mail server is spoken to.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import parseaddr

import msgspec
from sqlalchemy import ColumnElement, Update, case, delete, exists, false, func, literal, or_, select, update
from sqlalchemy.orm import Session

from bibliothek import tally
from bibliothek.clock import is_behind
from bibliothek.db import Base, Database, Instant
from bibliothek.i18n import _, use_language
from bibliothek.mail.message import BadMailAddress, Message, ascii_domain, mail_host, message_id_of, to_email
from bibliothek.mail.models import Mail
from bibliothek.mail.send import Line, Outcome, Result, Server, Unreachable, connect
from bibliothek.settings import Settings
from bibliothek.tokens import hashed

log = logging.getLogger(__name__)

# Asked when a mail of its kind is about to be sent, inside the claiming transaction: what to say now, or None to cancel it.
Wanted = Callable[[Session, Mail], Message | None]

# Mails wait at most this long for a mail server.
LONGEST_WAIT = timedelta(days=7)

# After the first, second and third try in vain; then every hour.
PAUSES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))
HOURLY = timedelta(hours=1)

# Whoever has not said after this time what became of a claimed mail has crashed.
LEASE = timedelta(minutes=10)

# Mails that one statement names.
AT_ONCE = 1000

# How long the bare fact that a mail ended stays, without address and text; longer while something refers to it.
KEPT = timedelta(days=90)

# Some, so that a sign-in mail does not wait behind a hundred reminders.
_SENDERS = ThreadPoolExecutor(max_workers=4, thread_name_prefix="mail")

_ERASED = {"address": None, "subject": None, "text": None, "html": None, "member_id": None}


class Delivered(msgspec.Struct, frozen=True):
    """How many mails ended how in one round; `later` are tried again."""

    sent: int = 0
    failed: int = 0
    later: int = 0
    cancelled: int = 0
    unknown: int = 0


def queue(
    db: Session,
    *,
    kind: str,
    member_id: int | None,
    address: str,
    message: Message,
    now: datetime,
    lasts: timedelta = LONGEST_WAIT,
) -> Mail:
    """Put a mail into the outbox; it leaves after the caller's transaction. Unsent after `lasts` it fails and is erased."""
    mail = Mail(
        kind=kind,
        member_id=member_id,
        address=address,
        subject=message.subject,
        text=message.text,
        html=message.html,
        state="pending",
        created_at=now,
        next_try_at=now,
        expires_at=now + lasts,
    )
    db.add(mail)
    db.flush()
    return mail


def send_soon(
    database: Database,
    settings: Settings,
    clock: Callable[[], datetime],
    wanted: Mapping[str, Wanted],
    only_ids: Collection[int] | None = None,
) -> Future[Delivered]:
    """Begin to deliver in the background and return at once; call it after the transaction that queued the mails.

    Whoever wants to say how it went waits for the result with a timeout. Arguments as of `deliver`.
    """
    # In a copy of what is around here: what is logged carries the id of the request.
    future = _SENDERS.submit(copy_context().run, deliver, database, settings, clock, wanted, only_ids)
    future.add_done_callback(_log_error)
    return future


def _log_error(future: Future[Delivered]) -> None:
    error = future.exception()
    if error:
        log.error("mail could not be delivered", exc_info=error)


def deliver(
    database: Database,
    settings: Settings,
    clock: Callable[[], datetime],
    wanted: Mapping[str, Wanted],
    only_ids: Collection[int] | None = None,
) -> Delivered:
    """Send what is due, or of that only the mails `only_ids`; does nothing without SMTP, nor while the machine's clock is behind. A
    bad server raises nothing.

    `wanted` has, by kind, whom to ask before a mail leaves; mails of other kinds leave as they were queued.
    """
    may_send = settings.mail_is_possible and not is_behind(clock)
    waiting = deque(_due(database, clock(), only_ids)) if may_send else None
    if not waiting:
        return Delivered()
    with use_language(settings.language):
        return _Round(database, settings, clock, wanted).send(waiting)


class _Round:
    """One round of delivery, over as few connections as the server allows."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        clock: Callable[[], datetime],
        wanted: Mapping[str, Wanted],
    ) -> None:
        self.database, self.settings, self.clock, self.wanted = database, settings, clock, wanted
        self.count: Counter[str] = Counter()

    def send(self, waiting: deque[int]) -> Delivered:
        assert self.settings.smtp_url is not None
        server = Server.of_url(self.settings.smtp_url)
        while waiting:
            try:
                with connect(server, mail_host(self.settings.base_url)) as line:
                    while waiting and line.is_open:
                        self._send_one(line, waiting.popleft())
            except Unreachable as error:
                log.warning("mail waits: %s", error)
                tally.count("mail", "unreachable")
                self.count["later"] += _postpone(self.database, waiting, "pending", self.clock(), str(error))
                break
        return Delivered(**self.count)

    def _send_one(self, line: Line, mail_id: int) -> None:
        mail = _claim(self.database, mail_id, self.clock(), self.wanted)
        if mail is None:
            return
        if mail.state == "cancelled":
            self.count["cancelled"] += 1
            return
        result = self._hand_over(line, mail)
        log.info("mail %d (%s): %s", mail.id, mail.kind, result.outcome.value)
        tally.count("mail", result.outcome.value)
        self.count[result.outcome.value] += _note(self.database, mail.id, result, self.clock())

    def _hand_over(self, line: Line, mail: Mail) -> Result:
        try:
            sender = ascii_domain(parseaddr(self.settings.mail_from or "")[1])
        except BadMailAddress:
            return Result(Outcome.LATER, _("Die Absenderadresse ist keine E-Mail-Adresse."))
        try:
            address = ascii_domain(mail.address or "")
            email = self._email(mail, address)
        except BadMailAddress:
            return Result(Outcome.FAILED, _("Das ist keine E-Mail-Adresse."))
        return line.send(email, sender, address)

    def _email(self, mail: Mail, address: str) -> EmailMessage:
        key = hashed(f"{mail.id} {mail.created_at.isoformat()}")[:32]
        return to_email(
            Message(mail.subject or "", mail.text or "", mail.html or ""),
            sender=self.settings.mail_from or "",
            address=address,
            message_id=message_id_of(key, self.settings.base_url),
            now=self.clock(),
        )


def _due(database: Database, now: datetime, only_ids: Collection[int] | None) -> list[int]:
    query = select(Mail.id).where(Mail.state == "pending", Mail.next_try_at <= now, Mail.expires_at > now)
    query = query.order_by(Mail.next_try_at, Mail.id)
    parts = [query] if only_ids is None else [query.where(which) for which in _these(only_ids)]
    with database.reading() as db:
        return [mail_id for part in parts for mail_id in db.scalars(part)]


def _claim(database: Database, mail_id: int, now: datetime, wanted: Mapping[str, Wanted]) -> Mail | None:
    """The mail, now `sending` and ours alone, or `cancelled`; None when another process has taken it."""
    with database.writing() as db:
        ours = _change(
            db,
            update(Mail)
            .where(Mail.id == mail_id, Mail.state == "pending", Mail.next_try_at <= now, Mail.expires_at > now)
            .values(state="sending", next_try_at=now + LEASE),
        )
        if not ours:
            return None
        mail = db.get_one(Mail, mail_id)
        ask = wanted.get(mail.kind)
        message = ask(db, mail) if ask else Message(mail.subject or "", mail.text or "", mail.html or "")
        if message:
            mail.subject, mail.text, mail.html = message.subject, message.text, message.html
        else:
            cancel(mail, now)
        return mail


def cancel(mail: Mail, now: datetime) -> None:
    """Nobody needs this mail any more: it is not sent, and address and text are erased."""
    mail.state, mail.ended_at, mail.reason = "cancelled", now, None
    for name in _ERASED:
        setattr(mail, name, None)


def take_back(mail: Mail, now: datetime) -> None:
    """A mail that waits is not to be sent any more. One that is just leaving is emptied, too, and nobody will know its fate."""
    leaving = mail.state == "sending"
    cancel(mail, now)
    if leaving:
        mail.state = "unknown"


def _note(database: Database, mail_id: int, result: Result, now: datetime) -> int:
    """Write down what became of a claimed mail. 0 when it was given up as lost or taken back in the meantime."""
    if result.outcome is Outcome.LATER:
        return _postpone(database, [mail_id], "sending", now, result.reason or "")
    with database.writing() as db:
        return _change(
            db,
            update(Mail)
            .where(Mail.id == mail_id, Mail.state == "sending")
            .values(state=result.outcome.value, reason=result.reason, ended_at=now, **_ERASED),
        )


def _postpone(database: Database, mail_ids: Collection[int], state: str, now: datetime, reason: str) -> int:
    """Let mails that are in `state` wait for their next try."""
    waits = update(Mail).values(state="pending", tries=Mail.tries + 1, next_try_at=_next_try(now), reason=reason)
    with database.writing() as db:
        return sum(_change(db, waits.where(which, Mail.state == state)) for which in _these(mail_ids))


def _these(mail_ids: Collection[int]) -> Iterator[ColumnElement[bool]]:
    """SQL: a Mail is one of these, some of them at a time: PostgreSQL takes no more than 65,535 values in one statement."""
    ids = list(mail_ids)
    return (Mail.id.in_(ids[first : first + AT_ONCE]) for first in range(0, len(ids), AT_ONCE))


def _next_try(now: datetime) -> ColumnElement[datetime]:
    pauses = [(Mail.tries == tries, literal(now + pause, Instant)) for tries, pause in enumerate(PAUSES)]
    return case(*pauses, else_=literal(now + HOURLY, Instant))


def _change(db: Session, statement: Update) -> int:
    """How many rows a conditional update changed."""
    result = db.execute(statement.execution_options(synchronize_session=False))
    return int(result.rowcount)  # type: ignore[attr-defined]


def tidy(database: Database, settings: Settings, now: datetime) -> None:
    """End what waited too long or was lost in a crash, and forget what ended long ago."""
    lost = (Mail.state == "sending") & (Mail.next_try_at <= now)
    expired = (Mail.state == "pending") & (Mail.expires_at <= now)
    old = (Mail.ended_at < now - KEPT) & ~_is_referred_to()
    with database.reading() as db:
        if db.scalar(select(Mail.id).where(or_(lost, expired, old)).limit(1)) is None:
            return
    with use_language(settings.language), database.writing() as db:
        crashed = _("Unterbrochen, als die Nachricht gerade hinausging.")
        _change(db, update(Mail).where(lost).values(state="unknown", reason=crashed, ended_at=now, **_ERASED))
        too_late = func.coalesce(Mail.reason, _("Es gab keinen Mailversand."))
        _change(db, update(Mail).where(expired).values(state="failed", reason=too_late, ended_at=now, **_ERASED))
        db.execute(delete(Mail).where(old).execution_options(synchronize_session=False))


def leave_unsent(db: Session, now: datetime) -> None:
    """For a library made from a backup: what waited then may have left since, and nothing is to be sent twice."""
    waiting = Mail.state.in_(("pending", "sending"))
    reason = _("Wartete, als die Sicherung gemacht wurde.")
    _change(db, update(Mail).where(waiting).values(state="unknown", reason=reason, ended_at=now, **_ERASED))


def _is_referred_to() -> ColumnElement[bool]:
    """Whether a row of any table still needs to know what became of the mail, as a reminder does."""
    keys = (key for table in Base.metadata.tables.values() for key in table.foreign_keys)
    referring = (key.parent for key in keys if key.target_fullname == "mail.id")
    return or_(false(), *(exists().where(column == Mail.id) for column in referring))


def try_now(db: Session, kind: str, now: datetime) -> list[int]:
    """Let mails of a kind that wait for their next try leave at once. Returns their ids for `send_soon`."""
    waiting = update(Mail).where(Mail.kind == kind, Mail.state == "pending").values(next_try_at=now)
    return list(db.scalars(waiting.returning(Mail.id), execution_options={"synchronize_session": False}))


def states(db: Session, mail_ids: Collection[int]) -> Counter[str]:
    """How many of these mails are in which state."""
    found: Counter[str] = Counter()
    for which in _these(mail_ids):
        found.update(db.scalars(select(Mail.state).where(which)))
    return found
