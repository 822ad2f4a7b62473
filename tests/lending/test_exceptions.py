"""Groups of members, kinds of material, and what is different for them: the pages, and that lending follows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from bibliothek.catalogue.models import Material, TitleMaterial
from bibliothek.copies.models import Copy
from bibliothek.lending.models import LendingRule
from bibliothek.members.models import GroupMember, Member, MemberGroup
from tests import make
from tests.client import Client, text_of
from tests.conftest import Library
from tests.make import TODAY

PATH = "/verwaltung/regeln/ausnahmen"


@dataclass
class Office:
    """A librarian's browser, with a group, a kind of material, a member and a film."""

    client: Client
    library: Library
    group: int
    material: int
    member: Member
    film: Copy

    def put_together(self) -> None:
        """The member is in the group now, and the film is of the kind, by the pages that librarians have for it."""
        self.client.submit(
            f"/verwaltung/mitglieder/{self.member.id}", name="Mitglied A", email="", group=str(self.group)
        )
        page = self.client.get(f"/titel/{self.film.title_id}/bearbeiten").text
        assert '<option value="" selected>Buch</option>' in page
        self.client.submit(f"/titel/{self.film.title_id}/bearbeiten", title="Film", material=str(self.material))

    def due(self) -> date:
        """When the film is due that is lent to the member today."""
        with self.library.database.writing() as db:
            due_on = make.loan(db, self.film, self.member).due_on
            db.rollback()
        return due_on

    def rules(self) -> list[tuple[int | None, int | None, int | None]]:
        with self.library.database.reading() as db:
            rows = db.execute(select(LendingRule.group_id, LendingRule.material_id, LendingRule.loan_days))
            return [tuple(row) for row in rows]


@pytest.fixture
def office(both: Library) -> Iterator[Office]:
    with both.database.writing() as db:
        librarian = make.admin(db)
        member, film = make.member(db, "Mitglied A"), make.copy(db, title="Film")
    with both.client() as client:
        client.sign_in(librarian)
        client.submit(f"{PATH}/gruppen", name=" Vorstand ")
        client.submit(f"{PATH}/arten", name="Filme")
        with both.database.reading() as db:
            group, material = db.scalars(select(MemberGroup.id)).one(), db.scalars(select(Material.id)).one()
        yield Office(client, both, group, material, member, film)


def days(number: int) -> date:
    return TODAY + timedelta(days=number)


def test_the_most_special_exception_counts(office: Office) -> None:
    office.put_together()
    assert office.due() == days(28)
    office.client.submit(PATH, material=str(office.material), loan_days="7")
    assert office.due() == days(7)
    office.client.submit(PATH, group=str(office.group), loan_days="60")
    assert office.due() == days(60)
    answer = office.client.submit(PATH, group=str(office.group), material=str(office.material), loan_days="14")
    assert "Gespeichert." in text_of(answer.text)
    assert office.due() == days(14)
    page = text_of(office.client.get(PATH).text)
    assert "Vorstand · Filme 14 Tage" in page
    assert "Alle · Filme 7 Tage" in page


def test_an_exception_takes_the_place_of_the_one_before(office: Office) -> None:
    for loan_days in ("7", "8"):
        office.client.submit(PATH, material=str(office.material), loan_days=loan_days)
    assert office.rules() == [(None, office.material, 8)]


def test_what_is_different_is_said_in_words(office: Office) -> None:
    office.client.submit(PATH, group=str(office.group), renewals="0", loan_limit="3")
    assert "Vorstand nicht verlängern, höchstens 3 auf einmal" in text_of(office.client.get(PATH).text)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"loan_days": "7"}, "Wähle eine Gruppe oder eine Art."),
        ({"group": "1"}, "Bitte gib an, was anders ist"),
        ({"group": "999", "loan_days": "7"}, "Das gibt es nicht, oder nicht mehr."),
        ({"group": "1", "loan_days": "0"}, ""),
        ({"group": "1", "loan_days": "bald"}, ""),
        ({"group": "9" * 40, "loan_days": "7"}, ""),
        ({"group": "1", "loan_limit": "-1"}, ""),
    ],
)
def test_an_exception_that_makes_no_sense_is_refused(office: Office, form: dict[str, str], said: str) -> None:
    form = {
        name: value.replace("1", str(office.group)) if name == "group" and value == "1" else value
        for name, value in form.items()
    }
    answer = office.client.submit(PATH, **form)
    assert answer.status_code in (404, 422)
    assert said in text_of(answer.text)
    assert office.rules() == []


