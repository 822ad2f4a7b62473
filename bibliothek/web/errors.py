"""What went wrong, said in plain words: as a page, a fragment for htmx, or problem+json (RFC 9457) under /api."""

from __future__ import annotations

import logging
import secrets
from errno import ENAMETOOLONG
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, NotFoundException, ValidationException
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bibliothek.db import OutcomeUnknown
from bibliothek.i18n import _
from bibliothek.log import request_id
from bibliothek.problems import Problem
from bibliothek.web.field_errors import field_errors
from bibliothek.web.origin import is_api
from bibliothek.web.routes import respond, speak
from bibliothek.web.sign_in import NOBODY, Audience, NotForYou, SignInFirst, bearer_token, require
from bibliothek.web.visit import Kit, Visit

AnyRequest = Request[Any, Any, Any]
log = logging.getLogger("bibliothek")
LONGEST_REFERENCE = 12


class Unavailable(Problem):
    """The database cannot answer right now: locked for long, full disk, PostgreSQL restarting."""

    status = 503
    code = "unavailable"

    def __init__(self) -> None:
        super().__init__(
            _(
                "Die Bibliothek kann gerade nicht auf ihre Daten zugreifen. Es ist nichts geändert. Versuche es gleich noch einmal."
            ),
            retry_after=5,
        )


class PerhapsSaved(Problem):
    """PostgreSQL went away while it was told to keep what was done."""

    status = 503
    code = "outcome-unknown"

    def __init__(self) -> None:
        super().__init__(
            _(
                "Die Verbindung zu den Daten ist beim Speichern abgebrochen. Ob noch gespeichert wurde, ist nicht bekannt: "
                "Sieh nach, bevor du es noch einmal tust."
            )
        )


class Broken(Problem):
    """A bug. The reference number leads to the trace in the log."""

    status = 500
    code = "internal-error"

    def __init__(self, reference: str) -> None:
        super().__init__(
            _(
                "Da ist etwas schiefgegangen, und zwar bei uns. Es ist nichts geändert. Merke dir die Nummer {n} für die Technik.",
                n=reference,
            )
        )


def on_problem(request: AnyRequest, problem: Problem) -> Response[Any]:
    # The problem's own sentence was made in the worker thread, which spoke that language; what stands around it is made here.
    speak(request, request.app.state.kit)
    return answer(request, problem)


def on_http_error(request: AnyRequest, error: HTTPException) -> Response[Any]:
    """Litestar's own refusals: no such address, wrong method, a body that does not fit."""
    speak(request, request.app.state.kit)
    refusal = _not_for_asker(request, error.status_code) if is_api(request) else None
    if refusal:
        return answer(request, refusal)
    status = 422 if isinstance(error, ValidationException) else error.status_code
    problem = Problem(_sentence(status))
    problem.status, problem.code = status, _CODES.get(status, "refused")
    if isinstance(error, ValidationException) and error.extra and is_api(request):
        problem.errors = field_errors(error.extra, request.route_handler)
    return answer(request, problem, error.headers)


def _not_for_asker(request: AnyRequest, status: int) -> Problem | None:
    """The refusal for whoever may not make this call at all.

    Litestar reads address, parameters and body before our code runs: without this, somebody without a token would be told
    what is wrong with them instead of 401. Asked only once something is wrong, so that good calls cost nothing.
    """
    audience = _audience(request, status)
    if not isinstance(audience, Audience):
        return None
    kit: Kit = request.app.state.kit
    token = bearer_token(request)
    try:
        with kit.database.reading() as db:
            require(audience, (token and kit.token_asks(db, token)) or NOBODY)
    except (SignInFirst, NotForYou) as refusal:
        return refusal
    except (OperationalError, PoolTimeout) as error:
        log.error("database: %s", getattr(error, "orig", error))
        return Unavailable()
    return None


def _audience(request: AnyRequest, status: int) -> Any:
    """Whom the call is for. What is no call (404, 405) is still told only to those who have a token."""
    declared = request.route_handler.opt.get("audience") if "route_handler" in request.scope else None
    is_no_call = status in (404, 405) and f"{request.scope['path']}/".startswith("/api/v1/")
    return declared or (Audience.TOKENS if is_no_call else None)


