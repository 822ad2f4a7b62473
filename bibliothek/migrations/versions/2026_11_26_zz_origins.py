"""Where the fields of a title came from stands with the title: one row instead of ten for each title that comes in."""

import json
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, NamedTuple

import sqlalchemy as sa
from alembic import op

revision = "2026_11_26_zz_origins"
down_revision = "2026_11_26_transfer"
branch_labels = None
depends_on = None

# So many titles are read at a time.
AT_A_TIME = 1000


def upgrade() -> None:
    op.add_column("title", sa.Column("origins", sa.String(), nullable=True))
    connection = op.get_bind()
    title = sa.table("title", sa.column("id"), sa.column("origins"))
    noted = sa.table(
        "field_origin",
        sa.column("title_id"),
        sa.column("field"),
        sa.column("source"),
        sa.column("at", sa.DateTime(timezone=True)),
    )
    query = sa.select(noted.c.title_id, noted.c.source, noted.c.at, noted.c.field)
    last = 0
    while ids := connection.scalars(
        sa.select(noted.c.title_id)
        .where(noted.c.title_id > last)
        .distinct()
        .order_by(noted.c.title_id)
        .limit(AT_A_TIME)
    ).all():
        rows = connection.execute(
            query.where(noted.c.title_id.in_(ids)).order_by(noted.c.title_id, noted.c.source, noted.c.at, noted.c.field)
        ).all()
        for title_id, of_title in groupby(rows, key=lambda row: row.title_id):
            packed = _packed(list(of_title))
            connection.execute(sa.update(title).where(title.c.id == title_id).values(origins=packed))
        last = ids[-1]
    op.drop_table("field_origin")
    _rewrite_merges(connection)


def _rewrite_merges(connection: sa.Connection) -> None:
    """What was written down of merges, so that undoing one of before brings the sources back, too."""
    merge = sa.table("title_merge", sa.column("id"), sa.column("gone"))
    for merge_id, text in connection.execute(sa.select(merge.c.id, merge.c.gone)).all():
        written = json.loads(text)
        for whole in (written["title"], written["before"], written["after"]):
            rows = [_Noted(**row) for row in whole["parts"].pop("field_origin", [])]
            rows.sort(key=lambda row: (row.source, row.at, row.field))
            whole["title"]["origins"] = _packed(rows) if rows else None
        changed = sa.update(merge).where(merge.c.id == merge_id).values(gone=json.dumps(written))
        connection.execute(changed)


class _Noted(NamedTuple):
    """A row of the table that is gone, as merges wrote it down."""

    title_id: int
    field: str
    source: str
    at: str


def _packed(rows: list[Any]) -> str:
    """As catalogue.provenance packs them."""
    groups = groupby(rows, key=lambda row: (row.source, row.at))
    return json.dumps(
        [[source, _moment(at), [row.field for row in of_source]] for (source, at), of_source in groups],
        separators=(",", ":"),
    )


def _moment(at: datetime | str) -> str:
    if isinstance(at, str):
        return at
    moment = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return moment.isoformat().replace("+00:00", "Z")
