"""Words, dates and numbers in German and English, and the script that keeps the English catalogue."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Barrier
from types import ModuleType
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from bibliothek import i18n
from bibliothek.i18n import (
    N_,
    _,
    format_date,
    format_date_short,
    format_datetime,
    format_day,
    format_number,
    language,
    ngettext,
    use_language,
)

TOP = Path(__file__).parent.parent
BERLIN = ZoneInfo("Europe/Berlin")
CHRISTMAS = date(2026, 12, 24)


def load_script() -> ModuleType:
    """scripts/translations.py as a module; scripts is no package."""
    spec = importlib.util.spec_from_file_location("translations", TOP / "scripts" / "translations.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def german_again() -> Iterator[None]:
    with use_language("de"):
        yield


@pytest.fixture
def english_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A small catalogue in place of the real one."""
    script = load_script()
    catalogue = script.english()
    catalogue.add("Regal", "Shelf")
    catalogue.add("Guten Tag, {name}", "Good day, {name}")
    catalogue.add(("Ein Buch in {place}", "{n} Bücher in {place}"), ("One book in {place}", "{n} books in {place}"))
    folder = tmp_path / "en" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "bibliothek.mo").write_bytes(script.mo_bytes(catalogue))
    monkeypatch.setattr(i18n, "FOLDER", tmp_path)
    i18n._catalogue.cache_clear()
    yield
    i18n._catalogue.cache_clear()


# --- texts ---


def test_german_is_the_msgid_itself() -> None:
    assert _("Guten Tag, {name}", name="Mitglied 1") == "Guten Tag, Mitglied 1"


@pytest.mark.usefixtures("english_texts")
def test_english_comes_from_the_catalogue_at_the_moment_of_the_call() -> None:
    label = N_("Regal")
    with use_language("en"):
        assert _(label) == "Shelf"
        assert _("Guten Tag, {name}", name="Mitglied 1") == "Good day, Mitglied 1"
    assert _(label) == "Regal"


@pytest.mark.usefixtures("english_texts")
def test_a_text_without_translation_stays_german() -> None:
    with use_language("en"):
        assert _("Gibt es nur auf Deutsch") == "Gibt es nur auf Deutsch"
        assert ngettext("{n} Kiste", "{n} Kisten", 2) == "2 Kisten"


@pytest.mark.usefixtures("english_texts")
def test_the_empty_text_is_never_the_header_of_the_catalogue() -> None:
    with use_language("en"):
        assert _("") == ""


def test_braces_are_left_alone_where_no_names_are_given() -> None:
    assert _("100 % {sicher}, 50 %s") == "100 % {sicher}, 50 %s"


def test_a_name_may_be_called_msgid_and_its_value_is_not_formatted_again() -> None:
    assert _("„{msgid}“", msgid="{0} %s {msgid}") == "„{0} %s {msgid}“"


@pytest.mark.parametrize(("n", "german"), [(0, "0 Bücher"), (1, "1 Buch"), (2, "2 Bücher"), (1500, "1.500 Bücher")])
def test_the_plural_follows_the_number(n: int, german: str) -> None:
    assert ngettext("{n} Buch", "{n} Bücher", n) == german


@pytest.mark.usefixtures("english_texts")
@pytest.mark.parametrize(("n", "english"), [(0, "0 books in A"), (1, "One book in A"), (1500, "1,500 books in A")])
def test_the_english_plural_follows_the_number(n: int, english: str) -> None:
    with use_language("en"):
        assert ngettext("Ein Buch in {place}", "{n} Bücher in {place}", n, place="A") == english


@pytest.mark.parametrize("code", ["fr", "", "EN", "../en", "de-AT"])
def test_an_unknown_language_is_german(code: str) -> None:
    with use_language(code):
        assert language.get() == "de"
    token = language.set(code)
    assert _("Regal") == "Regal"
    assert format_date(CHRISTMAS) == "24. Dezember 2026"
    language.reset(token)


def test_the_language_stays_until_another_is_chosen() -> None:
    use_language("en")
    assert format_date(CHRISTMAS) == "24 December 2026"
    use_language("de")
    assert format_date(CHRISTMAS) == "24. Dezember 2026"


@pytest.mark.usefixtures("english_texts")
def test_two_threads_speak_their_own_languages() -> None:
    together = Barrier(2, timeout=10)

    def speak(code: str) -> set[str]:
        use_language(code)
        together.wait()
        return {_("Regal") for _again in range(2000)}

    with ThreadPoolExecutor(2) as pool:
        english, german = pool.map(speak, ["en", "de"])
    assert (english, german) == ({"Shelf"}, {"Regal"})
    assert language.get() == "de"


