"""The log tells what went wrong, and of nobody."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import StringIO

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from bibliothek import log
from bibliothek.lending import actions
from bibliothek.log import Formatter, without_persons
from tests import make
from tests.conftest import Library
from tests.mail.server import postbox, wait_for

NAME, ADDRESS = "Ava Unverkennbar", "ava.unverkennbar@example.org"

VALUES = {"name": "Mitglied\n\nUnverwechselbar", "now": "2026-11-23 11:00:00+00"}
STATEMENT = text(
    "INSERT INTO member (name, sort_name, role, created_at) VALUES (:name, 'unverwechselbar', 'kaiser', :now)"
)


@pytest.mark.parametrize("chained", [False, True])
def test_a_row_that_postgresql_quotes_is_not_written_down(both: Library, chained: bool) -> None:
    formatter = Formatter("%(levelname)s %(message)s")
    try:
        with both.database.writing() as db:
            db.execute(STATEMENT, VALUES)
    except IntegrityError as error:
        fault = error if chained else error.orig
        trace = (type(fault), fault, fault.__traceback__)
        message = f"not forgotten: {fault}"
    record = logging.LogRecord("bibliothek", logging.ERROR, "", 0, message, (), trace)
    said = formatter.format(record)
    assert "Unverwechselbar" not in said
    assert "ck_member_role" in said
    assert said.count("Traceback (most recent call last)") == (2 if chained else 1)
    if chained:
        assert "The above exception was the direct cause" in said
        assert "INSERT INTO member" in said


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ("no\nDETAIL:  Key (name)=(Anna).\n[SQL: INSERT]", "no\nDETAIL: …\n[SQL: INSERT]"),
        ("no\nDETAIL:  Failing row contains (1, Anna\nB.).\nHINT:  Ask.", "no\nDETAIL: …\nHINT:  Ask."),
        ("no\nDETAIL:  (Anna).\n\nThe above exception was", "no\nDETAIL: …\n\nThe above exception was"),
        ("no\nDETAIL:  Key (name)=(Anna).", "no\nDETAIL: …"),
        ("nothing of that kind", "nothing of that kind"),
    ],
)
def test_what_comes_after_the_quoted_row_stays(written: str, left: str) -> None:
    assert without_persons(written) == left


def traced(error: BaseException) -> str:
    record = logging.LogRecord("bibliothek", logging.ERROR, "", 0, "bug", (), (type(error), error, error.__traceback__))
    return Formatter("%(message)s").format(record)


@pytest.mark.parametrize(
    "error", [KeyError(NAME), ValueError(f"{NAME} is no date"), RuntimeError(NAME), Exception(NAME)]
)
def test_what_an_exception_says_of_somebody_is_not_written_down(error: Exception) -> None:
    assert traced(error).endswith(f"\n{type(error).__name__}: …")


def test_what_an_exception_says_of_code_is_written_down() -> None:
    error = AttributeError("'NoneType' object has no attribute 'title'")
    assert traced(error).endswith(f"\nAttributeError: {error}")


def test_a_trace_tells_what_came_before_and_of_several_each() -> None:
    try:
        try:
            raise KeyError(NAME)
        except KeyError as error:
            raise ExceptionGroup("both", [ValueError(NAME), TypeError("an int is needed")]) from error
    except ExceptionGroup as caught:
        said = traced(caught)
    assert re.findall(r"^\w+: .*$", said, re.MULTILINE) == [
        "KeyError: …",
        "ExceptionGroup: …",
        "ValueError: …",
        "TypeError: an int is needed",
    ]
    assert "was the direct cause" in said


@pytest.mark.parametrize(
    "said",
    [
        f'value "{NAME}" is out of range for type integer',
        f"ungültige Eingabesyntax für Typ integer: »{NAME}«",
        f"Syntaxfehler bei »{NAME}«",
        f"Wert »{NAME}« ist außerhalb des gültigen Bereichs für Typ integer",
    ],
)
def test_a_value_that_does_not_fit_is_not_written_down_in_any_language(said: str) -> None:
    assert "Unverkennbar" not in traced(psycopg.DataError(said))


@pytest.mark.postgres
def test_a_value_that_does_not_fit_is_not_written_down(both: Library) -> None:
    if both.database.is_sqlite:
        pytest.skip("SQLite takes any value for a number")
    with both.database.reading() as db, pytest.raises(DBAPIError) as caught:
        db.execute(text("SELECT CAST(:name AS integer)"), {"name": NAME})
    assert "Unverkennbar" in str(caught.value.orig)
    assert "Unverkennbar" not in traced(caught.value)
    assert "invalid input syntax" in traced(caught.value)


@contextmanager
def written(form: str) -> Iterator[StringIO]:
    """All that the server would write to stderr."""
    root, own = logging.getLogger(), logging.getLogger("bibliothek")
    before, levels = root.handlers, (root.level, own.level)
    log.configure(form)
    paper = StringIO()
    [handler] = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(paper)
    try:
        yield paper
    finally:
        root.handlers = before
        root.setLevel(levels[0])
        own.setLevel(levels[1])


def broken(*given: object) -> None:
    raise ValueError(f"{given} for {NAME} <{ADDRESS}>")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_day_with_sign_ins_loans_and_a_bug_is_logged_without_a_person(
    both: Library, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    with written(form) as paper, postbox() as box:
        mails = replace(both, settings=replace(both.settings, smtp_url=box.url, mail_from="bibliothek@example.org"))
        with both.database.writing() as db:
            make.admin(db)
            card = make.card(db, make.member(db, NAME, ADDRESS))
            copy, other = make.copy(db).code, make.copy(db).code
        with mails.client() as client, mails.client() as program:
            program.with_token()
            client.submit("/anmelden", email=ADDRESS)
            wait_for(lambda: "sent" in paper.getvalue())
            link = re.search(r"/anmelden/([\w-]{43})", box.received[0].as_string().replace("=\n", ""))
            assert link
            assert client.submit(f"/anmelden/{link[1]}").url.path == "/konto"
            loan = {"copy": copy, "member": card}
            assert program.post("/api/v1/loans", json=loan).status_code == 201
            monkeypatch.setattr(actions, "lend_scanned", broken)
            assert program.post("/api/v1/loans", json={"copy": other, "member": card}).status_code == 500
            monkeypatch.setattr("bibliothek.web.routes._admit", broken)
            bug = client.get(f"/katalog?q={NAME}&an={ADDRESS}&karte={card}")
            at_link = client.get(f"/anmelden/{link[1]}")
    assert (bug.status_code, at_link.status_code) == (500, 500)
    said = paper.getvalue()
    assert said.count("bug ") >= 2
    assert "Traceback" in said
    for person in (NAME, "Unverkennbar", ADDRESS, "unverkennbar", card, copy, other, link[1]):
        assert person not in said
    if form == "json":
        lines = [json.loads(line) for line in said.splitlines()]
        assert all(line["time"].endswith("+00:00") and line["level"] and line["logger"] for line in lines)
        assert {line["request"] for line in lines if "exception" in line} >= {bug.headers["x-request-id"]}


def test_a_bug_and_what_led_to_it_carry_the_number_that_the_page_shows(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bibliothek.web.routes._admit", broken)
    with written("text") as paper, library.client() as client:
        answer = client.get("/katalog")
    number = answer.headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{8}", number)
    assert number in answer.text
    assert f"ERROR [{number}] bug {number} at GET /katalog" in paper.getvalue()


def test_a_mail_is_logged_with_the_request_that_caused_it(library: Library) -> None:
    with written("text") as paper, postbox() as box:
        mails = replace(library, settings=replace(library.settings, smtp_url=box.url, mail_from="b@example.org"))
        with library.database.writing() as db:
            make.admin(db)
            make.member(db, email=ADDRESS)
        with mails.client() as client:
            number = client.post(
                "/anmelden",
                data={"email": ADDRESS},
                headers={"sec-fetch-site": "same-origin"},
                follow_redirects=False,
            ).headers["x-request-id"]
            wait_for(lambda: f"[{number}] mail 1 (sign_in): sent" in paper.getvalue())


@pytest.mark.parametrize(
    ("proxy", "sent", "believed"),
    [
        ("testclient", "5f-Ab_9.x", True),
        ("testclient", "0123456789abcdef" * 4, True),
        ("testclient", "0123456789abcdef" * 4 + "0", False),
        ("testclient", "a b", False),
        ("testclient", "a\tERROR", False),
        ("testclient", "", False),
        ("10.0.0.1", "5f-Ab_9.x", False),
        (None, "5f-Ab_9.x", False),
    ],
)
def test_only_the_trusted_proxy_may_give_a_request_its_id(
    library: Library, proxy: str | None, sent: str, believed: bool
) -> None:
    behind = replace(library, settings=replace(library.settings, trusted_proxy=proxy))
    with behind.client() as client:
        given = [
            client.get(path, headers={"x-request-id": sent}).headers["x-request-id"] for path in ("/", "/x", "/readyz")
        ]
    if believed:
        assert given == [sent] * 3
    else:
        assert all(re.fullmatch("[0-9a-f]{8}", one) for one in given)
        assert len(set(given)) == 3


def test_a_proxys_long_id_is_not_what_people_have_to_write_down(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bibliothek.web.routes._admit", broken)
    behind, long = replace(library, settings=replace(library.settings, trusted_proxy="testclient")), "5f" * 16
    with written("text") as paper, behind.client() as client:
        page = client.get("/katalog", headers={"x-request-id": long}).text
    found = re.search(rf"\[{long}\] bug ([0-9a-f]{{8}}) at", paper.getvalue())
    assert found
    assert found[1] in page
    assert long not in page
