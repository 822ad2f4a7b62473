"""The JSON API's counterpart of routes.py: `read_call` and `write_call`.

A write says what it made (`Made`: a status and a few ids), and a second function builds the answer from those ids. So the
first answer and the answer to a repeated Idempotency-Key come from the same code.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import hmac
import inspect
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, datetime
from functools import partial
from typing import Any, get_type_hints

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.concurrency import sync_to_thread
from litestar.exceptions import ClientException
from litestar.handlers import HTTPRouteHandler
from sqlalchemy.orm import Session

from bibliothek.i18n import _
from bibliothek.problems import Problem
from bibliothek.web import once
from bibliothek.web.description import ALWAYS, LONGEST_KEY, WRITING, Write, already_so, refusals
from bibliothek.web.errors import problem_document
from bibliothek.web.routes import ERRANDS, OUTSIDE, speak
from bibliothek.web.sealed import seal, unseal
from bibliothek.web.sign_in import NOBODY, Asker, Audience, bearer_token, require
from bibliothek.web.visit import Kit

AnyRequest = Request[Any, Any, Any]

# In seconds. Longer than a look-up (8) takes: whoever still has the key then was killed, or has sent many mails.
LONGEST_WAIT = 10.0


class JsonRequest(Request[Any, Any, Any]):
    """A request whose body is JSON, or else the caller's mistake."""

    async def json(self) -> Any:
        """The body. Raises ClientException (400), also where msgspec finds bytes that are no UTF-8, or no end of brackets."""
        try:
            return await super().json()
        except (UnicodeDecodeError, RecursionError) as error:
            raise ClientException from error


class Made(msgspec.Struct, frozen=True):
    """What a write did: the HTTP status, and the ids (and flags) from which its answer is built."""

    status: int
    ids: dict[str, Any] = msgspec.field(default_factory=dict)


class Call(msgspec.Struct):
    """One API request. `seed` is the same for every repetition under one Idempotency-Key, otherwise random.

    `claimed_at` says when that key was claimed, where that was before asking outside.
    """

    kit: Kit
    request: AnyRequest
    now: datetime
    asker: Asker = NOBODY
    seed: bytes = b""
    claimed_at: datetime | None = None
    open_session: Session | None = None

    @property
    def db(self) -> Session:
        if self.open_session is None:
            raise RuntimeError("no session is held while asking outside")
        return self.open_session

    @property
    def today(self) -> date:
        return self.now.astimezone(self.kit.settings.timezone).date()

    @contextmanager
    def session(self, opened: Session) -> Iterator[Session]:
        self.open_session = opened
        try:
            yield opened
        finally:
            self.open_session = None


class BadKey(Problem):
    status = 422
    code = "idempotency-key-invalid"

    def __init__(self) -> None:
        super().__init__(_("Ein Idempotency-Key hat 1 bis {n} Zeichen.", n=LONGEST_KEY))


class KeyHeld(once.StillRunning):
    """Another request has the key right now; so far nothing was done for this one."""


class Replayed(Problem):
    """A refusal that was given before under the same key, word for word."""

    def __init__(self, document: dict[str, Any]) -> None:
        more = {name: value for name, value in document.items() if name not in _MEMBERS}
        super().__init__(document["detail"], **more)
        self.status, self.code = document["status"], document["code"]


_MEMBERS = ("type", "title", "status", "detail", "code")


Handler = Callable[..., Any]
Show = Callable[[Call, dict[str, Any]], Any]
Asks = Callable[..., bool]
Work = Callable[[], Response[Any]]
# Where work is done: in which threads.
Place = Callable[[Work], Awaitable[Response[Any]]]


def read_call(
    path: str,
    audience: Audience,
    errand: bool = False,
    outside: bool = False,
    refuses: tuple[int, ...] = (),
    media_type: str = "application/json",
) -> Callable[[Handler], HTTPRouteHandler]:
    """A GET: `fn(call, …parameters)` returns a struct. An errand takes long and opens its own short sessions; `outside`
    says that it may wait for somebody else's server, too.

    `refuses` are the statuses it may refuse with besides those that any call has; these and `media_type` are only described.
    """

    def decorate(fn: Handler) -> HTTPRouteHandler:
        serve = partial(_ask if errand or outside else _read, fn, audience)
        returns = get_type_hints(fn, include_extras=True)["return"]
        place: Place = partial(_in_threads, OUTSIDE if outside else ERRANDS) if errand or outside else sync_to_thread
        handler = _handler(fn, serve, returns, 1, lambda _request, _given: place)
        return get(
            path,
            opt={"audience": audience},
            tags=_tags(path),
            media_type=media_type,
            responses=refusals(*ALWAYS, *refuses),
        )(handler)

    return decorate


