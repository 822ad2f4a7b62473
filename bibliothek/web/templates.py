"""The Jinja environment: escaping on, unknown names are errors, gettext, German dates, fingerprinted static files."""

from __future__ import annotations

import hashlib
import pickle
import sys
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import jinja2
from jinja2.bccache import Bucket
from markupsafe import Markup

from bibliothek import i18n
from bibliothek.tokens import new_token

_PACKAGE = Path(__file__).resolve().parent.parent


def folder(name: str) -> Path:
    """`templates` or `static`: inside the package where a wheel put it, else beside it in a checkout."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


def once_field() -> Markup:
    """The hidden field that lets a form be sent only once, however often its button is pressed (see web/once.py)."""
    return Markup('<input type="hidden" name="once" value="{}">').format(new_token())


class CompiledTemplates(jinja2.FileSystemBytecodeCache):
    """Compiled templates lie beside their sources in `__pycache__`, as Python keeps its own: compiling the first page's takes
    as long as everything else of it.

    Where nothing can be written, or a file was cut off by a power failure, the template is compiled as if it were new.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(str(directory))
        self._directory = directory

    def load_bytecode(self, bucket: Bucket) -> None:
        try:
            super().load_bytecode(bucket)
        except (EOFError, pickle.UnpicklingError, ValueError):
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        if sys.dont_write_bytecode:
            return
        with suppress(OSError):
            self._directory.mkdir(exist_ok=True)
            super().dump_bytecode(bucket)


class Environment(jinja2.Environment):
    """All templates share one map of globals, because none is ever given some of its own: with a chain of maps for each, a
    page spends a thirtieth of its time on comparing them at every import."""

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        return super().make_globals(d) if d else self.globals


class Templates:
    """Renders pages, fragments and mails."""

    def __init__(self) -> None:
        sources = folder("templates")
        self._static = folder("static")
        self._fingerprints: dict[str, str] = {}
        self.environment = Environment(
            loader=jinja2.FileSystemLoader(sources),
            bytecode_cache=CompiledTemplates(sources / "__pycache__"),
            # Mails come as .txt, too: there the text stays as it is.
            autoescape=jinja2.select_autoescape(enabled_extensions=("html", "svg"), default_for_string=True),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self.environment.globals.update(
            _=i18n._, ngettext=i18n.ngettext, url_static=self.url_static, once_field=once_field
        )
        self.environment.filters.update(
            date=i18n.format_date, day=i18n.format_day, date_short=i18n.format_date_short, number=i18n.format_number
        )

    def add_filters(self, filters: Mapping[str, Callable[..., Any]]) -> None:
        self.environment.filters.update(filters)

    def render(self, template: str, context: Mapping[str, Any]) -> str:
        return self.environment.get_template(template).render(context)

    def url_static(self, path: str) -> str:
        """The address of a static file with a fingerprint of its content, so that browsers may keep it for ever."""
        if path not in self._fingerprints:
            content = (self._static / path).read_bytes()
            self._fingerprints[path] = hashlib.sha256(content).hexdigest()[:12]
        return f"/static/{path}?v={self._fingerprints[path]}"
