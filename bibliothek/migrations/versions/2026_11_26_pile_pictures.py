"""Pictures of books that still lie on a pile."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_26_pile_pictures"
down_revision = "2026_11_26_intake"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pile_book", sa.Column("picture", sa.String(), nullable=True))
    op.add_column("pile_book", sa.Column("picture_source", sa.String(), nullable=True))
    op.add_column("pile_book", sa.Column("picture_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_pile_book_picture_at",
        "pile_book",
        ["picture_at"],
        unique=False,
        sqlite_where=sa.text("picture_at IS NOT NULL"),
        postgresql_where=sa.text("picture_at IS NOT NULL"),
    )
