"""page, action and errand: the three ways a request for people becomes an answer.

- `page` reads: GET, a session that cannot write.
- `action` changes: one POST = one transaction = one thread. It is committed before the answer is rendered.
- `errand` takes long or asks outside: it holds no session and no lock meanwhile, and has threads of its own.

A handler takes the Visit first, then path and query parameters (FromPath, FromQuery). Authentication, rendering and refusals
happen here, so that a feature's pages read like what a person does.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import IO, Any, get_type_hints
from urllib.parse import quote

import msgspec
from litestar import Request, Response, post, route
from litestar.concurrency import sync_to_thread
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream
from litestar.routes import HTTPRoute
from sqlalchemy.orm import Session

from bibliothek import i18n
from bibliothek.problems import Problem
from bibliothek.web import once, sign_in
from bibliothek.web.forms import Unreadable, fields_from, parse_form
from bibliothek.web.origin import is_api
from bibliothek.web.sign_in import Audience, SignInFirst, require
from bibliothek.web.visit import (
    FLASH,
    Answer,
    Download,
    File,
    Kit,
    Page,
    Redirect,
    Upload,
    Visit,
    pack_flash,
    unpack_flash,
)

AnyRequest = Request[Any, Any, Any]
Handler = Callable[..., Answer]
LANGUAGE = "sprache"
# A tablet is everybody's: the language that somebody chose there goes soon after they do. Each answer gives it as long again.
TABLET_LANGUAGE_LASTS = 90
READ = partial(route, http_method=["GET", "HEAD"])
# Larger than any file that is taken: what is somewhat too large is read to its end, because a browser that is still sending
# does not read why it was refused.
LARGEST_BODY_WITH_FILES = 64_000_000

# Eight errands at once; more wait in line without touching the threads that lend and return. Those that wait for somebody
# outside do so in threads of their own, so that signing in is never behind eight look-ups that hang.
ERRANDS = ThreadPoolExecutor(max_workers=8, thread_name_prefix="errand")
# There are more of these: who only waits costs next to nothing, and one more must not first wait for eight seconds in line.
OUTSIDE = ThreadPoolExecutor(max_workers=24, thread_name_prefix="outside")


def page(path: str | list[str], audience: Audience) -> Callable[[Handler], HTTPRouteHandler]:
    """A GET (or HEAD) that reads: `fn(visit, …parameters)` with `visit.db` open for reading."""
    return lambda fn: _route(READ, path, audience, fn, partial(_read, fn))


def action(
    path: str | list[str],
    audience: Audience,
    again: Handler | HTTPRouteHandler | None = None,
    largest_file: int | None = None,
) -> Callable[[Handler], HTTPRouteHandler]:
    """A POST that changes: `fn(visit, …parameters)` in one transaction.

    A Problem rolls it back. With `again`, the page of the form is shown once more (same parameters, a reading session),
    with `visit.problem` set and the fields kept; its status becomes the problem's. It is a page of this kit, or a function.

    With `largest_file` (in bytes) the form may send files (`visit.files`). Of a larger one comes a byte more than that: to say
    no to it is up to the handler.
    """
    return lambda fn: _route(post, path, audience, fn, partial(_write, fn, _plain(again)), largest_file=largest_file)


def errand(
    path: str | list[str],
    audience: Audience,
    again: Handler | HTTPRouteHandler | None = None,
    outside: bool = False,
    largest_file: int | None = None,
    in_folder: str | None = None,
) -> Callable[[Handler], HTTPRouteHandler]:
    """A POST that takes long, or needs several transactions: `fn(visit, …parameters)` opens its own short sessions.

    `outside` says that it may wait for seconds for somebody else's server; `largest_file` is that of `action`. With `in_folder`
    files are never in memory as a whole: they lie in that folder of the data (`visit.uploads`), and go after the errand unless it
    moves them.
    """
    executor = OUTSIDE if outside else ERRANDS
    return lambda fn: _route(
        post, path, audience, fn, partial(_errand, fn, _plain(again)), executor, largest_file, in_folder
    )


def _plain(handler: Handler | HTTPRouteHandler | None) -> Handler | None:
    """The function behind a decorated page."""
    return handler.opt["serves"] if isinstance(handler, HTTPRouteHandler) else handler


Serve = Callable[..., Response[Any]]


def _route(
    method: Any,
    path: str | list[str],
    audience: Audience,
    fn: Handler,
    serve: Serve,
    executor: ThreadPoolExecutor | None = None,
    largest_file: int | None = None,
    in_folder: str | None = None,
) -> HTTPRouteHandler:
    parameters = list(inspect.signature(fn).parameters.values())[1:]

    async def handler(request: AnyRequest, **given: Any) -> Response[Any]:
        sent = Sent()
        if largest_file:
            # Nobody's megabytes are read who may not send them.
            refused = await sync_to_thread(partial(_at_the_door, audience, request))
            if refused:
                return refused
            sent = await _with_files(request, largest_file, in_folder)
        elif request.method == "POST":
            sent = Sent(body=await request.body())
        work = partial(_serve, serve, audience, request, sent, given)
        if executor is not None:
            context = contextvars.copy_context()
            return await asyncio.get_running_loop().run_in_executor(executor, context.run, work)
        return await sync_to_thread(work)

    # Most pages take nothing but the visit: then there is nothing to look up, which takes a while with every start.
    hints = get_type_hints(fn, include_extras=True) if parameters else {}
    handler.__name__ = handler.__qualname__ = fn.__name__
    handler.__doc__ = fn.__doc__
    handler.__module__ = fn.__module__
    handler.__annotations__ = {
        "request": AnyRequest,
        "return": Response[Any],
        **{parameter.name: hints[parameter.name] for parameter in parameters},
    }
    handler.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY),
            *[parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters],
        ]
    )
    made: HTTPRouteHandler = method(
        path,
        include_in_schema=False,
        status_code=200,
        opt={"audience": audience, "serves": fn},
        **({"request_max_body_size": LARGEST_BODY_WITH_FILES} if largest_file else {}),
    )(handler)
    return made


class Sent(msgspec.Struct):
    """What came with a POST: a body that is still to be read, or the fields and files of one that is."""

    body: bytes = b""
    pairs: list[tuple[str, str]] | None = None
    files: dict[str, bytes] = {}
    uploads: dict[str, Upload] = {}


def _at_the_door(audience: Audience, request: AnyRequest) -> Response[Any] | None:
    """Whoever may not make this request is sent away before its body is read."""
    kit: Kit = request.app.state.kit
    visit = Visit(kit, request, kit.clock())
    speak(request, kit)
    with kit.database.reading() as db:
        refusal = _admit(visit, audience, db)
    return respond(visit, refusal) if refusal else None


async def _with_files(request: AnyRequest, largest_file: int, in_folder: str | None) -> Sent:
    """A form with files (RFC 7578), which wait on the disk while they come in; or one without."""
    if request.content_type[0] != RequestEncodingType.MULTI_PART:
        return Sent(body=await request.body())
    try:
        form = await request.form()
    except (UnicodeDecodeError, LookupError) as error:
        speak(request, request.app.state.kit)
        raise Unreadable from error
    try:
        pairs = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
        found = {name: value for name, value in form.multi_items() if isinstance(value, UploadFile)}
        if in_folder:
            folder = request.app.state.kit.settings.data / in_folder
            uploads = await sync_to_thread(partial(_laid_down, found, folder, largest_file))
            return Sent(pairs=pairs, uploads=uploads)
        files = {name: await value.read(largest_file + 1) for name, value in found.items()}
    finally:
        await form.close()
    return Sent(pairs=pairs, files=files)


def _laid_down(found: dict[str, UploadFile], folder: Path, largest_file: int) -> dict[str, Upload]:
    """The files of a form in a folder that only we can read; of one that is too large, a byte too much."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    uploads = {}
    for name, value in found.items():
        number, path = tempfile.mkstemp(prefix="upload-", dir=folder)
        uploads[name] = Upload(value.filename, Path(path))
        with os.fdopen(number, "wb") as file:
            _copy(value.file, file, largest_file + 1)
    return uploads


