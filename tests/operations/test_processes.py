"""Several processes on one library: workers behind one socket, and servers behind a proxy."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from threading import Event
from uuid import uuid4

import psutil
import pytest
from sqlalchemy import func, select

from bibliothek import jobs
from bibliothek.copies.models import Copy
from bibliothek.donations import piles
from bibliothek.donations.models import PileBook
from bibliothek.donations.piles import Owner
from bibliothek.lending.models import Loan
from bibliothek.mail import outbox
from bibliothek.mail.message import Message
from bibliothek.mail.models import Mail
from bibliothek.members.actions import start_session
from tests import make, postgres, serving
from tests.client import text_of
from tests.conftest import Library
from tests.lookup.stand_in import StandIn
from tests.mail.server import postbox
from tests.operations.test_crash import await_answers, busy
from tests.serving import GONE, Program, free_port
from tests.traffic import Book, assert_done_once, assert_nothing_lost, assert_sound, furnish

TORTURE = os.environ.get("TORTURE") == "1"
KILLS = 60 if TORTURE else 1
CONFIGURATION = Path(__file__).parents[2] / "deploy/nginx-cluster.conf"


def until(fact: Callable[[], bool], seconds: float = serving.PATIENCE_S) -> None:
    give_up_at = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < give_up_at
        time.sleep(0.02)


# ---- Workers behind one socket ----


def workers_of(server: serving.Server) -> list[psutil.Process]:
    return psutil.Process(server.process.pid).children()


def test_one_worker_is_the_server_itself(both: Library) -> None:
    with serving.serving(both) as server:
        assert workers_of(server) == []


def test_a_worker_that_is_killed_is_replaced_and_the_others_serve_on(both: Library) -> None:
    with serving.serving(both, workers="3") as server:
        first = workers_of(server)
        assert len(first) == 3
        first[0].kill()
        assert serving.is_ready(server.port)
        until(lambda: len(set(workers_of(server)) - set(first)) == 1)
        assert serving.is_ready(server.port)
        assert "worker 1 ended (signal SIGKILL)" in server.log.read_text(encoding="utf-8")


def test_while_one_worker_hangs_the_other_serves_everybody_who_comes(both: Library) -> None:
    with serving.serving(both, workers="2") as server, ThreadPoolExecutor(16) as threads, ExitStack() as last:
        one, _other = workers_of(server)
        one.suspend()
        last.callback(one.resume)
        programs = [Program(server.port, "") for _ in range(16)]
        for asked in [threads.submit(program.ask, "GET", "/readyz") for program in programs]:
            assert asked.result().status == 200
        for program in programs:
            program.close()


@pytest.mark.parametrize("said", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_the_server_ends_with_all_its_workers(library: Library, said: signal.Signals) -> None:
    with serving.serving(library, workers="3") as server:
        workers = workers_of(server)
        server.process.send_signal(said)
        assert server.process.wait(20) == 0
        assert not any(worker.is_running() for worker in workers)
        assert server.bugs() == []


def test_without_the_process_that_started_them_workers_end_by_themselves(library: Library) -> None:
    with serving.serving(library, workers="3") as server:
        workers = workers_of(server)
        server.process.kill()
        server.process.wait()
        assert psutil.wait_procs(workers, 20)[1] == []


# The first process of a container, and a worker that is killed in the middle of a backup: its process is ours from then on.
FIRST_OF_A_CONTAINER = """
import ctypes, os, subprocess, sys
from bibliothek.workers import Workers
be_child_subreaper = 36
assert ctypes.CDLL(None).prctl(be_child_subreaper, 1, 0, 0, 0) == 0
def serve(_number):
    left_behind = subprocess.Popen([sys.executable, "-c", "print('ended', flush=True)"])
    print("serves", flush=True)
    os._exit(1)
Workers(serve, 1).run()
print("told to end", flush=True)
"""


def test_the_first_process_of_a_container_takes_what_a_killed_worker_leaves_behind() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FIRST_OF_A_CONTAINER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout
        lines = iter(process.stdout)
        seen = Counter(next(lines, "").strip() for _ in range(5))
        assert seen["serves"] >= 2
        assert seen["ended"] >= 2
        process.terminate()
        assert "told to end\n" in lines
        assert process.wait(20) == 0


NO_ROOM_AT_FIRST = """
import errno, os
from bibliothek.workers import Workers
fork, tries = os.fork, []
def crowded():
    tries.append(1)
    if len(tries) == 1:
        raise OSError(errno.EAGAIN, "no room")
    return fork()
os.fork = crowded
def serve(_number):
    print("serves", flush=True)
    os.read(os.pipe()[0], 1)
