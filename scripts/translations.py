"""Keep the English catalogue: `update` after texts have changed, then translate, then `compile`; `check` proves it.

The German text is the msgid, so nothing is written for German. The .po is written so that its diffs stay small: sorted by
msgid, unwrapped, without dates and places. A text that is gone is kept below as `#~` and comes back with its translation;
`update --prune` drops it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from string import Formatter

import click
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po, write_po

ROOT = Path(__file__).parent.parent
CATALOGUE = Path("bibliothek/locale/en/LC_MESSAGES/bibliothek.po")
SOURCES = ("bibliothek", "templates")
KEYWORDS = {"_": None, "N_": None, "ngettext": (1, 2)}
HEADER = "# English texts of Bibliothek. The German text is the msgid. Written by scripts/translations.py."


class English(Catalog):
    """A catalogue whose header says nothing that changes by itself, so that equal texts give equal files."""

    mime_headers = property(
        lambda self: [
            ("Project-Id-Version", "Bibliothek"),
            ("Language", "en"),
            ("Plural-Forms", "nplurals=2; plural=(n != 1);"),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit\n"),
        ]
    )


def english() -> English:
    return English(locale="en", header_comment=HEADER, fuzzy=False)


def extract(root: Path) -> English:
    """All texts of the code and the templates, untranslated."""
    with (root / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)
    found = english()
    for folder in SOURCES:
        # The patterns of babel.cfg begin at the top of the repository, those of Babel at the folder it walks.
        inside = [(pattern.removeprefix(f"{folder}/"), how) for pattern, how in methods if pattern.startswith(folder)]
        chosen = {pattern.removeprefix(f"{folder}/"): value for pattern, value in options.items()}
        for _file, _line, text, _comments, _context in extract_from_dir(root / folder, inside, chosen, KEYWORDS):
            found.add(text).flags.clear()
    return found


def read(root: Path) -> Catalog:
    """The catalogue as it lies there, obsolete texts included; empty if there is none yet."""
    file = root / CATALOGUE
    if not file.exists():
        return english()
    with file.open("rb") as lines:
        try:
            return read_po(lines, locale="en", abort_invalid=True)
        except PoFileError as error:
            raise click.ClickException(f"{CATALOGUE}: {error}") from error


def merge(texts: Catalog, kept: Catalog) -> English:
    """`texts` with the translations of `kept`; what `kept` has beyond that becomes obsolete."""
    merged = english()
    known = {**{message.id: message for message in kept.obsolete.values()}, **_by_id(kept)}
    for key in _by_id(texts):
        old = known.pop(key, None)
        merged.add(key, old.string if old else None, flags=_fuzzy(old), user_comments=old.user_comments if old else ())
        merged[key].flags.intersection_update({"fuzzy"})
    for message in known.values():
        if any(_strings(message)):
            merged.obsolete[_first(message)] = message
    return merged


def po_text(catalogue: Catalog) -> bytes:
    file = BytesIO()
    write_po(file, catalogue, width=0, no_location=True, sort_output=True)
    return file.getvalue().rstrip(b"\n") + b"\n"


def mo_bytes(catalogue: Catalog) -> bytes:
    """What the program reads. Rebuilt from the texts alone, so that the same .po always gives the same bytes."""
    plain = english()
    for message in _by_id(catalogue).values():
        plain.add(message.id, message.string, flags=_fuzzy(message))
    file = BytesIO()
    write_mo(file, plain)
    return file.getvalue()


def complaints(root: Path) -> Iterator[str]:
    """One line for everything that keeps an English reader from a complete page."""
    texts, kept = _by_id(extract(root)), read(root)
    have = _by_id(kept)
    for key, message in texts.items():
        if key not in have:
            yield f"not in the catalogue, run update: {_first(message)!r}"
    for key, message in have.items():
        if key not in texts:
            yield f"no longer in the code, run update: {_first(message)!r}"
        else:
            yield from _complaints_about(message)
    mo = (root / CATALOGUE).with_suffix(".mo")
    if not mo.exists() or mo.read_bytes() != mo_bytes(kept):
        yield f"{mo.relative_to(root)} is not what the .po says, run compile"
    yield from _unreadable(root)


def _complaints_about(message: Message) -> Iterator[str]:
    if not all(_strings(message)):
        yield f"untranslated: {_first(message)!r}"
        return
    if message.fuzzy:
        yield f"fuzzy: {_first(message)!r}"
    for number, (wanted, string) in enumerate(zip(_ids(message), _strings(message), strict=True)):
        # "Ein Buch" may stand for one, so the singular may go without the number.
        optional = {"n"} if message.pluralizable and number == 0 else set()
        if _fields(wanted) - optional != _fields(string) - optional:
            yield f"other placeholders: {wanted!r} and {string!r}"


def _unreadable(root: Path) -> Iterator[str]:
    """Texts put together in the call: `_(f"…")` and `_("a" + b)` never reach the catalogue."""
    for file in sorted((root / "bibliothek").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and (name := _name(node.func)) in KEYWORDS:
                texts = node.args[:2] if name == "ngettext" else node.args[:1]
                if any(isinstance(text, ast.JoinedStr | ast.BinOp) for text in texts):
                    yield f"{file.relative_to(root)}:{node.lineno}: not a plain text, so nobody can translate it"


def _name(called: ast.expr) -> str:
    """`_` for `_(…)` and for `i18n._(…)`."""
    return getattr(called, "id", getattr(called, "attr", ""))


def _by_id(catalogue: Catalog) -> dict[str | tuple[str, ...], Message]:
    return {message.id: message for message in catalogue if message.id}


def _ids(message: Message) -> tuple[str, ...]:
    return tuple(message.id) if message.pluralizable else (message.id,)


def _first(message: Message) -> str:
    return _ids(message)[0]


def _strings(message: Message) -> tuple[str, ...]:
    return tuple(message.string) if message.pluralizable else (message.string,)


def _fuzzy(message: Message | None) -> tuple[str, ...]:
    return ("fuzzy",) if message is not None and message.fuzzy else ()


def _fields(text: str) -> set[str]:
    """The `{name}` fields of a text; a text with lone braces has none, it is never formatted."""
    try:
        return {name for _literal, name, _form, _conversion in Formatter().parse(text) if name}
    except ValueError:
        return set()


@click.group()
def main() -> None:
    """Texts for people who read English."""


@main.command()
@click.option("--prune", is_flag=True, help="drop translations whose German text is gone")
def update(prune: bool) -> None:
    """Take new texts of code and templates into the catalogue, keeping every translation, and compile it."""
    merged = merge(extract(ROOT), read(ROOT))
    if prune:
        merged.obsolete.clear()
    (ROOT / CATALOGUE).parent.mkdir(parents=True, exist_ok=True)
    (ROOT / CATALOGUE).write_bytes(po_text(merged))
    (ROOT / CATALOGUE).with_suffix(".mo").write_bytes(mo_bytes(merged))
    open_texts = sum(not all(_strings(message)) for message in _by_id(merged).values())
    click.echo(f"{len(merged)} texts, {open_texts} to translate, {len(merged.obsolete)} obsolete: {CATALOGUE}")


@main.command("compile")
def compile_() -> None:
    """Write the .mo that the program reads."""
    (ROOT / CATALOGUE).with_suffix(".mo").write_bytes(mo_bytes(read(ROOT)))


@main.command()
def check() -> None:
    """Exit 1 and say what is missing, untranslated, fuzzy, has other placeholders, or is not compiled."""
    found = list(complaints(ROOT))
    for line in found:
        click.echo(line, err=True)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
