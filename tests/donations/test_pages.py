"""Donating one book by what is printed on it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from bibliothek.catalogue.fields import Part, Person
from bibliothek.catalogue.queries import fields_of, title
from bibliothek.copies.models import Copy
from bibliothek.donations.models import Donation
from bibliothek.lookup.record import Record
from tests import make
from tests.client import Client, text_of
from tests.conftest import Library

ISBN = "9783551551672"


@pytest.fixture
def donor(asking: Library) -> Iterator[Client]:
    """A signed-in member in a library that is set up."""
    with asking.database.writing() as db:
        make.admin(db)
        member = make.member(db, "Mitglied 7")
    with asking.client() as client:
        yield client.sign_in(member)


def once(html: str) -> str:
    found = re.search(r'name="once" value="([^"]+)"', html)
    assert found
    return found.group(1)


def copies(library: Library) -> list[Copy]:
    with library.database.reading() as db:
        return list(db.scalars(select(Copy)))


def test_the_code_is_told_however_long_the_title_is(donor: Client) -> None:
    done = donor.submit("/spenden/buch", title="📚" * 1000)
    (copy,) = copies(donor.library)
    assert f"Code {copy.code}" in text_of(done.text)


def test_what_was_not_touched_stays_what_the_record_says(donor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    person, part = Person("Deutschland (Hg.)", "aut"), Part("Reihe", "3 ; 4")
    record = Record(title="Gesetze", contributors=(person,), series=(part,), isbns=(ISBN,))
    monkeypatch.setattr("bibliothek.lookup.actions.stored_record", lambda _db, _isbn: record)
    donor.submit("/spenden/buch", title="Gesetze", isbn=ISBN, persons="Deutschland (Hg.)", series="Reihe ; 3 ; 4")
    (copy,) = copies(donor.library)
    with donor.library.database.reading() as db:
        fields = fields_of(title(db, copy.title_id))
    assert (fields.contributors, fields.series) == ((person,), (part,))


def test_titles_that_are_here_are_offered_and_one_press_puts_a_copy_on_the_pile(donor: Client) -> None:
    with donor.library.database.writing() as db:
        title = make.title(db, "Die unendliche Geschichte")
    form = donor.get("/spenden/buch", params={"titel": "unendliche"}).text
    assert 'data-hx-get="/spenden/aehnliche"' in form
    assert 'data-hx-trigger="load, ' in form
    assert 'data-hx-trigger="load, ' not in donor.get("/spenden/buch").text
    offered = donor.get("/spenden/aehnliche", params={"title": "unendliche"}).text
    assert f'form="one-more" name="titel" value="{title.id}"' in offered
    action = re.search(r'<form id="one-more" method="post" action="([^"]+)"', form)
    assert action
    assert "noch ein Exemplar" in text_of(donor.submit(action[1], titel=str(title.id)).text)


def test_pressing_twice_takes_in_one_book(donor: Client) -> None:
    form = donor.get("/spenden/buch")
    fields = {"title": "Zine Nr. 3", "once": once(form.text)}
    donor.submit("/spenden/buch", **fields)
    donor.submit("/spenden/buch", **fields)
    assert len(copies(donor.library)) == 1


def test_all_errors_of_the_form_are_shown_and_the_rest_is_kept(donor: Client) -> None:
    shown = donor.submit("/spenden/buch", title="", year="bald", publisher="Rotbuch", once="x")
    assert shown.status_code == 422
    assert 'id="f-title-error"' in shown.text
    assert 'id="f-year-error"' in shown.text
    assert 'value="Rotbuch"' in shown.text
    assert copies(donor.library) == []


def test_every_wrong_field_of_a_book_is_marked_at_once(donor: Client) -> None:
    wrong = {
        "year": "3500",
        "pages": "viele",
        "edition": "x" * 400,
        "language": "deutsch",
        "persons": "x" * 301,
        "isbn": "9783551551673",
        "shelf": "R0000",
        "donor": "x" * 201,
    }
    shown = donor.submit("/spenden/buch", title="Zine", **wrong)
    assert shown.status_code == 422
    assert {name for name in wrong if f'id="f-{name}-error"' in shown.text} == set(wrong) - {"shelf"}
    # Without shelves there is no field of them; the sentence stands above the form.
    assert "Regal" in text_of(shown.text)
    assert 'value="3500"' in shown.text
    assert copies(donor.library) == []


def test_a_member_is_named_as_donor_only_if_they_want_it(donor: Client) -> None:
    donor.submit("/spenden/buch", title="A")
    donor.submit("/spenden/buch", title="B", from_me="1")
    with donor.library.database.reading() as db:
        donors = db.scalars(select(Donation.donor_id).order_by(Donation.id)).all()
    assert donors[0] is None
    assert donors[1] is not None


def test_the_tablet_may_take_books_in_and_strangers_may_not(asking: Library) -> None:
    with asking.database.writing() as db:
        make.admin(db)
    with asking.client() as stranger:
        answer = stranger.submit("/spenden/buch", False, title="A")
        assert (answer.status_code, answer.headers["location"][:9]) == (303, "/anmelden")
        assert copies(asking) == []
    with asking.client() as tablet:
        tablet.be_tablet()
        assert "aufgenommen" in tablet.submit("/spenden/buch", title="A").text
    assert len(copies(asking)) == 1


def test_a_card_scanned_into_the_form_is_neither_stored_nor_shown(donor: Client) -> None:
    with donor.library.database.writing() as db:
        card = make.card(db)
    for field in ("title", "persons", "series", "isbn"):
        shown = donor.submit("/spenden/buch", **{"title": "Zine", field: card})
        assert shown.status_code == 422
        assert f"f-{field}-error" in shown.text
        assert card not in shown.text
    assert copies(donor.library) == []
    assert card not in donor.get("/spenden/buch", params={"titel": card}).text


def test_a_card_scanned_for_the_donor_is_not_shown_when_something_else_is_wrong(donor: Client) -> None:
    with donor.library.database.writing() as db:
        card = make.card(db)
    shown = donor.submit("/spenden/buch", title="Zine", year="bald", donor=card)
    assert shown.status_code == 422
    assert 'id="f-donor-error"' in shown.text
    assert "noch einmal" in text_of(shown.text)
    assert card not in shown.text
    assert 'id="f-year-error"' in shown.text
    assert copies(donor.library) == []


# As many letters as a body, or an address, may have.
@pytest.mark.parametrize("piece", ["A", "1", "A ", "\u0301\u0323"])
def test_a_field_however_long_is_answered_quickly(donor: Client, piece: str) -> None:
    long = piece * (100_000 // len(piece))
    assert donor.submit("/spenden", isbn=long).status_code == 422
    assert donor.submit("/spenden/buch", title=long, persons=long, donor=long).status_code == 422
    assert donor.get("/spenden/buch", params={"titel": long[:10_000]}).status_code == 200