Workers(serve, 1).run()
"""


def test_a_worker_for_which_there_is_no_room_is_tried_again() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", NO_ROOM_AT_FIRST], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "serves\n"
        process.terminate()
        assert process.wait(20) == 0


HANGS = """
import signal, sys, time
from bibliothek import workers
workers.PATIENCE_S = 0.2
def serve(number):
    if number == 1:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("serves", flush=True)
    time.sleep(600)
workers.Workers(serve, 2).run()
print("ended", flush=True)
"""


def test_told_to_end_the_server_ends_although_a_worker_hangs() -> None:
    with subprocess.Popen([sys.executable, "-c", HANGS], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert [process.stdout.readline() for _ in range(2)] == ["serves\n"] * 2
        workers = psutil.Process(process.pid).children()
        process.terminate()
        try:
            assert process.wait(20) == 0
        finally:
            process.kill()
            for worker in workers:
                with suppress(psutil.NoSuchProcess):
                    worker.kill()
        assert process.stdout.read() == "ended\n"


BREAKS = """
from bibliothek import log
from bibliothek.workers import Workers
log.configure("json")
def serve(_number):
    raise ValueError("ada@example.org")
Workers(serve, 1).run()
"""


def test_why_a_worker_broke_stands_in_the_log_in_its_form_and_without_persons() -> None:
    with subprocess.Popen([sys.executable, "-c", BREAKS], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        first, second = process.stderr.readline(), process.stderr.readline()
        process.kill()
    broke, ended = json.loads(first), json.loads(second)
    assert broke["message"] == "worker 1 broke"
    assert "ValueError" in broke["exception"]
    assert "ada" not in broke["exception"]
    assert "worker 1 ended (code 1)" in ended["message"]


# ---- What the server does by itself ----


def test_what_three_processes_do_by_themselves_is_done_once(both: Library) -> None:
    isbns = [f"978355155{n:03}" for n in range(100, 106)]
    isbns = [isbn + _check_digit(isbn) for isbn in isbns]
    with both.database.writing() as db:
        member = make.admin(db)
        for n in range(12):
            message = Message(f"Brief {n}", "Text", "<p>Text</p>")
            outbox.queue(
                db, kind="test", member_id=None, address=f"p{n}@example.org", message=message, now=datetime.now(UTC)
            )
        for n, isbn in enumerate(isbns):
            piles.scan(db, Owner(member_id=member.id), str(n), isbn, datetime.now(UTC))
    with StandIn() as sources, postbox() as box, ExitStack() as servers:
        sources.delay_s = 0.05
        given = {"dnb_url": f"{sources.url}/dnb", "smtp_url": box.url, "mail_from": "bibliothek@example.org"}
        # Two servers, one of them with two workers.
        servers.enter_context(serving.serving(both, workers="2", **given))
        servers.enter_context(serving.serving(both, **given))
        until(
            lambda: _count(both, Mail.state == "sent") == 12 and _count(both, PileBook.state == "found") == len(isbns)
        )
        assert sorted(box.addresses) == sorted(f"p{n}@example.org" for n in range(12))
        asked = Counter(re.findall(r"\d{13}", one.path)[0] for one in sources.asked)
    assert asked == dict.fromkeys(isbns, 1)
    with both.database.reading() as db:
        job = jobs.find(db, "round")
    assert job
    assert job.ended_at


def _count(library: Library, condition: object) -> int:
    with library.database.reading() as db:
        return db.scalar(select(func.count()).where(condition)) or 0  # type: ignore[arg-type]


def _check_digit(first: str) -> str:
    return str(-sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(first)) % 10)


# ---- Three servers behind a proxy ----


@contextmanager
def proxy(folder: Path, ports: list[int]) -> Iterator[int]:
    """nginx as an operator has it, on a free port, before servers on these; yields its port."""
    port, text = free_port(), CONFIGURATION.read_text(encoding="utf-8")
    for number, server in enumerate(ports, 11):
        text = text.replace(f"10.0.0.{number}:8000", f"127.0.0.1:{server}")
    text = text.replace("listen 80;", f"listen 127.0.0.1:{port};")
    folder.mkdir()
    (folder / "bibliothek.conf").write_text(text, encoding="utf-8")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in kinds)
    main = f"daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
    main += "user root;\n" if os.geteuid() == 0 else ""
    main += f"http {{ access_log off; {folders} include {folder}/bibliothek.conf; }}\n"
    (folder / "nginx.conf").write_text(main, encoding="utf-8")
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "nginx is missing: sudo apt-get install nginx"
    process = subprocess.Popen(
        [program, "-p", str(folder), "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: _listens(port))
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@pytest.fixture
def on_postgres(tmp_path: Path, postgres_databases: postgres.Databases) -> Iterator[Library]:
    from tests.conftest import _on_postgres

    yield from _on_postgres(tmp_path, postgres_databases)


def _is_asked(server: serving.Server) -> bool:
    """Whether the proxy has a connection to it."""
    return any(one.status == "ESTABLISHED" for one in psutil.Process(server.process.pid).net_connections("tcp"))


def look_on(port: int, titles: dict[int, str], is_over: Event, dice: Random) -> Counter[str]:
    """Look at titles until it is over: what was answered how often; `wrong` is a page that does not show its title."""
    seen: Counter[str] = Counter()
    program = Program(port, "")
    while not is_over.is_set():
        number = dice.choice(list(titles))
        try:
            answer = program.ask("GET", f"/titel/{number}")
        except GONE:
            seen["broken off"] += 1
            continue
        is_right = answer.status != 200 or titles[number] in text_of(answer.body.decode())
        seen[str(answer.status) if is_right else "wrong"] += 1
    program.close()
    return seen


def lend_on_a_page(
    port: int, session: str, copies: list[str], card: str, is_over: Event
) -> tuple[set[str], Counter[int]]:
    """Lend one copy after the other as a librarian does, who sends a form again where the proxy had no answer for her. Returns
    the copies that the page said were lent, and how often it answered what else."""
    lent: set[str] = set()
    answered: Counter[int] = Counter()
    headers = {
        "Cookie": f"bibliothek={session}",
        "Sec-Fetch-Site": "same-origin",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    program = Program(port, "")
    for code in copies:
        body = f"copy={code}&member={card}&once={uuid4().hex}".encode()
        while code not in lent and not is_over.is_set():
            try:
                status = program.ask("POST", "/verwaltung/ausleihen", body, headers).status
            except GONE:
                status = 0
            if status == 303:
                lent.add(code)
            else:
                answered[status] += 1
    program.close()
    return lent, answered


@pytest.mark.postgres
def test_of_three_servers_behind_a_proxy_one_is_killed_again_and_again_and_nobody_loses_anything(
    on_postgres: Library, tmp_path: Path
) -> None:
    library, dice, is_up, is_over = on_postgres, Random(0), Event(), Event()
    book, ports = Book(furnish(library)), [free_port() for _ in range(3)]
    with library.database.writing() as db:
        titles = {title.id: title.title for title in (make.title(db, title=f"Buch mit Nummer {n}") for n in range(30))}
        copies = [make.copy(db).code for _ in range(3000 if TORTURE else 150)]
        card, session = make.card(db), start_session(db, make.admin(db), datetime.now(UTC))
    library.database.close()
    with ExitStack() as last, ThreadPoolExecutor(6) as threads:
        front = last.enter_context(proxy(tmp_path / "nginx", ports))
        given = {"trusted_proxy": "127.0.0.1", "base_url": f"http://127.0.0.1:{front}"}
        servers = list(threads.map(lambda port: serving.start(library, port, **given), ports))
        last.callback(lambda: [server.kill() for server in servers])
        is_up.set()
        last.callback(is_over.set)
        readers = [threads.submit(look_on, front, titles, is_over, Random(n)) for n in range(1 + TORTURE)]
        librarian = threads.submit(lend_on_a_page, front, session, copies, card, is_over)
        with busy(book, front, is_up) as (answered, programs):
            for n in range(KILLS):
                await_answers(answered, dice)
                servers[n % 3].kill()
                assert_nothing_lost(library, book.so_far())
                await_answers(answered, dice)
                servers[n % 3] = serving.start(library, ports[n % 3], **given)
            await_answers(answered, dice)
            # Whoever was killed works again.
            until(lambda: all(_is_asked(server) for server in servers))
        is_over.set()
        lent, elsewise = librarian.result()
        seen = sum((reader.result() for reader in readers), Counter())
        assert servers[0].bugs() == []
    gone = Counter(answer.status for program in programs for answer in program.unavailable)
    print(
        f"programs: {sum(book.answers.values())} answers, {dict(gone)} repeated; pages: {dict(seen)}; "
        f"forms: {len(lent)} lent, {dict(elsewise)} repeated"
    )
    with library.database.reading() as db:
        loans = db.execute(
            select(Loan.id, Copy.code).join(Copy, Copy.id == Loan.copy_id).where(Copy.code.in_(copies))
        ).all()
    assert lent
    assert lent <= {code for _number, code in loans}
    assert len(loans) == len({code for _number, code in loans})
    book.acknowledged.loans |= {(number, code) for number, code in loans}
    assert_sound(library)
    assert_done_once(library, book.so_far())
    # Of what was only read nobody noticed anything, but where a page was cut short in the middle.
    assert seen["200"] > 0
    assert set(seen) <= {"200", "broken off"}
    assert set(elsewise) <= {0, 502}
