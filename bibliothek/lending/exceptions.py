"""What is different for whom, and for what: groups of members, kinds of material, and the rules for both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bibliothek.catalogue.models import Material, TitleMaterial
from bibliothek.catalogue.rules import one_line
from bibliothek.db import LARGEST_ID, is_foreign_key_violation, is_unique_violation
from bibliothek.i18n import _
from bibliothek.lending.models import LendingRule
from bibliothek.lending.terms import changed
from bibliothek.library.queries import library_for_change
from bibliothek.members.models import GroupMember, MemberGroup
from bibliothek.members.rules import sort_name
from bibliothek.problems import Invalid, NotFound, Problem

LONGEST_NAME = 60

# A group of members or a kind of material: both have a name, and rules of their own.
Kind = type[MemberGroup] | type[Material]


class NoSuchKind(NotFound):
    """It was removed, or never was."""

    code = "unknown-kind"

    def __init__(self) -> None:
        super().__init__(_("Das gibt es nicht, oder nicht mehr."))


class NoSuchRule(NotFound):
    code = "unknown-rule"

    def __init__(self) -> None:
        super().__init__(_("Diese Ausnahme gibt es nicht, oder nicht mehr."))


class NameTaken(Problem):
    """There is one of this name."""

    code = "name-taken"

    def __init__(self, name: str) -> None:
        super().__init__(_("„{name}“ gibt es schon.", name=name))
        self.errors = {"name": self.sentence}


class BadKindName(Invalid):
    """No name, or one that is too long."""

    code = "bad-name"

    def __init__(self) -> None:
        super().__init__(_("Ein Name hat 1 bis {n} Zeichen.", n=LONGEST_NAME))
        self.errors = {"name": self.sentence}


class ForNobody(Invalid):
    """A rule for everybody and everything is no exception; and one in which nothing is different is none either."""

    code = "for-nobody"

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.errors = {field: self.sentence}


class Named(msgspec.Struct, frozen=True):
    """A group or a kind of material, and how many belong to it."""

    id: int
    name: str
    count: int


class Special(msgspec.Struct, frozen=True):
    """A rule with the names of the group and the material that it is for; None for all of them."""

    id: int
    group: str | None
    material: str | None
    loan_days: int | None
    renewals: int | None
    loan_limit: int | None


# ---- Groups and materials ----


def groups(db: Session) -> list[Named]:
    """All groups of members, by name."""
    return _named(db, MemberGroup, select(func.count()).where(GroupMember.group_id == MemberGroup.id))


def materials(db: Session) -> list[Named]:
    """All kinds of material, by name."""
    return _named(db, Material, select(func.count()).where(TitleMaterial.material_id == Material.id))


def _named(db: Session, kind: Kind, counting: Any) -> list[Named]:
    rows = db.execute(select(kind.id, kind.name, counting.scalar_subquery()).order_by(kind.sort_name))
    return [Named(*row) for row in rows]


def add(db: Session, kind: Kind, name: str) -> None:
    """Raises BadKindName, NameTaken."""
    name = _clean(name)
    db.add(kind(name=name, sort_name=sort_name(name)))
    _flush(db, name)


def rename(db: Session, kind: Kind, number: int, name: str) -> None:
    """Raises NoSuchKind, BadKindName, NameTaken."""
    library_for_change(db)  # nobody removes it meanwhile
    found = _found(db, kind, number)
    name = _clean(name)
    found.name, found.sort_name = name, sort_name(name)
    _flush(db, name)


def remove(db: Session, kind: Kind, number: int) -> None:
    """With its rules; members and titles stay, and are like all the others. Raises NoSuchKind."""
    library_for_change(db)
    db.delete(_found(db, kind, number))
    changed(db)


def _found(db: Session, kind: Kind, number: int) -> MemberGroup | Material:
    found: Any = db.get(kind, number) if 0 < number <= LARGEST_ID else None
    if not isinstance(found, MemberGroup | Material):
        raise NoSuchKind
    return found


def _clean(name: str) -> str:
    name = one_line(name)
    if not 0 < len(name) <= LONGEST_NAME:
        raise BadKindName
    return name


def _flush(db: Session, name: str) -> None:
    try:
        db.flush()
    except IntegrityError as error:
        if is_unique_violation(error, "uq_member_group_sort_name", "member_group.sort_name") or is_unique_violation(
            error, "uq_material_sort_name", "material.sort_name"
        ):
            raise NameTaken(name) from error
        raise


# ---- Who and what belongs to them ----


def group_of(db: Session, member_id: int) -> int | None:
    """The group that a member is in."""
    return db.scalar(select(GroupMember.group_id).where(GroupMember.member_id == member_id))


def put_into_group(db: Session, member_id: int, group_id: int | None) -> None:
    """From now on a member is in this group, or in none. What they have at home keeps its date. Raises NoSuchKind."""
    _put(db, GroupMember, {"member_id": member_id}, {"group_id": group_id})


def material_of(db: Session, title_id: int) -> int | None:
    """What kind of material a title is, None for a book like any other."""
    return db.scalar(select(TitleMaterial.material_id).where(TitleMaterial.title_id == title_id))


def make_material(db: Session, title_id: int, material_id: int | None) -> None:
    """A title is of this kind from now on, or a book like any other. Raises NoSuchKind."""
    _put(db, TitleMaterial, {"title_id": title_id}, {"material_id": material_id})


def _put(db: Session, table: Any, whose: dict[str, int], where: dict[str, int | None]) -> None:
    db.execute(delete(table).filter_by(**whose))
    if None in where.values():
        return
    try:
        db.add(table(**whose, **where))
        db.flush()
    except IntegrityError as error:
        if is_foreign_key_violation(error, "fk_group_member_group_id") or is_foreign_key_violation(
            error, "fk_title_material_material_id"
        ):
            raise NoSuchKind from error
        raise


# ---- Rules ----


def exceptions(db: Session) -> Sequence[Special]:
    """All rules that are not for everybody, by group and material."""
    query = (
        select(
            LendingRule.id,
            MemberGroup.name,
            Material.name,
            LendingRule.loan_days,
            LendingRule.renewals,
            LendingRule.loan_limit,
        )
        .outerjoin(MemberGroup, MemberGroup.id == LendingRule.group_id)
        .outerjoin(Material, Material.id == LendingRule.material_id)
        .order_by(MemberGroup.sort_name, Material.sort_name, LendingRule.id)
    )
    return [Special(*row) for row in db.execute(query)]


def set_rule(
    db: Session,
    group_id: int | None,
    material_id: int | None,
    loan_days: int | None,
    renewals: int | None,
    loan_limit: int | None,
) -> None:
    """What is different for this group, this material, or both, in the place of what was before. New loans follow it.

    Raises ForNobody, NoSuchKind.
    """
    if group_id is None and material_id is None:
        raise ForNobody("group", _("Wähle eine Gruppe oder eine Art. Was für alle gilt, steht unter „Regeln“."))
    if loan_days is None and renewals is None and loan_limit is None:
        raise ForNobody("loan_days", _("Bitte gib an, was anders ist: Frist, Verlängerungen oder Anzahl."))
    library_for_change(db)
    for kind, number in ((MemberGroup, group_id), (Material, material_id)):
        if number is not None:
            _found(db, kind, number)
    same = LendingRule.group_id.is_not_distinct_from(group_id) & LendingRule.material_id.is_not_distinct_from(
        material_id
    )
    db.execute(delete(LendingRule).where(same))
    db.add(
        LendingRule(
            group_id=group_id,
            material_id=material_id,
            loan_days=loan_days,
            renewals=renewals,
            loan_limit=loan_limit,
        )
    )
    changed(db)


def remove_rule(db: Session, rule_id: int) -> None:
    """Raises NoSuchRule."""
    library_for_change(db)
    found = db.get(LendingRule, rule_id) if 0 < rule_id <= LARGEST_ID else None
    if found is None:
        raise NoSuchRule
    db.delete(found)
    changed(db)
