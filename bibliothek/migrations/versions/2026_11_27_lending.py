"""Rules, opening days, renewals, holds, things to settle, and what happened to a copy.

Columns with a rule of their own are added in plain SQL, which both databases understand: SQLite can add no constraint to a table
that is there, but to a new column it can.
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_27_lending"
down_revision = "2026_11_26_zz_origins"
branch_labels = None
depends_on = None

COLUMNS = (
    "member ADD COLUMN guest_contact VARCHAR",
    "copy ADD COLUMN is_reference BOOLEAN NOT NULL DEFAULT false",
    "library ADD COLUMN renewals INTEGER NOT NULL DEFAULT 2"
    " CONSTRAINT ck_library_renewals CHECK (renewals BETWEEN 0 AND 99)",
    "library ADD COLUMN renew_from VARCHAR NOT NULL DEFAULT 'today'"
    " CONSTRAINT ck_library_renew_from CHECK (renew_from IN ('today', 'due'))",
    "library ADD COLUMN loan_limit INTEGER CONSTRAINT ck_library_loan_limit CHECK (loan_limit BETWEEN 1 AND 999)",
    "library ADD COLUMN hold_days INTEGER NOT NULL DEFAULT 7"
    " CONSTRAINT ck_library_hold_days CHECK (hold_days BETWEEN 1 AND 90)",
    "library ADD COLUMN open_weekdays INTEGER NOT NULL DEFAULT 127"
    " CONSTRAINT ck_library_open_weekdays CHECK (open_weekdays BETWEEN 1 AND 127)",
    "library ADD COLUMN takes_guests BOOLEAN NOT NULL DEFAULT false",
    "library ADD COLUMN rules_mark VARCHAR NOT NULL DEFAULT ''",
    "loan ADD COLUMN ended_as VARCHAR"
    " CONSTRAINT ck_loan_ended_as CHECK"
    " (ended_as IS NULL OR (ended_as IN ('lost', 'undone') AND returned_at IS NOT NULL))",
    "device ADD COLUMN basket VARCHAR",
    "device ADD COLUMN done VARCHAR",
)
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _sorts("member_group", "group_id", "group_member", "member")
    _sorts("material", "material_id", "title_material", "title")
    for column in COLUMNS:
        op.execute(f"ALTER TABLE {column}")
    op.add_column("copy", sa.Column("seen_at", INSTANT, nullable=True))
    op.add_column("borrower", sa.Column("forget_at", INSTANT, nullable=True))
    _index_some("ix_borrower_forget_at", "borrower", "forget_at", "forget_at IS NOT NULL")
    _copy_events()
    _renewals_and_holds()
    _rules()
    _flags_and_notices()


def _sorts(table: str, key: str, joining: str, of: str) -> None:
    """Named sorts of a thing, and which thing is of which."""
    op.create_table(
        table,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("sort_name", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint("sort_name", name=op.f(f"uq_{table}_sort_name")),
    )
    op.create_table(
        joining,
        sa.Column(f"{of}_id", sa.Integer(), nullable=False),
        sa.Column(key, sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint([f"{of}_id"], [f"{of}.id"], name=op.f(f"fk_{joining}_{of}_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint([key], [f"{table}.id"], name=op.f(f"fk_{joining}_{key}"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint(f"{of}_id", name=op.f(f"pk_{joining}")),
    )
    op.create_index(op.f(f"ix_{joining}_{key}"), joining, [key])


def _index_some(name: str, table: str, column: str, where: str, unique: bool = False) -> None:
    some = sa.text(where)
    op.create_index(name, table, [column], unique=unique, sqlite_where=some, postgresql_where=some)


def _copy_events() -> None:
    op.create_table(
        "copy_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("copy_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("by_id", sa.Integer(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("photo", sa.String(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('missing', 'found', 'damaged', 'mended', 'repair', 'lost', 'reference', 'lendable', 'withdrawn',"
            " 'brought_back', 'undone')",
            name=op.f("ck_copy_event_kind"),
        ),
        sa.ForeignKeyConstraint(["copy_id"], ["copy.id"], name=op.f("fk_copy_event_copy_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["by_id"], ["member.id"], name=op.f("fk_copy_event_by_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_copy_event")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_copy_event_copy_id"), "copy_event", ["copy_id"])


def _renewals_and_holds() -> None:
    op.create_table(
        "renewal",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("loan_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("due_before", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.CheckConstraint("kind IN ('renewal', 'closure')", name=op.f("ck_renewal_kind")),
        sa.ForeignKeyConstraint(["loan_id"], ["loan.id"], name=op.f("fk_renewal_loan_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_renewal")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_renewal_loan_id"), "renewal", ["loan_id"])
    op.create_table(
        "hold",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("title_id", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.Integer(), nullable=True),
        sa.Column("placed_at", INSTANT, nullable=False),
        sa.Column("copy_id", sa.Integer(), nullable=True),
        sa.Column("ready_at", INSTANT, nullable=True),
        sa.Column("ready_until", sa.Date(), nullable=True),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("ended_as", sa.String(), nullable=True),
        sa.CheckConstraint("ended_as IN ('fulfilled', 'expired', 'cancelled')", name=op.f("ck_hold_ended_as")),
        sa.CheckConstraint("(ended_at IS NULL) = (ended_as IS NULL)", name=op.f("ck_hold_ended")),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (member_id IS NOT NULL)", name=op.f("ck_hold_names_nobody_when_ended")
        ),
        sa.CheckConstraint("ended_at IS NULL OR copy_id IS NULL", name=op.f("ck_hold_copy_only_while_open")),
        sa.CheckConstraint(
            "(copy_id IS NULL) = (ready_at IS NULL) AND (copy_id IS NULL) = (ready_until IS NULL)",
            name=op.f("ck_hold_ready"),
        ),
        sa.ForeignKeyConstraint(["title_id"], ["title.id"], name=op.f("fk_hold_title_id"), ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_hold_member_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["copy_id"], ["copy.id"], name=op.f("fk_hold_copy_id"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_hold_member_id"), "hold", ["member_id"])
    op.create_index("one_open_hold_per_title_and_member", "hold", ["title_id", "member_id"], unique=True)
    op.create_index("one_hold_per_copy", "hold", ["copy_id"], unique=True)
    _index_some("ix_hold_open", "hold", "title_id", "ended_at IS NULL")


def _rules() -> None:
    op.create_table(
        "lending_rule",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("group_id", sa.Integer(), nullable=True),
        sa.Column("material_id", sa.Integer(), nullable=True),
        sa.Column("loan_days", sa.Integer(), nullable=True),
        sa.Column("renewals", sa.Integer(), nullable=True),
        sa.Column("loan_limit", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "group_id IS NOT NULL OR material_id IS NOT NULL", name=op.f("ck_lending_rule_for_somebody")
        ),
        sa.CheckConstraint("loan_days BETWEEN 1 AND 365", name=op.f("ck_lending_rule_loan_days")),
        sa.CheckConstraint("renewals BETWEEN 0 AND 99", name=op.f("ck_lending_rule_renewals")),
        sa.CheckConstraint("loan_limit BETWEEN 0 AND 999", name=op.f("ck_lending_rule_loan_limit")),
        sa.ForeignKeyConstraint(
            ["group_id"], ["member_group.id"], name=op.f("fk_lending_rule_group_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["material_id"], ["material.id"], name=op.f("fk_lending_rule_material_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lending_rule")),
        sqlite_autoincrement=True,
    )
    op.create_index("one_rule_for_both", "lending_rule", ["group_id", "material_id"], unique=True)
    _index_some("one_rule_per_group", "lending_rule", "group_id", "material_id IS NULL", unique=True)
    _index_some("one_rule_per_material", "lending_rule", "material_id", "group_id IS NULL", unique=True)
    op.create_table(
        "special_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_special_day")),
    )


def _flags_and_notices() -> None:
    op.create_table(
        "flag",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("copy_id", sa.Integer(), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("raised_at", INSTANT, nullable=False),
        sa.Column("settled_at", INSTANT, nullable=True),
        sa.Column("settled_by_id", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('over_limit', 'passed_over', 'was_missing', 'in_repair', 'reference', 'damaged',"
            " 'put_back', 'lost')",
            name=op.f("ck_flag_kind"),
        ),
        sa.ForeignKeyConstraint(["copy_id"], ["copy.id"], name=op.f("fk_flag_copy_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["settled_by_id"], ["member.id"], name=op.f("fk_flag_settled_by_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flag")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_flag_copy_id"), "flag", ["copy_id"])
    _index_some("ix_flag_open", "flag", "raised_at", "settled_at IS NULL")
    op.create_table(
        "notice",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.CheckConstraint(
            "kind IN ('hold_ready', 'hold_expired', 'hold_moved', 'taken_over', 'due_moved')",
            name=op.f("ck_notice_kind"),
        ),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_notice_member_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_notice_member_id"), "notice", ["member_id"])
