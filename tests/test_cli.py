"""The command line: what it prints, how it ends, and what it says when something is in the way."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from bibliothek import cli, codes, server
from bibliothek import db as db_module
from bibliothek.library.rules import setup_code
from bibliothek.log import without_persons
from bibliothek.members import queries
from bibliothek.members.models import ApiToken, Card, Member, SignIn
from bibliothek.problems import Failed
from bibliothek.serving import nobody_serves
from bibliothek.settings import ensure_secret_key, load_settings
from bibliothek.tokens import hashed
from tests import make
from tests.conftest import Library
from tests.serving import free_port

Run = Callable[..., int]
COMMANDS = (
    ["member", "add", "--name", "Mitglied 1", "--role", "member"],
    ["member", "link", "mitglied1@example.org"],
    ["token", "add", "--name", "Programm", "--role", "kiosk"],
    ["token", "list"],
    ["token", "revoke", "1"],
    ["verify"],
    ["remind"],
)


@pytest.fixture
def run(both: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on the library of the test; returns its exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BIBLIOTHEK_DATA", str(both.settings.data))
    if both.settings.database_url:
        monkeypatch.setenv("BIBLIOTHEK_DATABASE_URL", both.settings.database_url)
    return lambda *arguments: cli.run(arguments)


def one_line(said: str) -> str:
    assert said.endswith("\n")
    assert said.count("\n") == 1
    assert "Traceback" not in said
    return said


def test_adding_a_member_prints_card_and_link_and_nothing_else(
    both: Library, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("member", "add", "--name", "Mitglied 1", "--email", "M1@Example.org", "--role", "admin") == 0
    said = capsys.readouterr()
    found = re.fullmatch(r"card: (M[0-9A-Z]{28})\nlink: http://localhost:8000/anmelden/([\w-]{43})\n", said.out)
    assert found
    assert said.err == ""
    assert codes.read(found[1]).kind == "card"
    with both.database.reading() as db:
        member = queries.member_by_card(db, found[1])
        assert (member.name, member.email, member.role) == ("Mitglied 1", "m1@example.org", "admin")
        assert db.scalars(select(SignIn.link_hash)).all() == [hashed(found[2])]


def test_the_printed_link_signs_in(both: Library, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("member", "add", "--name", "Mitglied 1", "--email", "m1@example.org", "--role", "admin")
    capsys.readouterr()
    assert run("member", "link", "M1@example.org") == 0
    path = one_line(capsys.readouterr().out).strip().removeprefix("http://localhost:8000")
    with both.client() as client:
        assert client.submit(path).url.path == "/konto"


def test_a_token_stands_alone_on_its_line_and_is_stored_hashed(
    both: Library, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("token", "add", "--name", "Programm", "--role", "librarian") == 0
    token = one_line(capsys.readouterr().out).strip()
    with both.database.reading() as db:
        kept = db.scalars(select(ApiToken)).one()
        assert (kept.token_hash, kept.role, kept.name) == (hashed(token), "librarian", "Programm")


def test_a_token_that_leaked_is_found_and_revoked(both: Library, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("token", "add", "--name", "Tablet im Flur", "--role", "kiosk")
    run("token", "add", "--name", "Programm", "--role", "librarian")
    kept, leaked = capsys.readouterr().out.split()
    assert run("token", "list") == 0
    said = capsys.readouterr().out
    assert kept not in said
    assert leaked not in said
    lines = [line.split("\t") for line in said.splitlines()]
    assert [line[1:3] for line in lines] == [["Tablet im Flur", "kiosk"], ["Programm", "librarian"]]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", line[3]) for line in lines)
    with both.client() as client:

        def status(token: str) -> int:
            return int(client.get("/api/v1/titles", headers={"authorization": f"Bearer {token}"}).status_code)

        assert (status(kept), status(leaked)) == (200, 200)
        assert run("token", "revoke", lines[1][0]) == 0
        assert capsys.readouterr() == ("", "")
        assert (status(kept), status(leaked)) == (200, 401)
    assert run("token", "list") == 0
    assert one_line(capsys.readouterr().out).split("\t")[1] == "Tablet im Flur"
    assert run("token", "revoke", lines[1][0]) == 1
    assert "nicht mehr" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [(["7"], 1, "nicht mehr"), (["99999999999"], 1, "nicht mehr"), (["0"], 2, "ID"), (["x"], 2, "ID"), ([], 2, "ID")],
)
def test_a_token_that_is_none_is_not_revoked(
    run: Run, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, says: str
) -> None:
    assert run("token", "revoke", *arguments) == code
    assert says in one_line(capsys.readouterr().err)


def test_without_tokens_there_is_nothing_to_list(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("token", "list") == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["member", "add", "--name", "", "--role", "member"], "Ein Name hat 1 bis 100 Zeichen."),
        (["member", "add", "--name", "x", "--email", "y", "--role", "member"], "keine E-Mail-Adresse"),
        (["member", "add", "--name", "x", "--email", "da@example.org", "--role", "member"], "gibt es schon"),
        (["member", "link", "niemand@example.org"], "gibt es nicht"),
        (["token", "add", "--name", " ", "--role", "kiosk"], "Namen"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_1(
    both: Library, run: Run, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    with both.database.writing() as db:
        make.member(db, email="da@example.org")
    assert run(*arguments) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert says in one_line(said.err)
    with both.database.reading() as db:
        assert len(db.scalars(select(Member)).all()) == 1
        assert db.scalars(select(Card)).all() == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["gibt-es-nicht"], "nicht aufrufen"),
        (["member", "add"], "Es fehlt: --name."),
        (["member", "add", "--name", "x", "--role", "kaiser"], "--role: erlaubt ist member, librarian, admin."),
        (["member", "add", "--farbe", "rot"], "Die Option --farbe gibt es nicht."),
        (["serve", "--port", "99999"], "--port"),
        (["member", "link"], "Es fehlt: EMAIL."),
        (["token", "add", "--name", "x", "--role", "admin"], "erlaubt ist librarian, kiosk"),
    ],
)
def test_wrong_usage_is_one_german_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert cli.run(arguments) == 2
    line = one_line(capsys.readouterr().err)
    assert says in line
    assert "Hilfe: bibliothek" in line


@pytest.mark.parametrize(
    "arguments",
    [
        ["member", "add", "--name", "Mitglied 1", "--role", "member"],
        ["member", "link", "mitglied1@example.org"],
        ["token", "add", "--name", "Programm", "--role", "kiosk"],
        ["token", "revoke", "1"],
        ["remind"],
        ["import", "liste.csv"],
        ["demo"],
    ],
    ids=" ".join,
)
def test_while_somebody_restores_or_upgrades_no_command_writes(
    both: Library, run: Run, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    Path("liste.csv").write_text("Titel\nMomo\n", encoding="utf-8")
    with nobody_serves(both.settings, both.database):
        assert run(*arguments) == 1
    assert "Gerade wird hier" in one_line(capsys.readouterr().err)


def test_while_a_command_writes_nobody_restores_or_upgrades(both: Library, run: Run) -> None:
    with (
        cli.opened_library(writes=True),
        pytest.raises(Failed, match="läuft gerade"),
        nobody_serves(both.settings, both.database),
    ):
        pass
    with nobody_serves(both.settings, both.database):
        assert run("token", "list") == 0


def test_help_and_version_are_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--help"]) == 0
    assert cli.run(["--version"]) == 0
    assert "serve" in capsys.readouterr().out


def test_help_does_not_wait_for_the_web_framework() -> None:
    program = "import sys; from bibliothek import cli; cli.run(['--help']); print(sorted(sys.modules))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    for heavy in ("litestar", "sqlalchemy", "uvicorn", "jinja2"):
        assert f"'{heavy}'" not in said


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_folder_without_a_library_is_refused_and_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BIBLIOTHEK_DATA", "leer")
    assert cli.run(arguments) == 1
    assert f"In {tmp_path / 'leer'} liegt keine Bibliothek." in one_line(capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_an_empty_database_is_no_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    monkeypatch.setenv("BIBLIOTHEK_DATA", str(tmp_path))
    (tmp_path / "bibliothek.sqlite").touch()
    assert cli.run(arguments) == 1
    assert "liegt keine Bibliothek" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("revision", "says"), [("9999_01_01_later", "neueren Version"), ("2000_01_01_before", "älteren")]
)
def test_data_of_another_version_is_refused(
    both: Library, run: Run, capsys: pytest.CaptureFixture[str], revision: str, says: str
) -> None:
    with both.database.writing() as db:
        db.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    assert run("verify") == 1
    assert says in one_line(capsys.readouterr().err)


def test_a_file_that_is_no_database_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BIBLIOTHEK_DATA", str(tmp_path))
    (tmp_path / "bibliothek.sqlite").write_text("das ist keine Datenbank, sondern Text " * 100)
    assert cli.run(["verify"]) == 1
    line = one_line(capsys.readouterr().err)
    assert "ist nicht zu benutzen" in line
    assert "bibliothek doctor" in line


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["backup", "nirgends/s.zip"], "nirgends: Das gibt es nicht."),
        (["export", "nirgends/liste.csv"], "nirgends: Das gibt es nicht."),
        (["backup", "."], "Gebraucht wird eine Datei, kein Ordner."),
        (["restore", "fehlt.zip"], "fehlt.zip: Das gibt es nicht."),
        (["restore", "."], ".: Das ist ein Ordner."),
        (["import", "fehlt.csv"], "Diese Datei gibt es nicht"),
    ],
)
def test_a_file_that_is_not_there_is_told_in_plain_german(
    both: Library, run: Run, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert run(*arguments)
    assert says in one_line(capsys.readouterr().err)


def test_a_postgresql_that_is_not_there_is_one_line_without_the_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BIBLIOTHEK_DATABASE_URL", "postgresql://wer:geheim@127.0.0.1:9/x")
    assert cli.run(["verify"]) == 1
    line = one_line(capsys.readouterr().err)
    assert "Datenbank ist nicht zu benutzen" in line
    assert "geheim" not in line


@pytest.mark.parametrize("option", ["foo=bar", "sslmode=perhaps", "connect_timeout=x", "application_name=%00"])
def test_an_address_of_postgresql_that_it_cannot_read_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    monkeypatch.setenv("BIBLIOTHEK_DATABASE_URL", f"postgresql://wer:geheim@127.0.0.1:9/x?{option}")
    assert cli.run(["verify"]) == 1
    line = one_line(capsys.readouterr().err)
    assert "geheim" not in line


def test_a_locked_database_is_said_to_be_locked(
    library: Library, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BIBLIOTHEK_DATA", str(library.settings.data))
    monkeypatch.setattr("bibliothek.db._PRAGMAS", {"busy_timeout": 50, "journal_mode": "wal"})
    with library.database.writing() as db:
        make.member(db)
        assert cli.run(["token", "add", "--name", "x", "--role", "kiosk"]) == 1
    assert "gesperrt" in one_line(capsys.readouterr().err)


def test_a_bad_setting_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("BIBLIOTHEK_PORT", "achttausend")
    assert cli.run(["serve"]) == 1
    assert "BIBLIOTHEK_PORT" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize(("option", "workers"), [([], 3), (["--workers", "2"], 2)])
def test_so_many_workers_serve_as_the_setting_says_or_the_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: list[str], workers: int
) -> None:
    served = []
    monkeypatch.setenv("BIBLIOTHEK_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("BIBLIOTHEK_WORKERS", "3")
    monkeypatch.setattr(server, "serve", lambda *given: served.append(given[5]))
    assert cli.run(["serve", "--port", str(free_port()), *option]) == 0
    assert served == [workers]


def test_a_port_in_use_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BIBLIOTHEK_DATA", str(tmp_path / "data"))
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        assert cli.run(["serve", "--port", str(port)]) == 1
    assert f"Port {port} ist schon belegt" in one_line(capsys.readouterr().err)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("host", ["203.0.113.1", "a..b", "x" * 70])
def test_an_address_that_is_not_ours_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], host: str
) -> None:
    assert cli.run(["serve", "--host", host]) == 1
    one_line(capsys.readouterr().err)
    monkeypatch.setenv("BIBLIOTHEK_HOST", host)
    assert cli.run(["serve"]) == 1
    one_line(capsys.readouterr().err)


@pytest.mark.parametrize(
    "arguments",
    [
        ["member", "link", "\udcff"],
        ["member", "add", "--name", "\udcff", "--role", "member"],
        ["token", "add", "--name", "\udcff", "--role", "kiosk"],
        ["serve", "--host", "\udcff"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_what_is_no_text_is_refused_in_one_line(
    run: Run, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(*arguments) == 1
    assert "nicht lesbar" in one_line(capsys.readouterr().err)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a file on a full disk")
@pytest.mark.parametrize(
    "arguments",
    [
        ["member", "add", "--name", "Mitglied 1", "--role", "member"],
        ["member", "link", "da@example.org"],
        ["token", "add", "--name", "Programm", "--role", "kiosk"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_what_could_not_be_printed_is_not_kept(
    both: Library, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with both.database.writing() as db:
        make.member(db, email="da@example.org")
    full = open("/dev/full", "w")  # noqa: SIM115 (closing it fails, too)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", full)
        assert run(*arguments) == 1
    with pytest.raises(OSError, match="space"):
        full.close()
    one_line(capsys.readouterr().err)
    with both.database.reading() as db:
        assert len(db.scalars(select(Member)).all()) == 1
        for kept in (Card, SignIn, ApiToken):
            assert db.scalars(select(kept)).all() == []


def test_a_folder_that_cannot_be_made_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "belegt").touch()
    monkeypatch.setenv("BIBLIOTHEK_DATA", str(tmp_path / "belegt" / "data"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert cli.run(["serve", "--port", str(port)]) == 1
    assert str(tmp_path / "belegt") in one_line(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("host", "port", "addresses"),
    [
        ("127.0.0.1", 8000, ["http://localhost:8000"]),
        ("localhost", 80, ["http://localhost"]),
        ("::1", 8000, ["http://localhost:8000"]),
        ("192.0.2.1", 8000, ["http://192.0.2.1:8000"]),
        ("2001:db8::1", 80, ["http://[2001:db8::1]"]),
        ("0.0.0.0", 8000, ["http://localhost:8000", "http://192.0.2.9:8000"]),
        ("::", 80, ["http://localhost", "http://192.0.2.9"]),
    ],
)
def test_the_greeting_says_where_browsers_find_it(
    monkeypatch: pytest.MonkeyPatch, host: str, port: int, addresses: list[str]
) -> None:
    monkeypatch.setattr(server, "_lan_address", lambda: "192.0.2.9")
    assert server.addresses(host, port) == addresses


@contextmanager
def serving(data: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str, list[str]]]:
    """A real server process, its address, and the lines it says."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "bibliothek", "serve", "--port", str(port), *arguments],
        env={**os.environ, "BIBLIOTHEK_DATA": str(data), "PYTHONWARNINGS": "error"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    said: list[str] = []
    try:
        assert process.stdout
        for line in process.stdout:
            said.append(line.strip())
            if "Strg+C" in line:
                break
        yield process, f"http://127.0.0.1:{port}", said
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


def test_serve_migrates_says_the_code_serves_and_ends_at_ctrl_c(tmp_path: Path) -> None:
    data = tmp_path / "neu"
    with serving(data) as (process, address, said):
        settings = load_settings({"BIBLIOTHEK_DATA": str(data)})
        code = setup_code(ensure_secret_key(settings))
        assert said[0].startswith("Bibliothek läuft: http://localhost:")
        [first_run] = [line for line in said if "/einrichten" in line]
        assert first_run.endswith(code)
        with urllib.request.urlopen(f"{address}/einrichten", timeout=20) as answer:
            assert answer.status == 200
            assert answer.headers["server"] is None
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stderr
        assert process.stderr.read() == ""
    assert (data / "secret-key").stat().st_mode & 0o777 == 0o600


def test_serve_says_no_code_once_there_is_an_admin_and_logs_nobody(library: Library) -> None:
    with library.database.writing() as db:
        make.admin(db)
    with serving(library.settings.data) as (process, address, said):
        assert not any("einrichten" in line for line in said)
        request = urllib.request.Request(
            f"{address}/anmelden", data=b"email=mitglied%40example.org", headers={"Origin": address}
        )
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(request, timeout=20)
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        assert process.stderr
        assert "@" not in process.stderr.read()


def test_over_a_database_that_cannot_be_written_no_server_starts(
    library: Library, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BIBLIOTHEK_DATA", str(library.settings.data))
    monkeypatch.setattr(server, "serve", lambda *_given: None)
    create_engine: Any = db_module.create_engine

    def read_only(address: str, **more: Any) -> Any:
        """As SQLite itself opens a file that the account may only read; root may write any."""
        return create_engine(f"{address.replace('///', '///file:')}?mode=ro&uri=true", **more)

    monkeypatch.setattr(db_module, "create_engine", read_only)
    assert cli.run(["serve", "--port", str(free_port())]) == 1
    said = one_line(capsys.readouterr().err)
    assert said.startswith(f"{library.settings.sqlite_file} lässt sich nur lesen.")
    assert "bibliothek doctor" in said


def test_an_admin_added_while_serving_ends_the_first_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIBLIOTHEK_DATA", str(tmp_path))
    with serving(tmp_path) as (_process, address, _said):
        with urllib.request.urlopen(f"{address}/katalog", timeout=20) as answer:
            assert answer.url.endswith("/einrichten")
        assert cli.run(["member", "add", "--name", "Mitglied 1", "--role", "admin"]) == 0
        with urllib.request.urlopen(f"{address}/katalog", timeout=20) as answer:
            assert answer.url.endswith("/katalog")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Key (email)=(mitglied1@example.org) already exists", "Key (email)=(…) already exists"),
        ("bug 1 at POST /anmelden/" + "x" * 43, "bug 1 at POST /anmelden/…"),
        ("card M" + "1" * 28, "card …"),
        ("GET /anmelden/code took 2 s", "GET /anmelden/code took 2 s"),
    ],
)
def test_the_log_names_nobody(text: str, written: str) -> None:
    assert without_persons(text) == written


