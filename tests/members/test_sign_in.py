"""Signing in: a link for whoever opens it, six digits for the browser that asked. On both databases."""

from __future__ import annotations

import logging
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from bibliothek.lending.models import Loan
from bibliothek.mail.models import Mail
from bibliothek.members import actions, queries, rules, sign_in
from bibliothek.members.models import BrowserSession, Member, SignIn
from bibliothek.tokens import hashed, new_token
from tests import make
from tests.client import HOST, Client, text_of
from tests.conftest import Library
from tests.members.mails import all_mails, last_mail, once_of

KEY = b"only for tests"
OTHER = "ganz-woanders@example.org"


def people(library: Library) -> tuple[Member, Member]:
    """An admin, so that the library is set up, and a member."""
    with library.database.writing() as db:
        return make.admin(db), make.member(db, email="mitglied@example.org")


def ask(client: Client, email: str = "mitglied@example.org", **more: str) -> str:
    """Ask for a mail in this browser; returns the page that says so."""
    answer = client.submit("/anmelden", email=email, **more)
    assert answer.status_code == 200, text_of(answer.text)
    return str(answer.text)


def is_signed_in(client: Client) -> bool:
    return bool(client.get("/konto", follow_redirects=False).status_code == 200)


def count(library: Library, model: type) -> int:
    with library.database.reading() as db:
        return db.scalar(select(func.count()).select_from(model)) or 0


def test_the_mailed_link_signs_in_the_browser_that_opens_it(mailing: Library) -> None:
    _admin, member = people(mailing)
    with mailing.client() as asks, mailing.client() as opens:
        ask(asks)
        path = last_mail(mailing).path
        page = opens.get(path)
        assert member.name in page.text
        answer = opens.submit(path)
        assert answer.url.path == "/konto"
        assert is_signed_in(opens)
        assert not is_signed_in(asks)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_at_the_link_uses_nothing_up(mailing: Library, method: str) -> None:
    people(mailing)
    with mailing.client() as client:
        ask(client)
        path = last_mail(mailing).path
        for _time in range(3):
            assert client.request(method, path).status_code == 200
        assert not is_signed_in(client)
        client.submit(path)
        assert is_signed_in(client)


def test_a_link_works_once(mailing: Library) -> None:
    people(mailing)
    with mailing.client() as first, mailing.client() as second:
        ask(first)
        path = last_mail(mailing).path
        first.submit(path)
        answer = second.submit(path)
        assert answer.status_code == 410
        assert "gilt nicht mehr" in text_of(answer.text)
        assert not is_signed_in(second)
        assert second.get(path).status_code == 410


def test_a_link_works_ten_minutes(mailing: Library) -> None:
    people(mailing)
    with mailing.client() as client:
        ask(client)
        path = last_mail(mailing).path
        mailing.clock.pass_time(minutes=10, seconds=1)
        assert client.get(path).status_code == 410
        assert client.submit(path).status_code == 410
        assert not is_signed_in(client)


def test_of_many_who_press_at_once_with_one_link_one_gets_in(mailing: Library) -> None:
    _admin, member = people(mailing)
    with mailing.database.writing() as db:
        link = sign_in.new_link(db, member, mailing.clock())

    def press(number: int) -> bool:
        try:
            with mailing.database.writing() as db:
                sign_in.use_link(db, link, f"session {number}", mailing.clock())
        except sign_in.LinkSpent:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(press, range(16))) == 1
    assert count(mailing, BrowserSession) == 1


def test_pressing_the_button_twice_signs_in_even_if_the_first_answer_was_lost(mailing: Library) -> None:
    people(mailing)
    with mailing.client() as client:
        ask(client)
        path = last_mail(mailing).path
        once = once_of(client.get(path).text)
        client.submit(path, once=once)
        client.cookies.clear()
        answer = client.submit(path, once=once)
        assert answer.url.path == "/konto"
        assert count(mailing, BrowserSession) == 1
        client.cookies.clear()
        mailing.clock.pass_time(minutes=2)
        assert client.submit(path, once=once).status_code == 410


def test_the_code_signs_in_the_browser_that_asked(mailing: Library) -> None:
    people(mailing)
    with mailing.client() as client:
        assert "Sieh in deine Mails" in ask(client)
        code = last_mail(mailing).code
        answer = client.submit("/anmelden/code", code=f" {code[:3]} {code[3:]} ")
        assert answer.url.path == "/konto"
        assert is_signed_in(client)


