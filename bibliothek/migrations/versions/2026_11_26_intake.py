"""Piles of books, covers, where each field came from, merged titles, and what a copy looks like."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_26_intake"
down_revision = "2026_11_23_first"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _catalogue()
    for name, kind in (
        ("condition", sa.String()),
        ("withdrawn_at", sa.DateTime(timezone=True)),
        ("withdrawn_reason", sa.String()),
    ):
        op.add_column("copy", sa.Column(name, kind, nullable=True))
    _piles()


def _catalogue() -> None:
    op.create_table(
        "field_origin",
        sa.Column("title_id", sa.Integer(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["title_id"], ["title.id"], name=op.f("fk_field_origin_title_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("title_id", "field", name=op.f("pk_field_origin")),
    )
    op.create_table(
        "cover",
        sa.Column("title_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=True),
        sa.Column("digest", sa.String(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["title_id"], ["title.id"], name=op.f("fk_cover_title_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("title_id", name=op.f("pk_cover")),
    )
    op.create_index(op.f("ix_cover_digest"), "cover", ["digest"], unique=False)
    op.create_index(op.f("ix_cover_next_try_at"), "cover", ["next_try_at"], unique=False)
    op.create_table(
        "title_merge",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("gone_id", sa.Integer(), nullable=False),
        sa.Column("kept_id", sa.Integer(), nullable=False),
        sa.Column("gone", sa.String(), nullable=False),
        sa.Column("merged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["kept_id"], ["title.id"], name=op.f("fk_title_merge_kept_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_title_merge")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_title_merge_gone_id"), "title_merge", ["gone_id"], unique=False)
    op.create_index(op.f("ix_title_merge_kept_id"), "title_merge", ["kept_id"], unique=False)


def _piles() -> None:
    op.create_table(
        "pile",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.Integer(), nullable=True),
        sa.Column("device_id", sa.Integer(), nullable=True),
        sa.Column("donor_id", sa.Integer(), nullable=True),
        sa.Column("donor_name", sa.String(), nullable=True),
        sa.Column("shelf_id", sa.Integer(), nullable=True),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_pile_member_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_pile_device_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["donor_id"], ["member.id"], name=op.f("fk_pile_donor_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["shelf_id"], ["shelf.id"], name=op.f("fk_pile_shelf_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pile")),
        sqlite_autoincrement=True,
    )
    for owner in ("member", "device"):
        op.create_index(
            f"one_open_pile_per_{owner}",
            "pile",
            [f"{owner}_id"],
            unique=True,
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        )
    op.create_index(op.f("ix_pile_donor_id"), "pile", ["donor_id"], unique=False)
    op.create_index(op.f("ix_pile_shelf_id"), "pile", ["shelf_id"], unique=False)
    op.create_table(
        "pile_book",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("pile_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("scanned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("isbn", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("record", sa.String(), nullable=True),
        sa.Column("choices", sa.String(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("title_id", sa.Integer(), nullable=True),
        sa.Column("copy_id", sa.Integer(), nullable=True),
        sa.Column("shelf_id", sa.Integer(), nullable=True),
        sa.Column("condition", sa.String(), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('looking', 'found', 'choose', 'missing', 'saved')", name=op.f("ck_pile_book_state")
        ),
        sa.ForeignKeyConstraint(["pile_id"], ["pile.id"], name=op.f("fk_pile_book_pile_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["title_id"], ["title.id"], name=op.f("fk_pile_book_title_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["copy_id"], ["copy.id"], name=op.f("fk_pile_book_copy_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["shelf_id"], ["shelf.id"], name=op.f("fk_pile_book_shelf_id"), ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pile_book")),
        sa.UniqueConstraint("pile_id", "number", name=op.f("uq_pile_book_pile_id_number")),
        sqlite_autoincrement=True,
    )
    for name in ("title_id", "copy_id", "shelf_id"):
        op.create_index(op.f(f"ix_pile_book_{name}"), "pile_book", [name], unique=False)
    op.create_index(
        "ix_pile_book_looking",
        "pile_book",
        ["next_try_at"],
        unique=False,
        sqlite_where=sa.text("state = 'looking'"),
        postgresql_where=sa.text("state = 'looking'"),
    )
