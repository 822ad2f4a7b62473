"""Visit: one request on its way through a handler, with everything a page may need and nothing global."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec
from litestar import Request
from litestar.datastructures import Cookie
from sqlalchemy.orm import Session

from bibliothek import i18n
from bibliothek.clock import is_behind
from bibliothek.db import Database
from bibliothek.problems import Problem
from bibliothek.settings import Settings
from bibliothek.web import sign_in
from bibliothek.web.forms import read_form
from bibliothek.web.line import Line
from bibliothek.web.origin import https_is_missing, own_origin
from bibliothek.web.sign_in import NOBODY, Asker
from bibliothek.web.templates import Templates

S = TypeVar("S", bound=msgspec.Struct)
AnyRequest = Request[Any, Any, Any]
FLASH = "gesagt"


class HasName(Protocol):
    """The library as pages see it."""

    @property
    def name(self) -> str: ...


class Kit(msgspec.Struct, frozen=True, kw_only=True):
    """What `create_app` joins for the whole process. The functions are features' queries, handed in."""

    settings: Settings
    database: Database
    templates: Templates
    secret_key: bytes
    clock: Callable[[], datetime]
    # (db, session token, device token, now) -> who has these cookies
    who_asks: Callable[[Session, str | None, str | None, datetime], Asker]
    # (db, bearer token) -> the program, or None
    token_asks: Callable[[Session, str], Asker | None]
    library_of: Callable[[Session], HasName]
    has_admin: Callable[[Session], bool]
    line: Line = msgspec.field(default_factory=Line)
    # Facts that are asked for once and then stay true.
    known: dict[str, bool] = msgspec.field(default_factory=dict)

    def is_set_up(self, db: Session) -> bool:
        if not self.known.get("set up"):
            self.known["set up"] = self.has_admin(db)
        return self.known["set up"]


class Flash(msgspec.Struct, frozen=True):
    """A sentence for the next page, after a redirect."""

    kind: str
    text: str


class Library(msgspec.Struct, frozen=True):
    """Stands in on error pages that could not ask the database."""

    name: str


NAMELESS = Library("Bibliothek")


class Page(msgspec.Struct):
    """A template to be rendered once the transaction is over; `fragment` is what htmx gets instead of the whole page."""

    template: str
    context: Mapping[str, Any]
    status: int = 200
    fragment: str | None = None
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    cookies: list[Cookie] = msgspec.field(default_factory=list)


class Redirect(msgspec.Struct):
    """Go on there (303): every successful action ends like this, so that a reload repeats nothing."""

    to: str
    flash: Flash | None = None
    cookies: list[Cookie] = msgspec.field(default_factory=list)


class File(msgspec.Struct):
    """Bytes to show or to save."""

    content: bytes
    media_type: str
    name: str | None = None
    headers: dict[str, str] = msgspec.field(default_factory=dict)


class Download(msgspec.Struct):
    """A file to save that is made while it is sent, so that it is never in memory as a whole. The session of the page is closed
    by then: `pieces` opens its own."""

    pieces: Iterator[bytes]
    media_type: str
    name: str


Answer = Page | Redirect | File | Download


class Upload(msgspec.Struct, frozen=True):
    """A file that came with a form: what it is called where it came from, and where it lies now."""

    name: str
    path: Path


class Visit(msgspec.Struct):
    """One request. `now` is frozen once (UTC); `today` is the library's local date of that moment."""

    kit: Kit
    request: AnyRequest
    now: datetime
    asker: Asker = NOBODY
    fields: dict[str, list[str]] = msgspec.field(default_factory=dict)
    # What was chosen in file fields, where the route takes files; an empty field is left out.
    files: dict[str, bytes] = msgspec.field(default_factory=dict)
    uploads: dict[str, Upload] = msgspec.field(default_factory=dict)
    problem: Problem | None = None
    library: HasName | None = None
    open_session: Session | None = None
    flash: Flash | None = None

    @property
    def db(self) -> Session:
        """The session of this page or action. An errand has none: it opens its own."""
        if self.open_session is None:
            raise RuntimeError("an errand holds no session; use visit.kit.database.reading() or .writing()")
        return self.open_session

    @property
    def settings(self) -> Settings:
        return self.kit.settings

    @property
    def today(self) -> date:
        return self.now.astimezone(self.settings.timezone).date()

    @property
    def member_id(self) -> int:
        """The signed-in member's id, where the audience admits only members."""
        if self.asker.member_id is None:
            raise RuntimeError("nobody is signed in here")
        return self.asker.member_id

    def read(self, struct: type[S]) -> S:
        """The form as `struct`; raises BadForm with all errors at once."""
        return read_form(struct, self.fields)

    def field(self, name: str) -> str:
        """The last value of one field, or an empty text."""
        return self.fields.get(name, [""])[-1]

    def page(self, template: str, *, status: int = 200, fragment: str | None = None, **context: Any) -> Page:
        """The page `template`, or only `fragment` of it when htmx asks for a part."""
        return Page(template, context, status, fragment)

    def redirect(self, to: str, say: str | None = None, kind: str = "ok") -> Redirect:
        return Redirect(to, Flash(kind, say) if say else None)

    def cookie(self, name: str, value: str, seconds: int | None) -> Cookie:
        return sign_in.make_cookie(name, value, self.request, self.settings, seconds)

    def plain_cookie(self, name: str, value: str, seconds: int, secure: bool = False) -> Cookie:
        """A cookie that protects nothing: language, flash. Its name is the same with and without HTTPS."""
        return Cookie(key=name, value=value, path="/", max_age=seconds, httponly=True, samesite="lax", secure=secure)

    def flash_cookie(self, value: str, seconds: int) -> Cookie:
        """What it says may name a member: with HTTPS it never goes over a line that others can read."""
        is_https = own_origin(self.request, self.settings).startswith("https://")
        return self.plain_cookie(FLASH, value, seconds, secure=is_https)

    @property
    def wants_fragment(self) -> bool:
        """htmx asks for a part of the page; a boosted link or a restored history entry wants all of it."""
        headers = self.request.headers
        return (
            headers.get("hx-request") == "true"
            and headers.get("hx-boosted") != "true"
            and headers.get("hx-history-restore-request") != "true"
        )

    def context(self) -> dict[str, Any]:
        """What every template may use; see docs/style.md."""
        errors = getattr(self.problem, "errors", {})
        return {
            "asker": self.asker if self.asker != NOBODY else None,
            "library": self.library or NAMELESS,
            "path": self.request.scope["path"],
            "lang": i18n.language.get(),
            "https_missing": self.asker.is_librarian and https_is_missing(self.request, self.settings),
            "clock_behind": self.asker.is_librarian and is_behind(self.kit.clock),
            "flash": self.flash or (Flash("stop", self.problem.sentence) if self.problem else None),
            "errors": errors,
            "values": {name: given[-1] for name, given in self.fields.items()},
            "today": self.today,
            "own_origin": own_origin(self.request, self.settings),
        }


def pack_flash(flash: Flash) -> str:
    """A flash as a cookie value: URL-safe base64 of JSON."""
    return base64.urlsafe_b64encode(msgspec.json.encode([flash.kind, flash.text])).decode().rstrip("=")


def unpack_flash(value: str | None) -> Flash | None:
    """The flash of a cookie, or None when the browser sent something else."""
    if not value or len(value) > 2000:
        return None
    try:
        kind, text = msgspec.json.decode(
            base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)), type=tuple[str, str]
        )
    except (msgspec.DecodeError, binascii.Error, ValueError):
        return None
    return Flash(kind if kind in ("ok", "look", "stop", "info") else "info", text)
