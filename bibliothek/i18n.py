"""The words people read: gettext with German msgids, and dates and numbers in the reader's language.

German needs no catalogue, because the msgid is the German text. English lies in `locale/en`; `scripts/translations.py` keeps
it. Names of months and days are tables here and not Babel's: its locale data would cost a small machine several megabytes.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from datetime import date, datetime, tzinfo
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import NamedTuple

DEFAULT = "de"
LANGUAGES = ("de", "en")
FOLDER = Path(__file__).parent / "locale"

language: ContextVar[str] = ContextVar("language", default=DEFAULT)

# Marks a text that stands at module level (labels of roles, states, sheets), so that it gets into the catalogue.
# It is translated where it is shown: `_(ROLE_LABELS[role])`.
N_ = str


class _Chosen:
    """What `use_language` hands back: leaving its `with` block brings the language before back."""

    def __init__(self, before: Token[str]) -> None:
        self._before = before

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_error: object) -> None:
        language.reset(self._before)


def use_language(code: str) -> _Chosen:
    """Speak `code` (unknown: German) from now on in this context, or only inside `with use_language(code): …`."""
    return _Chosen(language.set(code if code in LANGUAGES else DEFAULT))


@cache
def _catalogue(code: str) -> NullTranslations:
    """The texts of a language, read once. German, and any language we do not have, is the msgid itself."""
    if code == DEFAULT or code not in LANGUAGES:
        return NullTranslations()
    with (FOLDER / code / "LC_MESSAGES" / "bibliothek.mo").open("rb") as file:
        return GNUTranslations(file)


def _(msgid: str, /, **names: object) -> str:
    """`msgid` in the language of the moment; `{name}` fields are filled (str.format) only if names are given."""
    # The empty msgid is the catalogue's own header, which nobody should read.
    text = _catalogue(language.get()).gettext(msgid) if msgid else ""
    return text.format(**names) if names else text


def ngettext(singular: str, plural: str, n: int, /, **names: object) -> str:
    """The form that fits `n`; `{n}` is the number as people write it, other fields come from `names`."""
    text = _catalogue(language.get()).ngettext(singular, plural, n)
    return text.format(**{"n": format_number(n), **names})


class _Forms(NamedTuple):
    """How a language writes dates and numbers. The patterns are filled with day, month, year, weekday, clock, date."""

    months: tuple[str, ...]
    short_months: tuple[str, ...]
    weekdays: tuple[str, ...]
    date: str
    day: str
    short: str
    moment: str
    thousands: str
    decimal: str


def _words(line: str) -> tuple[str, ...]:
    return tuple(line.split())


_FORMS = {
    "de": _Forms(
        months=_words("Januar Februar März April Mai Juni Juli August September Oktober November Dezember"),
        short_months=_words("Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez."),
        weekdays=_words("Mo Di Mi Do Fr Sa So"),
        date="{day}. {month} {year}",
        day="{weekday}, {day}. {month}",
        short="{day:02}.{month:02}.{year}",
        moment="{date}, {clock} Uhr",
        thousands=".",
        decimal=",",
    ),
    "en": _Forms(
        months=_words("January February March April May June July August September October November December"),
        short_months=_words("Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec"),
        weekdays=_words("Mon Tue Wed Thu Fri Sat Sun"),
        date="{day} {month} {year}",
        day="{weekday}, {day} {month}",
        short="{day:02}/{month:02}/{year}",
        moment="{date}, {clock}",
        thousands=",",
        decimal=".",
    ),
}


def _forms() -> _Forms:
    return _FORMS.get(language.get(), _FORMS[DEFAULT])


def format_date(day: date) -> str:
    """`24. Dezember 2026`; in English `24 December 2026`."""
    forms = _forms()
    return forms.date.format(day=day.day, month=forms.months[day.month - 1], year=day.year)


def format_day(day: date) -> str:
    """A day of this year, for large letters: `Do, 24. Dez.`; in English `Thu, 24 Dec`."""
    forms = _forms()
    month = forms.short_months[day.month - 1]
    return forms.day.format(weekday=forms.weekdays[day.weekday()], day=day.day, month=month)


def format_date_short(day: date) -> str:
    """For tables: `24.12.2026`; in English `24/12/2026`."""
    return _forms().short.format(day=day.day, month=day.month, year=day.year)


def format_datetime(instant: datetime, zone: tzinfo) -> str:
    """`24. Dezember 2026, 18:05 Uhr`: an aware instant on the clock of `zone`; a naive one raises ValueError."""
    if instant.tzinfo is None:
        raise ValueError("a datetime without a time zone is not an instant")
    local = instant.astimezone(zone)
    return _forms().moment.format(date=format_date(local), clock=f"{local:%H:%M}")


def format_number(number: float, decimals: int = 0) -> str:
    """`1.234,5` (one decimal); in English `1,234.5`."""
    forms = _forms()
    swap = {",": forms.thousands, ".": forms.decimal}
    return "".join(swap.get(sign, sign) for sign in f"{number:,.{decimals}f}")
