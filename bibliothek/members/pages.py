"""The pages of people: the own account, and the librarians' list of members. Signing in: sign_in_pages.py."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from typing import Annotated
from urllib.parse import urlencode

import msgspec
from litestar.params import FromPath, FromQuery
from msgspec import Meta
from sqlalchemy.orm import Session

from bibliothek import codes
from bibliothek.db import LARGEST_ID
from bibliothek.donations.queries import given_by
from bibliothek.i18n import N_, _
from bibliothek.kiosk.actions import forget_member
from bibliothek.labels.pdf import CardText, member_cards
from bibliothek.labels.qr import qr_svg
from bibliothek.lending.actions import leave
from bibliothek.lending.exceptions import group_of, groups, put_into_group
from bibliothek.lending.own import own_holds, own_loans, own_notices
from bibliothek.lending.queries import loans_of
from bibliothek.members import actions, queries, rules, sign_in
from bibliothek.members.fields import Address, Name, Role
from bibliothek.members.models import ROLES, Member
from bibliothek.problems import Invalid, Problem
from bibliothek.tokens import hashed
from bibliothek.web.network import public_address
from bibliothek.web.paging import page_number
from bibliothek.web.routes import action, errand, page
from bibliothek.web.sign_in import SESSION, Asker, Audience
from bibliothek.web.visit import Answer, File, Visit

PER_PAGE = 50
# On fifty sheets of ten; more at once is a mistake.
MOST_CARDS = 500
# A member's number. What is longer is nobody's, and no database could compare it.
NUMBER = re.compile("[0-9]{1,9}")
LIST = "/verwaltung/mitglieder"
ONE = LIST + "/{member_id:int}"


class OnlyAdmins(Problem):
    """Librarians look after members, not after each other."""

    status = 403
    code = "only-admins"

    def __init__(self) -> None:
        super().__init__(_("Das dürfen nur Admins: Es geht um jemanden aus der Betreuung."))


class MemberForm(msgspec.Struct):
    """`group` is the number of the group that they are in, None for no group."""

    name: Name
    email: Address | None
    role: Role = "member"
    group: Annotated[int, Meta(ge=1, le=LARGEST_ID)] | None = None


# ---- The own account ----


@page("/konto", Audience.MEMBERS)
def account(visit: Visit) -> Answer:
    """What I have at home, what the library knows about me, and the way out."""
    return visit.page(
        "members/account.html",
        member=queries.member(visit.db, visit.member_id),
        own_loans=own_loans(visit.db, visit.member_id, visit.today),
        own_holds=own_holds(visit.db, visit.member_id),
        notices=own_notices(visit.db, visit.member_id),
        given=given_by(visit.db, visit.member_id),
        browsers=queries.count_sessions(visit.db, visit.member_id, visit.now),
        role=_(rules.ROLE_NAMES[visit.asker.role]),
        has_card=bool(queries.with_card(visit.db, [visit.member_id])),
    )


@action("/konto/ueberall-abmelden", Audience.MEMBERS)
def sign_out_everywhere(visit: Visit) -> Answer:
    """End all my sessions, on lost phones, too."""
    actions.end_sessions(visit.db, visit.member_id)
    answer = visit.redirect("/", _("Du bist jetzt überall abgemeldet."))
    answer.cookies.append(visit.cookie(SESSION, "", 0))
    return answer


# ---- Members, for librarians ----


@page(LIST, Audience.LIBRARIANS)
def member_list(visit: Visit, q: FromQuery[str] = "", seite: FromQuery[str] = "1") -> Answer:
    """Members and guests by name, searched as one types."""
    total, guests = queries.count_members(visit.db, q), queries.count_guests(visit.db, q)
    pages = max(1, -(-(total + guests) // PER_PAGE))
    number = min(page_number(seite), pages)
    found = queries.members(visit.db, q, (number - 1) * PER_PAGE, PER_PAGE)
    return visit.page(
        "members/list.html",
        fragment="members/_list.html",
        members=found,
        cards=queries.with_card(visit.db, [member.id for member in found]),
        q=q,
        total=total,
        guests=guests,
        number=number,
        pages=pages,
        base=f"{LIST}?{urlencode({'q': q})}&seite=" if q else f"{LIST}?seite=",
        roles=_role_names(),
    )


@page(f"{LIST}/neu", Audience.LIBRARIANS)
def new_member(visit: Visit) -> Answer:
    """The form for a new member."""
    return visit.page("members/new.html", roles=_roles_to_give(visit.asker), groups=_groups(visit.db))


@action(f"{LIST}/neu", Audience.LIBRARIANS, again=new_member)
def add_member(visit: Visit) -> Answer:
    form = visit.read(MemberForm)
    _refuse_unless(visit.asker, form.role)
    made = actions.add_member(visit.db, form.name, form.email, form.role, visit.now)
    put_into_group(visit.db, made.id, form.group)
    return visit.redirect(f"{LIST}/{made.id}", _("{name} ist jetzt Mitglied. Als Nächstes: die Karte.", name=made.name))


@page(ONE, Audience.LIBRARIANS)
def member_page(visit: Visit, member_id: FromPath[int]) -> Answer:
    """Everything about one member, with the form to change it."""
    member = queries.member(visit.db, member_id)
    typed = {name: given[-1] for name, given in visit.fields.items()}
    return visit.page(
        "members/member.html",
        member=member,
        values={
            "name": member.name,
            "email": member.email or "",
            "role": member.role,
            "group": str(group_of(visit.db, member_id) or ""),
        }
        | typed,
        groups=_groups(visit.db),
        loans=loans_of(visit.db, member_id),
        holds=own_holds(visit.db, member_id),
        card_made=queries.with_card(visit.db, [member_id]).get(member_id),
        mine=rules.may_manage(visit.asker.role, member.role),
        is_self=visit.asker.member_id == member_id,
        mail_is_possible=visit.settings.mail_is_possible,
        zone=visit.settings.timezone,
        roles=_roles_to_give(visit.asker),
        role=_(rules.ROLE_NAMES[member.role]),
    )


@action(ONE, Audience.LIBRARIANS, again=member_page)
def change_member(visit: Visit, member_id: FromPath[int]) -> Answer:
    before = _mine_for_change(visit, member_id)
    form = visit.read(MemberForm)
    role = form.role if visit.field("role") else before.role
    _refuse_unless(visit.asker, role)
    actions.change_member(visit.db, member_id, form.name, form.email, role, visit.now)
    put_into_group(visit.db, member_id, form.group)
    return visit.redirect(f"{LIST}/{member_id}", _("Gespeichert."))


@action(f"{ONE}/loeschen", Audience.LIBRARIANS, again=member_page)
def remove_member(visit: Visit, member_id: FromPath[int]) -> Answer:
    _mine(visit, member_id)
    # The tablets are locked before the member, who may be somebody else's to manage by then.
    forget_member(visit.db, member_id)
    leave(visit.db, member_id, visit.now, visit.today)
    name = _mine_for_change(visit, member_id).name
    actions.remove_member(visit.db, member_id, visit.now)
    return visit.redirect(LIST, _("{name} ist gelöscht.", name=name))


@page([f"{ONE}/qr", f"{ONE}/karte", f"{ONE}/loeschen"], Audience.LIBRARIANS)
def back_to_member(visit: Visit, member_id: FromPath[int]) -> Answer:
    """Somebody reloads what only a button shows."""
    return visit.redirect(f"{LIST}/{member_id}")


@action(f"{ONE}/qr", Audience.LIBRARIANS, again=member_page)
def show_way_in(visit: Visit, member_id: FromPath[int]) -> Answer:
    """A sign-in link as QR for somebody who stands beside: no e-mail, or it does not arrive."""
    member = _mine_for_change(visit, member_id)
    base = public_address(visit.request, visit.settings)
    address = rules.sign_in_address(base, sign_in.new_link(visit.db, member, visit.now))
    return visit.page(
        "members/way_in.html",
        member=member,
        address=address,
        qr=qr_svg(address, _("Anmelde-Link für {name}", name=member.name)),
        only_here=visit.settings.base_is_loopback,
    )


# ---- Cards ----


@errand(f"{ONE}/karte", Audience.LIBRARIANS, again=member_page)
def print_card(visit: Visit, member_id: FromPath[int]) -> Answer:
    """A new card as PDF; the old one stops working."""
    return _cards(visit, lambda db: [queries.member(db, member_id)])


@errand(f"{LIST}/karten", Audience.LIBRARIANS, again=member_list)
def print_cards(visit: Visit) -> Answer:
    """New cards as PDF for the members that were ticked, or for all who have none."""
    if visit.field("wer") == "ohne":
        return _cards(
            visit,
            lambda db: [*queries.without_card(db, MOST_CARDS), *_printed_just_now(visit, db)],
            none=N_("Alle haben schon eine Karte. Kreuze an, wer trotzdem eine neue bekommen soll."),
        )
    ticked = [int(value) for value in visit.fields.get("mitglied", []) if NUMBER.fullmatch(value)]
    return _cards(visit, lambda db: queries.members_by_id(db, ticked[:MOST_CARDS]))


def _cards(
    visit: Visit,
    choose: Callable[[Session], Sequence[Member]],
    none: str = N_("Kreuze zuerst an, wer eine Karte bekommen soll."),
) -> File:
    """`none` is said when nobody is chosen.

    The PDF is drawn before the old cards are revoked, and without a session: it takes a second.
    """
    with visit.kit.database.reading() as db:
        chosen = choose(db)
        seeds = _seeds(visit, db, [member.id for member in chosen])
    if not chosen:
        raise Invalid(_(none))
    texts = [CardText(codes.new_card_code(seeds[member.id]), member.name) for member in chosen]
    pdf = member_cards(texts, library=visit.library.name if visit.library else "")
    with visit.kit.database.writing() as db:
        # In one order, so that two who print for the same members do not wait for each other.
        for member_id in sorted(seeds):
            actions.new_card(db, queries.member(db, member_id), visit.now, seeds[member_id])
    return File(pdf, "application/pdf", _("Mitgliedskarten") + ".pdf")


def _seeds(visit: Visit, db: Session, member_ids: Sequence[int]) -> dict[int, bytes]:
    """What each member's new card is made of.

    Pressed twice, the button draws the same cards twice: either PDF may be the one that stays on the screen. Pressed later
    on the same page, it makes new ones.
    """
    seeds = {member_id: _seed_of_press(visit, member_id) for member_id in member_ids}
    hashes = {hashed(codes.new_card_code(seed)): member_id for member_id, seed in seeds.items()}
    for card in queries.cards_with(db, hashes):
        if card.revoked_at or card.created_at <= visit.now - rules.DOUBLE_PRESS:
            seeds[hashes[card.code_hash]] = secrets.token_bytes(32)
    return seeds


def _seed_of_press(visit: Visit, member_id: int) -> bytes:
    return sign_in.token_for_press(visit.kit.secret_key, "card", visit.field("once"), str(member_id)).encode()


def _printed_just_now(visit: Visit, db: Session) -> list[Member]:
    """Members who got their card from the first press of this very button."""
    return [
        member
        for member, code_hash in queries.new_cards(db, visit.now - rules.DOUBLE_PRESS)
        if code_hash == hashed(codes.new_card_code(_seed_of_press(visit, member.id)))
    ]


# ---- Who may do what to whom ----


def _mine(visit: Visit, member_id: int) -> Member:
    """The member, if the asker may look after them. Raises NoSuchMember, OnlyAdmins."""
    member = queries.member(visit.db, member_id)
    _refuse_unless(visit.asker, member.role)
    return member


def _mine_for_change(visit: Visit, member_id: int) -> Member:
    """As `_mine`, but the member is locked and keeps the role by which this is decided."""
    member = actions.member_for_change(visit.db, member_id)
    _refuse_unless(visit.asker, member.role)
    return member


def _refuse_unless(asker: Asker, role: str) -> None:
    if not rules.may_manage(asker.role, role):
        raise OnlyAdmins


def _role_names() -> dict[str, str]:
    return {role: _(name) for role, name in rules.ROLE_NAMES.items()}


def _groups(db: Session) -> list[tuple[int | str, str]]:
    """The groups to choose from, nothing where there are none."""
    found = [(group.id, group.name) for group in groups(db)]
    return [("", _("keine")), *found] if found else []


def _roles_to_give(asker: Asker) -> list[tuple[str, str]]:
    names = _role_names()
    return [(role, names[role]) for role in ROLES if rules.may_manage(asker.role, role)]


handlers = [
    account,
    sign_out_everywhere,
    member_list,
    new_member,
    add_member,
    member_page,
    change_member,
    remove_member,
    back_to_member,
    show_way_in,
    print_card,
    print_cards,
]