def _copy(source: IO[bytes], target: IO[bytes], most: int) -> None:
    shutil.copyfileobj(source, target, 1 << 20)
    target.truncate(min(target.tell(), most))


def _serve(serve: Serve, audience: Audience, request: AnyRequest, sent: Sent, given: dict[str, Any]) -> Response[Any]:
    """In the worker thread: everything from the cookie to the rendered answer."""
    kit: Kit = request.app.state.kit
    visit = Visit(kit, request, kit.clock())
    request.state.visit = visit
    speak(request, kit)
    try:
        return _serve_read(serve, audience, visit, sent, given)
    finally:
        for upload in sent.uploads.values():
            upload.path.unlink(missing_ok=True)


def _serve_read(serve: Serve, audience: Audience, visit: Visit, sent: Sent, given: dict[str, Any]) -> Response[Any]:
    if sent.body:
        visit.fields = parse_form(sent.body)
    elif sent.pairs is not None:
        visit.fields, visit.files, visit.uploads = fields_from(sent.pairs), sent.files, sent.uploads
    return serve(visit, audience, given)


def speak(request: AnyRequest, kit: Kit) -> None:
    """The language somebody chose, else the library's. The shared tablet's browser has no say in it.

    Programs are always spoken to in the library's: cookies count for nothing under /api.
    """
    chosen = None if is_api(request) else request.cookies.get(LANGUAGE)
    i18n.use_language(chosen if chosen in i18n.LANGUAGES else kit.settings.language)


