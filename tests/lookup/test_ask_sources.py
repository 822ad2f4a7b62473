"""The script with which a person asks the live sources, here at the stand-in."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.lookup import marcxml
from tests.lookup.stand_in import ALL, StandIn

SCRIPT = Path(__file__).parents[2] / "scripts" / "ask_sources.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """scripts/ask_sources.py as a module; scripts is no package."""
    spec = importlib.util.spec_from_file_location("ask_sources", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: ModuleType) -> Iterator[StandIn]:
    """All sources at the stand-in, as the settings name them; they know the books that are asked for."""
    monkeypatch.chdir(tmp_path)
    with StandIn() as stand_in:
        for name, value in stand_in.settings(*ALL).items():
            monkeypatch.setenv(f"BIBLIOTHEK_{name.upper()}", value or "off")
        for source, expected in script.EXPECTED.items():
            stand_in.add(expected.isbn, expected.title, source=source)
        # As at DNB: what nobody has is not made up.
        stand_in.add_record(
            script.UNKNOWN, marcxml.record(marcxml.field("245", "a Anderes"), marcxml.field("020", "a x"))
        )
        yield stand_in


def lines(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_it_says_one_line_each_and_ends_well(
    live: StandIn, script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main([]) == 0
    said = lines(capsys)
    assert len(said) == 4 * len(ALL)
    assert [line[0] for line in said[::4]] == list(ALL)
    assert all("ok" in line for line in said)


@pytest.mark.parametrize("manner", ["html", "nothing", "throttle", "diagnostic"])
@pytest.mark.parametrize("source", ALL)
def test_it_ends_with_1_when_a_source_answers_otherwise(
    live: StandIn, script: ModuleType, capsys: pytest.CaptureFixture[str], source: str, manner: str
) -> None:
    live.behave(source, manner)
    assert script.main([source]) == 1
    said = lines(capsys)
    assert {line[0] for line in said} == {source}
    assert "FAILED" in said[0]


def test_a_name_that_is_no_source_is_said(
    live: StandIn, script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(["altavista"]) == 1
    assert "altavista" not in {request.source for request in live.asked}
    assert "dnb, k10plus, lobid" in capsys.readouterr().out
