"""What could be wrong with this installation, and the mend for each: `bibliothek doctor`. Needs neither a library nor a database.

A check is a function that returns what it found. It changes nothing, makes no file, and sends no mail. What it found is said in
German and never has a password in it.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import re
import shutil
import sqlite3
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

import msgspec
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, TimeoutError
from sqlalchemy.orm import Session

from bibliothek import __version__, jobs
from bibliothek.clock import TOLERANCE
from bibliothek.db import LEAST_ROOM, Database, open_database
from bibliothek.mail import rounds
from bibliothek.mail.message import mail_host
from bibliothek.mail.send import Server, Unreachable, connect
from bibliothek.migrations import current, newest
from bibliothek.models import metadata
from bibliothek.operations import health, nightly
from bibliothek.operations.backup import NOT_CARRIED_OVER
from bibliothek.problems import of_file, words_of
from bibliothek.settings import (
    PREFIX,
    BadSetting,
    Settings,
    is_loopback,
    key_in,
    load_settings,
    unknown_settings,
)

Level = Literal["gut", "Achtung", "kaputt"]

FEW_INODES = 10_000
SOURCE_S = 5.0
CONNECT_S = 5
# By this much a clock may be wrong before a date is: then nothing should be lent by it.
WRONG_DATE = timedelta(hours=1)
SYNCHRONISE = "Stelle die Uhr: „sudo timedatectl set-ntp true“, oder von Hand mit „sudo date -s …“."

# Columns that say when the library shall go on with something by itself: minutes later, or an hour.
WAITING = {"next_at", "next_try_at", "lease_until", "forget_at"}


class Finding(msgspec.Struct, frozen=True):
    """What one check found; `mend` says which command or setting puts it right, and is empty where all is well."""

    about: str
    level: Level
    says: str
    mend: str = ""


def examine(now: datetime) -> list[Finding]:
    """Everything, in the order in which it is best put right. `now` is the machine's clock."""
    found = [_versions()]
    try:
        settings = load_settings()
    except (BadSetting, OSError) as error:
        mend = "Ändere diese Einstellung. Was danach käme, lässt sich erst dann prüfen."
        return [*found, Finding("Einstellungen", "kaputt", _without_secrets(str(error), None), mend)]
    found += [*_settings(settings), *_reachable_files(settings), *_disk(settings), *_clock(settings, now)]
    found += [*_database(settings, now), *_backup_folders(settings), *_outside(settings, now)]
    return [
        msgspec.structs.replace(
            one, says=_without_secrets(one.says, settings), mend=_without_secrets(one.mend, settings)
        )
        for one in found
    ]


def trust_clock(database: Database, now: datetime) -> bool:
    """Tell the library that the machine's clock is right, though it has seen a later moment. False where it has not.

    A server that runs goes on by what it knows until it starts anew.
    """
    with database.writing() as db:
        seen = jobs.last_instant(db)
        if seen is None or seen <= now:
            return False
        jobs.set_back(db, now)
        _undo_the_later_moments(db, now)
        return True


def _undo_the_later_moments(db: Session, now: datetime) -> None:
    """What a clock wrote that was a year ahead would count for a year: a link to sign in would open, mail would wait, and who had
    a book that came back would not be forgotten. So all sign in anew, and what waits is due now."""
    for name in NOT_CARRIED_OVER:
        db.execute(metadata.tables[name].delete())
    for table in metadata.tables.values():
        for column in table.columns:
            if column.name in WAITING:
                db.execute(table.update().where(column > now).values({column: now}))


# ---- Nobody sees a password ----


def _without_secrets(said: str, settings: Settings | None) -> str:
    """Whatever somebody else's words quote: what stands before an @ in an address, and the secrets of the settings."""
    said = re.sub(r"(?<=://)[^/@\s]*@", "…@", said)
    for secret in _secrets(settings) if settings else ():
        said = said.replace(secret, "…")
    return said


def _secrets(settings: Settings) -> Iterator[str]:
    for url in (settings.smtp_url, settings.database_url, settings.backup_to):
        password = urlsplit(url).password if url else None
        if password:
            yield from {password, unquote(password)}
    if settings.googlebooks_key:
        yield settings.googlebooks_key


# ---- What is installed, and how it is set ----


