"""What the API's description (OpenAPI 3.1) says of calls beyond their own parameters and answers."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIType, Operation, Parameter, Schema
from msgspec import UNSET, UnsetType

LONGEST_KEY = 200
# How any call may refuse, and any that changes something; what else a call may say, it names itself.
ALWAYS = (400, 401, 403, 422, 503)
WRITING = (*ALWAYS, 413)

_MEANINGS = {
    400: "The request cannot be read",
    401: "No token, or one that is not known",
    403: "Not with this token",
    404: "Nothing has this code or number",
    409: "Not as things stand",
    413: "Too large",
    422: "Understood, but it does not fit; `errors`, where single fields are wrong, says which and why",
    503: "Not possible right now, nothing was changed; `Retry-After` says in how many seconds to ask again",
}


class ProblemAnswer(msgspec.Struct):
    """A refusal (RFC 9457): `detail` says in plain words what happened, `code` is stable, `errors` has a sentence a field."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: dict[str, str] | UnsetType = UNSET


def refusals(*statuses: int) -> dict[int, ResponseSpec]:
    """With which statuses a call may refuse, always as problem+json."""
    return {status: _answer(ProblemAnswer, _MEANINGS[status], "application/problem+json") for status in statuses}


def already_so(answer: type[msgspec.Struct]) -> dict[int, ResponseSpec]:
    """The 200 of a call that makes something, when it was there before."""
    return {200: _answer(answer, "It is so already; nothing was changed", "application/json")}


def _answer(container: type[msgspec.Struct], description: str, media_type: str) -> ResponseSpec:
    return ResponseSpec(container, description=description, media_type=media_type, generate_examples=False)


KEY = Parameter(
    name="Idempotency-Key",
    param_in="header",
    required=False,
    description="For 24 hours the same key and body get the same answer and change nothing twice.",
    schema=Schema(type=OpenAPIType.STRING, min_length=1, max_length=LONGEST_KEY),
)


@dataclass
class Write(Operation):
    """A call that takes an Idempotency-Key."""

    def __post_init__(self) -> None:
        self.parameters = [*(self.parameters or ()), KEY]
