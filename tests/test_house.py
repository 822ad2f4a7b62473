"""Standing proofs about the house itself: who imports whom, what is declared, documented and migrated."""

from __future__ import annotations

import ast
import hashlib
import re
from pathlib import Path

import pytest
from litestar import get
from sqlalchemy import inspect

from bibliothek import app as app_module
from bibliothek.models import metadata
from bibliothek.settings import Settings
from bibliothek.web.sign_in import Audience
from tests.conftest import Library

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "bibliothek"

# Features in the order of the house: each may import queries and actions of those before it.
ORDER = ["library", "members", "catalogue", "lookup", "copies", "labels", "donations", "lending", "kiosk", "reminders"]
ON_TOP = ["privacy", "reports", "transfer", "operations"]
GROUND = {
    "db",
    "jobs",
    "clock",
    "migrations",
    "serving",
    "problems",
    "codes",
    "letters",
    "tokens",
    "i18n",
    "log",
    "settings",
    "tally",
    "mail",
    "__init__",
}
JOINERS = {"app", "cli", "server", "__main__", "models"}


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "versions" not in path.parts)


def imports_of(path: Path) -> set[str]:
    """Modules of bibliothek that a file imports, as dotted names without the leading `bibliothek.`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "bibliothek":
            inner = node.module.removeprefix("bibliothek").removeprefix(".")
            for name in node.names:
                dotted = f"{inner}.{name.name}".strip(".")
                found.add(dotted if _is_module(dotted) else inner)
        elif isinstance(node, ast.Import):
            found |= {n.name.removeprefix("bibliothek.") for n in node.names if n.name.startswith("bibliothek.")}
    return found - {""}


def _is_module(dotted: str) -> bool:
    path = PACKAGE / dotted.replace(".", "/")
    return path.with_suffix(".py").exists() or path.is_dir()


def may_import(importer: str, imported: str) -> bool:
    """The rule of the house for two dotted names, e.g. `lending.pages` and `copies.queries`."""
    feature, _, part = importer.partition(".")
    other, _, other_part = imported.partition(".")
    if feature == other or feature in JOINERS | {"migrations"} or other in GROUND or imported == "web":
        return True
    if feature in GROUND:
        return False
    if imported == "models":
        # `verify` compares the database with all models.
        return feature == "operations"
    is_handler = part.endswith(("pages", "api", "stream"))
    if feature == "web":
        return False
    if other == "web":
        return is_handler
    if other_part.endswith(("pages", "api")):
        return False
    if is_handler or feature in ON_TOP:
        return other in ORDER + ON_TOP
    return other in ORDER and feature in ORDER and ORDER.index(other) < ORDER.index(feature)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downwards_only(path: Path) -> None:
    importer = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
    wrong = sorted(name for name in imports_of(path) if not may_import(importer, name))
    assert not wrong, f"{importer} must not import {', '.join(wrong)}"


def test_the_import_rule_can_fail() -> None:
    assert not may_import("lending.actions", "web.visit")
    assert not may_import("lending.actions", "kiosk.queries")
    assert not may_import("kiosk.pages", "lending.pages")
    assert not may_import("lending.actions", "models")
    assert may_import("kiosk.pages", "lending.queries")


def test_every_route_says_whom_it_is_for(library: Library) -> None:
    app = app_module.create_app(library.settings, library.database)
    handlers = [handler for route in app.routes for handler in getattr(route, "route_handlers", [])]
    assert handlers
    for handler in handlers:
        if handler.http_methods != {"OPTIONS"}:
            assert isinstance(handler.opt["audience"], Audience), handler


def test_a_route_without_an_audience_does_not_start(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    @get("/vergessen", sync_to_thread=False)
    def forgotten() -> str:
        return ""

    monkeypatch.setattr(app_module, "handlers", lambda: [forgotten])
    with pytest.raises(RuntimeError, match="/vergessen"):
        app_module.create_app(library.settings, library.database)


def test_every_setting_is_in_the_operators_book() -> None:
    book = (ROOT / "docs" / "operator.md").read_text(encoding="utf-8")
    for name in Settings.__dataclass_fields__:
        assert f"BIBLIOTHEK_{name.upper()}" in book, name


def test_migrations_make_what_the_models_say(both: Library) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with both.database.engine.connect() as connection:
        names = set(inspect(connection).get_table_names())
        found = compare_metadata(
            MigrationContext.configure(
                connection, opts={"include_name": lambda name, kind, _parents: not_search(name, kind)}
            ),
            metadata,
        )
    assert set(metadata.tables) <= names
    # The order of these only a migration can say; that they are there, `verify` checks (operations/shape.py).
    ordered = {index.name for table in metadata.tables.values() for index in table.indexes if index.info.get("order")}
    assert [change for change in found if getattr(change[1], "name", None) not in ordered] == []


def not_search(name: str | None, kind: str) -> bool:
    """The search index has no model: its table is each database's own."""
    return not (kind == "table" and str(name).startswith(("title_search", "term_")))


def test_no_template_has_inline_script_or_style() -> None:
    for path in (ROOT / "templates").rglob("*.html"):
        if "email" in path.parts:
            continue
        html = path.read_text(encoding="utf-8")
        assert not re.search(r"\sstyle=|<style|\son\w+=\"|<script(?![^>]*\bsrc=)", html), path


def test_no_page_loads_from_elsewhere() -> None:
    for path in [*(ROOT / "templates").rglob("*.html"), *(ROOT / "static" / "css").rglob("*.css")]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(src|href)=\"(https?:)?//(?![^\"]*\{)[^\"]*\.(js|css|woff2?|png|svg)", text), path
        assert not re.search(r"@import|url\(['\"]?https?:", text), path


def test_parts_of_others_are_what_their_list_says() -> None:
    vendor = ROOT / "static" / "vendor"
    listed = dict(re.findall(r"^\| `([0-9a-f]{64})` \| `(.+)` \|$", (vendor / "README.md").read_text(), re.MULTILINE))
    there = [path for path in vendor.rglob("*") if path.is_file() and path.name != "README.md"]
    found = {hashlib.sha256(path.read_bytes()).hexdigest(): str(path.relative_to(vendor)) for path in there}
    assert found == listed
