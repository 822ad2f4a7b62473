"""The picture of a title: shown to everybody, set and taken off by librarians."""

from __future__ import annotations

from litestar.params import FromPath

from bibliothek.catalogue import covers
from bibliothek.catalogue.pages import title
from bibliothek.catalogue.pictures import MEDIA_TYPE, MOST_BYTES
from bibliothek.i18n import _
from bibliothek.problems import Invalid
from bibliothek.web.routes import action, errand, page
from bibliothek.web.sign_in import Audience
from bibliothek.web.visit import File, Redirect, Visit

# The address changes with the picture, so browsers never ask again.
FOR_EVER = {"cache-control": "public, max-age=31536000, immutable"}


class NoPictureChosen(Invalid):
    """The form came without a file."""

    code = "no-picture-chosen"

    def __init__(self) -> None:
        super().__init__(_("Bitte wähle ein Bild aus, oder mach ein Foto."))


@page("/titel/{title_id:int}/bild/{name:str}", Audience.EVERYONE)
def picture(visit: Visit, title_id: FromPath[int], name: FromPath[str]) -> File:
    """The picture itself; `name` is its digest and a size."""
    content = covers.read(visit.db, covers.folder_of(visit.settings), title_id, name)
    return File(content, MEDIA_TYPE, headers=FOR_EVER)


# Sent twice it does the same thing twice, and so needs no token that is claimed.
@errand("/titel/{title_id:int}/bild", Audience.LIBRARIANS, again=title, largest_file=MOST_BYTES)
def set_picture(visit: Visit, title_id: FromPath[int]) -> Redirect:
    """A photo of their own takes the place of whatever picture there was."""
    sent = visit.files.get("picture")
    if not sent:
        raise NoPictureChosen
    digest = covers.keep(covers.folder_of(visit.settings), sent)
    with visit.kit.database.writing() as db:
        number = covers.set_own_picture(db, title_id, digest, visit.now)
    return visit.redirect(f"/titel/{number}", _("Das Bild ist gespeichert."))


@action("/titel/{title_id:int}/bild/entfernen", Audience.LIBRARIANS, again=title)
def remove_picture(visit: Visit, title_id: FromPath[int]) -> Redirect:
    """The title is shown without a picture again, its cover set in type."""
    number = covers.remove_picture(visit.db, title_id, visit.now)
    return visit.redirect(f"/titel/{number}", _("Das Bild ist entfernt."))


handlers = [picture, set_picture, remove_picture]
