"""A single copy in the librarians' hands: shelf, condition, out of the library and back."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from bibliothek.codes import new_card_code
from bibliothek.copies.models import Copy
from bibliothek.operations.verify import verify
from tests import make
from tests.client import text_of
from tests.conftest import NOON, Library
from tests.copies.conftest import Desk


@pytest.mark.parametrize("what", ["bearbeiten", "aussondern", "zurueckholen"])
def test_only_librarians_care_for_copies(library: Library, what: str) -> None:
    with library.database.writing() as db:
        make.admin(db)
        member, code = make.member(db), make.copy(db).code
    form = {"reason": "lost", "condition": "damaged"}
    with library.client() as client:
        assert client.submit(f"/c/{code}/{what}", False, **form).headers["location"].startswith("/anmelden")
        client.sign_in(member)
        assert client.submit(f"/c/{code}/{what}", **form).status_code == 403
        assert client.get(f"/c/{code}/bearbeiten").status_code == 403
        assert "Exemplar bearbeiten" not in client.get(f"/c/{code}").text
    with library.client() as tablet:
        tablet.be_tablet().submit(f"/c/{code}/{what}", **form)
    with library.database.reading() as db:
        copy = db.scalars(select(Copy)).one()
        assert (copy.state, copy.condition) == ("intake", None)


def test_a_copy_moves_to_another_shelf_and_says_how_it_looks(desk: Desk) -> None:
    assert "Exemplar bearbeiten" in desk.client.get(f"/c/{desk.code}").text
    with desk.library.database.writing() as db:
        shelf = make.shelf(db, "Sachbuch")
    assert "Sachbuch" in desk.do("bearbeiten", shelf=shelf.code, condition="worn").text
    assert (desk.copy().shelf_id, desk.copy().condition) == (shelf.id, "worn")
    page = desk.client.get(f"/c/{desk.code}/bearbeiten").text
    assert '<option value="worn" selected>gebraucht' in page
    desk.do("bearbeiten", shelf="", condition="")
    assert (desk.copy().shelf_id, desk.copy().condition) == (None, None)


def test_a_shelf_or_a_condition_that_is_none_is_said_at_its_field(desk: Desk) -> None:
    answer = desk.do("bearbeiten", shelf="gibt es nicht", condition="schön")
    assert answer.status_code == 422
    assert 'id="f-shelf-error"' in answer.text
    assert 'id="f-condition-error"' in answer.text


def test_a_withdrawn_copy_is_nowhere_and_comes_back(desk: Desk) -> None:
    assert desk.counts() == (1, 1, 1)
    page = desk.do("aussondern", reason="given-away")
    assert "abgegeben" in text_of(page.text)
    copy = desk.copy()
    assert (copy.state, copy.withdrawn_reason, copy.withdrawn_at) == ("withdrawn", "given-away", NOON)
    assert desk.counts() == (0, 0, 0)
    title = desk.client.get(f"/titel/{copy.title_id}").text
    assert f"/c/{desk.code}/bearbeiten" in title
    with desk.library.client() as stranger:
        assert desk.code not in stranger.get(f"/titel/{copy.title_id}").text
    # Nobody can borrow it meanwhile.
    assert "gehört nicht mehr zum Bestand" in text_of(desk.do("ausleihen").text)

    assert "gehört wieder zum Bestand" in text_of(desk.do("zurueckholen").text)
    copy = desk.copy()
    assert (copy.state, copy.withdrawn_reason, copy.withdrawn_at) == ("intake", None, None)
    assert desk.counts() == (1, 1, 1)


def test_a_copy_with_a_label_comes_back_ready(desk: Desk) -> None:
    with desk.library.database.writing() as db:
        copy = db.scalars(select(Copy)).one()
        copy.labelled_at, copy.state = NOON, "active"
    desk.do("aussondern", reason="lost")
    desk.do("zurueckholen")
    assert desk.copy().state == "active"
    with desk.library.database.reading() as db:
        assert [finding for finding in verify(db, NOON) if finding.broken] == []


def test_a_copy_on_loan_is_not_withdrawn(desk: Desk) -> None:
    with desk.library.database.writing() as db:
        make.loan(db, db.scalars(select(Copy)).one())
    answer = desk.do("aussondern", reason="lost")
    assert answer.status_code == 409
    assert "noch ausgeliehen, bis zum 21. Dezember 2026" in text_of(answer.text)
    assert desk.copy().state == "active"


def test_a_reason_is_needed_and_may_be_in_words(desk: Desk) -> None:
    assert 'id="f-reason-error"' in desk.do("aussondern").text
    assert 'id="f-note-error"' in desk.do("aussondern", reason="other", note=" ").text
    assert 'id="f-note-error"' in desk.do("aussondern", reason="other", note="x" * 201).text
    card = new_card_code()
    refused = desk.do("aussondern", reason="other", note=card)
    assert refused.status_code == 422
    assert card not in refused.text
    assert desk.copy().state == "intake"
    assert "Tee im Buch" in desk.do("aussondern", reason="other", note="Tee im Buch").text


def test_withdrawing_twice_keeps_the_first_reason(desk: Desk) -> None:
    desk.do("aussondern", reason="lost")
    desk.do("aussondern", reason="double")
    assert desk.copy().withdrawn_reason == "lost"


def test_an_unknown_code_has_no_page(desk: Desk) -> None:
    assert desk.client.get("/c/B000000/bearbeiten").status_code in (404, 422)