def test_the_code_of_another_browser_is_refused(mailing: Library) -> None:
    people(mailing)
    with mailing.client() as asked, mailing.client() as thief:
        ask(asked)
        code = last_mail(mailing).code
        assert "gilt kein Code mehr" in text_of(thief.submit("/anmelden/code", code=code).text)
        thief.cookies.set("anfrage", "made-up-by-the-browser", domain=HOST)
        assert thief.submit("/anmelden/code", code=code).status_code == 410
        assert not is_signed_in(thief)
        ask(thief, OTHER)
        assert thief.submit("/anmelden/code", code=code).status_code == 422
        assert not is_signed_in(thief)


def test_a_code_works_once_and_takes_the_link_with_it(mailing: Library) -> None:
    people(mailing)
    with mailing.client() as client, mailing.client() as other:
        ask(client)
        mailed, cookie = last_mail(mailing), client.cookies["anfrage"]
        client.submit("/anmelden/code", code=mailed.code)
        other.cookies.set("anfrage", cookie, domain=HOST)
        assert other.submit("/anmelden/code", code=mailed.code).status_code == 410
        assert other.submit(mailed.path).status_code == 410


def test_a_code_works_ten_minutes(mailing: Library) -> None:
    people(mailing)
    with mailing.client() as client:
        ask(client)
        mailing.clock.pass_time(minutes=10, seconds=1)
        assert client.submit("/anmelden/code", code=last_mail(mailing).code).status_code == 410


def test_the_sixth_try_is_refused_even_if_it_is_right(mailing: Library) -> None:
    people(mailing)
    with mailing.client() as client:
        ask(client)
        code = last_mail(mailing).code
        wrong = f"{(int(code) + 1) % 1_000_000:06}"
        for _try in range(5):
            answer = client.submit("/anmelden/code", code=wrong)
            assert answer.status_code == 422
            assert "nicht der Code" in text_of(answer.text)
            assert ('name="code"' in answer.text) == (_try < 4)
        assert "Neue Mail holen" in answer.text
        assert client.submit("/anmelden/code", code=code).status_code == 410
        assert not is_signed_in(client)


def test_where_no_mail_is_sent_an_old_link_says_whom_to_ask(mailing: Library) -> None:
    people(mailing)
    with mailing.client() as client:
        assert "Neuen Link holen" in client.get("/anmelden/" + new_token()).text
    silent = replace(mailing, settings=replace(mailing.settings, smtp_url=None))
    with silent.client() as client:
        said = text_of(client.get("/anmelden/" + new_token()).text)
    assert "Neuen Link holen" not in said
    assert "Betreuung" in said


def test_many_tries_at_once_are_no_more_than_five(mailing: Library) -> None:
    people(mailing)
    with mailing.client() as client:
        ask(client)
        browser = client.cookies["anfrage"]

    def guess(number: int) -> bool:
        try:
            with mailing.database.writing() as db:
                sign_in.use_code(db, browser, f"x{number}", "session", b"another key", mailing.clock())
        except sign_in.CodeSpent:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(guess, range(20))) == 5


@pytest.mark.parametrize("code", ["", "12345678901234567890123456789012345", "abc", "١٢٣٤٥٦"])
def test_a_strange_code_is_refused_kindly(mailing: Library, code: str) -> None:
    people(mailing)
    with mailing.client() as client:
        ask(client)
        assert client.submit("/anmelden/code", code=code).status_code == 422


def test_an_address_nobody_has_is_answered_the_same(mailing: Library) -> None:
    people(mailing)
    with mailing.client() as known, mailing.client() as unknown:
        pages = [ask(known), ask(unknown, OTHER)]
        assert len({text_of(page) for page in pages}) == 1
        assert "anfrage" in unknown.cookies
        wrong = [client.submit("/anmelden/code", code="12") for client in (known, unknown)]
        assert len({(answer.status_code, text_of(answer.text)) for answer in wrong}) == 1
    assert [mail.address for mail in all_mails(mailing)] == ["mitglied@example.org"]


def test_limits_say_the_same_for_known_and_unknown_addresses(mailing: Library) -> None:
    people(mailing)
    said = set()
    for email in ("mitglied@example.org", OTHER):
        with mailing.client() as client:
            for _time in range(3):
                ask(client, email)
            answer = client.submit("/anmelden", email=email.upper())
            assert answer.status_code == 429
            said.add(text_of(answer.text).replace(email.upper(), ""))
    assert len(said) == 1
    assert len(all_mails(mailing)) == 3


