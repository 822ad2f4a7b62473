"""A small library with rows in every table: what backups and their fixtures are made from.

`python -m tests.operations.filled FILE` writes the fixture of this version (docs/developer.md).
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import closing
from datetime import timedelta
from io import BytesIO
from pathlib import Path

from PIL import Image
from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from bibliothek.catalogue import covers
from bibliothek.catalogue.models import Material, Subject, TitleMaterial, TitleMerge
from bibliothek.copies.actions import write_down
from bibliothek.copies.models import Copy
from bibliothek.db import Database, day_of, open_database
from bibliothek.donations import piles
from bibliothek.donations.models import DonatedCopy, Donation
from bibliothek.donations.piles import Owner
from bibliothek.jobs import claim
from bibliothek.kiosk.actions import enrol
from bibliothek.kiosk.models import GivenAnswer, Pairing
from bibliothek.lending import flags, holds
from bibliothek.lending.models import LendingRule, Loan, Notice, Renewal, SpecialDay
from bibliothek.lookup.models import StoredAnswer
from bibliothek.mail import outbox
from bibliothek.mail.message import Message
from bibliothek.members import actions as members
from bibliothek.members import sign_in
from bibliothek.members.models import GroupMember, MemberGroup
from bibliothek.migrations import migrate
from bibliothek.operations import backup
from bibliothek.reminders.models import Reminder
from bibliothek.settings import Settings
from bibliothek.transfer.models import ImportedRow, ImportProblem, ImportRun
from bibliothek.web import once
from tests import make
from tests.make import NOW, TODAY


def picture(colour: str = "darkred") -> bytes:
    out = BytesIO()
    Image.new("RGB", (400, 600), colour).save(out, "PNG")
    return out.getvalue()


def fill_every_table(database: Database, settings: Settings) -> None:
    """A row or two in each table."""
    digest = covers.keep(covers.folder_of(settings), picture())
    with database.writing() as db:
        admin = make.admin(db)
        members.start_session(db, admin, NOW, "session")
        sign_in.new_link(db, admin, NOW)
        members.add_token(db, "Programm", "librarian", NOW)
        make.card(db, admin)
        title = make.title(db, "Überall", series=(("Reihe", "3"),), isbns=("9783518368541",))
        copy = make.copy(db, title, make.shelf(db))
        covers.set_own_picture(db, copy.title_id, digest, NOW)
        mail = outbox.queue(
            db, kind="reminder", member_id=admin.id, address=str(admin.email), message=Message("B", "T", "H"), now=NOW
        )
        loan = make.loan(db, copy, admin)
        moved = {"due_before": loan.due_on, "due_on": loan.due_on + timedelta(days=7)}
        db.execute(insert(Renewal).values(loan_id=loan.id, kind="renewal", at=NOW, **moved))
        db.execute(update(Loan).where(Loan.id == loan.id).values(due_on=moved["due_on"]))
        holds.place(db, copy.title_id, make.member(db).id, NOW, TODAY)
        _fill_rest(db, copy, admin.id, loan.id, mail.id)


def _fill_rest(db: Session, copy: Copy, member_id: int, loan_id: int, mail_id: int) -> None:
    enrol(db, "Eingang", NOW)
    flags.put_up(db, "damaged", copy.id, NOW, "Rücken lose")
    write_down(db, copy.id, "damaged", NOW, member_id, "Rücken lose", None)
    db.execute(insert(Notice).values(member_id=member_id, kind="due_moved", day=TODAY, created_at=day_of(NOW)))
    db.execute(insert(Donation).values(id=1, state="received", donor_id=member_id, received_at=NOW))
    db.execute(insert(DonatedCopy).values(copy_id=copy.id, donation_id=1))
    once.claim(db, once.key_of("form", "x" * 32, b"/spenden"), NOW)
    claim(db, "round", NOW, timedelta(minutes=2))
    db.execute(insert(Reminder).values(loan_id=loan_id, stage="due", mail_id=mail_id, created_at=NOW))
    db.execute(insert(MemberGroup).values(id=1, name="Vorstand", sort_name="vorstand"))
    db.execute(insert(GroupMember).values(member_id=member_id, group_id=1))
    db.execute(insert(Material).values(id=1, name="Spiel", sort_name="spiel"))
    db.execute(insert(TitleMaterial).values(title_id=copy.title_id, material_id=1))
    db.execute(insert(Subject).values(title_id=copy.title_id, position=0, name="Zebra „\n\\“ 🙂"))
    db.execute(insert(TitleMerge).values(gone_id=900, kept_id=copy.title_id, gone="{}", merged_at=NOW))
    db.execute(insert(LendingRule).values(group_id=1, material_id=None, loan_days=14))
    db.execute(insert(SpecialDay).values(day=TODAY + timedelta(days=30), is_open=False, reason="Feiertag"))
    db.execute(insert(GivenAnswer).values(device_id=1, number_hash="0" * 64, answer="{}", given_at=NOW))
    pairing_row = {"token_hash": "1" * 64, "code_hash": "2" * 64, "number": 1, "choices": "1,2,3", "tries": 0}
    db.execute(insert(Pairing).values(**pairing_row, expires_at=NOW + timedelta(minutes=5)))
    raw = {"outcome": "found", "content_type": "application/xml", "raw": bytes(range(256)), "asked_at": NOW}
    db.execute(insert(StoredAnswer).values(isbn="9783161484100", source="dnb", **raw))
    run = {"state": "done", "file_name": "a.csv", "plan": "{}", "tally": "{}", "created_at": NOW, "changed_at": NOW}
    db.execute(insert(ImportRun).values(id=1, **run))
    db.execute(insert(ImportProblem).values(run_id=1, row=2, kind="failed", reason="kein Titel", cells="[]"))
    row = {"source": "Liste", "key": "1", "n": 0, "is_partial": True, "title_id": copy.title_id, "copy_id": copy.id}
    db.execute(insert(ImportedRow).values(**row))
    piles.scan(db, Owner(member_id=member_id), "1", "9783161484100", NOW)


def write_fixture(file: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=Path(folder))
        with closing(open_database(None, settings.sqlite_file)) as database:
            migrate(database)
            fill_every_table(database, settings)
            backup.write(database, settings, file, NOW)


if __name__ == "__main__":
    write_fixture(Path(sys.argv[1]))
