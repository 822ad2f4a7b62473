"""Somebody types a member's address over and over, on the very network that the member uses."""

from __future__ import annotations

from bibliothek.members import queries, sign_in
from bibliothek.tokens import hashed, new_token
from tests import make
from tests.conftest import Library

KEY = b"k" * 32
EMAIL = "mitglied@example.org"


def ask(library: Library) -> str | None:
    """The link that is mailed, None when the address is refused."""
    mailed = sign_in.new_mailed()
    try:
        with library.database.writing() as db:
            sign_in.begin(
                db, EMAIL, mailed, browser=new_token(), network="home", return_to=None, key=KEY, now=library.clock()
            )
    except sign_in.TooManySignIns:
        return None
    return mailed.link


def test_whoever_is_refused_because_of_others_on_the_same_network_has_a_link_that_works(both: Library) -> None:
    with both.database.writing() as db:
        make.member(db, email=EMAIL)
    links = []
    for _minute in range(90):
        for _somebody in range(2):
            link = ask(both)
            if link:
                links.append(link)
            with both.database.reading() as db:
                assert queries.usable_link(db, hashed(links[-1]), both.clock())
        both.clock.pass_time(minutes=1)
    assert len(links) <= 12 + 6
