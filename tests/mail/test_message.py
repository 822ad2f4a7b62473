"""A mail on the wire: names with umlauts, one line a header, nothing from elsewhere."""

from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage

import jinja2
import pytest

from bibliothek import i18n
from bibliothek.mail.message import (
    BadMailAddress,
    Message,
    ascii_domain,
    mail_host,
    make,
    message_id_of,
    one_line,
    to_email,
)
from tests.mail.server import texts

NOW = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
MESSAGE = Message("Erinnerung von Bücherei", "Schöne Grüße\n", "<p>Schöne Grüße</p>")


class Templates:
    """Templates from a dict, rendered as the house's own are: only HTML is escaped."""

    def __init__(self, **files: str) -> None:
        self.environment = jinja2.Environment(
            loader=jinja2.DictLoader({f"email/test/{name.replace('_', '.')}": text for name, text in files.items()}),
            autoescape=jinja2.select_autoescape(enabled_extensions=("html",)),
        )

    def render(self, template: str, context: object) -> str:
        return self.environment.get_template(template).render(context)


def on_the_wire(message: Message = MESSAGE, **changed: object) -> EmailMessage:
    """The mail as a reader's program gets it."""
    given = {"sender": "bibliothek@example.org", "address": "mitglied@example.org", "message_id": "<1@x>", "now": NOW}
    made = to_email(message, **(given | changed))  # type: ignore[arg-type]
    read = email.message_from_bytes(made.as_bytes(), policy=email.policy.default)
    assert isinstance(read, EmailMessage)
    return read


def test_a_mail_says_the_same_as_text_and_as_html() -> None:
    mail = on_the_wire()
    assert mail["subject"] == "Erinnerung von Bücherei"
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert texts(mail) == ["Schöne Grüße\n", "<p>Schöne Grüße</p>\n"]


def test_a_mail_says_when_and_that_a_machine_made_it() -> None:
    mail = on_the_wire()
    assert mail["date"].datetime == NOW
    assert mail["auto-submitted"] == "auto-generated"
    assert mail["message-id"] == "<1@x>"
    assert not [name for name in mail if name.lower().startswith("list-")]


def test_the_bytes_are_seven_bit_with_crlf() -> None:
    made = to_email(MESSAGE, sender="a@example.org", address="b@example.org", message_id="<1@x>", now=NOW).as_bytes()
    assert made.isascii()
    assert b"\n" not in made.replace(b"\r\n", b"")


def test_a_sender_may_have_a_name() -> None:
    mail = on_the_wire(sender="Bücherei Süd, e. V. <post@example.org>".replace(",", ""))
    (address,) = mail["from"].addresses
    assert (address.display_name, address.addr_spec) == ("Bücherei Süd e. V.", "post@example.org")


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\x0b", "\x00", "\u2028", "\x85"])
def test_a_subject_cannot_begin_another_header(end: str) -> None:
    mail = on_the_wire(Message(f"Hallo{end}Bcc: fremd@example.org", "x", "x"))
    assert mail["subject"] == "Hallo Bcc: fremd@example.org"
    assert mail["bcc"] is None


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ohne",
        "@example.org",
        "name@",
        "a@b\r\nBcc: fremd@example.org",
        "a@b\nc",
        "a b@example.org",
        "a@example.org, fremd@example.org",
        "<a@example.org>",
        "a@b@example.org",
        "a@.example..org",
        "a@" + "x" * 70,
        'a"b@example.org',
        "a\x00@example.org",
        # One character that becomes several, dots or other marks among them, when the host is written in ASCII.
        "a@x\u2026de",
        "a@\u2024de",
        "a@x\ufe50y.de",
        "a@\u2100.de",
        "a@example.org.",
    ],
)
def test_what_is_no_address_is_not_written_to(address: str) -> None:
    with pytest.raises(BadMailAddress) as error:
        on_the_wire(address=address)
    assert not address or address not in str(error.value)


def test_a_host_with_umlauts_is_written_as_mail_servers_know_it() -> None:
    assert ascii_domain("post@bücher.example") == "post@xn--bcher-kva.example"
    assert on_the_wire(address="post@bücher.example")["to"] == "post@xn--bcher-kva.example"


@pytest.mark.parametrize("host", ["bücher.example", "\uff45xample.org", "x\u2024de", "x\u3002de", "straße.example"])
def test_a_host_in_ascii_stays_as_it_is(host: str) -> None:
    written = ascii_domain(f"post@{host}")
    assert ascii_domain(written) == written
    assert on_the_wire(address=f"post@{host}")["to"] == written


def test_the_message_id_has_the_host_of_the_library() -> None:
    assert message_id_of("abc", "https://bibliothek.example.org/haus") == "<abc@bibliothek.example.org>"
    assert mail_host("http://192.168.1.5:8000") == "[192.168.1.5]"
    assert mail_host("http://[::1]:8000") == "[IPv6:::1]"
    assert mail_host("https://bücher.example") == "xn--bcher-kva.example"


def test_a_mail_comes_from_its_three_templates() -> None:
    templates = Templates(
        subject_txt="Erinnerung von\n {{ library_name }}\n",
        body_txt="\nHallo {{ name }} ({{ lang }})\n\n",
        body_html="<p>{{ name }}</p>",
    )
    with i18n.use_language("en"):
        message = make(templates, "test", {"library_name": "A & B", "name": "<Mitglied 1>"})
    assert message.subject == "Erinnerung von A & B"
    assert message.text == "Hallo <Mitglied 1> (en)\n"
    assert message.html == "<p>&lt;Mitglied 1&gt;</p>"


def test_one_line_keeps_words_and_drops_the_rest() -> None:
    assert one_line("  a\tb\r\n\x07c ") == "a b c"
