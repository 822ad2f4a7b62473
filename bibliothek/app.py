"""create_app: the only place where everything is joined."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from litestar import Litestar, Router
from litestar.config.compression import CompressionConfig
from litestar.datastructures import CacheControlHeader, State
from litestar.exceptions import InternalServerException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.routes import BaseRoute
from litestar.static_files import create_static_files_router
from litestar.types import Message, Scope
from sqlalchemy import select
from sqlalchemy.orm import Session

from bibliothek import __version__
from bibliothek.catalogue import api as catalogue_api
from bibliothek.catalogue import edit_pages, picture_pages, series_pages
from bibliothek.catalogue import pages as catalogue_pages
from bibliothek.catalogue.fields import Part, TitleFields
from bibliothek.catalogue.wording import byline, language_word, role_word, source_word
from bibliothek.clock import utc_now
from bibliothek.copies import api as copies_api
from bibliothek.copies import care_pages, report_pages
from bibliothek.copies import pages as copies_pages
from bibliothek.copies.queries import photos as photos_of_copies
from bibliothek.db import Database, open_database
from bibliothek.donations import api as donations_api
from bibliothek.donations import pages as donations_pages
from bibliothek.donations import pile_pages, piles
from bibliothek.donations.looking import Looking
from bibliothek.kiosk import greeting_pages, guest_pages, pairing_pages
from bibliothek.kiosk import pages as kiosk_pages
from bibliothek.kiosk import queries as kiosk
from bibliothek.labels import api as labels_api
from bibliothek.labels import pages as labels_pages
from bibliothek.lending import api as lending_api
from bibliothek.lending import exceptions_pages, member_pages, queue_pages, rules_pages
from bibliothek.lending import notices as lending_notices
from bibliothek.lending import pages as lending_pages
from bibliothek.library import pages as library_pages
from bibliothek.library.models import Library
from bibliothek.log import request_id
from bibliothek.lookup import api as lookup_api
from bibliothek.lookup.covers import CoverRounds
from bibliothek.mail.rounds import Rounds
from bibliothek.members import api as members_api
from bibliothek.members import pages as members_pages
from bibliothek.members import queries as members
from bibliothek.members import sign_in_pages
from bibliothek.operations import api as operations_api
from bibliothek.operations import backup_pages
from bibliothek.operations import pages as operations_pages
from bibliothek.operations.nightly import Nights
from bibliothek.operations.rounds import Action, forgetting, judging
from bibliothek.reminders import actions as reminders
from bibliothek.reminders import api as reminders_api
from bibliothek.reminders import pages as reminders_pages
from bibliothek.settings import Settings, ensure_secret_key
from bibliothek.tokens import hashed
from bibliothek.transfer import pages as transfer_pages
from bibliothek.transfer.runs import Runs
from bibliothek.web import once
from bibliothek.web.description import AlwaysThere
from bibliothek.web.errors import HANDLERS, on_odd_file_name
from bibliothek.web.origin import check_origin
from bibliothek.web.request_id import with_request_id
from bibliothek.web.sign_in import NOBODY, Asker, Audience
from bibliothek.web.templates import Templates, folder
from bibliothek.web.visit import HasName, Kit

MAX_BODY = 2_000_000

# Nothing from anywhere else, no inline script or style. 'wasm-unsafe-eval' is for the bar code reader.
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; "
        "img-src 'self' data:; "
        "connect-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(self), geolocation=(), microphone=()",
}

_RAW_HEADERS = [(name.encode(), value.encode()) for name, value in HEADERS.items()]


def create_app(
    settings: Settings, database: Database | None = None, clock: Callable[[], datetime] = utc_now
) -> Litestar:
    """The whole library as an ASGI app. The database must have been migrated; tests hand in their own and a clock."""
    return join(routed(), settings, database, clock)


def routed() -> Litestar:
    """An app with every page and call and no library yet: what is the same for each, and nearly all of what making one takes."""
    app = Litestar(
        route_handlers=[*handlers(), static_router(folder("static"))],
        before_request=check_origin,
        exception_handlers=HANDLERS,
        before_send=[add_headers],
        compression_config=CompressionConfig(backend="gzip", gzip_compress_level=5, minimum_size=1000),
        openapi_config=OpenAPIConfig(
            title="Bibliothek",
            version=__version__,
            openapi_router=NoPages("/api/schema", route_handlers=[]),
            render_plugins=[JsonRenderPlugin()],
            use_handler_docstrings=True,
            components=Components(security_schemes={"token": SecurityScheme(type="http", scheme="bearer")}),
            security=[{"token": []}],
        ),
        plugins=[AlwaysThere(TitleFields, Part)],
        request_max_body_size=MAX_BODY,
        logging_config=None,
    )
    refuse_undeclared(app)
    return app


def join(app: Litestar, settings: Settings, database: Database | None, clock: Callable[[], datetime]) -> Litestar:
    """Give the routed `app` its library, and the work that goes on behind it while it runs. Returns it."""
    kit = Kit(
        settings=settings,
        database=database or open_database(settings.database_url, settings.sqlite_file),
        templates=Templates(),
        secret_key=ensure_secret_key(settings),
        clock=clock,
        who_asks=who_asks,
        token_asks=token_asks,
        library_of=library_of,
        has_admin=members.has_admin,
    )
    kit.templates.add_filters(
        {"byline": byline, "role_word": role_word, "language_word": language_word, "source_word": source_word}
    )
    each_round = [*forgetting(settings), once.forget]
    by_date: list[Action] = [*judging(settings), lending_notices.mailing(kit.templates, settings)]
    rounds = Rounds(kit.database, settings, clock, reminders.hooks(kit.templates, settings), each_round, by_date)
    looking = Looking(kit.database, settings, clock)
    cover_rounds = CoverRounds(kit.database, settings, clock, _pictures_elsewhere)
    imports = Runs(kit.database, settings, clock)
    nights = Nights(kit.database, settings, clock)
    app.state = State({"kit": kit})
    # Around everything, so that what is not found has one, too; a middleware would only be around what is.
    app.asgi_handler = with_request_id(app.asgi_handler, settings)
    app.on_startup = [rounds.start, looking.start, cover_rounds.start, imports.start, nights.start]
    app.on_shutdown = [
        rounds.stop,
        looking.stop,
        cover_rounds.stop,
        imports.stop,
        nights.stop,
        *([kit.database.close] if database is None else []),
    ]
    if settings.metrics_port:
        _tell_figures(app, kit)
    return app


def _tell_figures(app: Litestar, kit: Kit) -> None:
    # Imported here: most libraries do without, and start sooner.
    from bibliothek.operations.metrics import Metrics

    metrics = Metrics(kit.database, kit.settings, kit.clock)
    app.asgi_handler = metrics.counting(app.asgi_handler)
    app.on_startup.append(metrics.start)
    app.on_shutdown.insert(0, metrics.stop)


class NoPages(Router):
    """Litestar's own pages about the API are not served, nor its HTML for whatever is not there: see operations/api.py."""

    def register(self, value: Any) -> list[BaseRoute]:
        """Take nothing in."""
        return []


