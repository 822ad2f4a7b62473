"""The library as a whole: its first run, the overview, its settings, its language, and what it says about itself."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta
from sqlalchemy.orm import Session

from bibliothek.catalogue import queries as catalogue
from bibliothek.copies import queries as copies
from bibliothek.i18n import LANGUAGES, N_, _
from bibliothek.kiosk import queries as kiosk
from bibliothek.labels.sheets import SHEETS, sheet_named
from bibliothek.lending import flags
from bibliothek.lending import queries as lending
from bibliothek.lending import rules as lending_rules
from bibliothek.library import actions, queries, rules
from bibliothek.members import actions as members
from bibliothek.members import queries as member_queries
from bibliothek.members import sign_in
from bibliothek.members.fields import Address, Name
from bibliothek.members.rules import local_path
from bibliothek.operations import nightly
from bibliothek.problems import Invalid
from bibliothek.web.forms import BadForm, Errors
from bibliothek.web.network import network_of
from bibliothek.web.routes import LANGUAGE, TABLET_LANGUAGE_LASTS, action, errand, page
from bibliothek.web.sign_in import SESSION, Audience
from bibliothek.web.visit import Answer, Visit

LANGUAGE_LASTS = 365 * 24 * 60 * 60
OVERDUE_SHOWN = 10

LibraryName = Annotated[str, Meta(max_length=rules.LONGEST_NAME)]


class SetUpForm(msgspec.Struct):
    code: Annotated[str, Meta(max_length=40, extra={"error": N_("Das ist nicht der Code aus dem Terminal.")})]
    library: LibraryName
    name: Name
    email: Address


class SettingsForm(msgspec.Struct):
    name: LibraryName
    label_sheet: str


# ---- The first run ----


@page("/einrichten", Audience.SETUP)
def set_up_page(visit: Visit) -> Answer:
    """One form, for whoever can read the terminal."""
    return visit.page("library/setup.html")


@errand("/einrichten", Audience.SETUP, again=set_up_page)
def set_up(visit: Visit) -> Answer:
    """Name the library, make the first admin, and sign in the browser that did it.

    Of two at once one wins. A try at the code is counted, and so committed, before the code is looked at.
    """
    kit, press = visit.kit, visit.field("once")
    session = sign_in.token_for_press(kit.secret_key, "set-up session", press, visit.field("code"))
    with kit.database.reading() as db:
        pressed_before = sign_in.begun_just_now(db, session, visit.now)
        is_over = kit.is_set_up(db)
    if is_over and not pressed_before:
        return visit.redirect("/anmelden", members.AlreadySetUp().sentence, "look")
    if not pressed_before:
        form = _checked_form(visit)
        try:
            _open(visit, form, session)
        except members.AlreadySetUp as problem:
            return visit.redirect("/anmelden", problem.sentence, "look")
    answer = visit.redirect("/verwaltung", _("Eure Bibliothek ist eröffnet, und du bist angemeldet."))
    answer.cookies.append(visit.cookie(SESSION, session, int(members.SESSION_LASTS.total_seconds())))
    return answer


def _open(visit: Visit, form: SetUpForm, session: str) -> None:
    with visit.kit.database.writing() as db:
        # Of two presses at once the second waits here, and then sees the session that the first began.
        queries.library_for_change(db)
        if sign_in.begun_just_now(db, session, visit.now):
            return
        admin = members.set_up(db, form.library, form.name, form.email, visit.now)
        members.start_session(db, admin, visit.now, session)


def _checked_form(visit: Visit) -> SetUpForm:
    """The form with the right code. Raises BadForm with all errors at once, TooManySignIns."""
    errors: dict[str, str] = {}
    form = None
    try:
        form = visit.read(SetUpForm)
    except BadForm as bad:
        errors = dict(bad.errors)
    if "code" not in errors and not _is_right(visit, visit.field("code")):
        errors = {"code": _("Das ist nicht der Code aus dem Terminal."), **errors}
    if form is None or errors:
        raise BadForm(errors)
    return form


def _is_right(visit: Visit, code: str) -> bool:
    kit = visit.kit
    with kit.database.writing() as db:
        sign_in.count_setup_try(db, network_of(visit.request, visit.settings), kit.secret_key, visit.now)
    return rules.is_setup_code(code, kit.secret_key)


# ---- For librarians ----


@page("/verwaltung", Audience.LIBRARIANS)
def overview(visit: Visit) -> Answer:
    """How the library is doing, and the ways to everything a librarian does."""
    counts = _counts(visit)
    overdue = lending.open_loans(visit.db, 0, OVERDUE_SHOWN, overdue_on=visit.today)
    late = [
        {
            "id": row.loan.id,
            "title": row.loan.copy.title.title,
            "title_id": row.loan.copy.title_id,
            "member": row.member.name,
            "member_id": row.member_id,
            "due_on": row.loan.due_on,
            "days_late": lending_rules.days_late(row.loan.due_on, visit.today),
        }
        for row in overdue
    ]
    return visit.page(
        "administration/overview.html",
        counts=counts,
        overdue=late,
        steps=_first_steps(visit, counts),
        backup_is_old=nightly.is_alarming(visit.db, visit.settings, visit.now),
    )


def _counts(visit: Visit) -> dict[str, int]:
    db: Session = visit.db
    return {
        "titles": catalogue.count_titles(db),
        "on_loan": lending.count_open_loans(db),
        "overdue": lending.count_open_loans(db, overdue_on=visit.today),
        "unlabelled": copies.count_unlabelled(db),
        "members": member_queries.count_members(db),
        "guests": member_queries.count_guests(db),
        "flags": flags.count_open(db),
    }


def _first_steps(visit: Visit, counts: dict[str, int]) -> list[dict[str, str]]:
    """What a new library does first; once something is done, only what is still missing."""
    steps = [
        (
            _("Ein Regal anlegen"),
            _("Damit alle wissen, wo ein Buch steht. Eins genügt für den Anfang."),
            "/verwaltung/regale",
            bool(copies.shelves(visit.db)),
        ),
        (
            _("Das erste Buch spenden"),
            _("Die ISBN genügt. Danach druckst du das Etikett und klebst es auf die Rückseite."),
            "/spenden",
            counts["titles"] > 0,
        ),
        (
            _("Das Tablet einrichten"),
            _("Öffne diese Seite dort, wo ausgeliehen wird, und drücke den Knopf."),
            "/verwaltung/tablet",
            bool(kiosk.devices(visit.db)),
        ),
        (
            _("Mitglieder aufnehmen"),
            _("Ein Name genügt. Mit der gedruckten Karte leihen sie am Tablet aus."),
            "/verwaltung/mitglieder",
            counts["members"] > 1,
        ),
    ]
    return [{"text": text, "why": why, "href": href} for text, why, href, done in steps if not done]


@page("/verwaltung/einstellungen", Audience.LIBRARIANS)
def settings_page(visit: Visit) -> Answer:
    """What librarians decide for the whole library."""
    library = queries.library(visit.db)
    stored = {"name": library.name, "label_sheet": library.label_sheet}
    return visit.page(
        "library/settings.html",
        values=stored | {name: given[-1] for name, given in visit.fields.items()},
        sheets=[(sheet.name, sheet.label) for sheet in SHEETS.values()],
        mail_is_possible=visit.settings.mail_is_possible,
        base_url=visit.settings.base_url,
        base_is_loopback=visit.settings.base_is_loopback,
        zone=visit.settings.timezone.key,
    )


@action("/verwaltung/einstellungen", Audience.LIBRARIANS, again=settings_page)
def change_settings(visit: Visit) -> Answer:
    """Save what the form says."""
    errors = Errors()
    with errors.at("name"):
        form = visit.read(SettingsForm)
        actions.rename(visit.db, form.name, visit.now)
    with errors.at("label_sheet"):
        # Looked up even where the form is wrong, so that all errors are said at once.
        sheet = sheet_named(visit.field("label_sheet"))
    errors.refuse()
    actions.choose_sheet(visit.db, sheet.name)
    return visit.redirect("/verwaltung/einstellungen", _("Gespeichert."))


# ---- For everybody ----


@errand("/sprache", Audience.EVERYONE)
def choose_language(visit: Visit) -> Answer:
    """Speak this language in this browser from now on, and go back to where one was."""
    chosen = visit.field("sprache")
    if chosen not in LANGUAGES:
        raise Invalid(_("Diese Sprache spricht die Bibliothek nicht."))
    answer = visit.redirect(local_path(visit.field("zurueck")) or "/")
    lasts = TABLET_LANGUAGE_LASTS if visit.asker.is_kiosk else LANGUAGE_LASTS
    answer.cookies.append(visit.plain_cookie(LANGUAGE, chosen, lasts))
    return answer


@page("/datenschutz", Audience.EVERYONE)
def privacy(visit: Visit) -> Answer:
    """What the library keeps, and what it forgets."""
    return visit.page("library/privacy.html")


@page("/quellen", Audience.EVERYONE)
def sources(visit: Visit) -> Answer:
    """Where the records come from, and whose work this is made of."""
    return visit.page("library/sources.html")


handlers = [
    set_up_page,
    set_up,
    overview,
    settings_page,
    change_settings,
    choose_language,
    privacy,
    sources,
]
