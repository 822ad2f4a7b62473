"""`bibliothek serve`: the socket, the server process, and what the terminal says.

Everything heavy is imported inside the functions, as in cli.py.
"""

from __future__ import annotations

import gc
import ipaddress
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from bibliothek.problems import Failed
from bibliothek.settings import Settings, is_loopback

if TYPE_CHECKING:
    from litestar import Litestar

    from bibliothek.db import Database


# Connections that wait until they are accepted.
QUEUE = 2048


@contextmanager
def quick_start() -> Iterator[None]:
    """Look for no garbage until `serve` is ready.

    Imports make hundreds of thousands of objects that live as long as the process: searching them again and again while
    they grow is a sixth of the start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def serve(
    settings: Settings,
    database: Database,
    listener: socket.socket,
    host: str,
    port: int,
    workers: int = 1,
    remark: str = "",
) -> None:
    """Serve until Ctrl+C or SIGTERM, in this process, or with more than one worker in so many others. The terminal says `remark`,
    too."""
    import uvicorn  # noqa: F401 - before the processes part, so that they share what it needs

    from bibliothek import log
    from bibliothek.app import create_app
    from bibliothek.clock import clock_of
    from bibliothek.lookup import politeness
    from bibliothek.serving import serving

    log.configure(settings.log)
    if workers > 1 or not database.is_sqlite:
        # On PostgreSQL, servers on other machines may work for the same library.
        politeness.share(database)
    app = create_app(settings, database, clock_of(database))
    for line in greeting(settings, database, host, port, remark):
        click.echo(line)
    # What is here now stays. A page leaves hundreds of objects behind, hardly any of them in circles: looking for these after
    # every seven hundred is a twentieth of its time.
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()
    # A connection must not be used by two processes, and none may lead to a file that a restore puts another one in place of:
    # who serves opens its own, under the mark of a running server.
    database.close()
    if workers == 1:
        with serving(settings, database):
            _serve_here(app, listener)
    else:
        from bibliothek.workers import Workers

        def work(_number: int) -> None:
            try:
                with serving(settings, database):
                    _serve_here(app, listener, accept=1)
            except Failed as error:
                # Somebody restores: the next try comes after a pause.
                logging.getLogger(__name__).error("%s", error)

        Workers(work, workers).run()
    click.echo("Beendet.")


def _serve_here(app: Litestar, listener: socket.socket, accept: int = QUEUE) -> None:
    """Be a server. Where there are several, each takes one connection at a time: the first to wake would take all that wait, and
    have their work alone."""
    from concurrent.futures import ThreadPoolExecutor

    import uvicorn
    from litestar.concurrency import set_asyncio_executor

    from bibliothek.db import THREADS

    # As many threads as the pool has connections: more would only wait for one another.
    set_asyncio_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="web"))
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            # Whom to believe about forwarded addresses is our own setting (web/origin.py).
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=10,
            backlog=accept,
        )
    )
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])


class Listener(socket.socket):
    """A socket whose queue stays long: asyncio would shorten it to the number of connections that it accepts at once."""

    def listen(self, _backlog: int = QUEUE, /) -> None:
        super().listen(QUEUE)


def listen(host: str, port: int) -> Listener:
    """A socket that waits for browsers from now on: nobody who reads our greeting comes too early. Raises Failed."""
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        # What can be no name at all is refused before anybody is asked (IDNA: an empty or a too long part).
        raise Failed(f"Die Adresse {host} gibt es auf diesem Rechner nicht.") from error
    listener = Listener(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        raise Failed(_cannot_listen(error, host, port)) from error
    return listener


def _cannot_listen(error: OSError, host: str, port: int) -> str:
    import errno

    if error.errno == errno.EADDRINUSE:
        return f"Port {port} ist schon belegt: Vielleicht läuft die Bibliothek schon. Ein anderer geht mit --port (make: PORT=…)."
    if error.errno == errno.EACCES:
        return (
            f"Port {port} lässt sich hier nur mit Systemrechten öffnen. Nimm einen ab 1024, zum Beispiel --port 8000."
        )
    return f"Auf {host}, Port {port} lässt sich nicht lauschen: {error.strerror}."


def greeting(settings: Settings, database: Database, host: str, port: int, remark: str = "") -> Iterator[str]:
    """What the terminal says: where the library is, a remark, and the code of the first run while nobody has used it."""
    from bibliothek.library.rules import setup_code
    from bibliothek.members.queries import has_admin
    from bibliothek.settings import ensure_secret_key

    found = addresses(host, port)
    yield f"Bibliothek läuft: {found[0]}"
    for address in found[1:]:
        yield f"Im Netz: {address}"
    if settings.base_url not in found:
        yield f"QR-Codes und Mails führen auf {settings.base_url} (BIBLIOTHEK_BASE_URL)."
    if remark:
        yield remark
    with database.reading() as db:
        is_set_up = has_admin(db)
    if not is_set_up:
        code = setup_code(ensure_secret_key(settings))
        yield f"Noch nicht eingerichtet. Öffne {found[-1]}/einrichten und gib diesen Code ein: {code}"
    yield "Beenden mit Strg+C."


def addresses(host: str, port: int) -> list[str]:
    """Where browsers find the server: on this machine first, then in the local network."""
    suffix = "" if port == 80 else f":{port}"
    if is_loopback(host):
        return [f"http://localhost{suffix}"]
    if not _is_any(host):
        return [f"http://{_in_url(host)}{suffix}"]
    lan = _lan_address()
    return [f"http://localhost{suffix}", *([f"http://{lan}{suffix}"] if lan else [])]


def _is_any(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _lan_address() -> str | None:
    """This machine's address in its network, or None without one. Nothing is sent: the kernel only picks a route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # RFC 5737: an address that nobody has
        except OSError:
            return None
        address: str = probe.getsockname()[0]
    return None if is_loopback(address) or _is_any(address) else address