def write_call(
    path: str,
    audience: Audience,
    show: Show,
    *,
    method: str = "POST",
    status: int = 201,
    ask: Handler | None = None,
    asks: Asks | None = None,
    refuses: tuple[int, ...] = (),
    or_already: bool = False,
) -> Callable[[Handler], HTTPRouteHandler]:
    """A write: `fn(call, …parameters)` changes in one transaction and returns Made; `show(call, ids)` builds the answer.

    `ask(call, …parameters)`, where given, runs before without a session, among those who wait for somebody outside; what it
    returns goes to `fn` as `asked`. Where `asks(…parameters)` says that nobody need be asked, `asked` is None at once.
    `refuses` and `or_already` (200 with the same answer when it was so before) are only described.
    """

    def decorate(fn: Handler) -> HTTPRouteHandler:
        returns = get_type_hints(show, include_extras=True)["return"]
        serve = partial(_write, fn, show, ask, asks, audience)
        handler = _handler(fn, serve, returns, 2 if ask else 1, partial(_place_of_write, ask, asks))
        decorator: Any = {"POST": post, "DELETE": delete}[method]
        made: HTTPRouteHandler = decorator(
            path,
            request_class=JsonRequest,
            opt={"audience": audience},
            status_code=status,
            tags=_tags(path),
            operation_class=Write,
            responses=refusals(*WRITING, *refuses) | (already_so(returns) if or_already else {}),
        )(handler)
        return made

    return decorate


def _has_to_ask(ask: Handler | None, asks: Asks | None, given: dict[str, Any]) -> bool:
    return ask is not None and (asks is None or asks(**given))


def _place_of_write(ask: Handler | None, asks: Asks | None, request: AnyRequest, given: dict[str, Any]) -> Place:
    if _has_to_ask(ask, asks, given):
        return partial(_in_threads, OUTSIDE)
    kit: Kit = request.app.state.kit
    return partial(kit.line.stand, kit.database) if kit.database.is_sqlite else sync_to_thread


async def _in_threads(executor: ThreadPoolExecutor, work: Work) -> Response[Any]:
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(executor, context.run, work)


def _tags(path: str) -> list[str]:
    return [path.strip("/").split("/")[0]]


def _handler(
    fn: Handler,
    serve: Callable[..., Response[Any]],
    returns: Any,
    own: int,
    place_for: Callable[[AnyRequest, dict[str, Any]], Place],
) -> Handler:
    """An async function with `fn`'s parameters, less its first `own`, that serves in a worker thread."""
    parameters = list(inspect.signature(fn).parameters.values())[own:]
    hints = get_type_hints(fn, include_extras=True)

    async def handler(request: AnyRequest, **given: Any) -> Response[Any]:
        body = b"" if request.method == "GET" else await request.body()
        work = partial(serve, request, body, given)
        return await _once_free(place_for(request, given), work)

    handler.__name__ = handler.__qualname__ = fn.__name__
    handler.__doc__ = fn.__doc__
    handler.__module__ = fn.__module__
    handler.__annotations__ = {"request": AnyRequest, "return": returns} | {p.name: hints[p.name] for p in parameters}
    handler.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY)]
        + [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    )
    return handler


async def _once_free(place: Place, work: Work) -> Response[Any]:
    """Have `work` done at its place.

    While another request has its key, it waits without holding a thread: eight that wait for what was killed would otherwise
    keep everybody from donating.
    """
    give_up_at = time.monotonic() + LONGEST_WAIT
    while True:
        try:
            return await place(work)
        except KeyHeld:
            if time.monotonic() >= give_up_at:
                raise
            await asyncio.sleep(0.05)


def _call(request: AnyRequest) -> Call:
    kit: Kit = request.app.state.kit
    speak(request, kit)
    return Call(kit, request, kit.clock())


def _admit(call: Call, audience: Audience, db: Session) -> None:
    """Who asks, from the bearer token alone. Raises SignInFirst (401) or NotForYou (403)."""
    token = bearer_token(call.request)
    call.asker = (token and call.kit.token_asks(db, token)) or NOBODY
    require(audience, call.asker)


def _require_token(call: Call, audience: Audience) -> None:
    """Whoever shows no token at all is refused without taking the writers' place in the queue."""
    if not bearer_token(call.request):
        require(audience, NOBODY)


def _admit_first(call: Call, audience: Audience) -> None:
    with call.kit.database.reading() as db:
        _admit(call, audience, db)


def _read(fn: Handler, audience: Audience, request: AnyRequest, _body: bytes, given: dict[str, Any]) -> Response[Any]:
    call = _call(request)
    with call.kit.database.reading() as db, call.session(db):
        _admit(call, audience, db)
        return _json(fn(call, **given), 200)


def _ask(fn: Handler, audience: Audience, request: AnyRequest, _body: bytes, given: dict[str, Any]) -> Response[Any]:
    call = _call(request)
    _admit_first(call, audience)
    return _json(fn(call, **given), 200)


