"""The Jinja environment: escaping on, unknown names are errors, gettext, German dates, fingerprinted static files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jinja2
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


class Templates:
    """Renders pages, fragments and mails."""

    def __init__(self) -> None:
        self._static = folder("static")
        self._fingerprints: dict[str, str] = {}
        self.environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(folder("templates")),
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
