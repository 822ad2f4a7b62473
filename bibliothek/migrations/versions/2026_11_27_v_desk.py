"""Titles in the order in which they are filed come out of an index whole: PostgreSQL would sort those of one name anew."""

from alembic import op

revision = "2026_11_27_v_desk"
down_revision = "2026_11_27_u_scale"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_title_sort_title", table_name="title")
    op.create_index("ix_title_sort_title_id", "title", ["sort_title", "id"])
