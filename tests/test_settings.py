"""Settings: from the environment, `.env`, `…_FILE`; errors in plain words; the secret key."""

from __future__ import annotations

import errno
import logging
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import time
from pathlib import Path

import pytest

from bibliothek.settings import BadSetting, Settings, ensure_secret_key, load_settings, make_once


def load(tmp_path: Path, **variables: str) -> Settings:
    return load_settings({f"BIBLIOTHEK_{name}": value for name, value in variables.items()}, tmp_path)


def test_without_variables_the_defaults_hold(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert (settings.host, settings.port, settings.base_url) == ("127.0.0.1", 8000, "http://localhost:8000")
    assert settings.sqlite_file == Path("data/bibliothek.sqlite")
    assert settings.base_is_loopback
    assert not settings.mail_is_possible


def test_backups_go_where_and_when_the_operator_says(tmp_path: Path) -> None:
    assert load(tmp_path, DATA="/srv/x").backups == Path("/srv/x/backups")
    assert load(tmp_path, BACKUP_DIR="b").backups == Path.cwd() / "b"
    assert load(tmp_path, BACKUP_DIR="off").backups is None
    said = load(tmp_path, BACKUP_AT="4:30", BACKUP_KEEP="14, 0", BACKUP_TO="s3://name:geheim@eimer/x?region=eu")
    assert (said.backup_at, said.backup_keep) == (time(4, 30), (14, 0))
    assert "geheim" not in repr(said)


def test_an_env_file_is_read_and_the_environment_wins(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text('# Betrieb\nexport BIBLIOTHEK_PORT="8080"\nBIBLIOTHEK_HOST=0.0.0.0\nANDERES=x\n')
    settings = load(tmp_path, HOST="::1")
    assert (settings.port, settings.host) == (8080, "::1")


def test_a_secret_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "smtp").write_text("smtps://name:pass%40wort@mail.example.org\n")
    settings = load(tmp_path, SMTP_URL_FILE=str(tmp_path / "smtp"), MAIL_FROM="bibliothek@example.org")
    assert settings.smtp_url == "smtps://name:pass%40wort@mail.example.org"
    assert settings.mail_is_possible
    assert "pass" not in repr(settings)


def test_a_source_can_be_switched_off(tmp_path: Path) -> None:
    assert load(tmp_path, DNB_URL="off").dnb_url is None


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORT", "acht", "eine Zahl von 1 bis 65535"),
        ("PORT", "70000", "eine Zahl von 1 bis 65535"),
        ("BASE_URL", "bibliothek.example.org", "eine Adresse wie https://"),
        ("BASE_URL", "https://x/?a=1", "ohne ? und #"),
        ("BASE_URL", "http://x:port", "Adresse"),
        ("TIMEZONE", "Dresden", "eine Zeitzone wie Europe/Berlin"),
        ("LANGUAGE", "fr", "de oder en"),
        ("DATABASE_URL", "mysql://x/y", "postgresql://"),
        ("DATABASE_URL", "postgresql:bibliothek", "postgresql://"),
        ("TRUSTED_PROXY", "caddy", "eine IP-Adresse"),
        ("SECRET_KEY", "kurz", "mindestens 32"),
        ("SMTP_URL", "http://geheim@x", "smtp://"),
        ("SMTP_URL", "smtp://name:geheim@mail.example.org:port", "smtp://"),
        ("SMTP_URL", "smtp://name:1/geheim@mail.example.org", "%2F für /"),
        ("SMTP_URL", "smtp://name:1#geheim@mail.example.org", "%23 für #"),
        ("DATABASE_URL", "postgresql://name:geheim@x:port/y", "lesbar"),
        ("MAIL_FROM", "Bücherei am Hof", "eine E-Mail-Adresse wie"),
        ("SECRET_KEY_FILE", "/gibt/es/nicht", "lässt sich nicht lesen"),
        ("DATA", "~gibt-es-nicht/x", "das Heimatverzeichnis"),
        ("BACKUP_DIR", "~gibt-es-nicht/x", "das Heimatverzeichnis"),
        ("BACKUP_AT", "drei", "eine Uhrzeit wie 03:00"),
        ("BACKUP_AT", "25:00", "eine Uhrzeit wie 03:00"),
        ("BACKUP_KEEP", "7", "ein Zahlenpaar wie 7,4"),
        ("BACKUP_KEEP", "7,-1", "ein Zahlenpaar wie 7,4"),
        ("BACKUP_TO", "ftp://name:geheim@x/y", "ein Ordner"),
        ("BACKUP_TO", "webdav://name:1#geheim@x/y", "%23 für #"),
        ("BACKUP_TO", "sicherungen", "ein Ordner"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_be_right(tmp_path: Path, name: str, value: str, said: str) -> None:
    with pytest.raises(BadSetting, match=f"BIBLIOTHEK_{name}") as caught:
        load(tmp_path, **{name: value})
    assert said in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_an_unknown_variable_is_said_and_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "bibliothek"):
        assert load(tmp_path, PROT="8080").port == 8000
    assert "BIBLIOTHEK_PROT" in caplog.text


def test_the_secret_key_is_made_once_however_many_start_at_once(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "neu")
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: ensure_secret_key(settings), range(32)))
    assert len(keys) == 1
    assert len(keys.pop()) == 32
    assert stat.S_IMODE((tmp_path / "neu" / "secret-key").stat().st_mode) == 0o600
    assert [file.name for file in (tmp_path / "neu").iterdir()] == ["secret-key"]


