"""What the operator decides: one frozen dataclass read from BIBLIOTHEK_* variables, a `.env` file, or `…_FILE` secrets.

What a librarian decides (loan period, name of the library …) lives in the database, on a page: see `bibliothek/library`.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import time
from email.utils import parseaddr
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

log = logging.getLogger("bibliothek")
PREFIX = "BIBLIOTHEK_"
OFF = "off"
KEY_BYTES = 32
KEY_FILE_NOTE = """
# Der Schlüssel dieser Bibliothek. Er gehört niemandem gezeigt und steht in keiner Sicherung, damit eine Sicherung in fremden
# Händen keine Tür öffnet. Ist diese Datei verloren, geht kein Buch und kein Mitglied verloren: Der nächste Start legt eine neue
# an, und nur Anmelde-Codes, die gerade unterwegs sind, gelten nicht mehr.
"""
MOST_WORKERS = 64


class BadSetting(Exception):
    """A setting that cannot be used; the text names the variable, what is wrong and what would be right."""


class Keep(NamedTuple):
    """For how many days one backup a day stays, and for how many weeks one a week."""

    days: int
    weeks: int


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of one running process. URLs of sources are None when switched off."""

    data: Path = Path("data")
    database_url: str | None = None
    base_url: str = "http://localhost:8000"
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    trusted_proxy: str | None = None
    smtp_url: str | None = field(default=None, repr=False)
    mail_from: str | None = None
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Europe/Berlin"))
    language: str = "de"
    dnb_url: str | None = "https://services.dnb.de/sru/dnb"
    k10plus_url: str | None = "https://sru.k10plus.de/opac-de-627"
    lobid_url: str | None = "https://lobid.org/resources"
    openlibrary_url: str | None = "https://openlibrary.org"
    covers_url: str | None = "https://covers.openlibrary.org"
    googlebooks_url: str | None = "https://www.googleapis.com/books/v1"
    googlebooks_key: str | None = field(default=None, repr=False)
    contact: str | None = None
    secret_key: bytes | None = field(default=None, repr=False)
    # Below `data` where it is relative; None where no backup is made by itself.
    backup_dir: Path | None = Path("backups")
    backup_at: time = time(3)
    backup_keep: Keep = field(default=Keep(7, 4))
    backup_to: str | None = field(default=None, repr=False)
    log: str = "text"
    metrics_port: int | None = None
    metrics_host: str = "127.0.0.1"

    @property
    def sqlite_file(self) -> Path | None:
        """The SQLite file, or None where PostgreSQL keeps the data."""
        return None if self.database_url else self.data / "bibliothek.sqlite"

    @property
    def backups(self) -> Path | None:
        """The folder of the backups that are made by themselves, or None where none are."""
        return self.data / self.backup_dir if self.backup_dir else None

    @property
    def base_is_loopback(self) -> bool:
        """True while QR codes and mails would point to this machine only."""
        return is_loopback(urlsplit(self.base_url).hostname or "")

    @property
    def mail_is_possible(self) -> bool:
        return self.smtp_url is not None and self.mail_from is not None


def is_loopback(host: str) -> bool:
    """Whether a host name or address means the machine itself."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def load_settings(
    environ: Mapping[str, str] | None = None, folder: Path | None = None, port: int | None = None
) -> Settings:
    """Read the settings from `environ` (default: the process's), over the `.env` of `folder` (default: working folder).

    `port` wins over what they say. Without an address for QR codes and mails, they lead to that port of this machine.
    Raises BadSetting with a plain sentence at the first value that cannot be used.
    """
    given = _all_given(environ, folder)
    for name in _unknown(given):
        # A typing error would otherwise stay unseen; refusing to start for a left-over variable would be too much.
        log.warning(
            "%s%s kennt Bibliothek nicht. Stimmt die Schreibweise? Siehe docs/operator.md.", PREFIX, name.upper()
        )
        del given[name]
    values = {name: _content(name, value) if isinstance(value, Path) else value for name, value in given.items()}
    read: dict[str, Any] = {name: _READ.get(name, _text)(name, value) for name, value in values.items() if value}
    if port is not None:
        read["port"] = port
    read.setdefault("base_url", "http://localhost:{}".format(read.get("port", Settings.port)))
    return Settings(**read)


def unknown_settings(environ: Mapping[str, str] | None = None, folder: Path | None = None) -> list[str]:
    """Variables that look like settings and are none, as they are written. Arguments as of `load_settings`."""
    return [PREFIX + name.upper() for name in _unknown(_all_given(environ, folder))]


def _all_given(environ: Mapping[str, str] | None, folder: Path | None) -> dict[str, str | Path]:
    beneath, above = _dotenv((folder or Path.cwd()) / ".env"), os.environ if environ is None else environ
    # An empty variable of the environment takes back what `.env` says.
    return {name: value for name, value in {**_given(beneath), **_given(above)}.items() if value}


def _unknown(given: Mapping[str, str | Path]) -> list[str]:
    return sorted(given.keys() - set(Settings.__dataclass_fields__))


def ensure_secret_key(settings: Settings) -> bytes:
    """The key that signs links: from the settings, else from the data folder, made there (mode 0600) on first start."""
    if settings.secret_key:
        return settings.secret_key
    file = settings.data / "secret-key"
    if not file.exists():
        make_once(file, secrets.token_hex(KEY_BYTES) + KEY_FILE_NOTE)
    key = key_in(file)
    if not key:
        # A machine would sign with anything, but from a short key anybody can work out the code of the first run.
        raise BadSetting(
            f"In {file.resolve()} steht kein ganzer Schlüssel. Lösche die Datei: Dann macht der nächste Start eine neue, und nur "
            "Anmelde-Codes, die gerade unterwegs sind, gelten nicht mehr."
        )
    return key


def key_in(file: Path) -> bytes:
    """The key that a key file holds; nothing where it is not whole."""
    try:
        key = bytes.fromhex(file.read_text(encoding="utf-8").partition("#")[0])
    except ValueError:
        return b""
    return key if len(key) >= KEY_BYTES else b""


def make_once(file: Path, content: str) -> None:
    """Written aside and linked into place, so that of several processes starting at once all read the same, and all of it.

    Where the filesystem knows no second names it is written in place: then another process might read only a part.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}-{secrets.token_hex(8)}")
    try:
        _write_new(aside, content)
        _put_once(aside, file, content)
    finally:
        aside.unlink(missing_ok=True)


