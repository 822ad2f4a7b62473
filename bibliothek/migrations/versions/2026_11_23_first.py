"""The first shape of the library."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_23_first"
down_revision = None
branch_labels = None
depends_on = None

# The search index: one row a title, its terms (bibliothek/catalogue/entries.py). FTS5 on SQLite, tsvector on PostgreSQL.
# Beginnings of up to six letters (and their mark) stand ready: gathering all words that begin so took four times as long for
# "gesch", and the longer ones have few words left.
SEARCH_SQLITE = """
CREATE VIRTUAL TABLE title_search USING fts5(
    words, detail = none, columnsize = 0, tokenize = "ascii tokenchars '~=^#@_'", prefix = '1 2 3 4 5 6 7'
)
"""
SEARCH_POSTGRESQL = """
CREATE TABLE title_search (
    title_id integer PRIMARY KEY REFERENCES title (id) ON DELETE CASCADE,
    words tsvector NOT NULL
)
"""


def upgrade() -> None:
    op.create_table(
        "api_token",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("role IN ('librarian', 'kiosk')", name=op.f("ck_api_token_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_token")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_token_token_hash")),
    )
    op.create_index("ix_api_token_name", "api_token", ["name"], unique=False)
    op.create_table(
        "library",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("loan_days", sa.Integer(), nullable=False),
        sa.Column("label_sheet", sa.String(), nullable=False),
        sa.Column("set_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_library_only_one")),
        sa.CheckConstraint("loan_days BETWEEN 1 AND 365", name=op.f("ck_library_loan_days")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_library")),
    )
    op.create_table(
        "member",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("sort_name", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("role IN ('member', 'librarian', 'admin')", name=op.f("ck_member_role")),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_member_email_lower")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member")),
        sa.UniqueConstraint("email", name=op.f("uq_member_email")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "once",
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("key_hash", sa.String(), nullable=False),
        sa.Column("body_hash", sa.String(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("made", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("running_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("scope", "key_hash", name=op.f("pk_once")),
    )
    op.create_index(op.f("ix_once_created_at"), "once", ["created_at"], unique=False)
    op.create_table(
        "paper_code",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_paper_code")),
    )
    op.create_table(
        "stored_answer",
        sa.Column("isbn", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("content_type", sa.String(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("outcome IN ('found', 'not_found')", name=op.f("ck_stored_answer_outcome")),
        sa.PrimaryKeyConstraint("isbn", "source", name=op.f("pk_stored_answer")),
    )
    op.create_table(
        "title",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("subtitle", sa.String(), nullable=True),
        sa.Column("sort_title", sa.String(), nullable=False),
        sa.Column("publisher", sa.String(), nullable=True),
        sa.Column("place", sa.String(), nullable=True),
        sa.Column("year", sa.Integer(), nullable=True),
        sa.Column("edition", sa.String(), nullable=True),
        sa.Column("pages", sa.Integer(), nullable=True),
        sa.Column("language", sa.String(), nullable=True),
        sa.Column("source", sa.String(), nullable=True),
        sa.Column("source_url", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_title")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_title_language"), "title", ["language"], unique=False)
    op.create_index(op.f("ix_title_sort_title"), "title", ["sort_title"], unique=False)
    op.create_index(op.f("ix_title_year"), "title", ["year"], unique=False)
    op.create_table(
        "browser_session",
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("member_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["member.id"], name=op.f("fk_browser_session_member_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_browser_session")),
    )
    op.create_index(op.f("ix_browser_session_member_id"), "browser_session", ["member_id"], unique=False)
    op.create_table(
        "card",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.Integer(), nullable=True),
        sa.Column("code_hash", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_card_member_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_card")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_card_code_hash")),
    )
    op.create_index(op.f("ix_card_member_id"), "card", ["member_id"], unique=False)
    op.create_index(
        "one_valid_card_per_member",
        "card",
        ["member_id"],
        unique=True,
        sqlite_where=sa.text("revoked_at IS NULL"),
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    op.create_table(
        "contributor",
        sa.Column("title_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["title_id"], ["title.id"], name=op.f("fk_contributor_title_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("title_id", "position", name=op.f("pk_contributor")),
    )
    op.create_index(op.f("ix_contributor_name"), "contributor", ["name"], unique=False)
    op.create_table(
        "donation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("donor_id", sa.Integer(), nullable=True),
        sa.Column("donor_name", sa.String(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('offered', 'accepted', 'received', 'declined')", name=op.f("ck_donation_state")),
        sa.ForeignKeyConstraint(["donor_id"], ["member.id"], name=op.f("fk_donation_donor_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_donation")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_donation_donor_id"), "donation", ["donor_id"], unique=False)
    op.create_table(
        "mail",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("member_id", sa.Integer(), nullable=True),
        sa.Column("address", sa.String(), nullable=True),
        sa.Column("subject", sa.String(), nullable=True),
        sa.Column("text", sa.String(), nullable=True),
        sa.Column("html", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'sending', 'sent', 'unknown', 'failed', 'cancelled')", name=op.f("ck_mail_state")
        ),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_mail_member_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_mail_member_id"), "mail", ["member_id"], unique=False)
    op.create_index(
        "ix_mail_pending",
        "mail",
        ["next_try_at"],
        unique=False,
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "series_part",
        sa.Column("title_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("series", sa.String(), nullable=False),
        sa.Column("number", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["title_id"], ["title.id"], name=op.f("fk_series_part_title_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("title_id", "position", name=op.f("pk_series_part")),
    )
    op.create_index(op.f("ix_series_part_series"), "series_part", ["series"], unique=False)
    op.create_table(
        "shelf",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("sort_name", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["code"], ["paper_code.code"], name=op.f("fk_shelf_code")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shelf")),
        sa.UniqueConstraint("code", name=op.f("uq_shelf_code")),
        sa.UniqueConstraint("sort_name", name=op.f("uq_shelf_sort_name")),
    )
    op.create_table(
        "sign_in",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.Integer(), nullable=True),
        sa.Column("address_hash", sa.String(), nullable=True),
        sa.Column("network_hash", sa.String(), nullable=True),
        sa.Column("link_hash", sa.String(), nullable=False),
        sa.Column("code_hash", sa.String(), nullable=True),
        sa.Column("browser_hash", sa.String(), nullable=True),
        sa.Column("return_to", sa.String(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_sign_in_member_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in")),
        sa.UniqueConstraint("link_hash", name=op.f("uq_sign_in_link_hash")),
    )
    op.create_index(op.f("ix_sign_in_address_hash"), "sign_in", ["address_hash"], unique=False)
    op.create_index(op.f("ix_sign_in_browser_hash"), "sign_in", ["browser_hash"], unique=False)
    op.create_index(op.f("ix_sign_in_member_id"), "sign_in", ["member_id"], unique=False)
    op.create_index(op.f("ix_sign_in_network_hash"), "sign_in", ["network_hash"], unique=False)
    op.create_table(
        "subject",
        sa.Column("title_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["title_id"], ["title.id"], name=op.f("fk_subject_title_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("title_id", "position", name=op.f("pk_subject")),
    )
    op.create_table(
        "title_isbn",
        sa.Column("title_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("isbn", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["title_id"], ["title.id"], name=op.f("fk_title_isbn_title_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("title_id", "position", name=op.f("pk_title_isbn")),
    )
    op.create_index(op.f("ix_title_isbn_isbn"), "title_isbn", ["isbn"], unique=False)
    op.create_table(
        "copy",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("title_id", sa.Integer(), nullable=False),
        sa.Column("shelf_id", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("labelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('intake', 'active', 'repair', 'missing', 'withdrawn')", name=op.f("ck_copy_state")
        ),
        sa.ForeignKeyConstraint(["code"], ["paper_code.code"], name=op.f("fk_copy_code")),
        sa.ForeignKeyConstraint(["shelf_id"], ["shelf.id"], name=op.f("fk_copy_shelf_id"), ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["title_id"], ["title.id"], name=op.f("fk_copy_title_id"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_copy")),
        sa.UniqueConstraint("code", name=op.f("uq_copy_code")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_copy_shelf_id"), "copy", ["shelf_id"], unique=False)
    op.create_index(op.f("ix_copy_title_id"), "copy", ["title_id"], unique=False)
    op.create_index(
        "ix_copy_unlabelled",
        "copy",
        ["id"],
        unique=False,
        sqlite_where=sa.text("labelled_at IS NULL"),
        postgresql_where=sa.text("labelled_at IS NULL"),
    )
    op.create_table(
        "donated_copy",
        sa.Column("copy_id", sa.Integer(), nullable=False),
        sa.Column("donation_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["copy_id"], ["copy.id"], name=op.f("fk_donated_copy_copy_id"), ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(
            ["donation_id"], ["donation.id"], name=op.f("fk_donated_copy_donation_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("copy_id", name=op.f("pk_donated_copy")),
    )
    op.create_index(op.f("ix_donated_copy_donation_id"), "donated_copy", ["donation_id"], unique=False)
    op.create_table(
        "loan",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("copy_id", sa.Integer(), nullable=False),
        sa.Column("lent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("returned_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["copy_id"], ["copy.id"], name=op.f("fk_loan_copy_id"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_loan")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_loan_copy_id"), "loan", ["copy_id"], unique=False)
    op.create_index(
        "ix_loan_open_due_on",
        "loan",
        ["due_on"],
        unique=False,
        sqlite_where=sa.text("returned_at IS NULL"),
        postgresql_where=sa.text("returned_at IS NULL"),
    )
    op.create_index(
        "one_open_loan_per_copy",
        "loan",
        ["copy_id"],
        unique=True,
        sqlite_where=sa.text("returned_at IS NULL"),
        postgresql_where=sa.text("returned_at IS NULL"),
    )
    op.create_table(
        "borrower",
        sa.Column("loan_id", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["loan_id"], ["loan.id"], name=op.f("fk_borrower_loan_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_borrower_member_id"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("loan_id", name=op.f("pk_borrower")),
    )
    op.create_index(op.f("ix_borrower_member_id"), "borrower", ["member_id"], unique=False)
    op.create_table(
        "device",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("enrolled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("member_id", sa.Integer(), nullable=True),
        sa.Column("member_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_scan", sa.String(), nullable=True),
        sa.Column("asked_loan_id", sa.Integer(), nullable=True),
        sa.Column("asked_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["asked_loan_id"], ["loan.id"], name=op.f("fk_device_asked_loan_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_device_member_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_device_token_hash")),
    )
    op.create_table(
        "given_answer",
        sa.Column("device_id", sa.Integer(), nullable=False),
        sa.Column("number_hash", sa.String(), nullable=False),
        sa.Column("answer", sa.String(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["device.id"], name=op.f("fk_given_answer_device_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device_id", "number_hash", name=op.f("pk_given_answer")),
    )
    op.create_index(op.f("ix_given_answer_given_at"), "given_answer", ["given_at"], unique=False)
    op.create_table(
        "reminder",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("loan_id", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("mail_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["loan_id"], ["borrower.loan_id"], name=op.f("fk_reminder_loan_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["mail_id"], ["mail.id"], name=op.f("fk_reminder_mail_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reminder")),
        sa.UniqueConstraint("loan_id", "stage", name=op.f("uq_reminder_loan_id_stage")),
    )
    op.create_index(op.f("ix_reminder_mail_id"), "reminder", ["mail_id"], unique=False)
    op.execute("INSERT INTO library (id, name, loan_days, label_sheet) VALUES (1, 'Bibliothek', 28, 'L7160')")
    if op.get_bind().dialect.name == "sqlite":
        op.execute(SEARCH_SQLITE)
    else:
        op.execute(SEARCH_POSTGRESQL)
        op.execute("CREATE INDEX ix_title_search_words ON title_search USING gin (words)")
