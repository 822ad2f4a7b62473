"""Real server processes over a library under test, and programs that talk to them over kept connections."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import Library

SOURCES = ("DNB", "K10PLUS", "LOBID", "OPENLIBRARY", "GOOGLEBOOKS", "COVERS")
# A machine that does much else may take long to load a process.
PATIENCE_S = 60
# What a program meets when the server is not there, or goes away before it has answered.
GONE = (OSError, http.client.HTTPException)


@dataclass
class Server:
    """A running `bibliothek serve`; `ready_after` are the seconds from its launch until `/readyz` said 200."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    ready_after: float = 0.0

    def kill(self) -> None:
        """As the kernel does it: nothing is said, written or closed any more."""
        self.process.kill()
        self.process.communicate()

    def bugs(self) -> list[str]:
        """What the log says of errors that nobody expected, of this server and those before it in the same folder."""
        return [line for line in self.log.read_text(encoding="utf-8").splitlines() if "bug " in line]


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None


class Program:
    """A program with a bearer token that keeps its connection, and opens another one when the server went away."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        self._token = token

    def send(self, method: str, path: str, body: Any = None, key: str = "") -> Answer:
        """Raises one of GONE without an answer."""
        headers = {"Authorization": f"Bearer {self._token}"}
        headers |= {"Idempotency-Key": key} if key else {}
        headers |= {"Content-Type": "application/json"} if body is not None else {}
        return self.ask(method, path, json.dumps(body).encode() if body is not None else None, headers)

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        try:
            self._connection.request(method, path, body, headers or {})
            answer = self._connection.getresponse()
            return Answer(answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read())
        except GONE:
            self.close()
            raise

    def close(self) -> None:
        self._connection.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(library: Library, port: int | None = None, **more: str) -> Server:
    """A server that is ready. It asks nobody outside, unless `more` settings say so."""
    port, log, settings = port or free_port(), library.settings.data.parent / "server.log", library.settings
    surroundings = {f"BIBLIOTHEK_{name}_URL": "off" for name in SOURCES} | {
        "BIBLIOTHEK_DATA": str(settings.data),
        "BIBLIOTHEK_DATABASE_URL": settings.database_url or "",
    }
    surroundings |= {f"BIBLIOTHEK_{name.upper()}": text for name, text in more.items()}
    began = time.monotonic()
    with log.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "bibliothek", "serve", "--port", str(port)],
            env={**os.environ, **surroundings},
            stdout=subprocess.PIPE,
            stderr=file,
        )
    server = Server(process, port, log)
    try:
        _until_greeted(process)
        assert is_ready(port), log.read_text(encoding="utf-8")
    except BaseException:
        server.kill()
        raise
    server.ready_after = time.monotonic() - began
    return server


def _until_greeted(process: subprocess.Popen[bytes]) -> None:
    """Return when the server has said that it serves, or has ended.

    To knock at its port until then could take that very port: whoever connects gets any free one to do so from.
    """
    watchdog = threading.Timer(PATIENCE_S, process.kill)
    watchdog.start()
    assert process.stdout
    next((line for line in process.stdout if b"Strg+C" in line), None)
    watchdog.cancel()


def is_ready(port: int) -> bool:
    with closing(Program(port, "")) as program:
        try:
            return program.ask("GET", "/readyz").status == 200
        except GONE:
            return False


@contextmanager
def serving(library: Library, **more: str) -> Iterator[Server]:
    """A server that is ready, and gone afterwards."""
    server = start(library, **more)
    try:
        yield server
    finally:
        server.kill()
