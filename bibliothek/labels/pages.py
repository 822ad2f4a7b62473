"""The queue of copies without a label, and the sheets printed from it."""

from __future__ import annotations

from bibliothek.copies import queries as copies
from bibliothek.labels.actions import MOST, print_labels
from bibliothek.labels.fields import PrintForm
from bibliothek.labels.sheets import SHEETS
from bibliothek.library.queries import library
from bibliothek.web.routes import errand, page
from bibliothek.web.sign_in import Audience
from bibliothek.web.visit import File, Page, Visit


@page("/etiketten", Audience.LIBRARIANS)
def labels(visit: Visit) -> Page:
    """What waits for a label, and what was printed last, in case the paper jammed."""
    waiting = copies.unlabelled(visit.db, MOST)
    printed = copies.last_labelled(visit.db)
    return visit.page(
        "labels/queue.html",
        waiting=waiting,
        waiting_in_all=len(waiting) if len(waiting) < MOST else copies.count_unlabelled(visit.db),
        printed=printed,
        sheets=[(sheet.name, sheet.label) for sheet in SHEETS.values()],
        chosen_sheet=visit.field("sheet") or library(visit.db).label_sheet,
        base_url=visit.settings.base_url,
        base_is_loopback=visit.settings.base_is_loopback,
    )


@errand("/etiketten", Audience.LIBRARIANS, again=labels)
def print_sheet(visit: Visit) -> File:
    """The chosen labels as PDF. They leave the queue; printing the same again is always possible."""
    form = visit.read(PrintForm)
    base_url = visit.settings.base_url
    pdf = print_labels(visit.kit.database, form.codes, form.sheet, form.start, base_url=base_url, now=visit.now)
    return File(pdf, "application/pdf", "etiketten.pdf")


handlers = [labels, print_sheet]
