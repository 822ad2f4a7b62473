"""Figures for Prometheus, on a port of their own. Loaded only where that port is set.

Nothing here is about a person: routes are told by their templates, never by the addresses that were asked for.
"""

from __future__ import annotations

import errno
import logging
import platform
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any
from wsgiref.simple_server import WSGIServer

from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from bibliothek import __version__, tally
from bibliothek.catalogue.queries import count_titles
from bibliothek.copies.models import Copy
from bibliothek.db import Database
from bibliothek.jobs import Job
from bibliothek.lending.queries import count_open_loans
from bibliothek.operations.health import look
from bibliothek.operations.nightly import last_backup
from bibliothek.settings import Settings

log = logging.getLogger("bibliothek")

Family = CounterMetricFamily | GaugeMetricFamily

# Of several workers each takes the next port that is free; more than these are not started (cli.py).
MOST_PORTS = 64
# What has to be counted in the database is counted at most so often, in seconds.
EVERY_S = 60.0
# In seconds: a page, a page on a slow machine, what should be looked at, a look-up, what went wrong.
BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 8.0)


class Metrics:
    """The figures of this process, and the server that tells them."""

    def __init__(self, database: Database, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._host, self._first_port = settings.metrics_host, settings.metrics_port or 0
        self._server: tuple[WSGIServer, threading.Thread] | None = None
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(_Library(database, settings, clock))
        self._requests = Counter("bibliothek_requests", "Requests", ("route", "status"), registry=registry)
        self._seconds = Histogram(
            "bibliothek_request_duration_seconds", "Until all was sent", ("route",), buckets=BUCKETS, registry=registry
        )
        # Only the event loop counts these.
        self._under_way = 0
        under_way = Gauge("bibliothek_requests_under_way", "Requests being answered", registry=registry)
        under_way.set_function(lambda: self._under_way)
        # To look a child up by its labels takes as long as all the rest.
        self._request, self._second = cache(self._requests.labels), cache(self._seconds.labels)

    def counting(self, app: ASGIApp) -> ASGIApp:
        """`app`, with each request counted and timed."""

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            status = 500

            async def noting(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            began = time.perf_counter()
            self._under_way += 1
            try:
                await app(scope, receive, noting)
            finally:
                self._under_way -= 1
                # Known only once it was routed; what is nowhere has none.
                route = scope.get("path_template") or "none"
                self._request(route, f"{status // 100}xx").inc()
                self._second(route).observe(time.perf_counter() - began)

        return counted

    def start(self) -> None:
        """Listen. That no port is to be had is said, and keeps no library from serving."""
        for port in range(self._first_port, min(self._first_port + MOST_PORTS, 65536)):
            try:
                self._server = start_http_server(port, self._host, self._registry)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    continue
                log.warning("no metrics on %s, port %d: %s", self._host, port, error.strerror or error)
                return
            log.info("metrics on %s, port %d", self._host, port)
            return
        log.warning("no metrics: from port %d on, none is free", self._first_port)

    def stop(self) -> None:
        if self._server:
            server, thread = self._server
            server.shutdown()
            server.server_close()
            thread.join()
            self._server = None


class _Library(Collector):
    """What is asked for when somebody wants to know: what the process counted by itself, and what the database says."""

    def __init__(self, database: Database, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._database, self._settings, self._clock = database, settings, clock
        self._lock = threading.Lock()
        self._kept: list[Family] = []
        self._kept_until = 0.0

    def collect(self) -> Iterator[Family]:
        yield from self._counted_here()
        with self._lock:
            if time.monotonic() >= self._kept_until:
                self._kept = list(self._from_database())
                self._kept_until = time.monotonic() + EVERY_S
            kept = self._kept
        yield from kept

    def _counted_here(self) -> Iterator[Family]:
        build = {(__version__, platform.python_version(), "sqlite" if self._database.is_sqlite else "postgresql"): 1}
        yield _gauge("build_info", "What runs here", build, "version", "python", "database")
        yield _counter("lending", "Loans, returns and renewals", tally.counted("lending"), "what")
        yield _counter("mails", "Mails by what became of them", tally.counted("mail"), "outcome")
        yield _counter("lookups", "Questions to sources", tally.counted("lookup"), "source", "outcome")
        in_use, most = self._database.connections()
        yield _gauge("database_connections_in_use", "Connections of this process in use", {(): in_use})
        yield _gauge("database_connections_most", "How many there may be at most", {(): most})
        yield _counter("database_writes", "Transactions that write", {(): self._database.writes})
        waited = {(): self._database.waited_s}
        yield _counter("database_write_wait_seconds", "Waiting for one's turn to write", waited)

    def _from_database(self) -> Iterator[Family]:
        checks = look(self._database, self._settings, self._clock)
        well = {(check.name,): float(check.status == "ok") for check in checks}
        yield _gauge("check_ok", "1 for what /readyz finds nothing wrong with", well, "check")
        try:
            with self._database.reading() as db:
                yield from self._counted_there(db)
        except SQLAlchemyError as error:
            log.error("no figures: %s", getattr(error, "orig", type(error).__name__))

    def _counted_there(self, db: Session) -> Iterator[Family]:
        now = self._clock()
        today = now.astimezone(self._settings.timezone).date()
        copies = db.scalar(select(func.count(Copy.id)).where(Copy.state != "withdrawn")) or 0
        yield _gauge("titles", "Titles", {(): count_titles(db)})
        yield _gauge("copies", "Copies that are not withdrawn", {(): copies})
        yield _gauge("open_loans", "Open loans", {(): count_open_loans(db)})
        yield _gauge("overdue_loans", "Open loans that are overdue", {(): count_open_loans(db, overdue_on=today)})
        ended = {(job.name,): job.ended_at for job in db.scalars(select(Job)) if job.ended_at}
        at = {job: moment.timestamp() for job, moment in ended.items()}
        yield _gauge("job_ended_timestamp_seconds", "When a job of the server last ended", at, "job")
        good_at = last_backup(db, now).good_at
        if good_at:
            age = (now - good_at).total_seconds()
            yield _gauge(
                "backup_age_seconds", "How old the last backup is that was restored for trial and is sound", {(): age}
            )


def _gauge(name: str, says: str, values: Mapping[Any, float], *labels: str) -> Family:
    """`values` by the texts of their labels, a tuple as long as `labels`."""
    return _filled(GaugeMetricFamily(f"bibliothek_{name}", says, labels=labels), values)


def _counter(name: str, says: str, values: Mapping[Any, float], *labels: str) -> Family:
    return _filled(CounterMetricFamily(f"bibliothek_{name}", says, labels=labels), values)


def _filled(family: Family, values: Mapping[Any, float]) -> Family:
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family
