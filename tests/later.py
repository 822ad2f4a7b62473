"""A later version of Bibliothek: this one with one more migration. `python -m tests.later FOLDER serve …` runs its command."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from bibliothek import migrations

REVISION = "2999_01_01_later"
# What a later version might do: add something, and move what is there.
STEPS = """
    op.create_table("note", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("text", sa.String()))
    op.execute("INSERT INTO note (id, text) SELECT id, title FROM title")
    op.execute("UPDATE title SET place = 'Dresden' WHERE place IS NULL")
"""


def migrations_in(folder: Path, more: str = "pass") -> Path:
    """The migrations of that version, made in `folder`; `more` are further steps of the last one, in one line."""
    shutil.copytree(migrations.FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    last = max(file.stem for file in (folder / "versions").glob("2*.py"))
    (folder / "versions" / f"{REVISION}.py").write_text(
        f'import sqlalchemy as sa\nfrom alembic import op\n\nrevision = "{REVISION}"\ndown_revision = "{last}"\n\n'
        f"def upgrade():\n{STEPS}\n    {more}\n",
        encoding="utf-8",
    )
    return folder


if __name__ == "__main__":
    from bibliothek import cli

    migrations.FOLDER = Path(sys.argv[1])
    sys.exit(cli.run(sys.argv[2:]))
