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
    words = one_line(note)
    if not words:
        raise BadReason("note", _("Bitte schreib den Grund in ein paar Worten dazu."))
    if len(words) > LONGEST_REASON:
        raise BadReason("note", _("Das ist zu lang: höchstens {n} Zeichen.", n=LONGEST_REASON))
    if codes.holds_card(words):
        raise CardAsText
    return words


def condition_word(condition: str) -> str:
    return _(CONDITIONS[condition]) if condition in CONDITIONS else condition


def reason_word(reason: str) -> str:
    """The reason as a word, or as somebody wrote it."""
    return _(REASONS[reason]) if reason in REASONS else reason
