"""Files that come in, and what became of their rows."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from bibliothek.db import Base


class ImportRun(Base):
    """A file that a librarian brought.

    `state`: "new" until somebody said which column is what, "checking" and "checked" for the preview, "running", then "done",
    "failed" (`trouble` says why) or "dropped". `plan` and `tally` are JSON (`formats.Plan`, `runs.Account`). `rows_done` are the
    rows of the file that were read so far, `rows_total` all of them. Who works on it has it until `lease_until`.
    """

    __tablename__ = "import_run"
    __table_args__ = (
        CheckConstraint(
            "state IN ('new', 'checking', 'checked', 'running', 'done', 'failed', 'dropped')", name="state"
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(index=True)
    file_name: Mapped[str]
    plan: Mapped[str]
    tally: Mapped[str]
    rows_done: Mapped[int] = mapped_column(server_default="0", default=0)
    rows_total: Mapped[int] = mapped_column(server_default="0", default=0)
    trouble: Mapped[str | None]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    lease_until: Mapped[datetime | None]


class ImportProblem(Base):
    """A row that did not come in, or not as a whole. `cells` is JSON; `kind` is "failed", "skipped" or "remark"."""

    __tablename__ = "import_problem"
    __table_args__ = (
        CheckConstraint("kind IN ('failed', 'skipped', 'remark')", name="kind"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("import_run.id", ondelete="CASCADE"), index=True)
    row: Mapped[int]
    kind: Mapped[str]
    reason: Mapped[str]
    cells: Mapped[str]


class ImportedRow(Base):
    """Which row of which list became which copy, so that the same list never adds it again.

    `source` is the name of the list, `key` tells its rows apart, `n` counts those that look the same. `heart` is what a row with a
    number of its own is called (`entries.Entry`). `is_partial`: something of the row was left out when it came in.
    """

    __tablename__ = "imported_row"
    __table_args__ = (UniqueConstraint("source", "key", "n"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[str]
    key: Mapped[str]
    n: Mapped[int]
    heart: Mapped[str | None]
    is_partial: Mapped[bool]
    title_id: Mapped[int] = mapped_column(ForeignKey("title.id", ondelete="CASCADE"), index=True)
    copy_id: Mapped[int | None] = mapped_column(ForeignKey("copy.id", ondelete="SET NULL"), index=True)