def test_an_exception_goes_and_all_is_as_for_everybody(office: Office) -> None:
    office.put_together()
    office.client.submit(PATH, material=str(office.material), loan_days="7")
    with office.library.database.reading() as db:
        rule = db.scalars(select(LendingRule.id)).one()
    assert "Die Ausnahme ist gelöscht." in text_of(office.client.submit(f"{PATH}/{rule}/loeschen").text)
    assert "gibt es nicht, oder nicht mehr" in text_of(office.client.submit(f"{PATH}/{rule}/loeschen").text)
    assert office.due() == days(28)


@pytest.mark.parametrize("kind", ["gruppen", "arten"])
def test_a_group_or_kind_that_goes_takes_its_rules_along_and_nothing_else(office: Office, kind: str) -> None:
    office.put_together()
    office.client.submit(PATH, group=str(office.group), material=str(office.material), loan_days="14")
    assert office.due() == days(14)
    number = office.group if kind == "gruppen" else office.material
    office.client.submit(f"{PATH}/{kind}/{number}/loeschen")
    assert office.rules() == []
    assert office.due() == days(28)
    with office.library.database.reading() as db:
        left = [len(db.scalars(select(one.__table__.c[0])).all()) for one in (GroupMember, TitleMaterial, Member, Copy)]
    assert left == ([0, 1, 2, 1] if kind == "gruppen" else [1, 0, 2, 1])


@pytest.mark.parametrize(("kind", "name", "taken"), [("gruppen", "vorstand", "Vorstand"), ("arten", "FILME", "Filme")])
def test_names_are_unique_and_not_empty(office: Office, kind: str, name: str, taken: str) -> None:
    answer = office.client.submit(f"{PATH}/{kind}", name=name)
    assert (answer.status_code, f"„{name}“ gibt es schon." in text_of(answer.text)) == (409, True)
    for wrong in ("", "x" * 61):
        answer = office.client.submit(f"{PATH}/{kind}", name=wrong)
        assert (answer.status_code, "Ein Name hat 1 bis 60 Zeichen." in text_of(answer.text)) == (422, True)
    office.client.submit(f"{PATH}/{kind}", name="Anders")
    number = office.group if kind == "gruppen" else office.material
    answer = office.client.submit(f"{PATH}/{kind}/{number}", name="anders")
    assert (answer.status_code, "„anders“ gibt es schon." in text_of(answer.text)) == (409, True)
    office.client.submit(f"{PATH}/{kind}/{number}", name=taken + " 2")
    assert taken + " 2" in text_of(office.client.get(PATH).text)


@pytest.mark.parametrize("path", ["kisten", "gruppen/999", f"gruppen/{2**70}", f"arten/{2**70}/loeschen", "kisten/1"])
def test_what_is_not_there_is_said(office: Office, path: str) -> None:
    answer = office.client.submit(f"{PATH}/{path}", name="Neu")
    assert answer.status_code in (200, 404)
    assert "Das gibt es nicht, oder nicht mehr." in text_of(answer.text)


def test_a_title_or_member_in_what_was_just_removed_is_refused_and_nothing_changes(office: Office) -> None:
    office.client.submit(f"{PATH}/gruppen/{office.group}/loeschen")
    office.client.submit(f"{PATH}/arten/{office.material}/loeschen")
    changed = {"name": "Anders", "email": "", "group": str(office.group)}
    answer = office.client.submit(f"/verwaltung/mitglieder/{office.member.id}", **changed)
    assert answer.status_code == 404
    answer = office.client.submit(
        f"/titel/{office.film.title_id}/bearbeiten", title="Anders", material=str(office.material)
    )
    assert answer.status_code == 404
    with office.library.database.reading() as db:
        assert db.scalars(select(Member.name).where(Member.id == office.member.id)).one() == "Mitglied A"


def test_a_new_member_may_begin_in_a_group(office: Office) -> None:
    assert "Vorstand" in office.client.get("/verwaltung/mitglieder/neu").text
    office.client.submit("/verwaltung/mitglieder/neu", name="Mitglied B", email="", group=str(office.group))
    with office.library.database.reading() as db:
        assert len(db.scalars(select(GroupMember)).all()) == 1


def test_members_see_nothing_of_it(office: Office) -> None:
    office.client.sign_in(office.member)
    assert office.client.get(PATH).status_code == 403
    for path in ("", "/1/loeschen", "/gruppen", "/gruppen/1", "/gruppen/1/loeschen"):
        assert office.client.submit(PATH + path, name="x").status_code == 403