def _read(fn: Handler, visit: Visit, audience: Audience, given: dict[str, Any]) -> Response[Any]:
    with visit.kit.database.reading() as db:
        refusal = _admit(visit, audience, db)
        if refusal:
            return respond(visit, refusal)
        visit.flash = unpack_flash(visit.request.cookies.get(FLASH))
        answer = _with_session(fn, visit, db, given)
    return respond(visit, answer)


def _write(
    fn: Handler, again: Handler | None, visit: Visit, audience: Audience, given: dict[str, Any]
) -> Response[Any]:
    with visit.kit.database.reading() as db:
        refusal = _admit(visit, audience, db)
    if refusal:
        return respond(visit, refusal)
    try:
        answer = in_one_transaction(visit, fn, **given)
    except Problem as problem:
        answer = _again(again, visit, problem, given)
    return respond(visit, answer)


def in_one_transaction(visit: Visit, fn: Handler, **given: Any) -> Answer:
    """`fn(visit, **given)` in one transaction, and once, however often its form is sent: for an errand that has made something
    ready before, and is an action from there on."""
    with visit.kit.database.writing() as db:
        return _once(visit, db) or _first(fn, visit, db, given)


def _once_key(visit: Visit) -> once.Key | None:
    """The key of a form with a hidden `once` field: pressing its button twice does one thing."""
    token = visit.field("once")
    return once.key_of("form", token, visit.request.scope["path"].encode()) if token else None


def _once(visit: Visit, db: Session) -> Answer | None:
    """Where the first press of this form led, or None when this is the first."""
    key = _once_key(visit)
    found = once.claim(db, key, visit.now) if key else None
    return Redirect((found.made or {}).get("to", "/")) if found else None


def _first(fn: Handler, visit: Visit, db: Session, given: dict[str, Any]) -> Answer:
    """Do it, and remember where it led."""
    answer = _with_session(fn, visit, db, given)
    key = _once_key(visit)
    if key and isinstance(answer, Redirect):
        once.finish(db, key, visit.now, 303, {"to": answer.to})
    elif key:
        # A page was shown, not a thing done: the form may be sent again.
        once.give_up(db, key, visit.now)
    return answer


def _errand(
    fn: Handler, again: Handler | None, visit: Visit, audience: Audience, given: dict[str, Any]
) -> Response[Any]:
    with visit.kit.database.reading() as db:
        refusal = _admit(visit, audience, db)
    if refusal:
        return respond(visit, refusal)
    try:
        answer = fn(visit, **given)
    except Problem as problem:
        answer = _again(again, visit, problem, given)
    return respond(visit, answer)


def _with_session(fn: Handler, visit: Visit, db: Session, given: dict[str, Any]) -> Answer:
    visit.open_session = db
    try:
        return fn(visit, **given)
    finally:
        visit.open_session = None