def _write(
    fn: Handler,
    show: Show,
    ask: Handler | None,
    asks: Asks | None,
    audience: Audience,
    request: AnyRequest,
    body: bytes,
    given: dict[str, Any],
) -> Response[Any]:
    call = _call(request)
    if ask is None or not _has_to_ask(ask, asks, given):
        asked = {"asked": None} if ask else {}
        # One session for who asks and what they change: a second one would cost a fifth of a loan.
        _require_token(call, audience)
        with call.kit.database.writing() as db, call.session(db):
            _admit(call, audience, db)
            return _do(call, body, show, partial(fn, call, **given, **asked))
    _admit_first(call, audience)
    return _ask_then_write(call, body, show, ask, fn, given)


def _ask_then_write(
    call: Call, body: bytes, show: Show, ask: Handler, fn: Handler, given: dict[str, Any]
) -> Response[Any]:
    """Claim the key, ask outside without a session, then do the thing in one transaction."""
    key = _key(call, body)
    call.seed = _seed(call, key)
    if key:
        replay = _claim_before(call, key, show)
        if replay:
            return replay
    try:
        given = {**given, "asked": _asked(call, key, ask, given)}
        with call.kit.database.writing() as db, call.session(db):
            return _do(call, body, show, partial(fn, call, **_ordered(fn, given)))
    except BaseException:
        if key and call.claimed_at:
            with call.kit.database.writing() as db:
                once.give_up(db, key, call.claimed_at)
        raise


def _asked(call: Call, key: once.Key | None, ask: Handler, given: dict[str, Any]) -> Any:
    """What `ask` says. Where it refuses, that is the answer to this key."""
    try:
        return ask(call, **given)
    except Problem as problem:
        if key and call.claimed_at and problem.status < 500:
            with call.kit.database.writing() as db:
                _keep_refusal(call, db, key, call.claimed_at, problem)
        raise


def _do(call: Call, body: bytes, show: Show, do: Callable[[], Made]) -> Response[Any]:
    """Do it, or give the answer that was given before under the same key. Runs inside the one transaction."""
    key = _key(call, body)
    call.seed = call.seed or _seed(call, key)
    if key is None:
        made = do()
        return _json(show(call, made.ids), made.status)
    claimed_at = call.claimed_at or call.now
    found = None if call.claimed_at else once.claim(call.db, key, claimed_at)
    if found:
        return _replay(call, found, show)
    try:
        with call.db.begin_nested():
            made = do()
    except Problem as problem:
        if problem.status < 500:
            _keep_refusal(call, call.db, key, claimed_at, problem)
            call.db.commit()
        raise
    once.finish(call.db, key, claimed_at, made.status, made.ids)
    return _json(show(call, made.ids), made.status)


def _keep_refusal(call: Call, db: Session, key: once.Key, claimed_at: datetime, problem: Problem) -> None:
    """The same request will be refused in the same words. Not for what may be over in a moment (5xx)."""
    refused = {"refused": seal(call.seed, problem_document(problem))}
    once.finish(db, key, claimed_at, problem.status, refused)


def _ordered(fn: Handler, given: dict[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in inspect.signature(fn).parameters if name in given}


def _claim_before(call: Call, key: once.Key, show: Show) -> Response[Any] | None:
    """Claim the key in a transaction of its own. None: it is ours. Raises KeyHeld while another request has it."""
    with call.kit.database.writing() as db, call.session(db):
        now = call.kit.clock()
        found = once.claim(db, key, now)
        if found is None:
            call.claimed_at = now
            return None
        if found.status is None:
            raise KeyHeld
        return _replay(call, found, show)


def _replay(call: Call, found: once.Once, show: Show) -> Response[Any]:
    ids = found.made or {}
    if "refused" in ids:
        raise Replayed(unseal(call.seed, ids["refused"]))
    return _json(show(call, ids), found.status or 200)


def _key(call: Call, body: bytes) -> once.Key | None:
    key = call.request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= LONGEST_KEY:
        raise BadKey
    request = call.request
    # Under the library's secret key, as the seed is: with another one, what was kept could not be told again, so it is not found.
    known_as = hmac.new(call.kit.secret_key, key.encode(), hashlib.sha256).hexdigest()
    return once.key_of(
        f"token:{call.asker.token_id}", known_as, request.method.encode(), request.scope["path"].encode(), body
    )


def _seed(call: Call, key: once.Key | None) -> bytes:
    """For what must be secret and yet the same in a repeated answer (a new card's code).

    It comes from the key as it was sent, which is kept nowhere, under the library's secret key.
    """
    if key is None:
        return secrets.token_bytes(32)
    sent = f"{key.scope}|{call.request.headers['idempotency-key']}|{key.body_hash}"
    return hmac.new(call.kit.secret_key, sent.encode(), hashlib.sha256).digest()


def _json(answer: Any, status: int) -> Response[Any]:
    if answer is None:
        return Response(b"", status_code=204)
    if isinstance(answer, Response):
        return answer
    return Response(
        msgspec.json.encode(answer),
        status_code=status,
        media_type="application/json",
        headers={"cache-control": "no-store"},
    )
