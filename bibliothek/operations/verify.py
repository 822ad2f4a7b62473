"""Are the invariants of the library true? `bibliothek verify` asks after crashes, restores and upgrades."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from sqlalchemy import exists, func, or_, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from bibliothek import codes
from bibliothek.catalogue import covers, search
from bibliothek.copies.models import Copy, CopyEvent, PaperCode, Shelf
from bibliothek.i18n import N_, _
from bibliothek.kiosk.models import Device, GivenAnswer
from bibliothek.kiosk.queries import last_scan
from bibliothek.kiosk.rules import ANSWERS_KEPT
from bibliothek.lending.models import Borrower, Hold, Loan, Renewal
from bibliothek.lending.queries import may_be_lent
from bibliothek.library.models import Library
from bibliothek.mail.models import Mail
from bibliothek.members.models import BrowserSession, Card, Member, SignIn
from bibliothek.members.rules import COUNTED
from bibliothek.models import metadata
from bibliothek.operations import shape
from bibliothek.problems import Failed
from bibliothek.reminders import queries as reminders

SHOWN = 20
A_DAY = timedelta(days=1)
# As long as web.once.KEPT; a test compares them.
REQUESTS_KEPT = timedelta(days=1)
# Signs of a hash by which a row is named.
NAMED_BY = 12
SOUND = N_("Die Datenbank ist heil")
PICTURED = N_("Zu jedem Titelbild sind die Dateien da")
SEARCHED = N_("Die Suche weiß, was im Katalog steht")
SHAPED = N_("Die Datenbank setzt alle ihre Regeln durch")


class Finding(msgspec.Struct, frozen=True):
    """One invariant and what breaks it; `broken` is empty where it holds. Rows are named by number, never by person."""

    invariant: str
    broken: list[str]


class NotSound(Failed):
    """Invariants do not hold. `sentence` says of what, and has a place for them: {}."""

    def __init__(self, findings: list[Finding], sentence: str = "{}") -> None:
        broken = "; ".join(f"{_(one.invariant)} ({', '.join(one.broken[:3])})" for one in findings)
        super().__init__(sentence.format(broken))


def verify(
    db: Session, now: datetime | None, pictures: Path | None = None, has_new_index: bool = False
) -> list[Finding]:
    """Check every invariant. Reads only; on a million titles it takes minutes, not seconds. `pictures` is the folder of covers.
    Without `now`, for a library that did not run just before, nothing is said of what a server sees to within minutes. Of an index
    that was just built, or only is to be there, the words are not compared: that is nearly all of the time.

    Where a table or column is gone, only what was found of the database itself: nothing else can be asked then.
    """
    sound, shaped = Finding(SOUND, _file_is_sound(db)), Finding(SHAPED, shape.check(db))
    if not shape.is_readable(shaped.broken):
        return [sound, shaped]
    checks = CHECKS | {SEARCHED: search.check_index_holds_all} if has_new_index else CHECKS
    findings = [Finding(name, check(db)) for name, check in checks.items()]
    if pictures:
        findings.append(Finding(PICTURED, covers.missing_files(db, pictures)))
    if now:
        findings += [Finding(name, check(db, now)) for name, check in FORGOTTEN.items()]
    return [sound, shaped, *findings]


def _file_is_sound(db: Session) -> list[str]:
    """SQLite's own check of pages, indexes and foreign keys; PostgreSQL enforces these by itself."""
    if db.get_bind().dialect.name != "sqlite":
        return []
    pages = [row[0] for row in db.execute(text("PRAGMA integrity_check")) if row[0] != "ok"]
    return pages + _keys_that_lead_nowhere(db)


def _keys_that_lead_nowhere(db: Session) -> list[str]:
    try:
        return [f"{row[0]} {row[1]} → {row[2]}" for row in db.execute(text("PRAGMA foreign_key_check"))]
    except OperationalError as error:
        if "foreign key mismatch" not in str(error.orig):
            raise
        # SQLite does not look at the rows at all where a foreign key leads to columns that are no key (any more).
        return [str(error.orig)]


def _library_is_there(db: Session) -> list[str]:
    return [] if db.scalar(select(Library.id)) else ["library 1"]


def _one_open_loan(db: Session) -> list[str]:
    twice = select(Loan.copy_id).where(Loan.returned_at.is_(None)).group_by(Loan.copy_id).having(func.count() > 1)
    return [f"copy {copy_id}" for copy_id in db.scalars(twice)]


def _open_loans_have_a_borrower(db: Session) -> list[str]:
    query = select(Loan.id).where(Loan.returned_at.is_(None), ~exists().where(Borrower.loan_id == Loan.id))
    return [f"loan {loan_id}" for loan_id in db.scalars(query)]


def _closed_loans_lead_to_nobody(db: Session) -> list[str]:
    """But for those whose return can still be undone, or could when the server was switched off."""
    closed = select(Loan.id).join(Borrower, Borrower.loan_id == Loan.id).where(Loan.returned_at.is_not(None))
    query = closed.where(Borrower.forget_at.is_(None))
    return [f"loan {loan_id}" for loan_id in db.scalars(query)]


