"""Does the database still enforce what the models say? Whoever mends a database by hand may leave an index or a rule behind."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sqlalchemy import (
    CheckConstraint,
    Constraint,
    ForeignKeyConstraint,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    inspect,
)
from sqlalchemy.orm import Session

from bibliothek.models import metadata

# Without these, questions fail. They are told first, for a table that is gone takes many rules with it.
_ASKED_FOR = ("table ", "column ")


def check(db: Session) -> list[str]:
    """Every table, column, index and rule of the models that the database lacks, described so that it can be made again."""
    connection = db.connection()
    there = set(inspect(connection).get_table_names()) & set(metadata.tables)
    found = MetaData()
    # A table that a foreign key leads to may be the very one that is gone.
    found.reflect(connection, only=sorted(there), resolve_fks=False)
    dialect = connection.dialect.name
    lacking = _shape(metadata, dialect) - _shape(found, dialect)
    return sorted(lacking, key=lambda part: (not part.startswith(_ASKED_FOR), part))


def is_readable(lacking: list[str]) -> bool:
    """Whether every table and column is there to be asked for, with what `check` found lacking."""
    return not any(part.startswith(_ASKED_FOR) for part in lacking)


def _shape(described: MetaData, dialect: str) -> set[str]:
    return {part for table in described.tables.values() for part in _parts(table, dialect)}


def _parts(table: Table, dialect: str) -> Iterable[str]:
    yield f"table {table.name}"
    for column in table.columns:
        yield f"column {table.name}.{column.name}"
        yield f"{'null allowed' if column.nullable else 'not null'} in {table.name}.{column.name}"
    for index in table.indexes:
        yield _index(table, index, dialect)
    for constraint in table.constraints:
        yield _rule(table, constraint)


def _index(table: Table, index: Index, dialect: str) -> str:
    kind = "unique index" if index.unique else "index"
    where = index.info.get("where") or index.dialect_options[dialect]["where"]
    only = f" where {_plain(str(where))}" if where is not None else ""
    return f"{kind} {index.name} on {table.name} ({_names(index.columns)}){only}"


def _plain(condition: str) -> str:
    """PostgreSQL adds brackets and types to what it was told; both databases may break lines elsewhere."""
    return " ".join(re.sub(r"[()]|::(text|character varying)", " ", condition).split())


def _rule(table: Table, rule: Constraint) -> str:
    match rule:
        case PrimaryKeyConstraint():
            return f"primary key of {table.name} ({_names(rule.columns)})"
        case UniqueConstraint():
            return f"unique {table.name} ({_names(rule.columns)})"
        case ForeignKeyConstraint():
            to = ", ".join(key.target_fullname for key in rule.elements)
            return f"foreign key of {table.name} ({_names(rule.columns)}) to {to}, on delete {rule.ondelete or 'no action'}"
        case CheckConstraint():
            # Its words are no help: PostgreSQL writes them anew.
            return f"check {rule.name} of {table.name}"
    raise TypeError(f"a rule of a kind that this check does not know: {rule!r}")


def _names(columns: Iterable[object]) -> str:
    return ", ".join(str(getattr(column, "name", column)) for column in columns)
