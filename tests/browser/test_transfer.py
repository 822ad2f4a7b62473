"""A list comes in, in a real browser on a tablet and on a phone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from bibliothek.members import actions as members
from tests import make
from tests.browser.conftest import PageAt, Server

pytestmark = pytest.mark.browser

LIST = (
    "Titel;Autor;ISBN;Jahr;Regal;Irgendeine sehr lange Überschrift ohne jeden Sinn\n"
    "Momo;Michael Ende;9783522202107;2018;Kinder;\n"
    "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen;Thomas Morus;;1516;Klassiker;x\n"
    + "".join(f"Buch {n};Wer {n};;;;\n" for n in range(300))
    + ";Niemand;;1999;;\n"
)


def fits(page: Page) -> None:
    """Nothing is wider than the window. SHOTS names a folder for pictures of what was seen."""
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    folder = os.environ.get("SHOTS")
    if folder:
        size = page.viewport_size or {}
        name = page.locator("h1").inner_text().replace(" ", "-").strip("?")
        page.screenshot(path=Path(folder) / f"{size.get('width')}-{name}.png", full_page=True)
    assert wide <= 0


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
def test_a_list_comes_in(server: Server, page_at: PageAt, tmp_path: Path, size: tuple[int, int]) -> None:
    with server.library.database.writing() as db:
        token = members.start_session(db, make.admin(db), server.clock())
    file = tmp_path / "liste.csv"
    file.write_text(LIST, encoding="utf-8")
    page = page_at(*size, cookies={"bibliothek": token})
    page.goto("/verwaltung/import")
    fits(page)
    page.get_by_label("Datei").set_input_files(file)
    page.get_by_role("button", name="Datei ansehen").click()
    expect(page.get_by_role("heading", name="Welche Spalte ist was?")).to_be_visible()
    expect(page.locator("#f-c0")).to_have_value("title")
    fits(page)
    page.locator("#f-c5").select_option("title")
    page.get_by_role("button", name="Vorschau ansehen").click()
    expect(page.locator("#f-c5-error")).to_be_visible()
    page.locator("#f-c5").select_option("")
    page.get_by_role("button", name="Vorschau ansehen").click()
    expect(page.get_by_role("heading", name="Das würde aufgenommen")).to_be_visible()
    fits(page)
    page.get_by_role("button", name="Aufnehmen").click()
    expect(page.get_by_role("heading", name="Aufgenommen", exact=True)).to_be_visible()
    expect(page.get_by_text("302").first).to_be_visible()
    fits(page)
    with page.expect_download() as saved:
        page.get_by_role("link", name="Diese Zeilen speichern").click()
    assert "Niemand" in saved.value.path().read_text(encoding="utf-8-sig")
    page.goto("/verwaltung/import")
    expect(page.get_by_text("302 Exemplare aufgenommen")).to_be_visible()
    fits(page)