def _versions() -> Finding:
    python = ".".join(map(str, sys.version_info[:3]))
    return Finding("Version", "gut", f"Bibliothek {__version__}, Python {python}, SQLite {sqlite3.sqlite_version}")


def _settings(settings: Settings) -> Iterator[Finding]:
    about, known = "Einstellungen", [name.upper() for name in Settings.__dataclass_fields__]
    misspelt = unknown_settings()
    for name in misspelt:
        close = get_close_matches(name.removeprefix(PREFIX), known, 1)
        mend = (
            f"Gemeint ist wohl {PREFIX}{close[0]}." if close else "Streiche sie; welche es gibt, sagt docs/operator.md."
        )
        yield Finding(about, "Achtung", f"{name} gibt es nicht und bewirkt nichts.", mend)
    wrong = list(_addresses(settings))
    yield from wrong
    if not misspelt and not wrong:
        yield Finding(about, "gut", f"lesbar; QR-Codes und Mails führen auf {settings.base_url}")


def _addresses(settings: Settings) -> Iterator[Finding]:
    about, is_https = "Adresse", settings.base_url.startswith("https:")
    if settings.base_is_loopback:
        yield Finding(
            about,
            "Achtung",
            f"QR-Codes und Mails führen auf {settings.base_url}, also nur auf diesen Rechner.",
            "Setze BIBLIOTHEK_BASE_URL auf die Adresse, unter der andere Geräte ihn finden, bevor Etiketten gedruckt werden.",
        )
    elif not is_https:
        yield Finding(
            about,
            "Achtung",
            f"{settings.base_url} ist nicht verschlüsselt: Das Netz kann mitlesen, und Kameras bleiben aus.",
            "Stelle einen Proxy mit Zertifikat davor und setze BIBLIOTHEK_BASE_URL=https://…",
        )
    if is_https and settings.trusted_proxy is None:
        yield Finding(
            about,
            "Achtung",
            "BIBLIOTHEK_BASE_URL beginnt mit https, aber keinem Proxy wird geglaubt: Die Verbindung gilt als unverschlüsselt.",
            "Setze BIBLIOTHEK_TRUSTED_PROXY auf die Adresse, von der der Proxy anfragt, auf demselben Rechner 127.0.0.1.",
        )


# ---- Files and disk ----


def _reachable_files(settings: Settings) -> Sequence[Finding]:
    try:
        return list(_files(settings))
    except PermissionError as error:
        says = f"{error.filename} lässt sich mit diesem Konto nicht öffnen."
        place = next(place for place in (Path(error.filename), *Path(error.filename).parents) if os.path.exists(place))
        if _is_another_accounts(place):
            return [Finding("Datenordner", "kaputt", f"{says} {_whose(place)}", _as_owner(place))]
        mend = f"„chmod u+rwx {place}“, mit dem Konto, unter dem der Server läuft."
        return [Finding("Datenordner", "kaputt", says, mend)]


def _files(settings: Settings) -> Iterator[Finding]:
    about, folder = "Datenordner", settings.data.resolve()
    if not folder.exists():
        mend = (
            "„bibliothek serve“ legt ihn an. Sollte er da sein: Stimmt BIBLIOTHEK_DATA, und ist die Platte eingehängt?"
        )
        yield Finding(about, "Achtung", f"{folder} gibt es nicht.", mend)
        return
    key, database = folder / "secret-key", settings.sqlite_file
    # The log and its index have the mode that the database had when they were made, and stay when a server is killed.
    parts = [Path(f"{database.resolve()}{suffix}") for suffix in ("", "-wal", "-shm")] if database else []
    if _is_another_accounts(folder) and not all(_may(file) for file in (folder, key, *parts) if file.exists()):
        mend = f"{_as_owner(folder)} Läuft der Server unter einem anderen, gib ihm den Ordner: „sudo chown -R NAME {folder}“."
        says = f"{folder} lässt sich mit diesem Konto nicht ganz lesen und schreiben. {_whose(folder)}"
        yield Finding(about, "kaputt", says, mend)
        return
    trouble = _not_writable(folder)
    if trouble:
        mend = f"„sudo chown -R NAME {folder}“ mit dem Konto, unter dem der Server läuft; prüfe auch dort."
        yield Finding(about, "kaputt", f"In {folder} lässt sich nichts schreiben. {trouble}", mend)
    wrong = [finding for file in (folder, key, *parts) for finding in _rights(file, folder)]
    # What others may read of the database, every start closes by itself: see db.py.
    wrong += [*_mode(folder), *_mode(key)]
    yield from wrong
    yield from (broken := list(_key(settings)))
    if not trouble and not wrong and not broken:
        yield Finding(about, "gut", f"{folder} lässt sich schreiben, und niemand sonst liest mit")


