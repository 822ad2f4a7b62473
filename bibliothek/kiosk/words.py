"""What the tablet says about an answer: one or two large words, a sentence, and which of three colours."""

from __future__ import annotations

from datetime import date

import msgspec

from bibliothek.catalogue.wording import short_title
from bibliothek.i18n import _, ngettext
from bibliothek.kiosk.rules import Answer, Row
from bibliothek.lending.wording import note_sentences, why_not_renew

# Green: done. Amber: look, nothing is done yet. Red: not understood, nothing is done.
RESULT = {
    "lent": "ok",
    "renewed": "ok",
    "returned": "ok",
    "card": "ok",
    "unknown": "stop",
    "misread": "stop",
    "withdrawn": "stop",
}


class Said(msgspec.Struct, frozen=True):
    """An answer as templates/kiosk/_result.html shows it. `row` is the one book in question, `rows` are a list."""

    result: str
    kind: str
    word: str
    text: str | None
    due_on: date | None
    row: Row | None
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    answer: Answer


def said(answer: Answer, someone_here: bool) -> Said:
    """`answer` in the language of the moment; `someone_here` says whether anybody's card counts now."""
    is_list = answer.kind in ("shelf", "basket") or len(answer.rows) > 1
    notes = (*_settled(answer), *note_sentences(answer.notes))
    return Said(
        result="look" if _card_came_late(answer, someone_here) else _result(answer),
        kind=answer.kind,
        word=_word(answer),
        text=_too_late(answer) if _card_came_late(answer, someone_here) else _text(answer),
        due_on=answer.due_on,
        row=answer.rows[0] if answer.rows and not is_list else None,
        rows=answer.rows if is_list else (),
        notes=notes,
        answer=answer,
    )


def _settled(answer: Answer) -> tuple[str, ...]:
    if not answer.settled:
        return ()
    title = short_title(answer.settled)
    if answer.settled_is_kept:
        return (_("„{title}“ ist zurückgegeben. Jemand wartet darauf: Leg es bitte ins Abholfach.", title=title),)
    return (_("„{title}“ ist zurückgegeben.", title=title),)


def _result(answer: Answer) -> str:
    if answer.kind == "command":
        return "look" if answer.what in ("nothing_to_undo", "only_returns") else "ok"
    return RESULT.get(answer.kind, "look")


def _card_came_late(answer: Answer, someone_here: bool) -> bool:
    return answer.kind == "card" and not someone_here


def _too_late(answer: Answer) -> str:
    if answer.kind == "card":
        return _("Die Verbindung war unterbrochen, und deine Zeit ist um. Scanne deine Karte noch einmal.")
    return _("Die Verbindung war unterbrochen. Es ist nichts geändert. Scanne deine Karte noch einmal, dann das Buch.")


def _word(answer: Answer) -> str:
    match answer.kind:
        case "lent":
            return _("Ausgeliehen")
        case "returned":
            return _("Ins Abholfach") if answer.kept_until else _("Zurückgegeben")
        case "card":
            return _("Karte erkannt")
        case "copy":
            return _("Ausgeliehen") if answer.loan_id else _("Schon zurück") if answer.what else _("Erst die Karte")
        case "basket":
            return _("Jetzt die Karte")
        case "renewed":
            return _("Verlängert")
        case "command":
            return _command_word(answer.what)
        case "own":
            return _("Schon deins")
        case "other":
            return _("Noch ausgeliehen")
        case "expired":
            return _("Karte, bitte")
        case "late":
            return _("Zu spät angekommen")
        case "title":
            return _("Haben wir") if answer.rows else _("Noch nicht hier")
        case "shelf":
            return _("Regal")
        case "withdrawn":
            return _("Ausgesondert")
        case "misread":
            return _("Falsch gelesen")
    return _("Unbekannt")


def _command_word(what: str) -> str:
    return {
        "undone": _("Rückgängig gemacht"),
        "nothing_to_undo": _("Nichts rückgängig zu machen"),
        "done": _("Fertig"),
        "language": _("Sprache gewechselt"),
        "large": _("Schriftgröße gewechselt"),
        "only_returns": _("Nur Rückgabe"),
    }[what]


def _command_text(what: str) -> str | None:
    match what:
        case "undone":
            return _("Alles ist wieder so wie vorher.")
        case "nothing_to_undo":
            return _("Rückgängig machen geht 30 Sekunden lang, und nur das Letzte, was hier geschehen ist.")
        case "only_returns":
            return _("Hier gibst du Bücher nur zurück. Zum Ausleihen nimm das andere Tablet oder dein Handy.")
    return None


