"""What is wrong with a call is said in plain words, under the names that the caller used."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Library


def errors(library: Library, method: str, path: str, **sent: Any) -> dict[str, str]:
    with library.client() as client:
        answer = client.with_token().request(method, f"/api/v1{path}", **sent)
    assert answer.status_code == 422
    found: dict[str, str] = answer.json()["errors"]
    return found


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("/loans?state=closed", {"state": "Das ist keiner der möglichen Werte."}),
        (
            "/loans?page=0&per_page=x",
            {"page": "Die Zahl ist zu klein: mindestens 1.", "per_page": "Erwartet wird eine ganze Zahl."},
        ),
        ("/titles?per_page=501", {"per_page": "Die Zahl ist zu groß: höchstens 500."}),
    ],
)
def test_parameters_are_named_as_in_the_address(library: Library, query: str, expected: dict[str, str]) -> None:
    assert errors(library, "GET", query) == expected


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/loans", {"copy": "B"}, {"member": "Diese Angabe fehlt."}),
        ("/loans", {"copy": 1, "member": "M"}, {"copy": "Erwartet wird ein Text."}),
        ("/loans", [], {"body": "Erwartet wird ein JSON-Objekt."}),
        ("/donations", {"title": "x", "contributors": [{}]}, {"contributors[0].name": "Diese Angabe fehlt."}),
        ("/donations", {"title": "x", "contributors": "x"}, {"contributors": "Erwartet wird eine Liste."}),
        ("/donations", {"title": "x", "year": "bald"}, {"year": "Erwartet wird eine ganze Zahl."}),
        ("/members", {"name": "x", "role": "king"}, {"role": "Das ist keiner der möglichen Werte."}),
        ("/reminders", {"today": "gestern"}, {"today": "Ein Datum steht hier als JJJJ-MM-TT."}),
        ("/reminders", {"dry_run": []}, {"dry_run": "Erwartet wird true oder false."}),
    ],
)
def test_fields_of_a_body_are_named_as_they_were_sent(
    library: Library, path: str, body: Any, expected: dict[str, str]
) -> None:
    assert errors(library, "POST", path, json=body) == expected


def test_a_body_that_is_not_there_is_missing(library: Library) -> None:
    assert errors(library, "POST", "/loans") == {"body": "Diese Angabe fehlt."}