def test_the_catalogue_is_read_once(english_texts: None) -> None:
    with use_language("en"):
        _("Regal")
        (i18n.FOLDER / "en" / "LC_MESSAGES" / "bibliothek.mo").unlink()
        assert _("Regal") == "Shelf"


# --- dates and numbers ---


def test_dates_in_german() -> None:
    assert format_date(CHRISTMAS) == "24. Dezember 2026"
    assert format_day(CHRISTMAS) == "Do, 24. Dez."
    assert format_date_short(CHRISTMAS) == "24.12.2026"


def test_dates_in_english() -> None:
    with use_language("en"):
        assert format_date(CHRISTMAS) == "24 December 2026"
        assert format_day(CHRISTMAS) == "Thu, 24 Dec"
        assert format_date_short(CHRISTMAS) == "24/12/2026"


def test_every_month_and_weekday_has_its_name() -> None:
    with use_language("en"):
        named = [format_date(date(2026, month, 1)) for month in range(1, 13)]
        assert named == [f"{date(2026, month, 1):%-d %B %Y}" for month in range(1, 13)]
        days = [format_day(date(2026, 6, day)) for day in range(1, 8)]
        assert days == [f"{date(2026, 6, day):%a, %-d} Jun" for day in range(1, 8)]
    assert [format_day(date(2026, 3, day))[:2] for day in range(2, 9)] == ["Mo", "Di", "Mi", "Do", "Fr", "Sa", "So"]
    assert format_day(date(2026, 3, 2)) == "Mo, 2. März"


@pytest.mark.parametrize(
    ("day", "long", "short"),
    [
        (date(1970, 1, 1), "1. Januar 1970", "01.01.1970"),
        (date.min, "1. Januar 1", "01.01.1"),
        (date.max, "31. Dezember 9999", "31.12.9999"),
        (date(2028, 2, 29), "29. Februar 2028", "29.02.2028"),
    ],
)
def test_far_dates(day: date, long: str, short: str) -> None:
    assert (format_date(day), format_date_short(day)) == (long, short)


def test_an_instant_is_shown_on_the_clock_of_the_library() -> None:
    new_year = datetime(2026, 12, 31, 23, 5, tzinfo=UTC)
    assert format_datetime(new_year, BERLIN) == "1. Januar 2027, 00:05 Uhr"
    assert format_datetime(datetime(2026, 7, 1, 16, 5, tzinfo=UTC), BERLIN) == "1. Juli 2026, 18:05 Uhr"
    with use_language("en"):
        assert format_datetime(new_year, BERLIN) == "1 January 2027, 00:05"


def test_a_datetime_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        format_datetime(datetime(2026, 1, 1), BERLIN)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("number", "decimals", "german", "english"),
    [
        (0, 0, "0", "0"),
        (999, 0, "999", "999"),
        (22698, 0, "22.698", "22,698"),
        (-1234.5, 1, "-1.234,5", "-1,234.5"),
        (1_000_000, 2, "1.000.000,00", "1,000,000.00"),
    ],
)
def test_numbers(number: float, decimals: int, german: str, english: str) -> None:
    assert format_number(number, decimals) == german
    with use_language("en"):
        assert format_number(number, decimals) == english


