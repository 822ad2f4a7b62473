"""Unicode's own forms of a text, however it was made."""

from __future__ import annotations

import unicodedata
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bibliothek.letters import normalized


@given(st.text(max_size=40), st.sampled_from(["NFC", "NFKC", "NFKD"]))
def test_a_text_has_the_form_that_unicode_says(text: str, form: Literal["NFC", "NFKC", "NFKD"]) -> None:
    assert normalized(form, text) == unicodedata.normalize(form, text)


@pytest.mark.parametrize("marks", ["\u0301\u0323", "\uff9e\u0301", "\u0344\u0323"])
def test_a_letter_with_a_million_marks_costs_no_more_than_as_many_letters(marks: str) -> None:
    # Without a limit this sorts the marks for hours.
    assert normalized("NFKC", "a" + marks * 500_000 + "b").endswith("b")
    assert normalized("NFC", "a" + marks * 500_000 + "b").endswith("b")
