"""All models in one place, for migrations and `verify`. Features import each other's models directly, never from here."""

from bibliothek import jobs
from bibliothek.catalogue import models as catalogue
from bibliothek.copies import models as copies
from bibliothek.db import Base
from bibliothek.donations import models as donations
from bibliothek.kiosk import models as kiosk
from bibliothek.lending import models as lending
from bibliothek.library import models as library
from bibliothek.lookup import models as lookup
from bibliothek.mail import models as mail
from bibliothek.members import models as members
from bibliothek.reminders import models as reminders
from bibliothek.transfer import models as transfer
from bibliothek.web import once

metadata = Base.metadata

__all__ = [
    "catalogue",
    "copies",
    "donations",
    "jobs",
    "kiosk",
    "lending",
    "library",
    "lookup",
    "mail",
    "members",
    "metadata",
    "once",
    "reminders",
    "transfer",
]
