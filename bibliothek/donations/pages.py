"""Taking one book in by what is printed on it. Whoever scans uses the pile (pile_pages.py)."""

from __future__ import annotations

import secrets
from pathlib import Path

import msgspec
from litestar.params import FromQuery

from bibliothek import codes
from bibliothek.catalogue import covers, lines
from bibliothek.catalogue.fields import Origin, TitleFields
from bibliothek.catalogue.pictures import MOST_BYTES
from bibliothek.catalogue.provenance import typed_over
from bibliothek.catalogue.rules import checked
from bibliothek.catalogue.wording import short_title
from bibliothek.copies import queries as copies
from bibliothek.donations import actions
from bibliothek.i18n import _
from bibliothek.lookup import actions as lookup
from bibliothek.lookup.isbn import NotAnIsbn, book_isbn
from bibliothek.problems import Invalid
from bibliothek.web.forms import BadForm, Errors
from bibliothek.web.routes import errand, in_one_transaction, page
from bibliothek.web.sign_in import Audience
from bibliothek.web.visit import Answer, Page, Redirect, Visit

WHOEVER_DONATES = Audience.MEMBERS_AND_KIOSK


class BookForm(lines.TypedTitle):
    """The form of a book, with the number that was scanned."""

    isbn: str | None


# The fields that show again what was typed.
TYPED = (*BookForm.__struct_fields__, "donor")
# Where a field of the title is called otherwise in the form.
_FIELD_OF = {"contributors": "persons", "isbns": "isbn"}


class Book(msgspec.Struct, frozen=True):
    """A form that was read: what to store, and where the copy goes."""

    fields: TitleFields
    origin: Origin | None
    donor: actions.Donor
    shelf_id: int | None


def typed_isbn(text: str) -> str:
    """The ISBN in the field; a refusal is said at the field. Raises BadForm."""
    if not text:
        raise BadForm({"isbn": _("Bitte scanne oder tippe die ISBN. Sie steht beim Strichcode auf der Rückseite.")})
    if codes.holds_card(text) or codes.read(text).kind in ("copy", "shelf"):
        raise BadForm({"isbn": _own_code_given(text)})
    try:
        return book_isbn(text)
    except NotAnIsbn as no:
        raise BadForm({"isbn": no.sentence}) from no


def _own_code_given(text: str) -> str:
    """What to say when one of the library's own codes is scanned where an ISBN belongs."""
    if codes.holds_card(text):
        return _("Das ist eine Karte. Scanne sie am Tablet unter „Scannen“. Hierher gehört die ISBN eines Buchs.")
    return _(
        "Das ist ein Etikett dieser Bibliothek. Zum Ausleihen oder Zurückgeben scanne es am Tablet unter „Scannen“."
    )


@page("/spenden/buch", WHOEVER_DONATES)
def book_form(visit: Visit, titel: FromQuery[str] = "") -> Page:
    """The empty form, for books without ISBN; `titel` is what was searched for in vain."""
    forget_cards(visit)
    number = visit.field("nummer") or secrets.token_hex(12)
    if titel and not visit.fields and not codes.holds_card(titel):
        visit.fields = {"title": [titel[:1000]]}
    return visit.page("donations/book.html", shelves=copies.shelves(visit.db), number=number)


@errand("/spenden/buch", WHOEVER_DONATES, again=book_form, largest_file=MOST_BYTES)
def take_in(visit: Visit) -> Answer:
    """The book is the library's: a title, a copy with its code, waiting for its label."""
    errors = Errors()
    photo = sent_photo(visit, errors)
    return in_one_transaction(visit, _store, photo=photo, errors=errors)


def _store(visit: Visit, photo: str | None, errors: Errors) -> Redirect:
    book = _read_book(visit, errors)
    taken = actions.take_in(visit.db, book.fields, book.donor, book.shelf_id, visit.now, book.origin)
    if photo:
        covers.give_picture(visit.db, taken.copy.title_id, photo, visit.now)
    return _thanks(visit, book.fields.title, taken.copy.code)


def sent_photo(visit: Visit, errors: Errors) -> str | None:
    """The digest of the photo that came with the form, or came with it before something else was wrong (`foto`).

    What is wrong with it is noted in `errors`. Takes long: no session is to be open meanwhile.
    """
    folder, sent, photo = covers.folder_of(visit.settings), visit.files.get("picture"), None
    with errors.at("picture"):
        photo = _sent_before(folder, visit.field("foto"))
    if sent:
        errors.pop("picture", None)
        with errors.at("picture"):
            photo = covers.keep(folder, sent)
    # A form that is shown again holds what was sent: no browser fills in a file anew.
    visit.fields["foto"] = [photo or ""]
    return photo


def _sent_before(folder: Path, photo: str) -> str | None:
    """Raises Invalid where it is gone: a day has passed."""
    try:
        return covers.kept_before(folder, photo) if photo else None
    except covers.NoSuchPicture as no:
        raise Invalid(_("Das Foto von vorhin ist nicht mehr da. Bitte wähle es noch einmal aus.")) from no


def _read_book(visit: Visit, errors: Errors) -> Book:
    """What the form says. Raises BadForm with all errors at once, those in `errors` too."""
    form, isbn, known = visit.read(BookForm), None, None
    with errors.at("isbn"):
        isbn = typed_isbn(form.isbn) if form.isbn else None
    if isbn:
        known = lookup.stored_record(visit.db, isbn)
    fields = lines.read_title(form, (isbn,) if isbn else (), known)
    with errors.at("title"):
        fields = checked_form(fields)
    donor, shelf_id = donor_and_shelf(visit, errors)
    errors.refuse()
    # Where the record came from is said only while it still is that record.
    origin = typed_over(fields, known, known.origin()) if known and known.title == fields.title else None
    return Book(fields, origin, donor, shelf_id)


def forget_cards(visit: Visit) -> None:
    """The page that says what is wrong shows no card's code to whoever looks over the shoulder, not even one that was right."""
    if visit.problem is None:
        return
    for name in TYPED:
        if codes.holds_card(visit.field(name)):
            visit.fields[name] = [""]
            if visit.problem.errors:
                visit.problem.errors.setdefault(name, _("Eine Karte wird hier nicht gezeigt. Scanne sie noch einmal."))


def checked_form(fields: TitleFields) -> TitleFields:
    """`catalogue.rules.checked`, with errors at the fields of our form."""
    try:
        return checked(fields)
    except Invalid as problem:
        problem.errors = {_FIELD_OF.get(name, name): sentence for name, sentence in problem.errors.items()}
        raise


def _thanks(visit: Visit, title: str, code: str) -> Redirect:
    said = _(
        "Danke! „{title}“ ist aufgenommen. Code {code}, das Etikett wartet auf den Druck.",
        title=short_title(title),
        code=code,
    )
    return visit.redirect("/spenden", said)


def donor_and_shelf(visit: Visit, errors: Errors) -> tuple[actions.Donor, int | None]:
    """Who gave the copy and where it goes; what is wrong is noted in `errors`."""
    donor, shelf_id = actions.Donor(), None
    with errors.at("donor"):
        donor = _donor(visit)
    with errors.at("shelf"):
        shelf_id = copies.shelf_by(visit.db, visit.field("shelf")).id if visit.field("shelf") else None
    return donor, shelf_id


def _donor(visit: Visit) -> actions.Donor:
    """Named only if somebody wants that: a name typed, or oneself by the tick."""
    if visit.field("from_me") and visit.asker.is_member:
        return actions.Donor(member_id=visit.member_id)
    return actions.read_donor(visit.db, visit.field("donor"))


handlers = [book_form, take_in]
