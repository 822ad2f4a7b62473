"""When an outside source may be asked next, for all processes of a library together."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_27_t_turns"
down_revision = "2026_11_27_r_jobs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "source_turn",
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("second_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rests_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("trouble", sa.String(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.CheckConstraint("trouble IN ('throttled', 'unavailable')", name=op.f("ck_source_turn_trouble")),
        sa.PrimaryKeyConstraint("url", name=op.f("pk_source_turn")),
    )
