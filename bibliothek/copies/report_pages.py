"""What members say of a book in their hand, on their own phone: it is damaged, or it was missing and here it is."""

from __future__ import annotations

from litestar.params import FromPath

from bibliothek.catalogue import covers
from bibliothek.catalogue.pictures import MOST_BYTES
from bibliothek.codes import holds_card
from bibliothek.copies import queries
from bibliothek.copies.actions import write_down
from bibliothek.copies.rules import LONGEST_REASON, checked_note
from bibliothek.i18n import _
from bibliothek.lending import flags
from bibliothek.lending.actions import NOTHING, CopyWithdrawn, give_back
from bibliothek.lending.queries import at_desk
from bibliothek.web.forms import Errors
from bibliothek.web.routes import action, errand, in_one_transaction, page
from bibliothek.web.sign_in import Audience
from bibliothek.web.visit import Answer, Page, Redirect, Visit


@page("/c/{code:str}/beschaedigt", Audience.MEMBERS)
def damage_form(visit: Visit, code: FromPath[str]) -> Page:
    """A few words about what is broken, and a photo."""
    if holds_card(visit.field("words")):
        visit.fields["words"] = [""]
    return visit.page("copies/damage.html", copy=queries.copy_by(visit.db, code), longest=LONGEST_REASON)


@errand("/c/{code:str}/beschaedigt", Audience.MEMBERS, again=damage_form, largest_file=MOST_BYTES)
def report_damage(visit: Visit, code: FromPath[str]) -> Answer:
    """The librarians see it in their list; nobody learns who said it."""
    errors, note, photo = Errors(), None, None
    sent = visit.files.get("picture")
    with errors.at("words"):
        note = checked_note(visit.field("words"), "words")
    if not note and not sent and not errors:
        errors["words"] = _("Bitte schreib in ein paar Worten, was kaputt ist, oder mach ein Foto.")
    with errors.at("picture"):
        photo = covers.keep(covers.folder_of(visit.settings), sent) if sent and not errors else None
    errors.refuse()
    return in_one_transaction(visit, _reported, code=code, note=note, photo=photo)


def _reported(visit: Visit, code: str, note: str | None, photo: str | None) -> Redirect:
    copy = queries.copy_by(visit.db, code)
    write_down(visit.db, copy.id, "damaged", visit.now, None, note, photo)
    flags.put_up(visit.db, "damaged", copy.id, visit.now, note)
    said = _("Danke, dass du es sagst. Die Betreuung sieht es sich an; du musst nichts ersetzen.")
    return visit.redirect("/c/" + copy.code, said)


@action("/c/{code:str}/gefunden", Audience.MEMBERS)
def found(visit: Visit, code: FromPath[str]) -> Redirect:
    """A copy that was believed missing is here. No loan that began meanwhile is ended by this."""
    copy = at_desk(visit.db, code)
    if copy.on_loan or copy.state == "withdrawn":
        said = _("Inzwischen hat es jemand ausgeliehen.") if copy.on_loan else CopyWithdrawn().sentence
        return visit.redirect("/c/" + copy.code, said, "look")
    back = give_back(visit.db, copy, visit.now, visit.today, loan_id=NOTHING)
    where = _("Leg es bitte ins Abholfach.") if back.kept_until else _("Stell es bitte zurück ins Regal.")
    if copy.shelf and not back.kept_until:
        where = _("Stell es bitte in Regal {shelf}.", shelf=copy.shelf)
    return visit.redirect("/c/" + copy.code, " ".join([_("Gefunden, danke!"), where]))


handlers = [damage_form, report_damage, found]