def _open_loans_are_not_forgotten(db: Session) -> list[str]:
    query = select(Loan.id).join(Borrower, Borrower.loan_id == Loan.id).where(Loan.returned_at.is_(None))
    return [f"loan {loan_id}" for loan_id in db.scalars(query.where(Borrower.forget_at.is_not(None)))]


def _renewals_lead_to_the_due_date(db: Session) -> list[str]:
    """Each one moved the date forward, from where the one before had left it; the last one to where it is."""
    next_before = func.lead(Renewal.due_before).over(partition_by=Renewal.loan_id, order_by=Renewal.id)
    led_to = func.coalesce(next_before, Loan.due_on).label("led_to")
    moves = select(Renewal.loan_id, Renewal.due_before, Renewal.due_on, led_to).join(Loan).subquery()
    wrong = (moves.c.due_on != moves.c.led_to) | (moves.c.due_on <= moves.c.due_before)
    return [f"loan {id_}" for id_ in db.scalars(select(moves.c.loan_id).where(wrong).distinct())]


def _nobody_waits_for_what_they_have(db: Session) -> list[str]:
    query = (
        select(Hold.id)
        .join(Borrower, Borrower.member_id == Hold.member_id)
        .join(Loan, Loan.id == Borrower.loan_id)
        .join(Copy, Copy.id == Loan.copy_id)
        .where(Copy.title_id == Hold.title_id, Loan.returned_at.is_(None))
    )
    return [f"hold {hold_id}" for hold_id in db.scalars(query.distinct())]


def _kept_copies_are_here(db: Session) -> list[str]:
    """A copy that is set aside is of the title waited for, and nobody has it."""
    kept = select(Hold.id).join(Copy, Copy.id == Hold.copy_id)
    lent = exists().where(Loan.copy_id == Copy.id, Loan.returned_at.is_(None))
    return [f"hold {hold_id}" for hold_id in db.scalars(kept.where(lent | (Copy.title_id != Hold.title_id)))]


def _one_valid_card(db: Session) -> list[str]:
    twice = select(Card.member_id).where(Card.member_id.is_not(None), Card.revoked_at.is_(None))
    return [f"member {id_}" for id_ in db.scalars(twice.group_by(Card.member_id).having(func.count() > 1))]


def _waiting_mails_go_to_their_members(db: Session) -> list[str]:
    query = (
        select(Mail.id)
        .outerjoin(Member, Member.id == Mail.member_id)
        .where(Mail.state.in_(("pending", "sending")), Mail.address.is_distinct_from(reminders.address_of_member()))
    )
    return [f"mail {mail_id}" for mail_id in db.scalars(query)]


def _ended_mails_are_empty(db: Session) -> list[str]:
    ended = Mail.state.in_(("sent", "unknown", "failed", "cancelled"))
    kept = or_(*(part.is_not(None) for part in (Mail.address, Mail.member_id, Mail.subject, Mail.text, Mail.html)))
    return [f"mail {mail_id}" for mail_id in db.scalars(select(Mail.id).where(ended, kept))]


def _codes_are_right_and_single(db: Session) -> list[str]:
    shared = db.scalars(select(Copy.code).join(Shelf, Shelf.code == Copy.code)).all()
    every = db.scalars(select(PaperCode.code), execution_options={"yield_per": 10_000})
    wrong = [code for code in every if codes.read(code).kind not in ("copy", "shelf")]
    return [f"code {code}" for code in [*shared, *wrong]]


def _withdrawn_copies_are_nowhere(db: Session) -> list[str]:
    query = (
        select(Copy.id).join(Loan, Loan.copy_id == Copy.id).where(Copy.state == "withdrawn", Loan.returned_at.is_(None))
    )
    return [f"copy {copy_id}" for copy_id in db.scalars(query)]


def _labelled_copies_are_active(db: Session) -> list[str]:
    query = select(Copy.id).where(Copy.labelled_at.is_not(None), Copy.state == "intake")
    return [f"copy {copy_id}" for copy_id in db.scalars(query)]


# ---- What a server sees to within minutes, mostly to forget it; one that was just switched off has had no time to. ----


def _holds_that_are_over(db: Session, now: datetime) -> list[str]:
    query = select(Hold.id).where(Hold.ready_until < (now - 2 * A_DAY).date())
    return [f"hold {hold_id}" for hold_id in db.scalars(query)]


def _kept_copies_that_cannot_be_lent(db: Session, now: datetime) -> list[str]:
    last_event = select(func.max(CopyEvent.at)).where(CopyEvent.copy_id == Copy.id).scalar_subquery()
    kept = select(Hold.id, Hold.ready_at, Copy.withdrawn_at, last_event.label("last_event"))
    rows = db.execute(kept.join(Copy, Copy.id == Hold.copy_id).where(~may_be_lent())).all()
    return [f"hold {row.id}" for row in rows if max(filter(None, row[1:])) < now - A_DAY]


