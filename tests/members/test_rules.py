"""Who may look after whom, and where somebody may be sent."""

from __future__ import annotations

import pytest

from bibliothek.members import rules


@pytest.mark.parametrize(
    ("own", "role", "may"),
    [
        ("admin", "admin", True),
        ("admin", "librarian", True),
        ("admin", "member", True),
        ("librarian", "member", True),
        ("librarian", "librarian", False),
        ("librarian", "admin", False),
        ("member", "member", False),
        ("", "member", False),
    ],
)
def test_librarians_look_after_members_and_admins_after_all(own: str, role: str, may: bool) -> None:
    assert rules.may_manage(own, role) is may


@pytest.mark.parametrize("path", ["/", "/konto", "/katalog?q=a&seite=2", "/c/B12345X", "/titel/7#regal"])
def test_a_path_of_this_site_is_a_way_back(path: str) -> None:
    assert rules.local_path(path) == path


@pytest.mark.parametrize(
    "text",
    [
        "",
        None,
        "konto",
        "//a.example",
        "///a.example",
        "/\\a.example",
        "/a\\b",
        "http://a.example",
        "javascript:alert(1)",
        "/a\r\nb",
        "/\t/a.example",
        "/ä",
        "/" + "a" * 1000,
        " /konto",
    ],
)
def test_anything_else_is_none(text: str | None) -> None:
    assert rules.local_path(text) is None


@pytest.mark.parametrize(
    "path", [None, "/anmelden", "/anmelden/code", "/anmelden?zurueck=/x", "/abmelden", "/einrichten"]
)
def test_after_signing_in_nobody_is_sent_to_sign_in_again(path: str | None) -> None:
    assert rules.way_on(path) == "/konto"


def test_names_are_one_line_without_invisible_characters() -> None:
    assert rules.clean_name("  Mitglied\t 1\x00\x1b\u202e \n") == "Mitglied 1"


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("Özge Straße", "ozge strasse"),
        ("ÉMILE", "emile"),
        ("  A  B ", "a b"),
        ("Yıldız", "yildiz"),
        ("İPEK", "ipek"),
        ("Łucja Sørensen", "lucja sorensen"),
        ("Đorđe Ægir", "dorde aegir"),
        ("Ǿ", "o"),
        ("STRASSE ẞ", "strasse ss"),
    ],
)
def test_names_are_found_and_sorted_without_accents(name: str, folded: str) -> None:
    assert rules.folded(name) == folded


def test_a_name_with_a_million_marks_is_folded_quickly() -> None:
    assert rules.folded("A" + "\u0301\u0323" * 500_000) == "a"


def test_numbers_in_names_are_sorted_by_their_size() -> None:
    names = ["Mitglied 10", "Mitglied 9", "Mitglied 1"]
    assert sorted(names, key=rules.sort_name) == ["Mitglied 1", "Mitglied 9", "Mitglied 10"]


def test_a_keyed_hash_depends_on_key_and_purpose() -> None:
    assert len({rules.keyed_hash(key, purpose, "x") for key in (b"1", b"2") for purpose in ("a", "b")}) == 4
