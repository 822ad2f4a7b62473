"""The first run: whoever reads the terminal becomes the first admin, and nobody else. On both databases."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import func, select

from bibliothek.codes import ALPHABET
from bibliothek.library import pages, queries, rules
from bibliothek.members import actions as members
from bibliothek.members.models import Member
from bibliothek.members.queries import has_admin
from tests import make
from tests.client import Client, text_of
from tests.conftest import Library
from tests.make import NOW
from tests.members.mails import once_of
from tests.race import until_another_waits


def right_code(library: Library) -> str:
    assert library.settings.secret_key
    return rules.setup_code(library.settings.secret_key)


def fill_in(client: Client, code: str, **more: str) -> Any:
    fields = {
        "code": code,
        "library": "Bücherei am Eck",
        "name": "Mitglied 1",
        "email": "mitglied1@example.org",
        **more,
    }
    return client.submit("/einrichten", **fields)


def behind_proxy(library: Library) -> Library:
    """The same library behind a proxy, which is the test's own client, so that a header can say where a request is from."""
    return replace(library, settings=replace(library.settings, trusted_proxy="testclient"))


def from_(client: Client, address: str) -> Client:
    client.headers["x-forwarded-for"] = address
    return client


def count_members(library: Library) -> int:
    with library.database.reading() as db:
        return db.scalar(select(func.count()).select_from(Member)) or 0


def test_every_page_leads_to_the_first_run(both: Library) -> None:
    with both.client() as client:
        for path in ("/", "/katalog", "/anmelden", "/verwaltung", "/konto", "/datenschutz"):
            assert client.get(path, follow_redirects=False).headers["location"] == "/einrichten", path
        assert client.get("/einrichten").status_code == 200


def test_whoever_has_the_code_names_the_library_and_is_signed_in(both: Library) -> None:
    with both.client() as client:
        answer = fill_in(client, right_code(both))
        assert answer.url.path == "/verwaltung"
        page = text_of(answer.text)
        assert "Bücherei am Eck" in page
        assert "Die ersten Schritte" in page
        assert "Mitglied 1" in client.get("/konto").text
    with both.database.reading() as db:
        library = queries.library(db)
        assert (library.name, library.set_up_at) == ("Bücherei am Eck", both.clock())
        assert db.scalars(select(Member)).one().role == "admin"


def test_the_code_may_be_typed_as_people_type(both: Library) -> None:
    code = right_code(both)
    with both.client() as client:
        fill_in(client, " " + code.lower().replace("-", " ").replace("0", "o").replace("1", "l"))
    assert count_members(both) == 1


@pytest.mark.parametrize("code", ["ABCD-1234", "", "----", "x" * 41, "ÄÖÜß€"])
def test_without_the_code_nobody_takes_the_library_over(both: Library, code: str) -> None:
    with both.client() as client:
        answer = fill_in(client, code)
    assert answer.status_code == 422
    assert 'value="Bücherei am Eck"' in answer.text
    assert count_members(both) == 0


def test_all_errors_are_shown_at_once(both: Library) -> None:
    with both.client() as client:
        answer = fill_in(client, "falsch", library="", name="", email="nein")
    assert answer.status_code == 422
    assert "4 Felder passen noch nicht" in answer.text
    said = re.findall(r'<li><a href="#f-[a-z]+">(.*?)</a>', answer.text)
    assert said == [
        "Das ist nicht der Code aus dem Terminal.",
        "Name der Bibliothek: Bitte fülle dieses Feld aus.",
        "Dein Name: Bitte fülle dieses Feld aus.",
        "Das ist keine E-Mail-Adresse. Sie sieht so aus: name@example.org",
    ]
    assert answer.text.index("<h1>") < answer.text.index("error-summary")


def test_what_cannot_be_seen_is_no_name_and_what_is_too_long_is_said(both: Library) -> None:
    with both.client() as client:
        answer = fill_in(client, right_code(both), library="\u200b", name="\u200b \u2060")
        assert answer.status_code == 422
        assert answer.text.count("Bitte fülle dieses Feld aus.") == 4
        answer = fill_in(client, right_code(both), library="B" * 81, name="N" * 101)
        assert answer.status_code == 422
        assert "höchstens 80 Zeichen" in answer.text
        assert "höchstens 100 Zeichen" in answer.text
        # Kept as it was typed, to be made shorter by whoever knows how.
        assert 'value="' + "B" * 81 + '"' in answer.text
    assert count_members(both) == 0


def test_after_ten_wrong_codes_one_network_waits(both: Library) -> None:
    with both.client() as client:
        for _time in range(10):
            assert fill_in(client, "ABCD-1234").status_code == 422
        answer = fill_in(client, right_code(both))
        assert answer.status_code == 429
        assert "Terminal" in text_of(answer.text)
        both.clock.pass_time(minutes=10, seconds=1)
        fill_in(client, right_code(both))
    assert count_members(both) == 1


