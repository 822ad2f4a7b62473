"""The rules as they stand in the database, and how librarians change them."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from typing import Any

from sqlalchemy import Connection, Row, Select, select, update
from sqlalchemy.orm import Session

from bibliothek.lending.models import LendingRule, SpecialDay
from bibliothek.lending.opening import Calendar
from bibliothek.lending.rules import Rule, Terms
from bibliothek.library.models import Library

# The columns of the library that `terms_of` wants; they are part of every statement that lends.
COLUMNS = (
    Library.loan_days,
    Library.renewals,
    Library.renew_from,
    Library.loan_limit,
    Library.hold_days,
    Library.open_weekdays,
    Library.rules_mark,
)

_LIBRARY: Select[*tuple[Any, ...]] = select(*COLUMNS)
_RULES = select(
    LendingRule.group_id, LendingRule.material_id, LendingRule.loan_days, LendingRule.renewals, LendingRule.loan_limit
)
_DAYS = select(SpecialDay.day, SpecialDay.is_open)

# What stands in the two other tables, by the mark that the library then had. The mark is random, so it stands for the same in
# every process and every library; it is read with each loan, so nobody lends by rules of yesterday.
_known: OrderedDict[str, tuple[tuple[Rule, ...], dict[Any, bool]]] = OrderedDict()
_MOST_KNOWN = 64


def terms(db: Session) -> Terms:
    """The rules of the library now."""
    connection = db.connection()
    return terms_of(connection, connection.execute(_LIBRARY).one())


def terms_of(connection: Connection, row: Row[*tuple[Any, ...]]) -> Terms:
    """The same for a row that has `COLUMNS`, without asking for what is known already."""
    rules, special = _others(connection, row.rules_mark)
    return Terms(
        loan_days=row.loan_days,
        renewals=row.renewals,
        renew_from=row.renew_from,
        loan_limit=row.loan_limit,
        hold_days=row.hold_days,
        rules=rules,
        calendar=Calendar(row.open_weekdays, special),
    )


def _others(connection: Connection, mark: str) -> tuple[tuple[Rule, ...], dict[Any, bool]]:
    if not mark:
        # Nothing was ever changed.
        return (), {}
    found = _known.get(mark)
    if found is None:
        rules = tuple(Rule(*row) for row in connection.execute(_RULES))
        found = rules, {row.day: row.is_open for row in connection.execute(_DAYS)}
        _known[mark] = found
        while len(_known) > _MOST_KNOWN:
            _known.popitem(last=False)
    return found


def changed(db: Session) -> None:
    """To be called by whoever changes a row of these tables, within the same transaction, after the change."""
    db.flush()
    db.execute(update(Library).values(rules_mark=secrets.token_hex(8)))