def _again(again: Handler | None, visit: Visit, problem: Problem, given: dict[str, Any]) -> Answer:
    """The form's page once more, or the problem itself where there is none."""
    if again is None:
        raise problem
    visit.problem = problem
    with visit.kit.database.reading() as db:
        answer = _with_session(again, visit, db, given)
    if isinstance(answer, Page):
        answer.status = problem.status
    return answer


def _admit(visit: Visit, audience: Audience, db: Session) -> Redirect | None:
    """Find out who asks. Returns where to send them instead, or raises NotForYou."""
    kit, request = visit.kit, visit.request
    visit.library = kit.library_of(db)
    if not kit.is_set_up(db):
        if audience is Audience.SETUP or request.scope["path"] == "/sprache":
            return None
        return Redirect("/einrichten")
    if audience is Audience.SETUP:
        # The form itself knows its second press, and refuses everybody else.
        return None if request.method == "POST" else Redirect("/")
    session = sign_in.read_cookie(sign_in.SESSION, request, kit.settings)
    device = sign_in.read_cookie(sign_in.DEVICE, request, kit.settings)
    if session or device:
        visit.asker = kit.who_asks(db, session, device, visit.now)
    try:
        require(audience, visit.asker)
    except SignInFirst:
        return Redirect("/anmelden?zurueck=" + quote(_way_back(request), safe=""))
    return None


def _way_back(request: AnyRequest) -> str:
    """The page to return to after signing in: this one, or the page whose form was sent."""
    path: str = request.scope["path"]
    if request.method in ("GET", "HEAD"):
        query = request.scope["query_string"].decode("latin-1")
        return path + (f"?{query}" if query else "")
    # A form has the address of its page, or its page is the nearest one above.
    pages = {
        route.path_format for route in request.app.routes if isinstance(route, HTTPRoute) and "GET" in route.methods
    }
    path, template = path.rstrip("/"), request.scope["path_template"]
    while path and template not in pages:
        path, template = path.rpartition("/")[0], template.rpartition("/")[0]
    return path or "/"


def respond(visit: Visit, answer: Answer) -> Response[Any]:
    """Render the answer; the session is closed by now, so a template cannot query by accident."""
    match answer:
        case Page():
            return _show(visit, answer)
        case Redirect():
            return _send_on(visit, answer)
        case File():
            headers = {"cache-control": "no-store", **answer.headers}
            if answer.name:
                headers["content-disposition"] = f"inline; filename*=UTF-8''{quote(answer.name)}"
            return Response(answer.content, media_type=answer.media_type, headers=headers)
        case Download():
            headers = {
                "cache-control": "no-store",
                "content-disposition": f"attachment; filename*=UTF-8''{quote(answer.name)}",
            }
            return Stream(answer.pieces, media_type=answer.media_type, headers=headers)


def _show(visit: Visit, answer: Page) -> Response[Any]:
    template = answer.fragment if answer.fragment and visit.wants_fragment else answer.template
    html = visit.kit.templates.render(template, {**visit.context(), **answer.context})
    cookies = list(answer.cookies)
    chosen = visit.request.cookies.get(LANGUAGE)
    if chosen and visit.asker.is_kiosk and all(cookie.key != LANGUAGE for cookie in cookies):
        cookies.append(visit.plain_cookie(LANGUAGE, chosen, TABLET_LANGUAGE_LASTS))
    if visit.request.cookies.get(FLASH) and visit.flash:
        cookies.append(visit.flash_cookie("", 0))
    return Response(
        html.encode(),
        status_code=answer.status,
        media_type="text/html",
        headers={"cache-control": "no-store", "vary": "HX-Request, Cookie", **answer.headers},
        cookies=cookies,
    )


def _send_on(visit: Visit, answer: Redirect) -> Response[Any]:
    cookies = list(answer.cookies)
    if answer.flash:
        cookies.append(visit.flash_cookie(pack_flash(answer.flash), 60))
    if visit.request.headers.get("hx-request") == "true" and visit.request.headers.get("hx-boosted") != "true":
        # htmx would follow a 303 inside the fragment; this makes the browser go there.
        return Response(b"", status_code=200, headers={"hx-redirect": answer.to}, cookies=cookies)
    return Response(b"", status_code=303, headers={"location": answer.to}, cookies=cookies)
