"""One connection, many mails, a plain answer for each."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bibliothek.mail import send
from bibliothek.mail.message import Message, to_email
from bibliothek.mail.send import Outcome, Server, Unreachable, connect
from tests.mail import server
from tests.mail.server import Postbox

SENDER = "bibliothek@example.org"
TO = "mitglied@example.org"


def mail(text: str = "Hallo\n", address: str = TO) -> send.EmailMessage:
    return to_email(
        Message("Grüße", text, "<p>Hallo</p>"),
        sender=SENDER,
        address=address,
        message_id="<1@x>",
        now=datetime(2026, 11, 23, tzinfo=UTC),
    )


def hand_over(url: str, address: str = TO) -> send.Result:
    with connect(Server.of_url(url), "localhost") as line:
        return line.send(mail(address=address), SENDER, address)


def test_an_smtp_url_is_read_with_its_percent_signs() -> None:
    read = Server.of_url("smtp://post%40example.org:p%C3%A4ss%3A%2Fw%25@mail.example.org")
    assert read == Server("smtp", "mail.example.org", 587, "post@example.org", "päss:/w%")
    assert Server.of_url("smtps://mail.example.org").port == 465
    assert Server.of_url("smtp+plain://127.0.0.1:1025").port == 1025


def test_a_servers_name_never_shows_its_password() -> None:
    assert "geheim" not in repr(Server.of_url("smtp://name:geheim@mail.example.org"))


def test_a_mail_is_taken(box: Postbox) -> None:
    assert hand_over(box.url) == send.Result(Outcome.SENT)
    assert box.envelopes == [(SENDER, [TO])]


def test_many_mails_go_over_one_connection(box: Postbox) -> None:
    with connect(Server.of_url(box.url), "localhost") as line:
        results = [line.send(mail(), SENDER, f"mitglied{n}@example.org") for n in range(5)]
    assert {result.outcome for result in results} == {Outcome.SENT}
    assert (box.connections, len(box.received)) == (1, 5)


def test_lines_that_begin_with_a_dot_arrive_whole(box: Postbox) -> None:
    text = ".\n..\n.anfang\nende.\n.\n"
    with connect(Server.of_url(box.url), "localhost") as line:
        line.send(mail(text), SENDER, TO)
    assert server.texts(box.received[0])[0] == text


def test_a_refused_recipient_is_refused_for_good_and_the_next_goes_out(box: Postbox) -> None:
    box.refuse[TO] = f"550 5.1.1 <{TO}>: mailbox mitglied unknown"
    with connect(Server.of_url(box.url), "localhost") as line:
        first = line.send(mail(), SENDER, TO)
        second = line.send(mail(address="anders@example.org"), SENDER, "anders@example.org")
    assert first == send.Result(Outcome.FAILED, "550 5.1.1 … mailbox … unknown")
    assert second.outcome is Outcome.SENT
    assert box.addresses == ["anders@example.org"]


@pytest.mark.parametrize("answer", ["450 4.2.1 try again later", "451 greylisted", "452 full"])
def test_a_recipient_refused_for_now_is_tried_later(box: Postbox, answer: str) -> None:
    box.refuse[TO] = answer
    assert hand_over(box.url) == send.Result(Outcome.LATER, answer)


def test_a_refused_sender_is_the_librarys_fault_so_the_mail_waits(box: Postbox) -> None:
    box.refuse_sender = "553 5.7.1 sender not allowed"
    assert hand_over(box.url).outcome is Outcome.LATER


@pytest.mark.parametrize(("answer", "outcome"), [("554 no", Outcome.FAILED), ("451 busy", Outcome.LATER)])
def test_a_refused_text_is_told_apart_by_its_code(box: Postbox, answer: str, outcome: Outcome) -> None:
    box.answer = answer
    assert hand_over(box.url) == send.Result(outcome, answer)


def test_a_connection_lost_before_the_text_is_tried_later(box: Postbox) -> None:
    box.hang_up_before_text = True
    assert hand_over(box.url).outcome is Outcome.LATER
    assert box.received == []


def test_a_connection_lost_after_the_text_leaves_it_unknown(box: Postbox) -> None:
    box.hang_up_after_text = True
    assert hand_over(box.url).outcome is Outcome.UNKNOWN
    assert len(box.received) == 1


def test_a_server_too_slow_after_the_text_leaves_it_unknown(box: Postbox, monkeypatch: pytest.MonkeyPatch) -> None:
    box.slow = 0.6
    monkeypatch.setattr(send, "PATIENCE_AFTER_TEXT", 0.1)
    assert hand_over(box.url).outcome is Outcome.UNKNOWN


def test_a_server_that_is_down_is_said_to_be_so() -> None:
    with pytest.raises(Unreachable, match="nicht zu erreichen"):
        hand_over(f"smtp+plain://127.0.0.1:{server.free_port()}")


@contextmanager
def babbling(*lines: bytes) -> Iterator[str]:
    """A server that says these lines, one for each line it hears, whatever that was; then it is silent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            connection, _peer = listener.accept()
            with connection, connection.makefile("rb") as heard:
                for number, line in enumerate(lines):
                    if number:
                        heard.readline()
                    connection.sendall(line + b"\r\n")
                heard.read()

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        yield f"smtp+plain://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(5)


