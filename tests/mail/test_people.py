"""A mail that is just leaving when its member goes, or moves to another address."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from bibliothek.mail import outbox
from bibliothek.mail.outbox import Delivered
from bibliothek.members import actions as members
from tests import make
from tests.conftest import Library
from tests.mail.server import Postbox
from tests.mail.test_outbox import HELLO, deliver, is_erased, mails, with_mail


def put_for_a_member(library: Library, kind: str) -> int:
    """A waiting mail to mitglied@example.org; returns the member's id."""
    with library.database.writing() as db:
        member_id = make.member(db, email="mitglied@example.org").id
        outbox.queue(
            db, kind=kind, member_id=member_id, address="mitglied@example.org", message=HELLO, now=library.clock()
        )
    return member_id


def meanwhile(library: Library, do: Callable[[Session], object]) -> Callable[[], None]:
    def change() -> None:
        with library.database.writing() as db:
            do(db)

    return change


def move(library: Library, member_id: int, address: str | None) -> Callable[[], None]:
    return meanwhile(
        library,
        lambda db: members.change_member(db, member_id, "Mitglied", address, "member", library.clock()),
    )


@pytest.mark.parametrize("answer", [None, "451 later", "550 never"])
def test_a_mail_that_is_leaving_keeps_nothing_of_a_member_who_is_erased(
    both: Library, box: Postbox, answer: str | None
) -> None:
    library = with_mail(both, box.url)
    member_id = put_for_a_member(library, "greeting")
    box.answer = answer
    box.on_text = meanwhile(library, lambda db: members.remove_member(db, member_id, library.clock()))
    assert deliver(library) == Delivered()
    (mail,) = mails(library)
    assert mail.state == "unknown"
    assert is_erased(mail)
    library.clock.pass_time(hours=1)
    assert deliver(library) == Delivered()


def test_a_mail_that_is_leaving_is_tried_again_at_the_new_address(both: Library, box: Postbox) -> None:
    library = with_mail(both, box.url)
    member_id = put_for_a_member(library, "greeting")
    box.answer, box.on_text = "451 later", move(library, member_id, "neu@example.org")
    assert deliver(library) == Delivered(later=1)
    box.answer = box.on_text = None
    library.clock.pass_time(minutes=1)
    assert deliver(library) == Delivered(sent=1)
    assert box.addresses[-1] == "neu@example.org"


@pytest.mark.parametrize(("kind", "address"), [("sign_in", "neu@example.org"), ("greeting", None)])
def test_a_mail_that_is_leaving_is_not_tried_again_where_it_no_longer_belongs(
    both: Library, box: Postbox, kind: str, address: str | None
) -> None:
    library = with_mail(both, box.url)
    member_id = put_for_a_member(library, kind)
    box.answer, box.on_text = "451 later", move(library, member_id, address)
    assert deliver(library) == Delivered()
    assert is_erased(mails(library)[0])
    library.clock.pass_time(minutes=1)
    assert deliver(library) == Delivered()