def _may(file: Path, how: int = os.R_OK | os.W_OK) -> bool:
    return os.access(file, how, effective_ids=os.access in os.supports_effective_ids)


def _is_another_accounts(file: Path) -> bool:
    """Whether we look with the wrong account, it may be: root may do all."""
    return os.geteuid() not in (0, file.stat().st_uid)


def _whose(file: Path) -> str:
    return f"{file} gehört dem Konto {_account(file.stat().st_uid)}, doctor läuft als {_account(os.geteuid())}."


def _as_owner(file: Path) -> str:
    return f"Rufe „bibliothek doctor“ mit diesem Konto auf: „sudo -u {_account(file.stat().st_uid)} …“."


def _account(number: int) -> str:
    """As sudo takes it, also where it has no name."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"#{number}"


def _not_writable(folder: Path) -> str | None:
    """Tried, not asked: a disk that is mounted for reading only lets root do everything, says the mode."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        # A full disk is told by another check.
        return None if error.errno == 28 else words_of(error)


def _rights(file: Path, folder: Path) -> Iterator[Finding]:
    if not file.exists():
        return
    mend = f"„sudo chown --reference={folder} {file}“"
    if file.stat().st_uid != folder.stat().st_uid:
        # As after a command that was run with sudo: root may do all, the server may not.
        yield Finding("Datenordner", "kaputt", f"{file} gehört einem anderen Konto als der Ordner.", mend)
    elif not _may(file):
        says = f"{file} lässt sich mit diesem Konto nicht lesen und schreiben."
        yield Finding("Datenordner", "kaputt", says, f"„chmod u+rw {file}“, mit dem Konto, unter dem der Server läuft.")


def _mode(file: Path) -> Iterator[Finding]:
    mode = stat.S_IMODE(file.stat().st_mode) if file.exists() else 0
    if mode & 0o077:
        mend = f"„chmod {'700' if file.is_dir() else '600'} {file}“"
        says = f"{file} dürfen auch andere Konten dieses Rechners lesen ({mode:o})."
        yield Finding("Datenordner", "Achtung", says, mend)


def _key(settings: Settings) -> Iterator[Finding]:
    file = settings.data.resolve() / "secret-key"
    if settings.secret_key or not _may(file, os.R_OK):
        return
    if not key_in(file):
        mend = "Lösche sie: Dann macht der nächste Start eine neue. Nur Codes, die gerade unterwegs sind, gelten dann nicht mehr."
        yield Finding("Datenordner", "kaputt", f"In {file} steht kein ganzer Schlüssel.", mend)


def _disk(settings: Settings) -> Iterator[Finding]:
    about, folder = "Platte", settings.data.resolve()
    # Unlike Path.exists, this says no where it may not look.
    folder = next(place for place in (folder, *folder.parents) if os.path.exists(place))
    free, files = shutil.disk_usage(folder).free, os.statvfs(folder)
    mend = "Lösche, was auf dieser Platte nicht gebraucht wird, oder zieh mit dem Datenordner auf eine größere um."
    room = f"frei sind {free / 1e9:.1f} GB".replace(".", ",")
    # Some file systems (btrfs) make room for as many files as there is room for bytes, and say 0 of 0.
    few = files.f_files and files.f_favail < FEW_INODES
    if free < LEAST_ROOM or (files.f_files and not files.f_favail):
        yield Finding(about, "kaputt", f"Die Platte ist voll: {room}, Platz für {files.f_favail} Dateien.", mend)
    elif free < health.LITTLE_ROOM or few:
        yield Finding(about, "Achtung", f"Die Platte ist fast voll: {room}, Platz für {files.f_favail} Dateien.", mend)
    else:
        yield Finding(about, "gut", room)


# ---- Clock ----


