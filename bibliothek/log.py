"""What the server writes down: faults, and nothing that leads to a person."""

from __future__ import annotations

import logging
import re
from logging.config import dictConfig

# Addresses, the tokens of sign-in links, and codes of cards. A trace may quote a statement with its parameters. An address is
# looked for only where a word begins: from each letter of a long word, it would take minutes.
_PERSONAL = re.compile(
    r"(?P<address>(?<![^\s<>\"'(),;:=])[^\s<>\"'(),;:=]+@[^\s<>\"'(),;:]+)|(?P<link>(?<=/anmelden/)[\w-]{20,})|(?P<card>\bM[0-9A-Z]{28}\b)"
)

# PostgreSQL quotes rows in its DETAIL, and SQLAlchemy hides only parameters. A value may have line breaks, so it goes on until
# what can only come after it: more from PostgreSQL, the statement, the next part of the trace.
_DETAIL = re.compile(
    r"^DETAIL:.*?(?=\n(?:HINT:|CONTEXT:|QUERY:|LOCATION:|\[SQL: |\(Background on this error|Traceback \(most recent call|"
    r"\nThe above exception was|\nDuring handling of)|\Z)",
    re.MULTILINE | re.DOTALL,
)


class Formatter(logging.Formatter):
    """Lines of time, level and text; whatever may lead to a person is blotted out."""

    def format(self, record: logging.LogRecord) -> str:
        return without_persons(super().format(record))


def without_persons(text: str) -> str:
    """`text` with every address, sign-in token, card code and what a database quotes of its rows replaced by …"""
    return _PERSONAL.sub("…", _DETAIL.sub("DETAIL: …", text))


def configure() -> None:
    """Log warnings and faults of everything to stderr, and the library's own notes. No access log: who reads what is nobody's
    business."""
    dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"plain": {"()": Formatter, "format": "%(asctime)s %(levelname)s %(message)s"}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
            "root": {"level": "WARNING", "handlers": ["stderr"]},
            "loggers": {"bibliothek": {"level": "INFO"}},
        }
    )