def handlers() -> list[Any]:
    """Every feature's pages and API, in the order of the house.

    One router for all of the API, and none for pages: Litestar copies each router with all that hangs on it. With one or two for
    each feature, `routed` took nearly twice as long (0.21 against 0.12 s).
    """
    pages = [
        *library_pages.handlers,
        *sign_in_pages.handlers,
        *members_pages.handlers,
        *catalogue_pages.handlers,
        *series_pages.handlers,
        *edit_pages.handlers,
        *picture_pages.handlers,
        *copies_pages.handlers,
        *care_pages.handlers,
        *report_pages.handlers,
        *lending_pages.handlers,
        *member_pages.handlers,
        *queue_pages.handlers,
        *rules_pages.handlers,
        *exceptions_pages.handlers,
        *kiosk_pages.handlers,
        *pairing_pages.handlers,
        *greeting_pages.handlers,
        *guest_pages.handlers,
        *reminders_pages.handlers,
        *donations_pages.handlers,
        *pile_pages.handlers,
        *labels_pages.handlers,
        *transfer_pages.handlers,
        *operations_pages.handlers,
        *backup_pages.handlers,
    ]
    api = [
        *members_api.handlers,
        *catalogue_api.handlers,
        *copies_api.handlers,
        *lending_api.handlers,
        *reminders_api.handlers,
        *donations_api.handlers,
        *lookup_api.handlers,
        *labels_api.handlers,
        *operations_api.handlers,
    ]
    return [*pages, Router("/api/v1", route_handlers=api)]


def _pictures_elsewhere(db: Session) -> set[str]:
    """The pictures that are not those of titles."""
    return piles.pictures_kept(db) | photos_of_copies(db)


def static_router(directory: Path) -> Router:
    """Files whose addresses carry a fingerprint: kept by browsers for a year."""
    return create_static_files_router(
        path="/static",
        directories=[directory],
        include_in_schema=False,
        cache_control=CacheControlHeader(max_age=31_536_000, public=True, immutable=True),
        opt={"audience": Audience.EVERYONE},
        exception_handlers={ValueError: on_odd_file_name, InternalServerException: on_odd_file_name},
    )


def refuse_undeclared(app: Litestar) -> None:
    """Default to deny: a route that does not say whom it is for does not start."""
    for route in app.routes:
        for handler in getattr(route, "route_handlers", []):
            if handler.http_methods != {"OPTIONS"} and not isinstance(handler.opt.get("audience"), Audience):
                raise RuntimeError(f"{route.path} ({handler.fn.__name__}) declares no audience")


async def add_headers(message: Message, _scope: Scope) -> None:
    """Security headers on every answer, errors and static files included."""
    if message["type"] == "http.response.start":
        # No handler sets any of them, so none has to be looked for and replaced first.
        message["headers"] = [*message["headers"], *_RAW_HEADERS, (b"x-request-id", request_id.get().encode())]


def who_asks(db: Session, session: str | None, device: str | None, now: datetime) -> Asker:
    """A tablet's cookie counts before a member's: a shared device is never somebody's own."""
    found = kiosk.enrolled(db, hashed(device)) if device else None
    if found:
        return Asker(device_id=found[0], name=found[1])
    person = members.signed_in(db, hashed(session), now) if session else None
    return Asker(member_id=person[0], name=person[1], role=person[2]) if person else NOBODY  # type: ignore[arg-type]


def token_asks(db: Session, token: str) -> Asker | None:
    found = members.token_role(db, hashed(token))
    if found is None:
        return None
    return Asker(token_id=found[0], role="librarian" if found[1] == "librarian" else "")


_LIBRARY = select(Library.name)


def library_of(db: Session) -> HasName:
    row: HasName = db.connection().execute(_LIBRARY).one()
    return row
