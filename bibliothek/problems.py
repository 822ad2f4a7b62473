"""Problem: the base of every "no" that a rule may say.

A refusal is a named class beside its rule. It takes the objects concerned, builds one plain sentence that says what happened
and what to do, and carries the HTTP status and a stable code. `web.errors` shows it as page, fragment or problem+json.
"""


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