def _put_once(aside: Path, file: Path, content: str) -> None:
    with suppress(FileExistsError):
        try:
            os.link(aside, file)
        except OSError:
            # Also when it is there already: then this says so once more.
            _write_new(file, content)


def _write_new(file: Path, content: str) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as made:
        made.write(content)
        made.flush()
        os.fsync(made.fileno())


def _dotenv(file: Path) -> dict[str, str]:
    """The NAME=value lines of a `.env` file, without quotes and comments."""
    if not file.is_file():
        return {}
    try:
        # Some editors put a byte order mark in front, which is no part of the first name.
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadSetting(f"{file} ist nicht in UTF-8 gespeichert. Speichere die Datei in UTF-8.") from error
    pairs = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            pairs[name.strip()] = _dotenv_value(value)
    return pairs


_QUOTED = re.compile(r"""\s*(["'])(.*?)\1\s*(?:#.*)?""")


def _dotenv_value(text: str) -> str:
    """Only after a space does # begin a comment, as for docker compose: it may stand in a password."""
    quoted = _QUOTED.fullmatch(text)
    return quoted[2] if quoted else re.sub(r"\s#.*", "", text).strip()


def _given(source: Mapping[str, str]) -> dict[str, str | Path]:
    """What one source says about each setting: its value, or from NAME_FILE the file that holds it.

    Source by source, so that a NAME of the environment wins over a NAME_FILE in `.env`. An empty NAME_FILE says nothing.
    """
    values = {name[len(PREFIX) :].lower(): value.strip() for name, value in source.items() if name.startswith(PREFIX)}
    given: dict[str, str | Path] = {name: value for name, value in values.items() if not name.endswith("_file")}
    for name, path in values.items():
        setting = name.removesuffix("_file")
        if setting == name or not path:
            continue
        if given.get(setting):
            variable = PREFIX + setting.upper()
            raise BadSetting(f"{variable} und {variable}_FILE sind beide gesetzt. Gebraucht wird nur eins von beiden.")
        given[setting] = Path(path)
    return given


def _content(name: str, file: Path) -> str:
    """The value that container engines hand over as a file."""
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise BadSetting(f"{PREFIX}{name.upper()}_FILE: {file} lässt sich nicht lesen ({error}).") from error


def _bad(name: str, value: str, wanted: str) -> BadSetting:
    return BadSetting(f"{PREFIX}{name.upper()} ist „{value}“. Gebraucht wird {wanted}.")


def _text(name: str, value: str) -> str:
    return value


def _folder(name: str, value: str) -> Path:
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise _bad(name, value, "ein Ordner; das Heimatverzeichnis, das die Tilde meint, gibt es hier nicht") from error


