"""Start a server process, wait for its first page, look at its memory, stop it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import psutil


@dataclass
class Server:
    """A running server: `cold_start` is the seconds from its launch to its first answered page."""

    process: subprocess.Popen[bytes]
    port: int
    cold_start: float

    def memory(self) -> float:
        """Proportional set size of the process and its children, in MiB."""
        return float(sum(member.memory_full_info().pss for member in self.family())) / 2**20

    def family(self) -> list[psutil.Process]:
        """The process and its children."""
        return [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]

    def cpu(self) -> list[float]:
        """Seconds of a core that each of them has used so far."""
        return [sum(member.cpu_times()[:2]) for member in self.family()]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def bibliothek(
    data: Path,
    dnb: str = "off",
    workers: int = 1,
    settings: Mapping[str, str] = MappingProxyType({}),
    program: Sequence[str] = ("bibliothek",),
) -> Iterator[Server]:
    """The real thing: `bibliothek serve` over the data folder. It asks nobody outside, or one source on this machine (`dnb`).
    `settings` are more of them, `program` is the module to run, and what it is told first."""
    port = free_port()
    command = [sys.executable, "-m", *program, "serve", "--port", str(port), "--workers", str(workers)]
    off = {f"BIBLIOTHEK_{name}_URL": "off" for name in ("K10PLUS", "LOBID", "OPENLIBRARY", "GOOGLEBOOKS", "COVERS")}
    given = {**off, "BIBLIOTHEK_DATA": str(data), "BIBLIOTHEK_DNB_URL": dnb, **settings}
    with _running(command, port, "/", given) as server:
        yield server


def command(data: Path, *arguments: str, settings: Mapping[str, str] = MappingProxyType({})) -> tuple[float, float]:
    """Run `bibliothek …` to its end; returns seconds with its start, and its memory at the highest (RSS) in MiB."""
    began, peak = time.perf_counter(), 0
    process = subprocess.Popen(
        [sys.executable, "-m", "bibliothek", *arguments],
        env={**os.environ, "BIBLIOTHEK_DATA": str(data), **settings},
        stdout=subprocess.DEVNULL,
    )
    # Not from wait4: to that, what the bench itself needed counts as well.
    while process.poll() is None:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8"))
        peak = int(found[1]) if found else peak
        time.sleep(0.02)
    assert process.returncode == 0, arguments
    return time.perf_counter() - began, peak / 1024


@contextmanager
def slow_source() -> Iterator[str]:
    """The address of a source that answers after half a second to three (bench/source.py)."""
    port = free_port()
    with _running([sys.executable, "-m", "bench.source", str(port)], port, "/", {}):
        yield f"http://127.0.0.1:{port}/dnb"


@contextmanager
def floor(name: str, data: Path) -> Iterator[Server]:
    """One of the bare apps of bench/floor.py on the same server with the same threads."""
    port = free_port()
    with _running([sys.executable, "-m", "bench.floor", name, str(port), str(data)], port, "/", {}) as server:
        yield server


@contextmanager
def _running(command: list[str], port: int, path: str, settings: dict[str, str]) -> Iterator[Server]:
    began = time.perf_counter()
    process = subprocess.Popen(
        command, env={**os.environ, **settings}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait(process, f"http://127.0.0.1:{port}{path}")
        yield Server(process, port, time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait(10)


def _wait(process: subprocess.Popen[bytes], address: str) -> None:
    for _ in range(6000):
        try:
            with urllib.request.urlopen(address, timeout=60):
                return
        except (urllib.error.URLError, ConnectionError):
            if process.poll() is not None:
                raise RuntimeError(f"the server ended with {process.returncode}") from None
            time.sleep(0.005)
    raise RuntimeError(f"no answer from {address}")