def test_a_very_long_word_in_the_log_costs_no_time() -> None:
    # Were an address looked for from each of its letters, this would take an hour.
    assert without_persons("/" + "x" * 1_000_000) == "/" + "x" * 1_000_000


def test_the_greeting_says_where_codes_lead_if_that_is_elsewhere(library: Library) -> None:
    def greeting(port: int) -> str:
        return "\n".join(server.greeting(library.settings, library.database, "127.0.0.1", port))

    assert "führen auf http://localhost:8000" in greeting(9000)
    assert "führen auf" not in greeting(8000)


@pytest.mark.parametrize(
    ("more", "told"),
    [({}, True), ({"PORT": "{port}"}, False), ({"BASE_URL": "https://bibliothek.example.org"}, False)],
    ids=["port of serve alone", "port of all", "address of all"],
)
def test_serve_says_when_other_commands_do_not_know_its_port(
    library: Library,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    more: dict[str, str],
    told: bool,
) -> None:
    port = str(free_port())
    for name, value in {"DATA": str(library.settings.data), **more}.items():
        monkeypatch.setenv(f"BIBLIOTHEK_{name}", value.format(port=port))

    def serve(*given: Any) -> None:
        settings, database, _listener, host, port, _workers, remark = given
        print(*server.greeting(settings, database, host, port, remark))

    monkeypatch.setattr(server, "serve", serve)
    assert cli.run(["serve", "--port", port]) == 0
    assert (f"BIBLIOTHEK_PORT={port}" in capsys.readouterr().out) is told


@pytest.mark.parametrize("command", ["", "serve", "demo", "member", "member add", "token add", "remind", "verify"])
def test_every_command_explains_itself_in_german(capsys: pytest.CaptureFixture[str], command: str) -> None:
    for flag in ("--help", "-h"):
        assert cli.run([*command.split(), flag]) == 0
        said = capsys.readouterr().out
        assert "Diese Hilfe zeigen." in said
        assert "Show this message" not in said
