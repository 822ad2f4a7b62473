"""Devices that wait to become tablets, and tablets that are for returns alone."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_27_pairing"
down_revision = "2026_11_27_lending"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pairing",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("code_hash", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("choices", sa.String(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pairing")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_pairing_token_hash")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_pairing_code_hash")),
    )
    op.execute("ALTER TABLE device ADD COLUMN only_returns BOOLEAN NOT NULL DEFAULT false")
    op.create_index(op.f("ix_pairing_expires_at"), "pairing", ["expires_at"])
