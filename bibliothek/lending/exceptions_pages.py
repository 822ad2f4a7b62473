"""For librarians: groups of members, kinds of material, and what is different for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, NamedTuple

import msgspec
from litestar.params import FromPath
from msgspec import Meta

from bibliothek.catalogue.models import Material
from bibliothek.db import LARGEST_ID
from bibliothek.i18n import _, ngettext
from bibliothek.lending import exceptions
from bibliothek.lending.exceptions import Kind
from bibliothek.members.models import MemberGroup
from bibliothek.problems import NotFound
from bibliothek.web.routes import action, page
from bibliothek.web.sign_in import Audience
from bibliothek.web.visit import Page, Redirect, Visit

PATH = "/verwaltung/regeln/ausnahmen"
KINDS: dict[str, Kind] = {"gruppen": MemberGroup, "arten": Material}

Number = Annotated[int, Meta(ge=1, le=LARGEST_ID)]


class RuleForm(msgspec.Struct):
    """For whom and for what, None for all; and what is different, None for what is not."""

    group: Number | None = None
    material: Number | None = None
    loan_days: Annotated[int, Meta(ge=1, le=365)] | None = None
    renewals: Annotated[int, Meta(ge=0, le=99)] | None = None
    loan_limit: Annotated[int, Meta(ge=0, le=999)] | None = None


class Wrong(NamedTuple):
    """Whose name did not fit: of which kind, and its number, 0 for a new one."""

    kind: str
    number: int


@page(PATH, Audience.LIBRARIANS)
def exceptions_page(visit: Visit) -> Page:
    """All groups, kinds and rules."""
    return _page(visit, None)


def _page(visit: Visit, wrong: Wrong | None) -> Page:
    groups, materials = exceptions.groups(visit.db), exceptions.materials(visit.db)
    return visit.page(
        "lending/exceptions.html",
        groups=groups,
        materials=materials,
        for_whom=[("", _("alle")), *((group.id, group.name) for group in groups)],
        for_what=[("", _("alles")), *((material.id, material.name) for material in materials)],
        rules=[(rule, ", ".join(_what_differs(rule))) for rule in exceptions.exceptions(visit.db)],
        wrong=wrong,
    )


def _what_differs(rule: exceptions.Special) -> Iterator[str]:
    if rule.loan_days is not None:
        yield ngettext("1 Tag", "{n} Tage", rule.loan_days)
    if rule.renewals is not None:
        yield (
            ngettext("1-mal verlängern", "{n}-mal verlängern", rule.renewals)
            if rule.renewals
            else _("nicht verlängern")
        )
    if rule.loan_limit is not None:
        yield _("höchstens {n} auf einmal", n=rule.loan_limit)


@action(PATH, Audience.LIBRARIANS, again=exceptions_page)
def set_rule(visit: Visit) -> Redirect:
    """Something is different from now on."""
    form = visit.read(RuleForm)
    exceptions.set_rule(visit.db, form.group, form.material, form.loan_days, form.renewals, form.loan_limit)
    return visit.redirect(PATH, _("Gespeichert. Was schon ausgeliehen ist, behält sein Datum."))


@action(PATH + "/{rule_id:int}/loeschen", Audience.LIBRARIANS)
def remove_rule(visit: Visit, rule_id: FromPath[int]) -> Redirect:
    """Here nothing is different any more."""
    try:
        exceptions.remove_rule(visit.db, rule_id)
    except NotFound as problem:
        return visit.redirect(PATH, problem.sentence, "look")
    return visit.redirect(PATH, _("Die Ausnahme ist gelöscht."))


def _add_again(visit: Visit, kind: FromPath[str]) -> Page:
    return _page(visit, Wrong(kind, 0))


@action(PATH + "/{kind:str}", Audience.LIBRARIANS, again=_add_again)
def add(visit: Visit, kind: FromPath[str]) -> Redirect:
    """A new group, a new kind of material."""
    exceptions.add(visit.db, _kind(kind), visit.field("name"))
    return visit.redirect(PATH, _("Gespeichert."))


def _rename_again(visit: Visit, kind: FromPath[str], number: FromPath[int]) -> Page:
    return _page(visit, Wrong(kind, number))


@action(PATH + "/{kind:str}/{number:int}", Audience.LIBRARIANS, again=_rename_again)
def rename(visit: Visit, kind: FromPath[str], number: FromPath[int]) -> Redirect:
    """Another name for it."""
    exceptions.rename(visit.db, _kind(kind), number, visit.field("name"))
    return visit.redirect(PATH, _("Gespeichert."))


@action(PATH + "/{kind:str}/{number:int}/loeschen", Audience.LIBRARIANS)
def remove(visit: Visit, kind: FromPath[str], number: FromPath[int]) -> Redirect:
    """It goes with its rules; who and what belonged to it is like all the others."""
    try:
        exceptions.remove(visit.db, _kind(kind), number)
    except NotFound as problem:
        return visit.redirect(PATH, problem.sentence, "look")
    return visit.redirect(PATH, _("Gelöscht. Was dafür anders war, gilt nicht mehr."))


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise exceptions.NoSuchKind
    return KINDS[name]


handlers = [exceptions_page, set_rule, remove_rule, add, rename, remove]