def test_the_secret_key_is_made_also_where_files_have_no_second_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_link(*_names: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_link)
    key = ensure_secret_key(Settings(data=tmp_path))
    make_once(tmp_path / "secret-key", "another")
    assert ensure_secret_key(Settings(data=tmp_path)) == key
    assert stat.S_IMODE((tmp_path / "secret-key").stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["secret-key"]


@pytest.mark.parametrize("content", [b"", b"\n", b"ab" * 31, b"Das ist keine Hexadezimalzahl." * 3, b"\xff" * 64])
def test_a_key_file_without_a_whole_key_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secret-key"
    file.write_bytes(content)
    with pytest.raises(BadSetting, match="Lösche die Datei") as caught:
        ensure_secret_key(Settings(data=tmp_path))
    assert str(file) in str(caught.value)
    assert file.read_bytes() == content


def test_the_environment_wins_over_a_file_that_env_names(tmp_path: Path) -> None:
    (tmp_path / "lang").write_text("en\n")
    (tmp_path / ".env").write_text(f"BIBLIOTHEK_LANGUAGE_FILE={tmp_path / 'lang'}\nBIBLIOTHEK_HOST=0.0.0.0\n")
    assert load(tmp_path).language == "en"
    assert load(tmp_path, LANGUAGE="de").language == "de"
    (tmp_path / "lang").unlink()
    assert load(tmp_path, LANGUAGE="de").language == "de"


def test_a_file_that_the_environment_names_wins_over_env(tmp_path: Path) -> None:
    (tmp_path / "lang").write_text("en\n")
    (tmp_path / ".env").write_text("BIBLIOTHEK_LANGUAGE=de\n")
    assert load(tmp_path, LANGUAGE_FILE=str(tmp_path / "lang")).language == "en"


def test_a_value_and_a_file_of_the_same_name_in_one_place_are_refused(tmp_path: Path) -> None:
    (tmp_path / "lang").write_text("en\n")
    with pytest.raises(BadSetting, match="BIBLIOTHEK_LANGUAGE und BIBLIOTHEK_LANGUAGE_FILE sind beide gesetzt"):
        load(tmp_path, LANGUAGE="de", LANGUAGE_FILE=str(tmp_path / "lang"))
    assert load(tmp_path, LANGUAGE="", LANGUAGE_FILE=str(tmp_path / "lang")).language == "en"


@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_file_variable_says_nothing(tmp_path: Path, empty: str) -> None:
    (tmp_path / ".env").write_text("BIBLIOTHEK_LANGUAGE=en\n")
    assert load(tmp_path, LANGUAGE_FILE=empty, SMTP_URL_FILE=empty).language == "en"
    assert load(tmp_path, LANGUAGE_FILE=empty, LANGUAGE="de").language == "de"


def test_an_empty_variable_takes_back_what_env_says(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("BIBLIOTHEK_DATABASE_URL_FILE=/gibt/es/nicht\nBIBLIOTHEK_LANGUAGE=en\n")
    settings = load(tmp_path, DATABASE_URL="", LANGUAGE="")
    assert (settings.database_url, settings.language) == (None, "de")


@pytest.mark.parametrize(
    ("line", "host"),
    [
        ("BIBLIOTHEK_HOST=::1 # nur hier", "::1"),
        ("BIBLIOTHEK_HOST=::1\t#nur hier", "::1"),
        ("BIBLIOTHEK_HOST='::1' # nur 'hier'", "::1"),
        ('BIBLIOTHEK_HOST = "::1"# nur hier', "::1"),
        ("BIBLIOTHEK_HOST= # noch offen", "127.0.0.1"),
        ("BIBLIOTHEK_HOST=a#b", "a#b"),
        ('BIBLIOTHEK_HOST="a #b"', "a #b"),
        ('BIBLIOTHEK_HOST="a', '"a'),
    ],
)
def test_a_comment_in_an_env_file_is_no_part_of_a_value(tmp_path: Path, line: str, host: str) -> None:
    (tmp_path / ".env").write_text(line + "\n")
    assert load(tmp_path).host == host


def test_an_env_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("BIBLIOTHEK_PORT=8080\r\n", encoding="utf-8-sig")
    assert load(tmp_path).port == 8080


def test_one_process_serves_unless_more_are_asked_for(tmp_path: Path) -> None:
    assert load(tmp_path).workers == 1
    assert load(tmp_path, WORKERS="4").workers == 4
    for wrong in ("0", "65", "-1", "viele"):
        with pytest.raises(BadSetting, match=r"BIBLIOTHEK_WORKERS.*eine Zahl von 1 bis 64"):
            load(tmp_path, WORKERS=wrong)


def test_an_env_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("BIBLIOTHEK_MAIL_FROM=Bücherei <b@example.org>\n", encoding="latin-1")
    with pytest.raises(BadSetting, match=r"\.env ist nicht in UTF-8"):
        load(tmp_path)


def test_without_an_address_codes_and_mails_lead_to_the_port_that_is_served(tmp_path: Path) -> None:
    assert load_settings({}, tmp_path).base_url == "http://localhost:8000"
    assert load_settings({}, tmp_path, port=8100).base_url == "http://localhost:8100"
    assert load_settings({"BIBLIOTHEK_PORT": "8200"}, tmp_path, port=8100).port == 8100
    known = {"BIBLIOTHEK_BASE_URL": "https://bibliothek.example.org"}
    assert load_settings(known, tmp_path, port=8100).base_url == "https://bibliothek.example.org"