def test_after_ten_minutes_an_address_may_ask_again_and_after_a_while_for_one_mail_at_a_time(mailing: Library) -> None:
    people(mailing)
    with mailing.client() as client:
        for _round in range(4):
            for _time in range(3):
                ask(client)
            assert client.submit("/anmelden", email="mitglied@example.org").status_code == 429
            mailing.clock.pass_time(minutes=11)
        for _hour in range(3):
            mailing.clock.pass_time(minutes=60)
            ask(client)
            assert client.submit("/anmelden", email="mitglied@example.org").status_code == 429
        mailing.clock.pass_time(days=1)
        for _time in range(3):
            ask(client)


def ask_from(library: Library, network: str, email: str = "mitglied@example.org") -> tuple[str, sign_in.Mailed] | None:
    """Ask for a mail from somewhere: the browser's token and what is mailed, None when refused."""
    browser, mailed = new_token(), sign_in.new_mailed()
    given = {"browser": browser, "network": network, "return_to": None, "key": KEY, "now": library.clock()}
    try:
        with library.database.writing() as db:
            sign_in.begin(db, email, mailed, **given)  # type: ignore[arg-type]
    except sign_in.TooManySignIns:
        return None
    return browser, mailed


def test_whoever_is_refused_after_sixty_mails_of_a_day_has_a_link_that_works(both: Library) -> None:
    people(both)
    links = []
    for number in range(60):
        asked = ask_from(both, f"network {number}")
        assert asked
        links.append(asked[1].link)
        both.clock.pass_time(minutes=2)
    assert ask_from(both, "home") is None
    with both.database.reading() as db:
        assert queries.usable_link(db, hashed(links[-1]), both.clock())
    both.clock.pass_time(minutes=8)
    assert ask_from(both, "home")
    assert ask_from(both, "another network") is None


def test_one_mailbox_gets_no_more_than_ten_mails_in_ten_minutes(both: Library) -> None:
    people(both)
    for email in ("mitglied@example.org", OTHER):
        assert sum(ask_from(both, f"network {number}", email) is not None for number in range(30)) == 10


@pytest.mark.parametrize("email", ["mitglied@example.org", OTHER])
def test_sixty_wrong_codes_a_day_end_the_codes_of_an_address_but_not_the_links(both: Library, email: str) -> None:
    people(both)
    for number in range(12):
        asked = ask_from(both, f"network {number}", email)
        assert asked
        for _try in range(5):
            with both.database.writing() as db:
                assert sign_in.use_code(db, asked[0], "no code", "session", KEY, both.clock()) is None
        both.clock.pass_time(minutes=10)
    asked = ask_from(both, "home", email)
    assert asked
    for _try in range(2):
        with pytest.raises(sign_in.TooManyCodes), both.database.writing() as db:
            sign_in.use_code(db, asked[0], asked[1].code, "session", KEY, both.clock())
    if email != OTHER:
        with both.database.writing() as db:
            assert sign_in.use_link(db, asked[1].link, "session", both.clock())


def test_a_code_that_was_mailed_may_be_used_while_no_other_is_to_be_had(mailing: Library) -> None:
    people(mailing)
    with mailing.client() as client:
        assert "/anmelden/code" not in client.get("/anmelden").text
        for _time in range(3):
            ask(client)
        mailing.clock.pass_time(minutes=1)
        refused = client.submit("/anmelden", email="mitglied@example.org")
        assert refused.status_code == 429
        assert "In 9 Minuten" in text_of(refused.text)
        assert 'href="/anmelden/code"' in refused.text
        client.submit("/anmelden/code", code=last_mail(mailing).code)
        assert is_signed_in(client)


def test_one_network_may_not_ask_for_everybody(mailing: Library) -> None:
    people(mailing)
    with mailing.client() as client:
        for number in range(30):
            ask(client, f"{number}@example.org")
        answer = client.submit("/anmelden", email="mitglied@example.org")
        assert answer.status_code == 429
        assert "Netz" in text_of(answer.text)


def test_a_known_address_takes_no_longer_than_an_unknown_one(mailing: Library) -> None:
    people(mailing)
    spans: dict[str, list[float]] = {"mitglied@example.org": [], OTHER: []}
    with mailing.client() as client:
        for _round in range(12):
            for email, measured in spans.items():
                begun = time.perf_counter()
                client.submit("/anmelden", False, email=email)
                measured.append(time.perf_counter() - begun)
            mailing.clock.pass_time(hours=3)
    known, unknown = (statistics.median(measured) for measured in spans.values())
    assert abs(known - unknown) < max(known, unknown) / 2


