"""What a form or a JSON body may say about a member, with limits and sentences."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from bibliothek.i18n import N_
from bibliothek.members.actions import ADDRESS, LONGEST_ADDRESS
from bibliothek.members.rules import LONGEST_NAME

Name = Annotated[str, Meta(max_length=LONGEST_NAME)]
Role = Literal["member", "librarian", "admin"]
Address = Annotated[
    str,
    Meta(
        pattern=ADDRESS,
        max_length=LONGEST_ADDRESS,
        extra={"error": N_("Das ist keine E-Mail-Adresse. Sie sieht so aus: name@example.org")},
    ),
]