def _sign_ins_that_are_over(db: Session, now: datetime) -> list[str]:
    """The way back of a sign-in is dropped when it is over: it may lead from a book to a member. The rest a day later."""
    leads_on = SignIn.return_to.is_not(None) | (SignIn.created_at < now - COUNTED - A_DAY)
    query = select(SignIn.id).where(SignIn.expires_at < now - A_DAY, leads_on)
    return [f"sign-in {id_}" for id_ in db.scalars(query)]


def _sessions_that_are_over(db: Session, now: datetime) -> list[str]:
    query = select(BrowserSession.token_hash).where(BrowserSession.expires_at < now - A_DAY)
    return [f"session {hash_[:NAMED_BY]}" for hash_ in db.scalars(query)]


def _requests_that_are_over(db: Session, now: datetime) -> list[str]:
    # Its model belongs to the web, of which nothing here knows.
    once = metadata.tables["once"]
    query = select(once.c.key_hash).where(once.c.created_at < now - REQUESTS_KEPT - A_DAY)
    return [f"once {hash_[:NAMED_BY]}" for hash_ in db.scalars(query)]


def _returns_that_are_over(db: Session, now: datetime) -> list[str]:
    query = select(Borrower.loan_id).where(Borrower.forget_at < now - A_DAY)
    return [f"loan {loan_id}" for loan_id in db.scalars(query)]


def _answers_that_are_over(db: Session, now: datetime) -> list[str]:
    query = select(GivenAnswer.device_id, GivenAnswer.number_hash).where(
        GivenAnswer.given_at < now - ANSWERS_KEPT - A_DAY
    )
    return [f"tablet {device_id}, answer {hash_[:NAMED_BY]}" for device_id, hash_ in db.execute(query)]


def _tablets_that_remember(db: Session, now: datetime) -> list[str]:
    knows = Device.member_id.is_not(None) | Device.last_scan.is_not(None)
    return [f"tablet {device.id}" for device in db.scalars(select(Device).where(knows)) if _is_old(device, now)]


def _is_old(device: Device, now: datetime) -> bool:
    scanned = last_scan(device)
    moments = [device.member_until, scanned.at if scanned else None]
    return max((moment for moment in moments if moment), default=device.enrolled_at) < now - A_DAY


CHECKS: dict[str, Callable[[Session], list[str]]] = {
    N_("Die Einstellungen der Bibliothek sind da"): _library_is_there,
    N_("Jedes Exemplar ist höchstens einmal verliehen"): _one_open_loan,
    N_("Jede offene Ausleihe gehört zu einem Mitglied"): _open_loans_have_a_borrower,
    N_("Keine beendete Ausleihe führt zu einem Mitglied"): _closed_loans_lead_to_nobody,
    N_("Keine offene Ausleihe wird vergessen"): _open_loans_are_not_forgotten,
    N_("Verlängerungen führen Schritt für Schritt zum Datum der Ausleihe"): _renewals_lead_to_the_due_date,
    N_("Kein Mitglied wartet auf ein Buch, das es schon hat"): _nobody_waits_for_what_they_have,
    N_("Was für jemanden bereitliegt, ist da"): _kept_copies_are_here,
    N_("Erinnerungen gelten offenen Ausleihen und gehen an deren Mitglied"): reminders.check,
    N_("Jedes Mitglied hat höchstens eine gültige Karte"): _one_valid_card,
    N_("Wartende Nachrichten gehen an die Adresse ihres Mitglieds"): _waiting_mails_go_to_their_members,
    N_("Erledigte Nachrichten sind geleert"): _ended_mails_are_empty,
    N_("Jeder gedruckte Code ist richtig und gehört zu einer Sache"): _codes_are_right_and_single,
    N_("Kein ausgesondertes Exemplar ist verliehen"): _withdrawn_copies_are_nowhere,
    N_("Jedes Exemplar mit Etikett ist aufgenommen"): _labelled_copies_are_active,
    SEARCHED: search.check_index,
}

FORGOTTEN: dict[str, Callable[[Session, datetime], list[str]]] = {
    N_("Nichts liegt noch bereit, dessen Frist vorgestern vorbei war"): _holds_that_are_over,
    N_("Nichts liegt nach einem Tag noch bereit, was nicht verliehen werden kann"): _kept_copies_that_cannot_be_lent,
    N_("Kein Tablet weiß nach einem Tag noch, wer davor stand"): _tablets_that_remember,
    N_("Keine Rückgabe von gestern führt noch zu einem Mitglied"): _returns_that_are_over,
    N_("Keine alte Anmeldung führt noch von einem Buch zu einem Mitglied"): _sign_ins_that_are_over,
    N_("Abgelaufene Anmeldungen im Browser sind vergessen"): _sessions_that_are_over,
    N_("Anfragen von vorgestern sind vergessen"): _requests_that_are_over,
    N_("Antworten, die Tablets vorgestern gaben, sind vergessen"): _answers_that_are_over,
}
