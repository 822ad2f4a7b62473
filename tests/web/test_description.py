"""The API's description says what really comes: statuses, media types, headers. And there is only one of it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.conftest import Library

PROBLEM = "application/problem+json"
WRITES = [
    ("/donations", "post", {400, 401, 403, 404, 413, 422, 503}),
    ("/loans", "post", {400, 401, 403, 404, 409, 413, 422, 503}),
    ("/returns", "post", {400, 401, 403, 404, 413, 422, 503}),
    ("/members", "post", {400, 401, 403, 409, 413, 422, 503}),
    ("/members/{member_id}", "delete", {400, 401, 403, 404, 409, 413, 422, 503}),
    ("/reminders", "post", {400, 401, 403, 413, 422, 503}),
]
READS = [
    ("/titles", {400, 401, 403, 422, 503}),
    ("/titles/{title_id}", {400, 401, 403, 404, 422, 503}),
    ("/copies/{code}", {400, 401, 403, 404, 422, 503}),
    ("/loans", {400, 401, 403, 422, 503}),
    ("/lookup/{isbn}", {400, 401, 403, 422, 503}),
    ("/labels.pdf", {400, 401, 403, 404, 422, 503}),
]


@pytest.fixture
def paths(library: Library) -> dict[str, Any]:
    with library.client() as client:
        found: dict[str, Any] = client.get("/api/v1/openapi.json").json()["paths"]
    return found


def refusals(operation: dict[str, Any]) -> set[int]:
    """The statuses from 400 on; each of them must come as problem+json and say what it means."""
    found = {int(status): answer for status, answer in operation["responses"].items() if int(status) >= 400}
    assert all(list(answer["content"]) == [PROBLEM] for answer in found.values())
    assert all(answer["description"] != "Additional response" for answer in found.values())
    return set(found)


@pytest.mark.parametrize(("path", "method", "statuses"), WRITES)
def test_writes_say_how_they_refuse_and_take_a_key(
    paths: dict[str, Any], path: str, method: str, statuses: set[int]
) -> None:
    operation = paths[f"/api/v1{path}"][method]
    assert refusals(operation) == statuses
    assert "Idempotency-Key" in [given["name"] for given in operation["parameters"] if given["in"] == "header"]


@pytest.mark.parametrize(("path", "statuses"), READS)
def test_reads_say_how_they_refuse_and_take_no_key(paths: dict[str, Any], path: str, statuses: set[int]) -> None:
    operation = paths[f"/api/v1{path}"]["get"]
    assert refusals(operation) == statuses
    assert "header" not in [given["in"] for given in operation.get("parameters", [])]


def test_every_call_says_what_it_does(paths: dict[str, Any]) -> None:
    assert all(operation["description"] for methods in paths.values() for operation in methods.values())


def mentioned(schemas: dict[str, Any], part: Any) -> set[str]:
    """The names of all schemas that a part of the description leads to."""
    found = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(part)))
    return found.union(*(mentioned(schemas, schemas[name]) for name in found))


def test_what_is_always_there_is_required_in_answers_and_what_may_be_left_out_is_not_in_bodies(
    library: Library,
) -> None:
    with library.client() as client:
        described = client.get("/api/v1/openapi.json").json()
    schemas = described["components"]["schemas"]
    operations = [operation for methods in described["paths"].values() for operation in methods.values()]
    answers = mentioned(schemas, [operation["responses"] for operation in operations])
    missing = {
        (name, member)
        for name in answers
        for member in set(schemas[name]["properties"]) - set(schemas[name]["required"])
    }
    # Only these are now and then not there at all.
    assert missing == {
        ("ProblemAnswer", "errors"),
        ("LoanList", "more"),
        ("TitleList", "more"),
        ("copies_api_CopyAnswer", "member"),
    }
    assert {"TitleAnswer", "TitleFields", "OneTitle", "Part"} <= answers
    assert not schemas["DonationIn"].get("required")
    assert schemas["PartIn"]["required"] == ["title"]


def test_a_loan_that_is_there_already_and_a_pdf_are_described(paths: dict[str, Any]) -> None:
    loan = paths["/api/v1/loans"]["post"]["responses"]
    assert loan["200"]["content"] == loan["201"]["content"]
    assert list(paths["/api/v1/labels.pdf"]["get"]["responses"]["200"]["content"]) == ["application/pdf"]


@pytest.mark.parametrize(
    "path", ["/api/schema", "/api/schema/", "/api/schema/x", "/api/schema/openapi.json", "/schema"]
)
def test_it_lies_at_one_address_only(library: Library, path: str) -> None:
    with library.client() as client:
        answer = client.get(path)
    assert answer.status_code == 404
    if path.startswith("/api/"):
        assert answer.headers["content-type"] == PROBLEM
