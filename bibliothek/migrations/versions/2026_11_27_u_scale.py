"""Lists of a large library come out of an index: titles by year and by shelf, members by name, the labels printed last."""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_27_u_scale"
down_revision = "2026_11_27_t_turns"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # PostgreSQL reads an index backwards, too, but then those without a year come first.
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    newest_first = ["year", "id"] if is_sqlite else [sa.text("year DESC NULLS LAST"), sa.text("id DESC")]
    op.drop_index("ix_title_year", table_name="title")
    op.create_index("ix_title_year_id", "title", newest_first)
    op.create_index("ix_member_sort_name", "member", ["sort_name"])
    op.create_index("ix_copy_labelled_at", "copy", ["labelled_at"])
    # With all that is asked of a shelf, so that the copies themselves need not be read.
    op.drop_index("ix_copy_shelf_id", table_name="copy")
    op.create_index("ix_copy_shelf_id_title_id_state", "copy", ["shelf_id", "title_id", "state"])