def test_asking_twice_by_a_double_press_sends_one_mail(mailing: Library) -> None:
    people(mailing)
    with mailing.client() as client:
        once = once_of(client.get("/anmelden").text)
        ask(client, once=once)
        client.cookies.clear()
        ask(client, once=once)
        assert len(all_mails(mailing)) == 1
        client.submit("/anmelden/code", code=last_mail(mailing).code)
        assert is_signed_in(client)


def test_a_corrected_address_of_the_same_form_gets_its_mail(mailing: Library) -> None:
    people(mailing)
    with mailing.client() as client:
        once = once_of(client.get("/anmelden").text)
        ask(client, OTHER, once=once)
        ask(client, once=once)
        client.submit("/anmelden/code", code=last_mail(mailing).code)
        assert is_signed_in(client)


def test_signing_in_leads_back_to_what_was_begun(mailing: Library) -> None:
    people(mailing)
    with mailing.client() as client:
        begun = client.get("/verwaltung/mitglieder?q=a%20b", follow_redirects=False)
        assert begun.headers["location"] == "/anmelden?zurueck=%2Fverwaltung%2Fmitglieder%3Fq%3Da%2520b"
        assert 'value="/konto?x=1&amp;y=2"' in client.get("/anmelden?zurueck=/konto%3Fx%3D1%26y%3D2").text
        ask(client, zurueck="/konto?x=1&y=2")
        answer = client.submit("/anmelden/code", code=last_mail(mailing).code)
        assert str(answer.url).endswith("/konto?x=1&y=2")


@pytest.mark.parametrize(
    "elsewhere",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "evil.example",
        "/\t/evil.example",
    ],
)
def test_nobody_is_sent_to_another_site(mailing: Library, elsewhere: str) -> None:
    people(mailing)
    with mailing.client() as client:
        ask(client, zurueck=elsewhere)
        answer = client.submit(last_mail(mailing).path, False)
        assert answer.headers["location"] == "/konto"
        answer = client.get("/anmelden", params={"zurueck": elsewhere}, follow_redirects=False)
        assert answer.headers["location"] == "/konto"


def test_a_cookie_that_the_browser_made_up_is_never_adopted(mailing: Library) -> None:
    people(mailing)
    with mailing.client() as client:
        client.cookies.set("bibliothek", "known-to-the-attacker", domain=HOST)
        ask(client)
        client.submit(last_mail(mailing).path)
        assert client.cookies["bibliothek"] != "known-to-the-attacker"
        with mailing.database.reading() as db:
            assert db.get(BrowserSession, hashed("known-to-the-attacker")) is None


def test_every_sign_in_begins_a_new_session_and_ends_the_old_one(mailing: Library) -> None:
    _admin, member = people(mailing)
    with mailing.client() as client:
        client.sign_in(member)
        before = client.cookies["bibliothek"]
        ask(client)
        client.submit(last_mail(mailing).path)
        assert client.cookies["bibliothek"] != before
    assert count(mailing, BrowserSession) == 1


def test_what_browsers_carry_is_stored_hashed(mailing: Library) -> None:
    people(mailing)
    with mailing.client() as client:
        ask(client)
        mailed, asked = last_mail(mailing), client.cookies["anfrage"]
        client.submit(mailed.path)
        with mailing.database.reading() as db:
            rows = [*db.scalars(select(SignIn)), *db.scalars(select(BrowserSession))]
            kept = " ".join(str(vars(row)) for row in rows)
        for secret in (mailed.path.rpartition("/")[2], mailed.code, asked, client.cookies["bibliothek"]):
            assert secret not in kept
        assert hashed(mailed.code) not in kept
        assert "mitglied@example.org" not in kept


def test_sign_ins_are_forgotten_after_a_day(mailing: Library) -> None:
    people(mailing)
    with mailing.client() as client:
        ask(client, zurueck="/titel/1")
        mailing.clock.pass_time(minutes=11)
        ask(client)
        with mailing.database.reading() as db:
            assert db.scalars(select(SignIn.return_to).order_by(SignIn.id)).all() == [None, None]
        mailing.clock.pass_time(days=1, minutes=1)
        ask(client, OTHER)
    assert count(mailing, SignIn) == 1


def test_no_address_and_no_link_gets_into_the_log(mailing: Library, caplog: pytest.LogCaptureFixture) -> None:
    people(mailing)
    with caplog.at_level(logging.DEBUG), mailing.client() as client:
        ask(client)
        client.submit(last_mail(mailing).path)
        client.submit("/anmelden", email="keine adresse")
    ours = " ".join(
        record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))
    )
    assert "@" not in ours
    assert last_mail(mailing).path not in ours


