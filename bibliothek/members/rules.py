"""What is allowed among people, and what a sign-in is made of. Pure: values in, answers out."""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from bibliothek.i18n import N_
from bibliothek.letters import SPELLED, normalized, seen

ROLE_NAMES = {"member": N_("Mitglied"), "librarian": N_("Betreuung"), "admin": N_("Admin")}

LONGEST_NAME = 100

# A mailed or shown way in: once, and not for long.
LINK_LASTS = timedelta(minutes=10)
# Of a million 6-digit codes, one mail lets five be tried.
MOST_TRIES = 5
# Of all codes mailed to one address in a day: sixty guesses at a million are too few to be worth it.
MOST_TRIES_A_DAY = 60
# For one network: a whole group may sit behind one address.
NETWORK_LIMIT = (30, timedelta(minutes=10))
# Codes of the first run: half a trillion, so this is against nuisance more than against luck.
SETUP_NETWORK_LIMIT = (10, timedelta(minutes=10))
SETUP_LIMIT = (100, timedelta(minutes=10))
# Sign-ins are kept this long, to be counted; then they are forgotten.
COUNTED = timedelta(days=1)
# A button pressed twice arrives within this time.
DOUBLE_PRESS = timedelta(minutes=1)


class MailLimit(msgspec.Struct, frozen=True):
    """How many sign-in mails an address may get: `soon` within LINK_LASTS, `daily` within COUNTED, then one every `pause`."""

    soon: int
    daily: int
    pause: timedelta

    def wait(self, asked: Sequence[datetime], now: datetime) -> timedelta:
        """How long until one more may be asked for, 0 for at once. `asked` are those of the last day, newest first."""
        wait = timedelta(0)
        if len(asked) >= self.soon:
            wait = max(wait, asked[self.soon - 1] + LINK_LASTS - now)
        if len(asked) >= self.daily:
            wait = max(wait, asked[0] + self.pause - now)
        return wait


# Anybody may type anybody's address, on the same network, too: an address is refused only while a mail lies in its mailbox
# whose link still works. So its owner gets in all the same, and no pause may be longer than a link lasts.
FROM_ONE_NETWORK = MailLimit(3, 12, LINK_LASTS)
FROM_EVERYWHERE = MailLimit(10, 60, LINK_LASTS)

_AFTER_SIGN_IN = "/konto"
_NOT_BACK_TO = ("/anmelden", "/abmelden", "/einrichten")


def may_manage(own_role: str, role: str) -> bool:
    """Whether somebody with `own_role` may add, change, delete or let in people with `role`.

    Librarians look after members; only admins make librarians and admins. Otherwise a librarian could give an admin a new
    address and sign in as them.
    """
    return own_role == "admin" or (own_role == "librarian" and role == "member")


def clean_name(text: str) -> str:
    """A name in one line: white space folded, characters that cannot be seen taken out."""
    return seen(text)


def folded(text: str) -> str:
    """A name as it is searched: no case, no accents, ß as ss, ł as l, ı as i."""
    apart = normalized("NFKD", text.lower())
    bare = "".join(sign for sign in apart if not unicodedata.combining(sign))
    return " ".join(bare.translate(SPELLED).casefold().split())


def sort_name(name: str) -> str:
    """What a name is sorted by: folded, and numbers by their size (Mitglied 2 before Mitglied 10)."""
    return re.sub(r"[0-9]+", lambda number: number[0].zfill(6), folded(name))


def local_path(text: str | None) -> str | None:
    """`text` if it is a path of this very site, otherwise None: what somebody puts into a link must not lead elsewhere.

    Browsers read `//host` and `/\\host` as another site, and pass over tabs and line breaks (WHATWG URL, 4.4).
    """
    if not text or len(text) > 1000 or not text.startswith("/") or text.startswith("//"):
        return None
    if "\\" in text or not text.isprintable() or not text.isascii():
        return None
    return text


def way_on(wanted: str | None) -> str:
    """Where to go after signing in: back to what was begun, or to the own account."""
    path = local_path(wanted)
    if path is None or path.partition("?")[0].startswith(_NOT_BACK_TO):
        return _AFTER_SIGN_IN
    return path


def sign_in_address(base_url: str, token: str) -> str:
    """What a mailed or shown link says."""
    return f"{base_url}/anmelden/{token}"


def keyed_hash(key: bytes, purpose: str, text: str) -> str:
    """HMAC-SHA256 in hex, for what a plain hash would give away: addresses and six digits can all be tried out."""
    return hmac.digest(key, f"{purpose}\0{text}".encode(), hashlib.sha256).hex()


def keyed_token(key: bytes, *parts: str) -> str:
    """A token of 256 bits that is the same for the same parts, and that nobody without the key can make."""
    return urlsafe_b64encode(hmac.digest(key, "\0".join(parts).encode(), hashlib.sha256)).decode().rstrip("=")
