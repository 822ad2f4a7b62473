"""A small HTTP/1.1 client that costs little itself: prepared bytes over kept-alive sockets, one thread a client.

It runs in a process of its own, so that it does not share the server's interpreter lock.
"""

from __future__ import annotations

import multiprocessing
import socket
import statistics
import threading
import time
from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """What a load run saw: seconds for all, milliseconds for each, how many of each HTTP status; and what it needed itself, in
    seconds of a core."""

    seconds: float
    milliseconds: list[float]
    statuses: Counter[int]
    cpu: float

    @property
    def per_second(self) -> float:
        return len(self.milliseconds) / self.seconds

    def percentile(self, percent: int) -> float:
        """Milliseconds that `percent` of a hundred requests did not exceed."""
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]

    @property
    def median(self) -> float:
        return statistics.median(self.milliseconds)


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """One prepared request; underscores in header names become hyphens."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def run(port: int, work: list[list[bytes]]) -> Result:
    """Let `len(work)` clients send their requests at the same time, each its own list in order."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_run, args=(port, work, there))
    process.start()
    result: Result = here.recv()
    process.join()
    return result


def _run(port: int, work: list[list[bytes]], pipe: object) -> None:
    seen: list[tuple[float, int]] = []
    start = threading.Barrier(len(work) + 1)
    threads = [threading.Thread(target=_client, args=(port, requests, seen, start)) for requests in work]
    for thread in threads:
        thread.start()
    start.wait()
    began, cpu = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.join()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    pipe.send(Result(seconds, [span for span, _ in seen], Counter(status for _, status in seen), cpu))  # type: ignore[attr-defined]


def _client(port: int, requests: list[bytes], seen: list[tuple[float, int]], start: threading.Barrier) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        start.wait()
        for prepared in requests:
            began = time.perf_counter()
            connection.sendall(prepared)
            status = _read_answer(connection)
            seen.append(((time.perf_counter() - began) * 1000, status))


def _read_answer(connection: socket.socket) -> int:
    """Read one whole answer with a Content-Length; return its status."""
    buffer = b""
    while b"\r\n\r\n" not in buffer:
        buffer += _more(connection)
    head, _, rest = buffer.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
    missing = length - len(rest)
    while missing > 0:
        missing -= len(_more(connection))
    return int(head[9:12])


def _more(connection: socket.socket) -> bytes:
    chunk = connection.recv(65536)
    if not chunk:
        raise ConnectionError("the server closed the connection")
    return chunk
