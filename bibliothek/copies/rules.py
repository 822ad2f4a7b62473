"""What may be said about a physical book: how it looks, and why it is not the library's any more."""

from __future__ import annotations

from bibliothek import codes
from bibliothek.catalogue.rules import CardAsText, one_line
from bibliothek.i18n import N_, _
from bibliothek.problems import Invalid

CONDITIONS = {"new": N_("neu"), "good": N_("gut"), "worn": N_("gebraucht"), "damaged": N_("beschädigt")}
REASONS = {
    "given-away": N_("abgegeben"),
    "lost": N_("verloren"),
    "damaged": N_("beschädigt"),
    "double": N_("doppelt"),
}
OTHER = "other"
LONGEST_REASON = 200
# What librarians say of a copy, besides lending it and taking it back. Which of it makes sense: `may_happen`.
HAPPENINGS = {
    "damaged": N_("ist beschädigt, bleibt aber im Regal"),
    "repair": N_("ist beschädigt und muss repariert werden"),
    "mended": N_("ist wieder heil"),
    "missing": N_("ist nicht zu finden"),
    "found": N_("ist wieder da"),
    "lost": N_("ist verloren: Die Ausleihe endet, und das Buch gilt als nicht auffindbar"),
    "reference": N_("bleibt von jetzt an zum Lesen hier im Raum"),
    "lendable": N_("kann von jetzt an ausgeliehen werden"),
}


class BadCondition(Invalid):
    code = "bad-condition"

    def __init__(self) -> None:
        super().__init__(_("Diesen Zustand gibt es nicht. Wähle einen aus der Liste."))
        self.errors = {"condition": self.sentence}


class BadReason(Invalid):
    """No reason, or one that is too long."""

    code = "bad-reason"

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.errors = {field: self.sentence}


def checked_condition(text: str) -> str | None:
    """Raises BadCondition."""
    if text and text not in CONDITIONS:
        raise BadCondition
    return text or None


def checked_reason(reason: str, note: str) -> str:
    """What is kept of a reason: one of REASONS, or the words of whoever chose OTHER. Raises BadReason, CardAsText."""
    if reason in REASONS:
        return reason
    if reason != OTHER:
        raise BadReason("reason", _("Bitte wähle einen Grund."))
    words = checked_note(note)
    if not words:
        raise BadReason("note", _("Bitte schreib den Grund in ein paar Worten dazu."))
    return words


def checked_note(note: str, field: str = "note") -> str | None:
    """What somebody wrote about a copy into `field`, in one line; None for nothing. Raises BadReason, CardAsText."""
    words = one_line(note)
    if len(words) > LONGEST_REASON:
        raise BadReason(field, _("Das ist zu lang: höchstens {n} Zeichen.", n=LONGEST_REASON))
    if codes.holds_card(words):
        raise CardAsText
    return words or None


def may_happen(state: str, is_reference: bool, is_on_loan: bool) -> list[str]:
    """Which of HAPPENINGS make sense for a copy, in their order."""
    kinds = {
        "damaged": state in ("intake", "active"),
        "repair": state in ("intake", "active", "missing"),
        "mended": state == "repair",
        "missing": state in ("intake", "active", "repair") and not is_on_loan,
        "found": state == "missing",
        "lost": is_on_loan,
        "reference": state != "withdrawn" and not is_reference,
        "lendable": state != "withdrawn" and is_reference,
    }
    return [kind for kind in HAPPENINGS if kinds[kind]]


def condition_word(condition: str) -> str:
    return _(CONDITIONS[condition]) if condition in CONDITIONS else condition


def reason_word(reason: str) -> str:
    """The reason as a word, or as somebody wrote it."""
    return _(REASONS[reason]) if reason in REASONS else reason