def _clock(settings: Settings, now: datetime) -> Iterator[Finding]:
    """What can be said of the clock without asking anybody. The database and the sources know more."""
    about, shown = "Uhr", _local(settings, now)
    made = datetime.fromisoformat(newest()[:10].replace("_", "-")).replace(tzinfo=UTC)
    if now < made - timedelta(days=1):
        yield Finding(about, "kaputt", f"Die Uhr steht auf {shown}, da gab es diese Version noch nicht.", SYNCHRONISE)
    elif _is_synchronised() is False:
        yield Finding(about, "Achtung", f"{shown}. Kein Zeitserver stellt die Uhr dieses Rechners.", SYNCHRONISE)
    else:
        yield Finding(about, "gut", shown)


def _local(settings: Settings, moment: datetime) -> str:
    return f"{moment.astimezone(settings.timezone):%d.%m.%Y, %H:%M}"


def _is_synchronised() -> bool | None:
    """Whether the kernel knows that a time server sets its clock (adjtimex(2)); None where it does not say."""
    try:
        ask = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return None
    # struct timex, larger than on any machine; all zero changes nothing.
    state: int = ask(ctypes.create_string_buffer(512))
    time_error = 5
    return None if state < 0 else state != time_error


# ---- Database ----


def _database(settings: Settings, now: datetime) -> Sequence[Finding]:
    about = "Datenbank"
    try:
        if settings.sqlite_file and not settings.sqlite_file.is_file():
            return [Finding(about, "Achtung", "Es gibt noch keine Bibliothek.", "„bibliothek serve“ legt sie an.")]
        with closing(open_database(_soon(settings.database_url), settings.sqlite_file, 1)) as database:
            with database.reading() as db:
                revision = current(db.connection())
            found = [*_kept(database), _migrations(revision)]
            if revision != newest():
                return found
            with database.reading() as db:
                return [*found, *_work(db, settings, now)]
    except (DBAPIError, TimeoutError, OSError, RuntimeError) as error:
        if settings.sqlite_file and _lacks_rights(settings.sqlite_file):
            says = "Sie ist nicht zu benutzen: Ihre Datei oder der Ordner lässt sich mit diesem Konto nicht lesen und schreiben."
            return [Finding(about, "kaputt", says, "Siehe Datenordner.")]
        words = (
            of_file(error, "") if isinstance(error, OSError) else " ".join(str(getattr(error, "orig", error)).split())
        )
        return [Finding(about, "kaputt", f"Sie ist nicht zu benutzen: {words}", _mend_database(settings))]


def _lacks_rights(database: Path) -> bool:
    """Then nothing can be said of the database itself."""
    files = (database.parent, *(Path(f"{database}{suffix}") for suffix in ("", "-wal", "-shm")))
    try:
        return not all(_may(file) for file in files if file.exists())
    except PermissionError:
        return True


def _soon(url: str | None) -> str | None:
    """PostgreSQL's address, with little patience for one that does not answer."""
    if not url or "connect_timeout=" in url:
        return url
    return url + ("&" if "?" in url else "?") + f"connect_timeout={CONNECT_S}"


def _mend_database(settings: Settings) -> str:
    if settings.database_url:
        return "Läuft PostgreSQL, und stimmt BIBLIOTHEK_DATABASE_URL? „sudo systemctl status postgresql“ sagt mehr."
    return f"Halte den Server an und spiele eine Sicherung zurück; hebe {settings.sqlite_file} bis dahin auf."


def _kept(database: Database) -> Iterator[Finding]:
    about = "Datenbank"
    if database.is_sqlite:
        # That it has the settings it needs was checked when it was opened: see db.py.
        yield Finding(about, "gut", f"SQLite {sqlite3.sqlite_version}")
        return
    with database.reading() as db:
        version = db.execute(text("SHOW server_version")).scalar_one().split()[0]
        unsafe = [name for name in ("fsync", "synchronous_commit", "full_page_writes") if _is_off(db, name)]
    for name in unsafe:
        mend = f"„ALTER SYSTEM SET {name} = on“, dann „SELECT pg_reload_conf()“."
        yield Finding(about, "kaputt", f"{name} ist aus: Bei Stromausfall geht Ausgeliehenes verloren.", mend)
    if not unsafe:
        yield Finding(about, "gut", f"PostgreSQL {version}")


def _is_off(db: Session, name: str) -> bool:
    return bool(db.execute(text(f"SHOW {name}")).scalar_one() == "off")


