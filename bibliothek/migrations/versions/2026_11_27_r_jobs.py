"""What the server does by itself, once however many processes there are."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_27_r_jobs"
down_revision = "2026_11_27_pairing"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "job",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_job")),
    )
