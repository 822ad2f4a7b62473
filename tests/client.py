"""A client that behaves like a browser on our pages: keeps cookies, says where a form comes from, follows redirects."""

from __future__ import annotations

import re
from copy import copy
from functools import cache
from typing import TYPE_CHECKING, Any

from litestar import Litestar
from litestar.events import SimpleEventEmitter
from litestar.testing import TestClient

from bibliothek import app as app_module

if TYPE_CHECKING:
    from tests.conftest import Library

HOST = "testserver.local"
ORIGIN = f"http://{HOST}"


@cache
def _routed(_handlers: object) -> Litestar:
    """Registering the routes takes twenty times what a page does: the tests of a process share them, unless one puts its own
    handlers in their place."""
    return app_module.routed()


def app_of(library: Library) -> Litestar:
    """What `create_app` makes of the library, with the routes that all tests share."""
    shared = _routed(app_module.handlers)
    app, router = copy(shared), copy(shared.asgi_router)
    app.asgi_router, router.app = router, app
    app.event_emitter = SimpleEventEmitter([])
    return app_module.join(app, library.settings, library.database, library.clock)


class Client(TestClient[Any]):
    """`post` sends the same-origin header that browsers add; leave it out with `origin=None` to play another site."""

    def __init__(self, library: Library, **more: Any) -> None:
        super().__init__(app_of(library), base_url=ORIGIN, raise_server_exceptions=False, **more)
        self.library = library

    def submit(self, path: str, _follow: bool = True, /, **fields: Any) -> Any:
        """Send a form as one of our own pages would, and follow the redirect."""
        return self.post(path, data=fields, headers={"sec-fetch-site": "same-origin"}, follow_redirects=_follow)

    def sign_in(self, member: Any) -> Client:
        """Be `member` from now on."""
        from bibliothek.members import actions

        with self.library.database.writing() as db:
            token = actions.start_session(db, member, self.library.clock())
        self.cookies.set("bibliothek", token, domain=HOST)
        return self

    def be_tablet(self, name: str = "Tablet") -> Client:
        """Be an enrolled tablet from now on."""
        from bibliothek.kiosk import actions

        with self.library.database.writing() as db:
            token = actions.enrol(db, name, self.library.clock())
        self.cookies.set("tablet", token, domain=HOST)
        return self

    def with_token(self, role: str = "librarian") -> Client:
        """Be a program with a bearer token from now on."""
        from bibliothek.members import actions

        with self.library.database.writing() as db:
            token = actions.add_token(db, f"{role} program", role, self.library.clock())
        self.headers["authorization"] = f"Bearer {token}"
        return self


def text_of(html: str) -> str:
    """What a person reads of a page: tags out, white space folded."""
    return re.sub(
        r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"<(script|style)\b.*?</\1>", " ", html, flags=re.S))
    ).strip()