def _migrations(revision: str | None) -> Finding:
    about, mend = "Datenbank", "„bibliothek serve“ bringt sie auf den Stand."
    if revision is None:
        return Finding(about, "Achtung", "Sie ist leer.", "„bibliothek serve“ legt die Bibliothek an.")
    if revision > newest():
        mend = "Nimm wieder die neuere, oder spiele eine Sicherung von vor dem Wechsel zurück."
        return Finding(about, "kaputt", "Die Daten sind von einer neueren Version.", mend)
    if revision < newest():
        return Finding(about, "Achtung", "Die Daten sind von einer älteren Version.", mend)
    return Finding(about, "gut", f"auf dem Stand dieser Version ({revision})")


def _work(db: Session, settings: Settings, now: datetime) -> Iterator[Finding]:
    """What the server did by itself, as the database remembers it."""
    seen = jobs.last_instant(db)
    if seen and seen - now > TOLERANCE:
        yield Finding(
            "Uhr",
            "kaputt",
            f"Die Bibliothek hat schon den {_local(settings, seen)} erlebt. Bis dahin erinnert sie an nichts und mailt nicht.",
            f"{SYNCHRONISE} Geht die Uhr richtig, dann „bibliothek doctor --trust-clock“.",
        )
    yield _of_check(
        "Runde",
        health.last_round(jobs.find(db, rounds.JOB), now),
        "hat gerade erst vergessen und verschickt, was anstand",
        "Es läuft kein Server, oder er hängt: seit über fünf Minuten keine Runde.",
        "„sudo systemctl status bibliothek“, oder „bibliothek serve“.",
    )
    yield _backup(db, settings, now)
    yield _of_check(
        "Mails",
        health.mails(db, settings, now),
        "keine wartet lange",
        "Mails warten: Der Mailserver nimmt sie nicht.",
        "Was er sagt, steht bei den Erinnerungen und im Protokoll des Servers.",
    )


def _of_check(about: str, check: health.Check, good: str, bad: str, mend: str) -> Finding:
    return Finding(about, "gut", good) if check.status == "ok" else Finding(about, "Achtung", bad, mend)


def _backup(db: Session, settings: Settings, now: datetime) -> Finding:
    about, mend = (
        "Sicherung",
        "Mehr sagt die Seite Verwaltung → Einstellungen → Sicherungen; „bibliothek backup DATEI“ macht jetzt eine.",
    )
    known = nightly.last_backup(db, now)
    if settings.backups is None:
        return Finding(about, "gut", "von selbst wird keine gemacht (BIBLIOTHEK_BACKUP_DIR=off)")
    if known.newest is None:
        return Finding(about, "Achtung", known.trouble or "Es gibt noch keine.", mend)
    when = f"die letzte ist vom {_local(settings, known.newest.made_at)}"
    if not known.newest.is_sound:
        return Finding(about, "Achtung", f"{when} und nicht zu gebrauchen", mend)
    if health.last_backup(db, settings, now).status == "ok":
        return Finding(about, "gut", f"{when} und geprüft")
    trouble = known.trouble or known.sending_trouble
    return Finding(about, "Achtung", f"{when} und geprüft" + (f"; seither: {trouble}" if trouble else ""), mend)


def _backup_folders(settings: Settings) -> Iterator[Finding]:
    """What would only be told once the next backup failed. A place in the network is left to the server."""
    about, here, there = "Sicherung", settings.backups, settings.backup_to
    if here is None:
        return
    trouble = _not_writable(here) if os.path.isdir(here) else None
    if trouble:
        mend = (
            f"„sudo chown -R NAME {here}“ mit dem Konto, unter dem der Server läuft, oder ändere BIBLIOTHEK_BACKUP_DIR."
        )
        if _is_another_accounts(here) and here.stat().st_uid == settings.data.stat().st_uid:
            mend = _as_owner(here)
        yield Finding(about, "kaputt", f"In {here} lässt sich nichts schreiben. {trouble}", mend)
    if there is None or "://" in there:
        return
    folder = Path(there).expanduser()
    if not os.path.isdir(folder):
        mend = "Hänge die Platte ein, oder ändere BIBLIOTHEK_BACKUP_TO."
        yield Finding(about, "Achtung", f"Den zweiten Ort {folder} gibt es gerade nicht.", mend)
    elif trouble := _not_writable(folder):
        mend = f"„sudo chown NAME {folder}“ mit dem Konto, unter dem der Server läuft."
        yield Finding(about, "Achtung", f"In {folder} lässt sich nichts schreiben. {trouble}", mend)