def test_wrong_codes_of_one_network_do_not_lock_out_another(both: Library) -> None:
    library = behind_proxy(both)
    with library.client() as attacker, library.client() as owner:
        for _time in range(10):
            fill_in(from_(attacker, "203.0.113.7"), "ABCD-1234")
        assert fill_in(attacker, right_code(both)).status_code == 429
        fill_in(from_(owner, "198.51.100.1"), right_code(both))
    assert count_members(both) == 1


def test_the_first_run_is_over_once(both: Library) -> None:
    with both.client() as first, both.client() as second:
        fill_in(first, right_code(both))
        answer = fill_in(second, right_code(both), email="mitglied2@example.org")
        assert answer.url.path == "/anmelden"
        assert "schon eingerichtet" in answer.text
        assert second.get("/einrichten", follow_redirects=False).headers["location"] == "/"
    assert count_members(both) == 1


def test_an_admin_made_in_another_process_ends_the_first_run(both: Library) -> None:
    with both.client() as client:
        assert client.get("/einrichten").status_code == 200
        with both.database.writing() as db:
            make.admin(db)
        fill_in(client, right_code(both))
    assert count_members(both) == 1


def test_of_many_who_set_up_at_once_one_wins(both: Library) -> None:
    code, library = right_code(both), behind_proxy(both)

    clients = [from_(library.client(), f"198.51.100.{number}") for number in range(6)]

    def race(number: int) -> bool:
        with clients[number] as client:
            fill_in(client, code, email=f"mitglied{number}@example.org")
            return bool(client.get("/verwaltung", follow_redirects=False).status_code == 200)

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(race, range(6))) == 1
    assert count_members(both) == 1


def test_pressing_twice_signs_in_even_if_the_first_answer_was_lost(both: Library) -> None:
    with both.client() as client:
        once = once_of(client.get("/einrichten").text)
        fill_in(client, right_code(both), once=once)
        client.cookies.clear()
        assert fill_in(client, right_code(both), once=once).url.path == "/verwaltung"
        assert client.get("/konto", follow_redirects=False).status_code == 200
    assert count_members(both) == 1


def test_two_presses_at_once_both_sign_in(both: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up, together = members.set_up, Barrier(2)
    check = pages._checked_form

    def check_together(visit: Any) -> Any:
        form = check(visit)
        together.wait(5)
        return form

    def set_up_slowly(*given: Any) -> Any:
        until_another_waits(both.database)
        return set_up(*given)

    monkeypatch.setattr(pages, "_checked_form", check_together)
    monkeypatch.setattr(members, "set_up", set_up_slowly)
    with both.client() as client:
        once = once_of(client.get("/einrichten").text)
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda _: fill_in(client, right_code(both), once=once), range(2)))
        assert [answer.url.path for answer in answers] == ["/verwaltung", "/verwaltung"]
    assert count_members(both) == 1


def test_another_site_cannot_set_up(both: Library) -> None:
    with both.client() as client:
        fields = {"code": right_code(both), "library": "x", "name": "x", "email": "x@example.org"}
        answer = client.post("/einrichten", data=fields, headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403
    assert count_members(both) == 0


def test_the_language_can_be_chosen_before(both: Library) -> None:
    with both.client() as client:
        assert client.submit("/sprache", sprache="en", zurueck="/einrichten").url.path == "/einrichten"


def test_every_process_knows_the_same_code_and_every_key_has_its_own() -> None:
    codes = {rules.setup_code(bytes([number]) * 32) for number in range(200)}
    assert len(codes) == 200
    assert rules.setup_code(b"key") == rules.setup_code(b"key")
    for code in codes:
        assert len(code) == 9
        assert code[4] == "-"
        assert set(code.replace("-", "")) <= set(ALPHABET)


def test_the_code_of_another_library_is_refused(both: Library) -> None:
    other = replace(both.settings, secret_key=b"another key, of 32 bytes at least!")
    with both.client() as client:
        assert other.secret_key
        fill_in(client, rules.setup_code(other.secret_key))
    assert count_members(both) == 0


def test_setting_up_twice_is_refused_by_the_action(both: Library) -> None:
    with both.database.writing() as db:
        members.set_up(db, "Eins", "Mitglied 1", "mitglied1@example.org", NOW)
    with pytest.raises(members.AlreadySetUp), both.database.writing() as db:
        members.set_up(db, "Zwei", "Mitglied 2", "mitglied2@example.org", NOW)
    with both.database.reading() as db:
        assert queries.library(db).name == "Eins"
        assert has_admin(db)