def _port(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= 65535:
        raise _bad(name, value, "eine Zahl von 1 bis 65535")
    return int(value)


def _workers(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= MOST_WORKERS:
        raise _bad(name, value, f"eine Zahl von 1 bis {MOST_WORKERS}")
    return int(value)


def _zone(name: str, value: str) -> ZoneInfo:
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise _bad(name, value, "eine Zeitzone wie Europe/Berlin") from error


def _language(name: str, value: str) -> str:
    if value not in ("de", "en"):
        raise _bad(name, value, "de oder en")
    return value


def _log(name: str, value: str) -> str:
    if value not in ("text", "json"):
        raise _bad(name, value, "text oder json")
    return value


def _split(name: str, value: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError as error:
        raise _bad(name, value, "eine vollständige Adresse") from error
    return parts


def _http_url(name: str, value: str) -> str:
    parts = _split(name, value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise _bad(name, value, "eine Adresse wie https://bibliothek.example.org, ohne ? und #")
    return value.rstrip("/")


def _source_url(name: str, value: str) -> str | None:
    return None if value.lower() == OFF else _http_url(name, value)


def _secret_url(value: str, schemes: tuple[str, ...]) -> SplitResult | None:
    """A URL that may hold a password, or None when it cannot be read: then no message repeats it."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return None
    return parts if parts.scheme in schemes else None


def _smtp_url(name: str, value: str) -> str:
    parts = _secret_url(value, ("smtp", "smtps", "smtp+plain"))
    if not parts or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise BadSetting(
            f"{PREFIX}{name.upper()} ist nicht lesbar. Gebraucht wird smtp://name:passwort@host:587 oder smtps://…, "
            "Sonderzeichen im Passwort mit Prozentzeichen: %40 für @, %2F für /, %23 für #."
        )
    return value


def _mail_from(name: str, value: str) -> str:
    _sender, address = parseaddr(value)
    if not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", address):
        raise _bad(
            name, value, "eine E-Mail-Adresse wie bibliothek@example.org oder Bibliothek <bibliothek@example.org>"
        )
    return value


def _backup_dir(name: str, value: str) -> Path | None:
    return None if value.lower() == OFF else _folder(name, value).absolute()


def _time(name: str, value: str) -> time:
    try:
        return time.fromisoformat(value.zfill(5)).replace(tzinfo=None)
    except ValueError as error:
        raise _bad(name, value, "eine Uhrzeit wie 03:00") from error


def _keep(name: str, value: str) -> Keep:
    parts = [part.strip() for part in value.split(",")]
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and len(part) < 5 for part in parts):
        raise _bad(name, value, "ein Zahlenpaar wie 7,4: Tage mit einer Sicherung je Tag, Wochen mit einer je Woche")
    return Keep(*map(int, parts))


def _backup_to(name: str, value: str) -> str:
    parts = _secret_url(value, ("", "webdav", "webdavs", "s3"))
    is_folder = parts is not None and not parts.scheme and value.startswith(("/", "~"))
    is_address = parts is not None and parts.scheme and parts.hostname and not parts.fragment
    if not is_folder and not is_address:
        raise BadSetting(
            f"{PREFIX}{name.upper()} ist nicht lesbar. Gebraucht wird ein Ordner (/mnt/platte/bibliothek), "
            "webdavs://name:passwort@host/pfad oder s3://schlüssel:passwort@eimer/pfad?endpoint=https://…&region=…, "
            "Sonderzeichen im Passwort mit Prozentzeichen: %40 für @, %2F für /, %23 für #."
        )
    return value


def _database_url(name: str, value: str) -> str:
    parts = _secret_url(value, ("postgresql", "postgres"))
    if not parts or "://" not in value:
        raise BadSetting(
            f"{PREFIX}{name.upper()} muss mit postgresql:// beginnen und lesbar sein. "
            "Ohne diese Angabe gilt SQLite im Datenordner."
        )
    return "postgresql" + value[len(parts.scheme) :]


def _address(name: str, value: str) -> str:
    try:
        address = ip_address(value)
    except ValueError as error:
        raise _bad(name, value, "eine IP-Adresse wie 127.0.0.1") from error
    # An IPv4 address in the clothes of IPv6 is the same (RFC 4291, 2.5.5.2).
    return str(address.ipv4_mapped or address) if isinstance(address, IPv6Address) else str(address)


def _key(name: str, value: str) -> bytes:
    if len(value) < KEY_BYTES:
        raise BadSetting(
            f"{PREFIX}{name.upper()} ist zu kurz. Gebraucht werden mindestens {KEY_BYTES} zufällige Zeichen."
        )
    return value.encode()


_READ: dict[str, Callable[[str, str], Any]] = {
    "data": _folder,
    "database_url": _database_url,
    "base_url": _http_url,
    "port": _port,
    "workers": _workers,
    "trusted_proxy": _address,
    "smtp_url": _smtp_url,
    "mail_from": _mail_from,
    "timezone": _zone,
    "language": _language,
    "dnb_url": _source_url,
    "k10plus_url": _source_url,
    "lobid_url": _source_url,
    "openlibrary_url": _source_url,
    "covers_url": _source_url,
    "googlebooks_url": _source_url,
    "secret_key": _key,
    "backup_dir": _backup_dir,
    "backup_at": _time,
    "backup_keep": _keep,
    "backup_to": _backup_to,
    "log": _log,
    "metrics_port": _port,
}
