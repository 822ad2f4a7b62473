"""What lending says to people, in the language of the moment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from bibliothek.i18n import _, format_date
from bibliothek.lending.rules import Note, Refusal


def note_sentence(note: Note) -> str:
    """What a member is told about a loan that was recorded although something spoke against it."""
    match note:
        case "over_limit":
            return _("Du hast jetzt mehr Bücher, als vorgesehen sind. Bring bitte bald eins zurück.")
        case "passed_over":
            return _("Auf dieses Buch wartet jemand. Bring es bitte so bald wie möglich zurück.")
        case "was_missing":
            return _("Dieses Exemplar galt als vermisst. Gut, dass es wieder da ist.")
        case "in_repair":
            return _("Dieses Exemplar sollte erst repariert werden. Geh bitte vorsichtig damit um.")
        case "reference":
            return _("Dieses Exemplar ist eigentlich zum Lesen hier im Raum da. Bring es bitte bald zurück.")


def note_sentences(notes: Iterable[Note]) -> list[str]:
    return [note_sentence(note) for note in notes]


def why_not_renew(why: Refusal, due_on: date, times: int) -> str:
    """Why a loan keeps its date `due_on`; `times` is how often it may be renewed at all."""
    match why:
        case "waited_for":
            return _("Verlängern geht nicht, denn jemand wartet auf dieses Buch.")
        case "used_up":
            if not times:
                return _("Verlängern geht bei diesem Buch nicht.")
            return _("Mehr als {n}-mal lässt sich dieses Buch nicht verlängern.", n=times)
        case "too_early":
            return _("Das ist noch nicht nötig: Die Frist läuft ohnehin bis zum {date}.", date=format_date(due_on))


def flag_sentence(kind: str) -> str:
    """What happened, for the librarians."""
    match kind:
        case "over_limit":
            return _("Wurde ausgeliehen, obwohl damit die Obergrenze überschritten ist.")
        case "passed_over":
            return _("Wurde ausgeliehen, obwohl jemand anders darauf wartet.")
        case "was_missing":
            return _("Galt als vermisst und wurde gerade ausgeliehen.")
        case "in_repair":
            return _("Sollte repariert werden und wurde ausgeliehen.")
        case "reference":
            return _("Soll im Raum bleiben und wurde ausgeliehen.")
        case "damaged":
            return _("Ist beschädigt.")
        case "put_back":
            return _("Liegt im Abholfach, und niemand wartet mehr darauf. Stell es zurück ins Regal.")
        case "lost":
            return _("Wer es hat, findet es nicht mehr.")
    raise ValueError(kind)


def event_word(kind: str) -> str:
    """What happened to a copy, as its history says it; `kind` is one of `copies.models.EVENTS`."""
    match kind:
        case "missing":
            return _("war nicht zu finden")
        case "found":
            return _("ist wieder aufgetaucht")
        case "damaged":
            return _("ist beschädigt")
        case "mended":
            return _("ist wieder heil")
        case "repair":
            return _("muss repariert werden")
        case "lost":
            return _("ging verloren")
        case "reference":
            return _("bleibt im Raum")
        case "lendable":
            return _("kann ausgeliehen werden")
        case "withdrawn":
            return _("wurde ausgesondert")
        case "brought_back":
            return _("gehört wieder zum Bestand")
        case "undone":
            return _("ein Versehen wurde zurückgenommen")
    raise ValueError(kind)


def notice_sentence(kind: str, day: date | None) -> str:
    """What a member is told, without saying about which book."""
    on = format_date(day) if day else ""
    match kind:
        case "hold_ready":
            return _("Ein Buch, auf das du gewartet hast, liegt für dich bereit, und zwar bis zum {date}.", date=on)
        case "hold_expired":
            return _("Ein Buch, das für dich bereitlag, hast du nicht abgeholt. Deine Vormerkung ist beendet.")
        case "hold_moved":
            return _("Ein Buch, das für dich bereitlag, ist doch wieder weg. Du stehst weiter auf deinem alten Platz.")
        case "taken_over":
            return _(
                "Ein Buch, das noch für dich eingetragen war, hat jemand anders ausgeliehen. Für dich ist es zurück."
            )
        case "due_moved":
            return _(
                "Die Bibliothek ist an einem deiner Termine geschlossen. Du hast jetzt bis zum {date} Zeit.", date=on
            )
    raise ValueError(kind)
