"""Whether a book is here already, and what people write into the fields around it."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from bibliothek.catalogue.fields import TitleFields
from bibliothek.copies.queries import UnknownShelf, shelf_by
from bibliothek.donations.actions import read_donor, take_in_copy
from bibliothek.donations.queries import same_title
from bibliothek.members.queries import members
from tests import make
from tests.conftest import NOON

ISBN = "9783161484100"


@pytest.mark.parametrize("typed", ["Über den Fluss", "ÜBER DEN FLUSS", " über  den Fluss"])
def test_a_title_with_umlauts_is_known_again(db: Session, typed: str) -> None:
    title = make.title(db, "Über den Fluss", isbns=(ISBN,))
    assert same_title(db, TitleFields(title=typed, isbns=(ISBN,))) == title.id


def test_another_title_with_the_same_isbn_is_another(db: Session) -> None:
    make.title(db, "Über den Fluss", isbns=(ISBN,))
    assert same_title(db, TitleFields(title="Unter dem Fluss", isbns=(ISBN,))) is None


def test_signs_that_no_keyboard_makes_break_nothing(db: Session) -> None:
    copy = make.copy(db)
    donor = read_donor(db, "Haus\x00projekt")
    assert take_in_copy(db, copy.title_id, donor, None, NOON).donation.donor_name == "Hausprojekt"
    with pytest.raises(UnknownShelf):
        shelf_by(db, "\x00")
    assert members(db, "\x00 Mitglied \x1f") == members(db, "Mitglied")
