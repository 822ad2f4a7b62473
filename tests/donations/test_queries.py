"""Whether a book is here already, and what people write into the fields around it."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from bibliothek.catalogue.fields import TitleFields
from bibliothek.copies.queries import MisreadCode, UnknownShelf, shelf_by
from bibliothek.donations.actions import Donor, read_donor, take_in_copy
from bibliothek.donations.queries import same_title
from bibliothek.labels.drawing import grouped
from bibliothek.members.queries import MisreadCard, members
from tests import make
from tests.conftest import NOON, Library

ISBN = "9783161484100"


@pytest.mark.parametrize("typed", ["Über den Fluss", "ÜBER DEN FLUSS", " über  den Fluss"])
def test_a_title_with_umlauts_is_known_again(db: Session, typed: str) -> None:
    title = make.title(db, "Über den Fluss", isbns=(ISBN,))
    assert same_title(db, TitleFields(title=typed, isbns=(ISBN,))) == title.id


def test_another_title_with_the_same_isbn_is_another(db: Session) -> None:
    make.title(db, "Über den Fluss", isbns=(ISBN,))
    assert same_title(db, TitleFields(title="Unter dem Fluss", isbns=(ISBN,))) is None


@pytest.mark.parametrize("change", ["one wrong", "one missing", "in groups", "small"])
def test_a_card_that_was_misread_is_nobodys_name(db: Session, change: str) -> None:
    card = make.card(db)
    last = "0" if card[-1] != "0" else "1"
    wrong = card[:-1] + last
    typed = {"one wrong": wrong, "one missing": card[:-1], "in groups": grouped(wrong), "small": wrong.lower()}[change]
    with pytest.raises(MisreadCard):
        read_donor(db, typed)


# Not a random one: of those, one in thousands looks like a name when it is torn to pieces.
CARD = "M7KD3A2B9H4XP0S6TN8W5C1EVJ2RG"


@pytest.mark.parametrize(
    "typed",
    [
        CARD[1:],
        CARD[1:-1].lower(),
        CARD[6:],
        "-".join(CARD[start : start + 4] for start in range(0, 28, 4)),
        " ".join(CARD[start : start + 4] for start in range(1, 28, 4)),
        "-".join(CARD[start : start + 4] for start in range(1, 28, 4)),
        ".".join(CARD[start : start + 7] for start in range(1, 28, 7)),
        f"Karte {CARD[1:]}",
        f"https://bibliothek.example.org/c/{CARD[1:]}",
        "".join(chr(ord(sign) + 0xFEE0) for sign in CARD[1:]),
    ],
)
def test_a_card_that_lost_its_first_symbols_or_came_in_groups_is_nobodys_name(db: Session, typed: str) -> None:
    with pytest.raises(MisreadCard):
        read_donor(db, typed)


@pytest.mark.parametrize(
    "name",
    [
        "Margarete Wilhelmine Schneider",
        "Mietshaus Bautzner Strasse 12",
        "Mitglied 7",
        "Kollektiv-Covid-19-Chronik-2020-Nord",
        "Hausgemeinschaft Allee 5a, 2. Stock",
        "Klasse 7b, Schuljahr 2025/26",
        "Buchladen Roter Stern, Strasse 12, 10999 Berlin",
    ],
)
def test_a_long_name_is_a_name(db: Session, name: str) -> None:
    assert read_donor(db, name).name == name


def test_a_misread_code_of_a_shelf_is_called_misread(db: Session) -> None:
    shelf = make.shelf(db, "Roman")
    wrong = shelf.code[:-1] + ("0" if shelf.code[-1] != "0" else "1")
    with pytest.raises(MisreadCode):
        shelf_by(db, wrong)
    assert shelf_by(db, "Roman").id == shelf.id


def test_signs_that_no_keyboard_makes_break_nothing(db: Session) -> None:
    copy = make.copy(db)
    donor = read_donor(db, "Haus\x00projekt")
    assert take_in_copy(db, copy.title_id, donor, None, NOON).donation.donor_name == "Hausprojekt"
    with pytest.raises(UnknownShelf):
        shelf_by(db, "\x00")
    assert members(db, "\x00 Mitglied \x1f") == members(db, "Mitglied")


def test_an_account_lists_ones_own_donations_and_nobody_elses(both: Library) -> None:
    with both.database.writing() as db:
        make.admin(db)
        giver, other = make.member(db), make.member(db)
        copy = make.copy(db, title="Die Wand")
        take_in_copy(db, copy.title_id, Donor(member_id=giver.id), None, NOON)
    with both.client() as client:
        page = client.sign_in(giver).get("/konto").text
        assert "Meine Spenden" in page
        assert "Die Wand" in page
    with both.client() as client:
        assert "Die Wand" not in client.sign_in(other).get("/konto").text
