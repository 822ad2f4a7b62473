"""What the server writes down: faults, and nothing that leads to a person."""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from logging.config import dictConfig
from typing import Any

# Of the request that this thread or task works for; "" where there is none.
request_id: ContextVar[str] = ContextVar("request_id", default="")

# Addresses, the tokens of sign-in links, and codes of cards. A trace may quote a statement with its parameters. An address is
# looked for only where a word begins: from each letter of a long word, it would take minutes. asyncio quotes what a task raised.
_PERSONAL = re.compile(
    r"(?P<address>(?<![^\s<>\"'(),;:=])[^\s<>\"'(),;:=]+@[^\s<>\"'(),;:]+)|(?P<link>(?<=/anmelden/)[\w-]{20,})|"
    r"(?P<card>\bM[0-9A-Z]{28}\b)|(?P<raised>(?<=\bexception=)\w+\(.*)"
)

# PostgreSQL quotes rows in its DETAIL, and SQLAlchemy hides only parameters. A value may have line breaks, so it goes on until
# what can only come after it: more from PostgreSQL, the statement, the next part of the trace.
_DETAIL = re.compile(
    r"^DETAIL:.*?(?=\n(?:HINT:|CONTEXT:|QUERY:|LOCATION:|\[SQL: |\(Background on this error|Traceback \(most recent call|"
    r"\nThe above exception was|\nDuring handling of)|\Z)",
    re.MULTILINE | re.DOTALL,
)
# The value that does not fit: `invalid input syntax for type integer: "…"`, `syntax error near "…"`, `value "…" is out of range`; a
# PostgreSQL that was set up in German quotes »so«.
_MISFIT = re.compile(r"""(?:(?<=: )|(?<=near )|(?<=bei )|(?<=value )|(?<=Wert ))(?:"[^"]*"|»[^«]*«)""")

# What these say is about code. What any other exception says may be about whom the code was working for.
_ABOUT_CODE = (AttributeError, ImportError, NameError, OSError, TypeError)
_ABOUT_DATABASE = ("sqlite3", "psycopg", "sqlalchemy")


class Formatter(logging.Formatter):
    """Lines of time, level and text, with the request's id where there is one; whatever may lead to a person is blotted out."""

    def format(self, record: logging.LogRecord) -> str:
        asked = request_id.get()
        record.request = f"[{asked}] " if asked else ""
        return without_persons(super().format(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 (the name is logging's)
        return "".join(_trace(ei[1])).rstrip("\n") if ei[1] else ""


class JsonFormatter(Formatter):
    """One JSON object a line: time (UTC), level, logger, message; request and exception where there are any."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": without_persons(record.getMessage()),
            "request": request_id.get(),
            "exception": without_persons(self.formatException(record.exc_info)) if record.exc_info else "",
        }
        return json.dumps({name: text for name, text in line.items() if text}, ensure_ascii=False)


def without_persons(text: str) -> str:
    """`text` with every address, sign-in token, card code and what a database quotes of its rows replaced by …"""
    return _PERSONAL.sub("…", _DETAIL.sub("DETAIL: …", text))


def _trace(error: BaseException) -> Iterator[str]:
    """As Python prints it, but of what exceptions say only what cannot be about a person."""
    if error.__cause__:
        yield from _trace(error.__cause__)
        yield "\nThe above exception was the direct cause of the following exception:\n\n"
    elif error.__context__ and not error.__suppress_context__:
        yield from _trace(error.__context__)
        yield "\nDuring handling of the above exception, another exception occurred:\n\n"
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__module__}.{type(error).__qualname__}: {_said(error)}\n".removeprefix("builtins.")
    for one in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from _trace(one)


def _said(error: BaseException) -> str:
    if isinstance(error, _ABOUT_CODE):
        return str(error)
    cause = getattr(error, "orig", None) or error
    if type(cause).__module__.startswith(_ABOUT_DATABASE):
        return _MISFIT.sub("…", str(error))
    return "…"


def configure(form: str = "text") -> None:
    """Log warnings and faults of everything to stderr, and the library's own notes, as `text` or `json`. No access log: who
    reads what is nobody's business."""
    formats = {
        "text": {"()": Formatter, "format": "%(asctime)s %(levelname)s %(request)s%(message)s"},
        "json": {"()": JsonFormatter},
    }
    dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"chosen": formats[form]},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "chosen"}},
            "root": {"level": "WARNING", "handlers": ["stderr"]},
            "loggers": {"bibliothek": {"level": "INFO"}},
        }
    )
