"""Who is asking, and who may ask what. Knows no member table: `create_app` hands in how a cookie or token is looked up."""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal

import msgspec
from litestar import Request
from litestar.datastructures import Cookie

from bibliothek.i18n import _
from bibliothek.problems import Problem
from bibliothek.settings import Settings
from bibliothek.web.origin import own_origin

AnyRequest = Request[Any, Any, Any]

SESSION, DEVICE, ASKED, PAIRING = "bibliothek", "tablet", "anfrage", "kopplung"
# Remembers which book somebody wanted before they were asked to sign in: they go on at its page, however they sign in.
BEGUN = "begonnen"


class Asker(msgspec.Struct, frozen=True):
    """Whoever sent the request: a signed-in member, an enrolled tablet, a program with a token, or somebody unknown."""

    member_id: int | None = None
    name: str = ""
    role: Literal["", "member", "librarian", "admin"] = ""
    device_id: int | None = None
    token_id: int | None = None

    @property
    def is_member(self) -> bool:
        return self.member_id is not None

    @property
    def is_librarian(self) -> bool:
        return self.role in ("librarian", "admin")

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"

    @property
    def is_kiosk(self) -> bool:
        return self.device_id is not None


NOBODY = Asker()


class Audience(Enum):
    """Whom a route is for. Every route declares one; a route without it does not start."""

    EVERYONE = "everyone"
    SETUP = "setup"  # only until the first admin exists
    MEMBERS = "members"
    LIBRARIANS = "librarians"
    ADMINS = "admins"
    KIOSK = "kiosk"
    MEMBERS_AND_KIOSK = "members-and-kiosk"
    TOKENS = "tokens"  # API: any valid token
    LIBRARIAN_TOKENS = "librarian-tokens"

    def admits(self, asker: Asker) -> bool:
        match self:
            case Audience.EVERYONE | Audience.SETUP:
                return True
            case Audience.MEMBERS:
                return asker.is_member
            case Audience.LIBRARIANS:
                return asker.is_member and asker.is_librarian
            case Audience.ADMINS:
                return asker.is_member and asker.is_admin
            case Audience.KIOSK:
                return asker.is_kiosk
            case Audience.MEMBERS_AND_KIOSK:
                return asker.is_member or asker.is_kiosk
            case Audience.TOKENS:
                return asker.token_id is not None
            case Audience.LIBRARIAN_TOKENS:
                return asker.token_id is not None and asker.is_librarian


class SignInFirst(Problem):
    """Nobody is signed in, and the page is not for everyone. Pages turn it into a redirect to /anmelden."""

    status = 401
    code = "sign-in-first"

    def __init__(self) -> None:
        super().__init__(_("Dafür ist eine Anmeldung nötig."))


class NotForYou(Problem):
    """Somebody is signed in, but the page is not for them."""

    status = 403
    code = "forbidden"

    def __init__(self, asker: Asker) -> None:
        if asker.is_kiosk:
            super().__init__(_("Das geht nicht am Tablet. Nimm dafür dein eigenes Gerät."))
        else:
            super().__init__(_("Diese Seite ist für die Betreuung der Bibliothek."))


def require(audience: Audience, asker: Asker) -> None:
    """Raise SignInFirst or NotForYou unless `asker` belongs to `audience`."""
    if audience.admits(asker):
        return
    raise SignInFirst if asker == NOBODY else NotForYou(asker)


def cookie_name(name: str, request: AnyRequest, settings: Settings) -> str:
    """With HTTPS the `__Host-` prefix binds a cookie to this very host (RFC 6265bis, section 4.1.3.2)."""
    return f"__Host-{name}" if own_origin(request, settings).startswith("https://") else name


def read_cookie(name: str, request: AnyRequest, settings: Settings) -> str | None:
    return request.cookies.get(cookie_name(name, request, settings)) or None


def make_cookie(name: str, value: str, request: AnyRequest, settings: Settings, seconds: int | None) -> Cookie:
    """A cookie for this host only; `seconds=0` deletes it, None keeps it until the browser is closed."""
    full_name = cookie_name(name, request, settings)
    return Cookie(
        key=full_name,
        value=value,
        path="/",
        max_age=seconds,
        httponly=True,
        samesite="lax",
        secure=full_name.startswith("__Host-"),
    )


def bearer_token(request: AnyRequest) -> str | None:
    scheme, _space, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None