def _text(answer: Answer) -> str | None:
    match answer.kind:
        case "lent" | "renewed":
            return None
        case "basket":
            return ngettext(
                "Scanne deine Karte, dann ist das Buch für dich eingetragen. Oder erst noch mehr Bücher.",
                "Scanne deine Karte, dann sind die {n} Bücher für dich eingetragen. Oder erst noch mehr.",
                len(answer.rows),
            )
        case "command":
            return _command_text(answer.what)
        case "returned":
            return _thanks(answer)
        case "card":
            return _("Scanne jetzt die Bücher, die du mitnimmst.")
        case "copy":
            return _copy(answer)
        case "own":
            return _own(answer)
        case "other":
            return _("Es ist noch für jemand anderen eingetragen. Bringst du es zurück, oder nimmst du es mit?")
        case "expired":
            return _("Deine Zeit war um. Scanne deine Karte noch einmal, dann das Buch.")
        case "late":
            return _too_late(answer)
        case "title":
            return _title(answer)
        case "shelf":
            books = ngettext("{n} Buch", "{n} Bücher", answer.copies)
            return _("{shelf}: {books}", shelf=answer.shelf, books=books)
        case "withdrawn":
            return _("Dieses Exemplar gehört nicht mehr zum Bestand. Leg es der Betreuung hin.")
        case "misread" if answer.what == "card":
            return _("Das war eine Karte. Scanne sie noch einmal, dann die Bücher: Gerade gilt keine Karte mehr.")
        case "misread":
            return _("Nichts ist passiert. Scanne noch einmal oder tippe den Code vom Etikett ab.")
    return _unknown(answer)


def _own(answer: Answer) -> str:
    # That it is not necessary yet helps nobody here: the date stands above.
    if answer.refusal not in (None, "too_early") and answer.due_on:
        said = why_not_renew(answer.refusal, answer.due_on, answer.times)
        return _("Es ist schon für dich eingetragen.") + " " + said
    return _("Es ist schon für dich eingetragen, nichts ist geändert.")


def _copy(answer: Answer) -> str:
    if answer.what and answer.kept_until:
        return _("Es ist zurück und wird für jemanden aufgehoben. Leg es bitte ins Abholfach.")
    if answer.what:
        return _("Dieses Buch ist zurück. Zum Ausleihen scanne erst deine Karte, dann das Buch.")
    if answer.loan_id:
        return _("Dieses Buch ist ausgeliehen. Scanne es, um es zurückzugeben.")
    return _("Dieses Buch ist da. Zum Ausleihen scanne deine Karte, dann das Buch.")


def _title(answer: Answer) -> str:
    if not answer.rows:
        return _("Dieses Buch hat die Bibliothek noch nicht. Möchtest du es spenden?")
    hint = _("Zum Ausleihen oder Zurückgeben scanne das Etikett mit dem QR-Code.")
    return hint if len(answer.rows) > 1 else f"{_available(answer.rows[0])} {hint}"


def _available(row: Row) -> str:
    if not row.total:
        return _("Gerade gibt es davon kein Exemplar.")
    if not row.available:
        return _("Gerade ist es ausgeliehen.")
    return _("Es ist da.") if row.total == 1 else _("{n} von {total} sind da.", n=row.available, total=row.total)


def _thanks(answer: Answer) -> str:
    if answer.kept_until:
        return _("Danke! Jemand wartet auf dieses Buch. Leg es bitte ins Abholfach.")
    if answer.state:
        return _("Danke! Leg es bitte der Betreuung hin, nicht ins Regal.")
    if answer.shelf:
        return _("Danke! Stell es bitte in Regal {shelf}.", shelf=answer.shelf)
    return _("Danke! Stell es bitte ins Regal.")


def _unknown(answer: Answer) -> str:
    match answer.what:
        case "card":
            return _("Diese Karte ist nicht bekannt oder nicht mehr gültig. Die Betreuung druckt dir eine neue.")
        case "copy":
            return _("Ein Buch mit dem Code {code} gibt es hier nicht.", code=answer.code)
        case "shelf":
            return _("Ein Regal mit dem Code {code} gibt es hier nicht.", code=answer.code)
    return _("Das kenne ich nicht. Scanne deine Karte, das Etikett eines Buches oder den Strichcode auf der Rückseite.")
