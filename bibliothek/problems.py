"""Problem: the base of every "no" that a rule may say.

A refusal is a named class beside its rule. It takes the objects concerned, builds one plain sentence that says what happened
and what to do, and carries the HTTP status and a stable code. `web.errors` shows it as page, fragment or problem+json.
"""

import errno
import os

# What people meet; the rest is said in the system's own words.
_GERMAN = {
    errno.ENOENT: "Das gibt es nicht.",
    errno.EACCES: "Hier darf dieses Konto nicht lesen oder schreiben.",
    errno.EPERM: "Hier darf dieses Konto nicht lesen oder schreiben.",
    errno.EROFS: "Hier lässt sich nur lesen.",
    errno.ENOSPC: "Die Platte ist voll.",
    errno.EISDIR: "Das ist ein Ordner. Gebraucht wird eine Datei.",
    errno.ENOTDIR: "Das ist kein Ordner.",
    errno.EIO: "Die Platte meldet einen Fehler.",
}


class Problem(Exception):
    """A refusal that a person can act on.

    `status` is the HTTP status, `code` the stable kebab-case name that programs rely on. `more` are extra members of the
    problem+json answer (RFC 9457, section 3.2); they never hold personal data. `errors` are what a form says at its fields.
    """

    status = 409
    code = "refused"

    def __init__(self, sentence: str, **more: object) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.more = more
        self.errors: dict[str, str] = {}


class NotFound(Problem):
    """What was asked for does not exist, or not any more."""

    status = 404
    code = "not-found"


class Invalid(Problem):
    """The input cannot be understood."""

    status = 422
    code = "invalid"


class Failed(Exception):
    """Why a command could not do its work, in one line."""


def of_file(error: OSError, otherwise: str) -> str:
    """What the system says of a file, in one German line; `otherwise` is named where it names none.

    A file that could not be made is nobody's name for it: then its folder is named.
    """
    name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes | os.PathLike) else otherwise
    folder = os.path.dirname(name)
    if folder and not os.path.lexists(name) and (error.errno != errno.ENOENT or not os.path.lexists(folder)):
        name = folder
    return f"{name}: {words_of(error)}"


def words_of(error: OSError) -> str:
    """The same without the name."""
    return _GERMAN.get(error.errno or 0) or error.strerror or str(error)
