"""How much of 94 real records our code reads as people do: `.venv/bin/python scripts/accuracy.py`.

Prints for each field how many are right, then every miss. The records lie beside the checkout, the table with what people
read is tests/lookup/expected.tsv. Ends with 1 where a field misses more than one in fifty.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import click

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.lookup.test_expected import FIELDS, KNOWN, LOOKUP, MOST_MISSES, misses, rows  # noqa: E402


def main() -> int:
    """The exit code."""
    if not LOOKUP.exists():
        click.echo(f"the real records do not lie beside this checkout ({LOOKUP})", err=True)
        return 2
    found, total = misses(), len(rows())
    missed = Counter(field for _record, field in found)
    for field in FIELDS:
        right = total - missed[field]
        click.echo(f"{field:<10}{right:>4} of {total}   {right / total:6.1%}")
    for (record, field), (expected, said) in found.items():
        why = KNOWN.get((record, field), "not known before")
        click.echo(f"\n{record}, {field}: {why}\n  expected {expected!r}\n  said     {said!r}")
    return int(max(missed.values(), default=0) > MOST_MISSES * total)


if __name__ == "__main__":
    sys.exit(main())
