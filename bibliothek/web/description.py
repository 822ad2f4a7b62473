"""What the API's description (OpenAPI 3.1) says of calls beyond their own parameters and answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIType, Operation, Parameter, Schema
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition
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
    503: "Not possible right now, nothing was changed; `Retry-After` says in how many seconds to ask again. Only with the code "
    "`outcome-unknown` it is not known whether anything was changed: ask again with the same `Idempotency-Key`",
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


class AlwaysThere(OpenAPISchemaPlugin):
    """Describes Structs that only go out: every member is there, null or empty where nothing is known.

    Their defaults are for our own code. Litestar takes them for what a caller may leave out, and clients generated from that
    would have to reckon with members that are missing.
    """

    def __init__(self, *structs: type[msgspec.Struct]) -> None:
        self.structs = structs

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        """Whether it is one of the structs, or made from one."""
        return not field_definition.is_union and field_definition.is_subclass_of(self.structs)

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: Any) -> Schema:
        """All members, all of them required."""
        hints = field_definition.get_type_hints(include_extras=True, resolve_generics=True)
        members = {name: FieldDefinition.from_annotation(hint, name=name) for name, hint in hints.items()}
        described: Schema = schema_creator.create_component_schema(
            field_definition, required=sorted(members), property_fields=members
        )
        return described


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