@pytest.mark.parametrize("email", ["", "keine-adresse", "a@b@c", "a b@example.org", "x" * 250 + "@example.org"])
def test_what_is_no_address_is_said_at_the_field(mailing: Library, email: str) -> None:
    people(mailing)
    with mailing.client() as client:
        answer = client.submit("/anmelden", email=email)
        assert answer.status_code == 422
        assert 'aria-invalid="true"' in answer.text
    assert count(mailing, Mail) == 0


def test_without_smtp_the_page_says_who_helps(both: Library) -> None:
    people(both)
    with both.client() as client:
        page = client.get("/anmelden")
        assert "QR-Code" in text_of(page.text)
        assert 'name="email"' not in page.text
        assert client.submit("/anmelden", email="mitglied@example.org").status_code == 503
    assert count(both, SignIn) == 0


def test_a_tablet_shows_a_qr_and_takes_nobody_in(mailing: Library) -> None:
    _admin, member = people(mailing)
    with mailing.database.writing() as db:
        link = sign_in.new_link(db, member, mailing.clock())
    with mailing.client() as client:
        client.be_tablet()
        page = client.get("/anmelden")
        assert "<svg" in page.text
        assert 'name="email"' not in page.text
        assert client.get("/anmelden/code", follow_redirects=False).headers["location"] == "/anmelden"
        assert client.get(f"/anmelden/{link}", follow_redirects=False).headers["location"] == "/anmelden"
        for path, fields in (
            ("/anmelden", {"email": "mitglied@example.org"}),
            ("/anmelden/code", {"code": "123456"}),
            (f"/anmelden/{link}", {}),
        ):
            answer = client.submit(path, False, **fields)
            assert answer.status_code in (303, 403), path
            assert "bibliothek" not in client.cookies
    assert count(mailing, BrowserSession) == 0


def test_signing_out_ends_this_session_only(mailing: Library) -> None:
    _admin, member = people(mailing)
    with mailing.client() as here, mailing.client() as there:
        here.sign_in(member)
        there.sign_in(member)
        stolen = here.cookies["bibliothek"]
        here.submit("/abmelden")
        assert "bibliothek" not in here.cookies
        here.cookies.set("bibliothek", stolen, domain=HOST)
        assert not is_signed_in(here)
        assert is_signed_in(there)


def test_signing_out_everywhere_ends_all_sessions_of_mine(mailing: Library) -> None:
    admin, member = people(mailing)
    with mailing.client() as here, mailing.client() as there, mailing.client() as other:
        here.sign_in(member)
        there.sign_in(member)
        other.sign_in(admin)
        here.submit("/konto/ueberall-abmelden")
        assert not is_signed_in(here)
        assert not is_signed_in(there)
        assert is_signed_in(other)


def test_a_session_ends_after_half_a_year(mailing: Library) -> None:
    _admin, member = people(mailing)
    with mailing.client() as client:
        client.sign_in(member)
        mailing.clock.pass_time(days=179)
        assert is_signed_in(client)
        mailing.clock.pass_time(days=2)
        assert not is_signed_in(client)


def test_another_site_cannot_sign_anybody_in_or_out(mailing: Library) -> None:
    _admin, member = people(mailing)
    with mailing.database.writing() as db:
        link = sign_in.new_link(db, member, mailing.clock())
    with mailing.client() as client:
        for path in ("/anmelden", "/anmelden/code", f"/anmelden/{link}", "/abmelden"):
            assert client.post(path, headers={"sec-fetch-site": "cross-site"}).status_code == 403


def test_a_link_to_an_address_that_was_changed_stops_working(mailing: Library) -> None:
    _admin, member = people(mailing)
    with mailing.client() as client:
        ask(client)
        path = last_mail(mailing).path
        with mailing.database.writing() as db:
            actions.change_member(db, member.id, member.name, "neu@example.org", "member", mailing.clock())
        assert client.submit(path).status_code == 410
    assert [mail.state for mail in all_mails(mailing)] == ["cancelled"]


def test_limits_and_lifetimes_are_what_the_pages_say() -> None:
    assert rules.LINK_LASTS.total_seconds() == 600
    assert rules.MOST_TRIES == 5


def test_who_signs_in_to_go_elsewhere_borrows_nothing(mailing: Library) -> None:
    with mailing.database.writing() as db:
        make.admin(db)
        make.member(db, email="mitglied@example.org")
        code = make.copy(db).code
    with mailing.client() as client:
        client.submit(f"/c/{code}/ausleihen", False)
        client.submit("/anmelden", email="mitglied@example.org", zurueck="/katalog")
        assert client.submit(last_mail(mailing).path, False).headers["location"] == "/katalog"
    assert count(mailing, Loan) == 0