def on_database_error(request: AnyRequest, error: OperationalError | PoolTimeout) -> Response[Any]:
    speak(request, request.app.state.kit)
    # Only the driver's words: the statement's parameters may name people.
    log.error("database: %s", getattr(error, "orig", error))
    return answer(request, PerhapsSaved() if isinstance(error, OutcomeUnknown) else Unavailable())


def on_odd_file_name(request: AnyRequest, error: Exception) -> Response[Any]:
    """A name under /static that no file can have, because of a zero byte or its length: not found like any other."""
    cause = error.__cause__ or error
    if isinstance(cause, ValueError) or (isinstance(cause, OSError) and cause.errno == ENAMETOOLONG):
        return on_http_error(request, NotFoundException())
    return on_bug(request, error)


def on_bug(request: AnyRequest, error: Exception) -> Response[Any]:
    speak(request, request.app.state.kit)
    reference = _reference()
    # Never the address itself: it may have the code of a card in it, or the number of a member.
    where = request.scope.get("path_template", "")
    log.error("bug %s at %s %s", reference, request.method, where, exc_info=error)
    return answer(request, Broken(reference))


def _reference() -> str:
    """The request's id, unless it is a proxy's long one, which nobody would write down; the log has both in one line."""
    asked = request_id.get()
    return asked if 0 < len(asked) <= LONGEST_REFERENCE else secrets.token_hex(4)


def answer(request: AnyRequest, problem: Problem, headers: dict[str, str] | None = None) -> Response[Any]:
    """The problem in the form the asker understands."""
    headers = dict(headers or {})
    if "retry_after" in problem.more:
        headers["retry-after"] = str(problem.more["retry_after"])
    if is_api(request):
        if problem.status == 401:
            headers["www-authenticate"] = "Bearer"
        return Response(
            msgspec.json.encode(problem_document(problem)),
            status_code=problem.status,
            media_type="application/problem+json",
            headers=headers,
        )
    kit: Kit = request.app.state.kit
    visit: Visit = getattr(request.state, "visit", None) or Visit(kit, request, kit.clock())
    page = visit.page(
        "error.html", status=problem.status, fragment="_error.html", problem=problem, heading=_title(problem.status)
    )
    page.headers.update(headers)
    return respond(visit, page)


def problem_document(problem: Problem) -> dict[str, object]:
    """Members of RFC 9457: `title`, `status`, `detail`, and our stable `code`; extra members as the problem carries them.

    `errors` has a sentence for each field that is wrong, where the problem says of which field it speaks.
    """
    extra = {name: value for name, value in problem.more.items() if name != "retry_after"}
    if problem.errors:
        extra["errors"] = problem.errors
    return {
        "type": "about:blank",
        "title": _title(problem.status),
        "status": problem.status,
        "detail": problem.sentence,
        "code": problem.code,
        **extra,
    }


_CODES = {
    400: "bad-request",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    422: "invalid",
}


def _title(status: int) -> str:
    return {
        401: _("Anmeldung nötig"),
        403: _("Nicht erlaubt"),
        404: _("Nicht gefunden"),
        405: _("So geht es nicht"),
        409: _("Passt gerade nicht"),
        413: _("Zu groß"),
        422: _("Nicht verstanden"),
        500: _("Fehler in der Bibliothek"),
        503: _("Gerade nicht erreichbar"),
    }.get(status, _("Das hat nicht geklappt"))


def _sentence(status: int) -> str:
    return {
        404: _("Diese Seite gibt es nicht, oder nicht mehr."),
        405: _("So lässt sich diese Adresse nicht aufrufen."),
        413: _("Das ist zu groß. Es wurde nichts gespeichert."),
        422: _("Die Angaben passen nicht. Prüfe die genannten Felder."),
    }.get(status, _("Die Anfrage ist nicht lesbar."))


HANDLERS: dict[Any, Any] = {
    Problem: on_problem,
    HTTPException: on_http_error,
    OperationalError: on_database_error,
    PoolTimeout: on_database_error,
    Exception: on_bug,
}
__all__ = ["HANDLERS", "SignInFirst", "answer", "on_odd_file_name", "problem_document"]
