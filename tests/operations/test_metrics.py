"""Figures for Prometheus: what an operator wants to know, and nothing that is about a person."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from bibliothek.operations import metrics
from tests import make, serving
from tests.client import Client
from tests.conftest import Library
from tests.mail.server import postbox, wait_for
from tests.serving import free_port

NAME, ADDRESS = "Ava Unverkennbar", "ava.unverkennbar@example.org"


def read(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        return str(answer.read().decode())


def figures(said: str) -> dict[str, float]:
    """As Prometheus reads them: `name{label=value}` to the value."""
    found = {}
    for family in text_string_to_metric_families(said):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
    return found


@contextmanager
def watched(library: Library, **more: object) -> Iterator[tuple[Client, int]]:
    """A browser on the library, and the port of its figures."""
    port = free_port()
    with replace(library, settings=replace(library.settings, metrics_port=port, **more)).client() as client:  # type: ignore[arg-type]
        yield client, port


def test_what_an_operator_wants_to_know_is_there(both: Library) -> None:
    with both.database.writing() as db:
        make.admin(db)
        card = make.card(db, make.member(db))
        first, second, third = (make.copy(db) for _ in range(3))
        make.loan(db, third)
        make.backup(db, both.clock() - timedelta(hours=8))
    both.clock.pass_time(days=60)
    with watched(both) as (client, port):
        before = figures(read(port))
        client.with_token()
        for copy in (first, second):
            client.post("/api/v1/loans", json={"copy": copy.code, "member": card})
        loan = client.get("/api/v1/loans").json()["items"][-1]["id"]
        both.clock.pass_time(days=2)
        assert client.post(f"/api/v1/loans/{loan}/renewals").status_code == 201
        client.post("/api/v1/returns", json={"copy": first.code})
        client.get("/gibt-es-nicht")
        after = figures(read(port))

    def more(name: str) -> float:
        return after[name] - before.get(name, 0)

    assert more("bibliothek_lending_total{what=loan}") == 2
    assert more("bibliothek_lending_total{what=return}") == 1
    assert more("bibliothek_lending_total{what=renewal}") == 1
    assert more("bibliothek_requests_total{route=/api/v1/loans,status=2xx}") == 3
    assert more("bibliothek_requests_total{route=none,status=4xx}") == 1
    assert more("bibliothek_request_duration_seconds_count{route=/api/v1/loans}") == 3
    assert more("bibliothek_request_duration_seconds_sum{route=/api/v1/loans}") > 0
    assert after["bibliothek_requests_under_way"] == 0
    assert more("bibliothek_database_writes_total") >= 4
    assert after["bibliothek_database_write_wait_seconds_total"] >= 0
    assert after["bibliothek_database_connections_most"] >= 8
    assert (after["bibliothek_titles"], after["bibliothek_copies"]) == (3, 3)
    assert (before["bibliothek_open_loans"], before["bibliothek_overdue_loans"]) == (1, 1)
    assert after["bibliothek_backup_age_seconds"] == timedelta(days=60, hours=8).total_seconds()
    assert after["bibliothek_job_ended_timestamp_seconds{job=backup}"] > 1_000_000_000
    assert after["bibliothek_check_ok{check=database}"] == 1
    assert after["bibliothek_check_ok{check=backup}"] == 0
    assert after["process_resident_memory_bytes"] > 10_000_000
    assert after["process_cpu_seconds_total"] > 0
    assert any(name.startswith("bibliothek_build_info{") for name in after)


def test_mails_and_questions_to_sources_are_counted_by_what_came_of_them(library: Library) -> None:
    with library.database.writing() as db:
        make.admin(db)
        make.member(db, email=ADDRESS)
    off = dict.fromkeys(("k10plus_url", "lobid_url", "openlibrary_url"))
    refuses = f"http://127.0.0.1:{free_port()}"
    with (
        postbox() as box,
        watched(library, smtp_url=box.url, mail_from="b@example.org", dnb_url=refuses, **off) as (client, port),
    ):
        before = figures(read(port))
        client.submit("/anmelden", email=ADDRESS)
        client.with_token().get("/api/v1/lookup/9783608963762")
        wait_for(lambda: more(before, port, "bibliothek_mails_total{outcome=sent}") == 1)
        assert more(before, port, "bibliothek_lookups_total{outcome=unavailable,source=dnb}") == 1


def more(before: dict[str, float], port: int, name: str) -> float:
    return figures(read(port)).get(name, 0) - before.get(name, 0)


def test_nothing_in_it_is_about_a_person(library: Library) -> None:
    with library.database.writing() as db:
        admin, member = make.admin(db), make.member(db, NAME, ADDRESS)
        card, copy = make.card(db, member), make.copy(db)
    with watched(library) as (client, port):
        client.sign_in(admin)
        for path in (
            f"/mitglieder/{member.id}",
            f"/c/{copy.code}",
            f"/katalog?q={NAME}",
            f"/anmelden/{'x' * 43}",
            f"/{NAME}/{ADDRESS}",
            f"/static/{card}",
        ):
            client.get(path)
        said = read(port)
    for person in ("Unverkennbar", "unverkennbar", ADDRESS, card, copy.code, "x" * 43, "members"):
        assert person not in said
    assert 'route="/c/{code}"' in said
    assert not re.search(r"route=\"[^\"{]*/\d", said)


def test_counting_in_the_database_is_not_done_for_everyone_who_asks(library: Library) -> None:
    with watched(library) as (_client, port):
        assert figures(read(port))["bibliothek_titles"] == 0
        with library.database.writing() as db:
            make.title(db)
        assert figures(read(port))["bibliothek_titles"] == 0


def test_without_its_database_the_rest_is_still_told(library: Library) -> None:
    with library.database.writing() as db:
        db.execute(text("ALTER TABLE job RENAME TO gone"))
    with watched(library) as (_client, port):
        found = figures(read(port))
    assert found["bibliothek_check_ok{check=database}"] == 0
    assert "bibliothek_check_ok{check=backup}" not in found
    assert found["process_resident_memory_bytes"] > 0


def test_the_next_port_is_taken_where_another_worker_has_the_first(
    library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    with watched(library) as (_first, port):
        both = replace(library, settings=replace(library.settings, metrics_port=port))
        with caplog.at_level("INFO", "bibliothek"), both.client():
            assert figures(read(port + 1))
            assert f"metrics on 127.0.0.1, port {port + 1}" in caplog.text
    with pytest.raises(urllib.error.URLError):
        read(port)


def test_a_library_without_a_port_for_figures_serves_all_the_same(
    library: Library, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(metrics, "MOST_PORTS", 1)
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        for settings, says in (
            ({"metrics_port": port}, "none is free"),
            ({"metrics_port": free_port(), "metrics_host": "192.0.2.1"}, "no metrics on 192.0.2.1"),
        ):
            with replace(library, settings=replace(library.settings, **settings)).client() as client:  # type: ignore[arg-type]
                assert client.get("/readyz").status_code == 200
            assert says in caplog.text


def test_nothing_of_it_is_loaded_where_no_port_is_set(library: Library) -> None:
    asked = (
        "import sys; from bibliothek.app import create_app; from bibliothek.settings import load_settings; "
        "create_app(load_settings()); print([name for name in sys.modules if 'prometheus' in name])"
    )
    environ = {**os.environ, "BIBLIOTHEK_DATA": str(library.settings.data)}
    done = subprocess.run([sys.executable, "-c", asked], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_real_server_tells_its_figures(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("BIBLIOTHEK_METRICS_PORT", str(port))
    with serving.serving(library) as server:
        found = figures(read(port))
        assert found["bibliothek_requests_total{route=/readyz,status=2xx}"] == 1
        assert f"metrics on 127.0.0.1, port {port}" in server.log.read_text()
