"""What the database no longer enforces is found. The tests take it away first."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from bibliothek.operations import shape


def test_a_fresh_database_enforces_all_that_the_models_say(db: Session) -> None:
    assert shape.check(db) == []


@pytest.mark.parametrize(
    ("index", "lacking"),
    [
        (
            "one_open_loan_per_copy",
            "unique index one_open_loan_per_copy on loan (copy_id) where returned_at IS NULL",
        ),
        ("ix_mail_pending", "index ix_mail_pending on mail (next_try_at) where state = 'pending'"),
        ("ix_copy_title_id", "index ix_copy_title_id on copy (title_id)"),
    ],
)
def test_an_index_that_is_gone_is_found(db: Session, index: str, lacking: str) -> None:
    db.execute(text(f"DROP INDEX {index}"))
    assert shape.check(db) == [lacking]


@pytest.mark.parametrize("instead", ["INDEX", "UNIQUE INDEX"])
def test_an_index_of_that_name_that_forbids_something_else_is_no_help(db: Session, instead: str) -> None:
    db.execute(text("DROP INDEX one_open_loan_per_copy"))
    where = "WHERE returned_at IS NULL" if instead == "INDEX" else "WHERE returned_at IS NOT NULL"
    db.execute(text(f"CREATE {instead} one_open_loan_per_copy ON loan (copy_id) {where}"))
    assert len(shape.check(db)) == 1


def test_rules_of_a_table_that_was_made_anew_without_them_are_found(db: Session) -> None:
    db.execute(text("ALTER TABLE reminder RENAME TO before"))
    db.execute(text("CREATE TABLE reminder AS SELECT * FROM before"))
    assert shape.check(db) == [
        "foreign key of reminder (loan_id) to borrower.loan_id, on delete CASCADE",
        "foreign key of reminder (mail_id) to mail.id, on delete SET NULL",
        "index ix_reminder_mail_id on reminder (mail_id)",
        "not null in reminder.created_at",
        "not null in reminder.id",
        "not null in reminder.loan_id",
        "not null in reminder.stage",
        "primary key of reminder (id)",
        "unique reminder (loan_id, stage)",
    ]


def test_a_table_that_is_gone_is_found(db: Session) -> None:
    db.execute(text("DROP TABLE reminder"))
    assert "table reminder" in shape.check(db)


def test_a_rule_about_values_that_is_gone_is_found(db: Session) -> None:
    """SQLite cannot drop a rule: there, its name is taken out of the table's own words."""
    if db.connection().dialect.name == "sqlite":
        db.execute(text("PRAGMA writable_schema = ON"))
        db.execute(text("UPDATE sqlite_master SET sql = replace(sql, 'ck_member_role', 'other') WHERE name = 'member'"))
        db.execute(text("PRAGMA writable_schema = RESET"))
    else:
        db.execute(text("ALTER TABLE member DROP CONSTRAINT ck_member_role"))
    assert shape.check(db) == ["check ck_member_role of member"]
