"""Letters as people type them who do not have them on their keyboard: for the search of titles and of members alike."""

from __future__ import annotations

# Small letters that Unicode does not take apart (NFKD), in the spelling that people type instead: for `str.translate`.
SPELLED = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ŧ": "t", "ı": "i"}
)