# --- the catalogue and its script ---


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small repository with texts in code and templates."""
    (tmp_path / "babel.cfg").write_bytes((TOP / "babel.cfg").read_bytes())
    (tmp_path / "bibliothek" / "lending").mkdir(parents=True)
    (tmp_path / "templates" / "email").mkdir(parents=True)
    (tmp_path / "bibliothek" / "lending" / "pages.py").write_text(
        'a = _("Bis {due}", due=due)\nb = N_("Regal")\nc = ngettext("Ein Buch", "{n} Bücher", n)\nd = i18n._("100 % da")\n'
    )
    (tmp_path / "templates" / "page.html").write_text('<p>{{ _("Hallo {name}", name=name) }}</p>')
    (tmp_path / "templates" / "email" / "body.txt").write_text("{{ _('Zurück') }}")
    return tmp_path


def run(project: Path, command: str, *more: str) -> tuple[int, str]:
    script = load_script()
    script.ROOT = project
    result = CliRunner().invoke(script.main, [command, *more])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


def po(project: Path) -> Path:
    return project / "bibliothek" / "locale" / "en" / "LC_MESSAGES" / "bibliothek.po"


def translate(project: Path, texts: dict[str, str]) -> None:
    """Fill the empty msgstr that follow these lines."""
    written = po(project).read_text()
    for before, after in texts.items():
        assert before in written
        written = written.replace(before + ' ""', f'{before} "{after}"')
    po(project).write_text(written)


ALL = {
    'msgid "Bis {due}"\nmsgstr': "Until {due}",
    'msgid "Regal"\nmsgstr': "Shelf",
    "msgstr[0]": "One book",
    "msgstr[1]": "{n} books",
    'msgid "100 % da"\nmsgstr': "100 % here",
    'msgid "Hallo {name}"\nmsgstr': "Hello {name}",
    'msgid "Zurück"\nmsgstr': "Back",
}


def translated(project: Path) -> Path:
    run(project, "update")
    translate(project, ALL)
    assert run(project, "compile") == (0, "")
    return project


def test_update_finds_texts_of_code_and_templates(project: Path) -> None:
    assert run(project, "update")[1].startswith("6 texts, 6 to translate, 0 obsolete")
    written = po(project).read_text()
    assert all(before in written for before in ALL)
    assert "pages.py" not in written
    assert "Date" not in written
    assert "python-format" not in written


def test_check_is_content_with_a_complete_catalogue(project: Path) -> None:
    assert run(translated(project), "check") == (0, "")


def test_update_changes_no_byte_where_no_text_changed(project: Path) -> None:
    files = [po(translated(project)), po(project).with_suffix(".mo")]
    before = [file.read_bytes() for file in files]
    run(project, "update")
    assert [file.read_bytes() for file in files] == before


def test_a_text_that_comes_back_has_its_translation_again(project: Path) -> None:
    page = translated(project) / "templates" / "page.html"
    was = page.read_text()
    page.write_text("")
    assert "no longer in the code" in run(project, "check")[1]
    assert run(project, "update")[1].startswith("5 texts, 0 to translate, 1 obsolete")
    page.write_text(was)
    assert run(project, "update")[1].startswith("6 texts, 0 to translate, 0 obsolete")
    assert run(project, "check") == (0, "")


def test_update_prune_drops_what_is_gone(project: Path) -> None:
    (translated(project) / "templates" / "page.html").write_text("")
    assert run(project, "update", "--prune")[1].startswith("5 texts, 0 to translate, 0 obsolete")
    assert "Hello" not in po(project).read_text()


def test_check_names_what_is_untranslated(project: Path) -> None:
    run(project, "update")
    code, output = run(project, "check")
    assert code == 1
    assert output.count("untranslated") == 6


def test_check_names_a_text_that_is_not_in_the_catalogue(project: Path) -> None:
    (translated(project) / "templates" / "page.html").write_text('{{ _("Neu") }} {{ _("Hallo {name}", name=1) }}')
    assert run(project, "check") == (1, "not in the catalogue, run update: 'Neu'\n")


@pytest.mark.parametrize(("right", "wrong"), [("Until {due}", "Until {date}"), ("{n} books", "some books")])
def test_check_names_other_placeholders(project: Path, right: str, wrong: str) -> None:
    file = po(translated(project))
    file.write_text(file.read_text().replace(right, wrong))
    run(project, "compile")
    code, output = run(project, "check")
    assert (code, output.startswith("other placeholders")) == (1, True)


def test_check_names_a_fuzzy_text_which_is_not_shown(project: Path) -> None:
    file = po(translated(project))
    file.write_text(file.read_text().replace('msgid "Regal"', '#, fuzzy\nmsgid "Regal"'))
    run(project, "update")
    assert run(project, "check") == (1, "fuzzy: 'Regal'\n")
    assert b"Shelf" not in file.with_suffix(".mo").read_bytes()


def test_check_names_a_catalogue_that_is_not_compiled(project: Path) -> None:
    file = po(translated(project))
    file.write_text(file.read_text().replace("Shelf", "Shelves"))
    assert run(project, "check")[0] == 1
    assert run(project, "compile")[0] == 0
    assert run(project, "check") == (0, "")


def test_check_names_a_text_that_is_put_together_in_the_call(project: Path) -> None:
    (translated(project) / "bibliothek" / "bad.py").write_text('a = _(f"Hallo {x}")\nb = i18n._("Hallo " + x)\n')
    code, output = run(project, "check")
    assert code == 1
    assert "bibliothek/bad.py:1: not a plain text" in output
    assert "bibliothek/bad.py:2: not a plain text" in output


def test_a_broken_catalogue_is_said_plainly(project: Path) -> None:
    po(translated(project)).write_text("no catalogue at all\n")
    code, output = run(project, "check")
    assert code == 1
    assert "bibliothek.po" in output


def test_a_broken_template_is_not_passed_over(project: Path) -> None:
    (project / "templates" / "page.html").write_text("{{ _('a' }}")
    script = load_script()
    script.ROOT = project
    result = CliRunner().invoke(script.main, ["update"])
    assert result.exit_code != 0


def test_the_real_catalogue_can_be_read() -> None:
    i18n._catalogue.cache_clear()
    with use_language("en"):
        assert _("") == ""
        assert ngettext("x {n}", "y {n}", 2) == "y 2"