# ---- Others in the network ----


def _outside(settings: Settings, now: datetime) -> Iterator[Finding]:
    """All asked at once: one that does not answer must not make the others wait."""
    names = ("dnb", "k10plus", "lobid", "openlibrary", "covers", *(["googlebooks"] if settings.googlebooks_key else []))
    urls = [(f"{PREFIX}{name.upper()}_URL", getattr(settings, f"{name}_url")) for name in names]
    asks: list[Callable[[], tuple[Finding, timedelta | None]]] = [
        lambda: (_smtp(settings), None),
        *(partial(_source, settings, name, url) for name, url in urls if url),
    ]
    with ThreadPoolExecutor(len(asks)) as threads:
        answers = list(threads.map(lambda ask: ask(), asks))
    yield from (finding for finding, _off in answers)
    # The smallest: one of them may itself be wrong.
    off = min((off for _finding, off in answers if off is not None), key=abs, default=timedelta())
    if abs(off) > TOLERANCE:
        level: Level = "kaputt" if abs(off) >= WRONG_DATE else "Achtung"
        where = "vor" if off < timedelta() else "nach"
        says = f"Nach der Uhr der Quellen geht die dieses Rechners {abs(off).total_seconds() / 60:.0f} Minuten {where}."
        yield Finding("Uhr", level, says, SYNCHRONISE)


def _smtp(settings: Settings) -> Finding:
    """Up to the sign-in, and no further: no mail is sent."""
    about = "Mailserver"
    if not settings.smtp_url or not settings.mail_from:
        says = "Es werden keine Mails verschickt, weil kein Mailserver und keine Absenderadresse gesetzt sind."
        if settings.smtp_url or settings.mail_from:
            says = "Es werden keine Mails verschickt: Gesetzt ist nur eins von beiden."
        return Finding(about, "Achtung", says, "Setze BIBLIOTHEK_SMTP_URL und BIBLIOTHEK_MAIL_FROM.")
    server = Server.of_url(settings.smtp_url)
    try:
        with connect(server, mail_host(settings.base_url)):
            pass
    except Unreachable as error:
        mend = "Prüfe BIBLIOTHEK_SMTP_URL: Host, Port, Name, Passwort; smtp:// für Port 587, smtps:// für Port 465."
        return Finding(about, "kaputt", f"{server.host}, Port {server.port}: {error}", mend)
    if server.security == "smtp+plain" and not is_loopback(server.host):
        mend = "Nimm smtp:// oder smtps:// in BIBLIOTHEK_SMTP_URL."
        return Finding(about, "Achtung", f"Mails gehen unverschlüsselt an {server.host}.", mend)
    return Finding(about, "gut", f"{server.host}, Port {server.port}, nimmt Mails an")


def _source(settings: Settings, variable: str, url: str) -> tuple[Finding, timedelta | None]:
    """Whether it answers at all, whatever it says; and by how much its clock is ahead of ours."""
    import httpx

    from bibliothek.lookup.fetch import user_agent

    host = urlsplit(url).hostname or ""
    agent = {"user-agent": user_agent(settings.contact, settings.base_url)}
    try:
        # Only the head: what comes after it may be long, or never end.
        with httpx.stream("GET", url, headers=agent, timeout=SOURCE_S, trust_env=not is_loopback(host)) as answer:
            pass
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        mend = (
            f"Kommt dieser Rechner ins Internet? Nachgeschlagen wird sonst ohne sie; „{variable}=off“ schaltet sie ab."
        )
        return Finding("Quelle", "Achtung", f"{host} antwortet nicht ({type(error).__name__}).", mend), None
    if answer.status_code >= 500:
        mend = f"Meist vergeht das; „{variable}=off“ schaltet die Quelle ab."
        return Finding("Quelle", "Achtung", f"{host} meldet einen Fehler ({answer.status_code}).", mend), None
    return Finding("Quelle", "gut", f"{host} antwortet"), _ahead(answer.headers.get("date"))


def _ahead(date: str | None) -> timedelta | None:
    try:
        return parsedate_to_datetime(date or "").astimezone(UTC) - datetime.now(UTC)
    except ValueError:
        return None