def test_a_server_that_never_greets_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send, "PATIENCE", 0.2)
    with babbling(b"") as url, pytest.raises(Unreachable):
        hand_over(url)


def test_a_server_that_says_no_more_mail_today_is_unreachable() -> None:
    with babbling(b"554 5.3.2 closed") as url, pytest.raises(Unreachable, match=r"554 5\.3\.2 closed"):
        hand_over(url)


@pytest.mark.parametrize("answer", [b"nonsense", b"x" * 9000, b"999 what"])
def test_nonsense_before_the_text_is_tried_later(answer: bytes) -> None:
    with babbling(b"220 hello", b"250 hello", b"250 sender", answer) as url:
        assert hand_over(url).outcome is Outcome.LATER


def test_a_server_that_hangs_up_politely_is_called_again_later() -> None:
    with (
        babbling(b"220 hello", b"250 hello", b"250 sender", b"421 going down") as url,
        connect(Server.of_url(url), "localhost") as line,
    ):
        assert line.send(mail(), SENDER, TO) == send.Result(Outcome.LATER, "421 going down")
        assert not line.is_open


def test_nonsense_after_the_text_leaves_it_unknown() -> None:
    # Every line of the text is answered, too: the first such answer is the one that is read.
    with babbling(b"220 hello", b"250 hello", b"250 sender", b"250 recipient", b"354 go", b"nonsense") as url:
        assert hand_over(url).outcome is Outcome.UNKNOWN


def trust(monkeypatch: pytest.MonkeyPatch, certificate: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


def test_starttls_is_used_with_a_certificate_that_is_trusted(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, certificate)
    with server.postbox(certificate, password="päss wort%") as box:
        result = hand_over(f"smtp://post%40example.org:p%C3%A4ss%20wort%25@127.0.0.1:{box.port}")
    assert result == send.Result(Outcome.SENT)
    assert box.signed_in == [(b"post@example.org", "päss wort%".encode())]


def test_a_password_in_ascii_signs_in(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trust(monkeypatch, certificate)
    with server.postbox(certificate, password="geheim") as box:
        assert hand_over(f"smtp://post:geheim@localhost:{box.port}").outcome is Outcome.SENT


@pytest.mark.parametrize("password", ["falsch", "f%C3%A4lsch"])
def test_a_wrong_password_is_said_and_nothing_is_sent(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    trust(monkeypatch, certificate)
    with server.postbox(certificate, password="geheim") as box:
        with pytest.raises(Unreachable, match="lehnt die Anmeldung ab"):
            hand_over(f"smtp://post:{password}@127.0.0.1:{box.port}")
        assert box.received == []


def test_a_certificate_nobody_vouches_for_is_refused(certificate: Path) -> None:
    with server.postbox(certificate) as box:
        with pytest.raises(Unreachable, match="Zertifikat"):
            hand_over(f"smtp://127.0.0.1:{box.port}")
        assert box.received == []


def test_a_certificate_of_another_host_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = server.make_certificate(tmp_path, "DNS:anders.example.org")
    trust(monkeypatch, other)
    with server.postbox(other) as box, pytest.raises(Unreachable, match="Zertifikat"):
        hand_over(f"smtp://127.0.0.1:{box.port}")


def test_a_server_without_starttls_gets_no_mail_in_the_clear(box: Postbox) -> None:
    with pytest.raises(Unreachable, match="STARTTLS"):
        hand_over(f"smtp://127.0.0.1:{box.port}")
    assert box.received == []


def test_smtps_speaks_tls_from_the_first_byte(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server.postbox(certificate, at_once=True) as box:
        with pytest.raises(Unreachable, match="Zertifikat"):
            hand_over(f"smtps://127.0.0.1:{box.port}")
        trust(monkeypatch, certificate)
        assert hand_over(f"smtps://127.0.0.1:{box.port}").outcome is Outcome.SENT


def test_an_address_with_umlauts_needs_a_server_that_knows_them(box: Postbox) -> None:
    assert hand_over(box.url, "jörg@example.org").outcome is Outcome.SENT
    assert box.addresses == ["jörg@example.org"]
    with babbling(b"220 hello", b"250 hello") as url:
        assert hand_over(url, "jörg@example.org").outcome is Outcome.FAILED


def test_no_address_is_logged(box: Postbox, caplog: pytest.LogCaptureFixture) -> None:
    box.refuse[TO] = f"550 {TO} unknown"
    with caplog.at_level(logging.DEBUG):
        hand_over(box.url)
    ours = [record for record in caplog.records if record.name.startswith("bibliothek")]
    assert not [record for record in ours if "mitglied" in record.getMessage()]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"unknown user Mitglied@Example.org here", "550 unknown user … here"),
        (b"line one\r\nline\x07 two", "550 line one line two"),
        (b"\xff\xfe", "550 \ufffd\ufffd"),
        (b"x" * 500, "550 " + "x" * 196),
    ],
)
def test_a_reason_is_one_short_line_without_addresses(answer: bytes, said: str) -> None:
    assert send.reason(550, answer, "mitglied@example.org") == said
