"""Whoever does not trust the network sends each thing several times at once: it is done once, and answered alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from bibliothek.lending import holds
from bibliothek.library.models import Library as Settings
from tests import make
from tests.client import Client
from tests.conftest import Library
from tests.kiosk.conftest import Tablet
from tests.kiosk.conftest import tablet as tablet  # a fixture
from tests.traffic import Deeds, deeds_in

AT_MOST = 5
Write = tuple[str, str, Any]


def a_loan(db: Session) -> Write:
    return "POST", "/loans", {"copy": make.copy(db).code, "member": make.card(db)}


def a_loan_of_what_somebody_has(db: Session) -> Write:
    copy = make.copy(db)
    make.loan(db, copy)
    return "POST", "/loans", {"copy": copy.code, "member": make.card(db)}


def a_return(db: Session) -> Write:
    copy = make.copy(db)
    make.loan(db, copy)
    return "POST", "/returns", {"copy": copy.code}


def a_renewal(db: Session) -> Write:
    # From its own date: each one would move it further.
    db.execute(update(Settings).values(renew_from="due", renewals=99))
    return "POST", f"/loans/{make.loan(db).id}/renewals", None


def a_renewal_of_what_is_waited_for(db: Session) -> Write:
    title = make.title(db)
    loan = make.loan(db, make.copy(db, title))
    holds.place(db, title.id, make.member(db).id, make.NOW, make.TODAY)
    return "POST", f"/loans/{loan.id}/renewals", None


def a_hold(db: Session) -> Write:
    title = make.title(db)
    make.copy(db, title)
    return "POST", "/holds", {"title": title.id, "member": make.card(db)}


def a_cancellation(db: Session) -> Write:
    title = make.title(db)
    make.copy(db, title)
    placed = holds.place(db, title.id, make.member(db).id, make.NOW, make.TODAY)
    return "DELETE", f"/holds/{placed.id}", None


WRITES = {
    a_loan: (201, 1),
    a_return: (200, 1),
    a_renewal: (201, 1),
    a_hold: (201, 1),
    a_cancellation: (204, 1),
    a_loan_of_what_somebody_has: (409, 0),
    a_renewal_of_what_is_waited_for: (409, 0),
}


@pytest.fixture
def client(both: Library) -> Any:
    with both.database.writing() as db:
        make.admin(db)
    with both.client() as client:
        yield client.with_token()


def send(client: Client, write: Write, key: str) -> tuple[int, bytes]:
    method, path, body = write
    answer = client.request(method, f"/api/v1{path}", json=body, headers={"idempotency-key": key})
    return answer.status_code, answer.content


def deeds(library: Library) -> Deeds:
    with library.database.reading() as db:
        return deeds_in(db)


def count_new(library: Library, before: Deeds) -> int:
    new = deeds(library).without(before)
    return sum(len(getattr(new, one.name)) for one in fields(new))


def prepared(library: Library, write: Callable[[Session], Write]) -> Write:
    with library.database.writing() as db:
        return write(db)


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.__name__)
def test_a_write_sent_several_times_at_once_is_done_once_and_answered_alike(
    client: Client, both: Library, write: Callable[[Session], Write]
) -> None:
    status, effects = WRITES[write]
    for times in range(1, AT_MOST + 1):
        asked, key = prepared(both, write), uuid4().hex
        before = deeds(both)
        with ThreadPoolExecutor(times) as threads:
            answers = list(threads.map(lambda _n, asked=asked, key=key: send(client, asked, key), range(times)))
        assert answers == [answers[0]] * times
        assert answers[0][0] == status
        assert count_new(both, before) == effects


def test_many_writes_sent_several_times_in_any_order_are_each_done_once(client: Client, both: Library) -> None:
    dice = Random(0)
    asked = {uuid4().hex: (prepared(both, write), *WRITES[write]) for write in WRITES for _ in range(3)}
    sent = [key for key in asked for _ in range(dice.randint(1, AT_MOST))]
    dice.shuffle(sent)
    before, answers = deeds(both), defaultdict(set)
    with ThreadPoolExecutor(16) as threads:
        for key, answer in zip(sent, threads.map(lambda key: send(client, asked[key][0], key), sent), strict=True):
            answers[key].add(answer)
    for key, (_write, status, _effects) in asked.items():
        [(answered, _body)] = answers[key]
        assert answered == status
    assert count_new(both, before) == sum(effects for _write, _status, effects in asked.values())


# ---- At the tablet ----


def scanned(tablet: Tablet, sent: list[tuple[str, str]]) -> dict[str, set[tuple[str, str]]]:
    """What the tablet said to each number: kind and words. All are on their way at the same time."""
    said = defaultdict(set)
    with ThreadPoolExecutor(8) as threads:
        for (_text, number), one in zip(sent, threads.map(lambda scan: tablet.scan(*scan), sent), strict=True):
            said[number].add((one.kind, one.result))
    return said


def test_scans_sent_several_times_in_any_order_are_each_done_once(tablet: Tablet) -> None:
    dice = Random(0)
    for turn, does in enumerate(["lent", "returned", "lent"]):
        if does == "lent":
            tablet.scan(tablet.cards[0], number=f"card {turn}")
        sent = [(code, f"{code} {turn}") for code in tablet.copies for _ in range(dice.randint(1, AT_MOST))]
        dice.shuffle(sent)
        said = scanned(tablet, sent)
        assert said == {f"{code} {turn}": {(does, "ok")} for code in tablet.copies}
        tablet.press("/kiosk/fertig")
        # What is still under way from before comes when all is over.
        assert scanned(tablet, sent[::-1]) == said
        assert tablet.open_loans() == (sorted((code, 2) for code in tablet.copies) if does == "lent" else [])
        tablet.wait(10)
    assert len(deeds(tablet.library).loans) == 2 * len(tablet.copies)
