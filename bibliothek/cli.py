"""The command line. Everything heavy is imported inside the command that needs it: `bibliothek --help` answers at once.

Exit codes: 0 done, 1 failed (one line on stderr), 2 wrong usage.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from bibliothek import __version__
from bibliothek.problems import Failed, Problem, of_file
from bibliothek.settings import BadSetting, Settings, load_settings

if TYPE_CHECKING:
    from bibliothek.clock import SteadyClock
    from bibliothek.db import Database
    from bibliothek.reminders.actions import Reminded


@dataclass(frozen=True)
class Opened:
    """The library a command works on."""

    settings: Settings
    database: Database
    clock: SteadyClock


class _Command(click.Command):
    """A command that says in German what --help does."""

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        option = super().get_help_option(ctx)
        if option:
            option.help = "Diese Hilfe zeigen."
        return option


class _Group(_Command, click.Group):
    command_class = _Command
    group_class = type


@click.group(
    cls=_Group,
    help="Bibliothek: eine Leihbibliothek für gemeinsame Räume.",
    context_settings={"max_content_width": 100, "help_option_names": ["--help", "-h"]},
)
@click.version_option(__version__, message="Bibliothek %(version)s", help="Die Version nennen.")
def cli() -> None:
    """All commands; each says itself what it does."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry of the `bibliothek` command."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. What went wrong stands on stderr, in one line."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not _is_text("".join(given)):
        return _say("Der Befehl enthält Zeichen, die nicht lesbar sind. Gebraucht wird UTF-8.", 1)
    try:
        result = cli.main(given, "bibliothek", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "bibliothek"
        return _say(f"{_wrong_usage(error)} Hilfe: {where} --help", 2)
    except click.Abort:
        return _say("Abgebrochen.", 1)
    except Problem as problem:
        return _say(problem.sentence, 1)
    except (Failed, BadSetting) as error:
        return _say(str(error), 1)
    except OSError as error:
        return _say(of_file(error, "Der Rechner meldet"), 1)


def _is_text(given: str) -> bool:
    """False for bytes that Python could not decode: no database keeps them, and no terminal shows them."""
    try:
        given.encode()
    except UnicodeEncodeError:
        return False
    return True


def _say(text: str, code: int) -> int:
    click.echo(" ".join(text.split()), err=True)
    return code


def _wrong_usage(error: click.UsageError) -> str:
    """click's complaint in German."""
    match error:
        case click.NoSuchOption():
            return f"Die Option {error.option_name} gibt es nicht."
        case click.MissingParameter(param=click.Parameter() as parameter):
            return f"Es fehlt: {_name(parameter)}."
        case click.BadParameter(param=click.Parameter(type=click.Choice(choices=choices)) as parameter):
            return f"{_name(parameter)}: erlaubt ist {', '.join(choices)}."
        case click.BadParameter(param=click.Parameter(type=click.Path(exists=True)) as parameter):
            return f"{_name(parameter)}: Diese Datei gibt es nicht, oder sie lässt sich nicht lesen."
        case click.BadParameter(param=click.Parameter(type=click.Path(dir_okay=False)) as parameter):
            return f"{_name(parameter)}: Gebraucht wird eine Datei, kein Ordner."
        case click.BadParameter(param=click.Parameter() as parameter):
            return f"{_name(parameter)}: Diese Angabe passt hier nicht."
        case _:
            return "So lässt sich der Befehl nicht aufrufen."


def _name(parameter: click.Parameter) -> str:
    return parameter.opts[0] if isinstance(parameter, click.Option) else (parameter.human_readable_name or "Angabe")


# ---- The library a command works on ----


@contextmanager
def opened_library(may_be_older: bool = False, writes: bool = False) -> Iterator[Opened]:
    """The library of the settings, which must be there and of this version (or `may_be_older`). Who `writes` carries the mark of a
    running server: nobody restores or upgrades meanwhile, and while somebody does, it is refused. Raises Failed."""
    settings = load_settings()
    if settings.sqlite_file and not settings.sqlite_file.is_file():
        raise Failed(_nothing_there(settings))
    with plain_words(settings):
        from bibliothek.clock import SteadyClock, clock_of
        from bibliothek.db import open_database
        from bibliothek.serving import serving

        with (
            closing(open_database(settings.database_url, settings.sqlite_file)) as database,
            serving(settings, database) if writes else nullcontext(),
        ):
            _check_version(settings, database, may_be_older)
            yield Opened(settings, database, SteadyClock() if may_be_older else clock_of(database))


@contextmanager
def plain_words(settings: Settings) -> Iterator[None]:
    """Faults of the database as one line."""
    from sqlalchemy.exc import DatabaseError, DataError, IntegrityError, ProgrammingError

    from bibliothek.db import OutcomeUnknown
    from bibliothek.migrations import NewerDatabase

    try:
        yield
    except NewerDatabase as error:
        raise Failed(
            f"Die Daten sind von einer neueren Version ({error}). Diese hier liest sie nicht; nimm die neuere wieder."
        ) from error
    except DatabaseError as error:
        if isinstance(error, (DataError, IntegrityError, ProgrammingError)) and error.statement is not None:
            # A bug of ours: its trace is worth more than a line. Without a statement, the connection could not be made.
            raise
        fault = _fault(settings, str(error.orig))
        if isinstance(error, OutcomeUnknown):
            fault += " Ob noch gespeichert wurde, ist nicht bekannt: Sieh nach, bevor du den Befehl wiederholst."
        raise Failed(fault) from error


def _fault(settings: Settings, words: str) -> str:
    if "is locked" in words:
        return "Die Datenbank ist gesperrt: Ein anderes Programm schreibt gerade lange. Versuche es gleich noch einmal."
    if settings.database_url:
        return f"Die Datenbank ist nicht zu benutzen: {words.strip().splitlines()[0]}"
    if settings.sqlite_file and "readonly database" in words:
        return (
            f"{settings.sqlite_file.resolve()} lässt sich nur lesen. Die Datei, der Ordner und was daneben auf -wal und -shm endet,"
            " müssen für das Konto der Bibliothek beschreibbar sein („bibliothek doctor“ sagt, was daran fehlt)."
        )
    return f"Die Datenbank in {settings.data.resolve()} ist nicht zu benutzen: {words}. „bibliothek doctor“ sagt, was hilft."


def _check_version(settings: Settings, database: Database, may_be_older: bool) -> None:
    from bibliothek.migrations import NewerDatabase, current, newest

    with database.engine.connect() as connection:
        revision = current(connection)
    if revision is None:
        raise Failed(_nothing_there(settings))
    if revision > newest():
        raise NewerDatabase(revision)
    if revision < newest() and not may_be_older:
        raise Failed(
            "Die Daten sind von einer älteren Version. Starte einmal „bibliothek serve“, das bringt sie auf den Stand."
        )


def _nothing_there(settings: Settings) -> str:
    where = "In der Datenbank" if settings.database_url else f"In {settings.data.resolve()}"
    return (
        f"{where} liegt keine Bibliothek. „bibliothek serve“ legt eine an; welcher Ordner gilt, sagt BIBLIOTHEK_DATA."
    )


# ---- serve ----


@cli.command(help="Die Datenbank auf den neuesten Stand bringen, dann dienen.")
@click.option("--host", help="Adresse, auf der gelauscht wird; 0.0.0.0 für alle im Netz.")
@click.option("--port", type=click.IntRange(1, 65535), help="Der Port.")
@click.option("--workers", type=click.IntRange(1, 64), help="Wie viele Prozesse dienen.")
def serve(host: str | None, port: int | None, workers: int | None) -> None:
    """Migrate, say the address, serve until Ctrl+C or SIGTERM."""
    from bibliothek import server

    settings = load_settings(port=port)
    remark = _other_port(port, settings) if port else ""
    host, port = host or settings.host, settings.port
    with server.quick_start(), closing(server.listen(host, port)) as listener, plain_words(settings):
        from bibliothek.db import open_database
        from bibliothek.migrations import is_older, migrate
        from bibliothek.operations.health import refuse_read_only
        from bibliothek.serving import serving

        with closing(open_database(settings.database_url, settings.sqlite_file)) as database:
            if is_older(database):
                from bibliothek.operations.upgrade import bring_up_to_date

                bring_up_to_date(settings, database, datetime.now(UTC), click.echo)
            # What was opened may lead to a file that a restore puts another one in place of.
            database.close()
            with serving(settings, database):
                migrate(database)
                refuse_read_only(database)
            server.serve(settings, database, listener, host, port, workers or settings.workers, remark)


def _other_port(port: int, settings: Settings) -> str:
    """What to say where commands that are told no port would print other addresses."""
    usual = load_settings().base_url
    if usual == settings.base_url:
        return ""
    return (
        f"„bibliothek member link“ kennt diesen Port nicht und nennt {usual}, bis in .env BIBLIOTHEK_PORT={port} steht."
    )


@cli.command(help="Die Bibliothek auf den neuesten Stand bringen und nicht dienen; „serve“ tut es auch von selbst.")
@click.option("--trotzdem", "anyway", is_flag=True, help="Auch wenn danach eine Prüfung etwas findet.")
def upgrade(anyway: bool) -> None:
    """Print what was done. A new library is only made."""
    settings = load_settings()
    with plain_words(settings):
        from bibliothek.db import open_database
        from bibliothek.migrations import is_older, migrate
        from bibliothek.operations.upgrade import bring_up_to_date

        with closing(open_database(settings.database_url, settings.sqlite_file)) as database:
            if is_older(database):
                bring_up_to_date(settings, database, datetime.now(UTC), click.echo, anyway)
            elif not migrate(database):
                click.echo("Die Bibliothek ist auf dem neuesten Stand.")


# ---- member, token ----


@cli.group(help="Mitglieder anlegen und hineinlassen.")
def member() -> None:
    """Commands about members."""


@member.command("add", help="Ein Mitglied anlegen; gibt die Karte und eine Anmelde-Adresse aus.")
@click.option("--name", required=True, help="Der Name.")
@click.option("--email", help="Die E-Mail-Adresse, wenn es eine gibt.")
@click.option("--role", required=True, type=click.Choice(["member", "librarian", "admin"]), help="Die Rolle.")
def member_add(name: str, email: str | None, role: str) -> None:
    """Print `card: M…` and `link: …`, a line each."""
    with opened_library(writes=True) as library:
        from bibliothek.members import actions, rules, sign_in

        now = library.clock()
        with library.database.writing() as db:
            made = actions.add_member(db, name, email, role, now)
            card = actions.new_card(db, made, now)
            link = sign_in.new_link(db, made, now)
            # Within the transaction: what cannot be printed is not kept, for nobody could see it again.
            click.echo(f"card: {card}\nlink: {rules.sign_in_address(library.settings.base_url, link)}")


@member.command("link", help="Eine Anmelde-Adresse ausgeben, einmal und 10 Minuten gültig.")
@click.argument("email")
def member_link(email: str) -> None:
    """Print a fresh one-time sign-in address."""
    with opened_library(writes=True) as library:
        from bibliothek.members import queries, rules, sign_in

        with library.database.writing() as db:
            found = queries.member_by_email(db, email)
            if found is None:
                raise queries.UnknownAddress
            link = sign_in.new_link(db, found, library.clock())
            click.echo(rules.sign_in_address(library.settings.base_url, link))


@cli.group(help="Schlüssel für die JSON-Schnittstelle.")
def token() -> None:
    """Commands about bearer tokens."""


@token.command("add", help="Einen Schlüssel anlegen. Er wird nur dieses eine Mal gezeigt.")
@click.option("--name", required=True, help="Wofür er ist.")
@click.option("--role", required=True, type=click.Choice(["librarian", "kiosk"]), help="Was er darf.")
def token_add(name: str, role: str) -> None:
    """Print the token, alone on one line."""
    with opened_library(writes=True) as library:
        from bibliothek.members.actions import add_token

        with library.database.writing() as db:
            made = add_token(db, name, role, library.clock())
            # Within the transaction, as in member_add.
            click.echo(made)


@token.command("list", help="Die Schlüssel nennen, die gelten: Nummer, Name, Rolle, Tag der Anlage.")
def token_list() -> None:
    """Print a line for each token, with tabs between its parts. The secrets themselves are kept nowhere."""
    with opened_library() as library:
        from bibliothek.members.queries import api_tokens

        with library.database.reading() as db:
            found = api_tokens(db)
        for one in found:
            made_on = one.created_at.astimezone(library.settings.timezone).date()
            click.echo(f"{one.id}\t{one.name}\t{one.role}\t{made_on}")


@token.command("revoke", help="Einen Schlüssel sperren, zum Beispiel weil er in fremde Hände kam. ID ist seine Nummer.")
@click.argument("token_id", metavar="ID", type=click.IntRange(min=1))
def token_revoke(token_id: int) -> None:
    """From the next request on the token is unknown, also to a running server."""
    with opened_library(writes=True) as library:
        from bibliothek.members.actions import revoke_token

        with library.database.writing() as db:
            revoke_token(db, token_id, library.clock())


# ---- remind ----


@cli.command(help="An Überfälliges erinnern, eine Nachricht je Mitglied. Zweimal aufrufen schadet nicht.")
@click.option("--today", type=click.DateTime(["%Y-%m-%d"]), help="Als wäre dieser Tag: JJJJ-MM-TT.")
@click.option("--dry-run", is_flag=True, help="Nur sagen, was verschickt würde.")
def remind(today: datetime | None, dry_run: bool) -> None:
    """Print members by number and counts: what a nightly run prints may end up in a log."""
    with opened_library(writes=not dry_run) as library:
        from bibliothek.reminders.actions import would_remind

        day = today.date() if today else library.clock().astimezone(library.settings.timezone).date()
        if not dry_run:
            _remind(library, day)
            return
        with library.database.reading() as db:
            would = would_remind(db, day)
        _say_reminded(would)
        click.echo(f"Nichts verschickt. Es wären Nachrichten: {would.messages}, Ausleihen: {would.loans}")


def _remind(library: Opened, day: date) -> None:
    """Queue, then send, all that is due; also what waited from before. Raises Failed when the mail server is down."""
    import logging

    from bibliothek.clock import refuse_if_behind
    from bibliothek.mail import outbox
    from bibliothek.reminders.actions import hooks, remind_everybody
    from bibliothek.reminders.queries import waiting_reason
    from bibliothek.web.templates import Templates

    # What the outbox logs for the server's operator is said below, in one line.
    logging.getLogger("bibliothek").addHandler(logging.NullHandler())
    refuse_if_behind(library.clock)
    settings, database, templates = library.settings, library.database, Templates()
    reminded = remind_everybody(database, day, library.clock(), templates, settings)
    outbox.tidy(database, settings, library.clock())
    outbox.deliver(database, settings, library.clock, hooks(templates, settings))
    with database.reading() as db:
        states, (waiting, reason) = outbox.states(db, reminded.mail_ids), waiting_reason(db)
    _say_reminded(reminded)
    click.echo(
        f"Nachrichten: {reminded.messages}, Ausleihen: {reminded.loans}, verschickt: {states['sent']}, "
        f"abgelehnt: {states['failed']}, unklar: {states['unknown']}, wartend: {waiting}"
    )
    if waiting and settings.mail_is_possible:
        raise Failed(f"{reason or 'Der Versand dauert an.'} Was wartet, verschickt der laufende Server später.")
    if waiting:
        click.echo("Ohne BIBLIOTHEK_SMTP_URL und BIBLIOTHEK_MAIL_FROM warten sie, höchstens 7 Tage.")


def _say_reminded(reminded: Reminded) -> None:
    for one in reminded.said:
        click.echo(f"Mitglied Nr. {one.member_id}, Ausleihen: {one.loans}")


# ---- import and export ----


@cli.command("import", help="Eine Liste aufnehmen: CSV oder Excel (.xlsx), eine Zeile je Buch. Zweimal schadet nicht.")
@click.argument("file", metavar="DATEI", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", help="Wie die Liste heißt: Ihre Zeilen werden unter diesem Namen wiedererkannt.")
@click.option("--dry-run", is_flag=True, help="Nur sagen, was aufgenommen würde.")
def import_(file: Path, name: str | None, dry_run: bool) -> None:
    """Print which column was taken for what, the rows that did not come in, and counts. Raises Failed when some did not."""
    with opened_library(writes=not dry_run) as library:
        import msgspec

        from bibliothek.i18n import _
        from bibliothek.transfer.formats import FORMATS, TARGETS, check_mapping, columns_of, guess
        from bibliothek.transfer.incoming import Tally, bring_in

        plan = guess(file)
        plan = msgspec.structs.replace(plan, source=(name or plan.source)[:100])
        click.echo(f"Gelesen als: {_(FORMATS[plan.format].name)}")
        for column, target in zip(columns_of(file, plan), plan.columns, strict=True):
            click.echo(f"  {column.heading or f'Spalte {column.number + 1}'}: {_(TARGETS[target]) if target else '–'}")
        check_mapping(plan.columns)
        tally = Tally()
        # As in server.serve: a tenth of the time is looking for garbage where there is none.
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        for progress in bring_in(library.database, file, plan, library.clock, dry=dry_run):
            tally = progress.tally
            for trouble in progress.troubles:
                if trouble.kind != "skipped":
                    click.echo(f"Zeile {trouble.row}: {trouble.reason}")
    done = "Es kämen herein" if dry_run else "Hereingekommen"
    click.echo(
        f"{done}: Titel: {tally.titles}, Exemplare: {tally.copies}. Schon da: {tally.known}, "
        f"übergangen: {tally.skipped}, mit Hinweis: {tally.remarks}, nicht lesbar: {tally.failed}"
    )
    if tally.failed:
        raise Failed(f"{tally.failed} von {tally.rows} Zeilen kamen nicht herein; der Grund steht oben.")


@cli.command(help="Alle Titel und Exemplare als CSV ausgeben, in DATEI oder ohne sie auf der Standardausgabe.")
@click.argument("file", metavar="[DATEI]", required=False, type=click.Path(dir_okay=False, path_type=Path))
def export(file: Path | None) -> None:
    """A table that `bibliothek import` takes in unchanged. A file that is there already is replaced once the new one is whole."""
    with opened_library() as library:
        from bibliothek.transfer.outgoing import export as rows

        if file is None:
            with library.database.reading() as db:
                for piece in rows(db):
                    click.echo(piece.encode(), nl=False)
            return
        half = file.with_name(f".{file.name}.half")
        try:
            with half.open("wb") as out, library.database.reading() as db:
                out.writelines(piece.encode() for piece in rows(db))
            half.replace(file)
        finally:
            half.unlink(missing_ok=True)


# ---- backup and restore ----


@cli.command(help="Alles in eine Zip-Datei sichern, auch während der Server läuft.")
@click.argument("file", metavar="DATEI", type=click.Path(dir_okay=False, path_type=Path))
def backup(file: Path) -> None:
    """Print what is in the backup. A file that is there already is replaced once the new one is whole."""
    with opened_library(may_be_older=True) as library:
        from bibliothek.operations.backup import write

        written = write(library.database, library.settings, file, datetime.now(UTC))
    rows, pictures = written.manifest.counted("tables"), written.manifest.counted("covers")
    click.echo(f"Gesichert: {file}, {written.size // 1000 + 1} kB, Zeilen: {rows}, Bilder: {pictures}")
    click.echo("Darin steht, wer was ausgeliehen hat: Bewahre sie verschlossen und nicht länger als nötig auf.")


@cli.command(help="Eine Sicherung zurückspielen. Der Server muss stehen; was schon da ist, wird beiseitegelegt.")
@click.argument("file", metavar="DATEI", type=click.Path(path_type=Path))
@click.option("--trotzdem", "anyway", is_flag=True, help="Auch wenn die Prüfung etwas findet.")
def restore(file: Path, anyway: bool) -> None:
    """Print of when the library is now, and where the one from before lies."""
    settings = load_settings()
    with plain_words(settings):
        from bibliothek.operations.restore import restore as put_back

        done = put_back(file, settings, datetime.now(UTC), even_if_unsound=anyway)
    click.echo(
        f"Zurückgespielt: Stand {done.made_at.astimezone(settings.timezone):%d.%m.%Y %H:%M}, Zeilen: {done.rows}"
    )
    if done.aside:
        # A database of PostgreSQL was empty.
        what = "Listen, die gerade aufgenommen wurden, liegen" if settings.database_url else "Was vorher da war, liegt"
        click.echo(f"{what} in {done.aside}. Lösche den Ordner, sobald alles stimmt.")
    if done.unknown:
        click.echo(f"Nicht zurückgespielt, denn es gehört nicht hierher: {', '.join(done.unknown)}")
    click.echo(f"{'' if anyway else 'Geprüft. '}Starte jetzt den Server; alle melden sich neu an.")


# ---- demo and verify ----


@cli.command(help="Eine leere Bibliothek mit Beispielen füllen; gibt eine Anmelde-Adresse aus.")
@click.option("--unless-there", is_flag=True, help="Eine Bibliothek, die schon Daten hat, unverändert lassen.")
@click.option(
    "--large",
    type=click.IntRange(1, 2_000_000),
    metavar="N",
    help="So viele erfundene Titel statt der 200 echten, um zu sehen, was der Rechner aushält. Eine Million braucht Minuten.",
)
def demo(unless_there: bool, large: int | None) -> None:
    """Print `link: …` of an admin of the filled library."""
    settings = load_settings()
    with plain_words(settings):
        from bibliothek.db import open_database
        from bibliothek.members import queries, rules, sign_in
        from bibliothek.migrations import migrate
        from bibliothek.operations.demo import fill, holds_data
        from bibliothek.operations.large import fill as fill_large
        from bibliothek.serving import serving

        with (
            closing(open_database(settings.database_url, settings.sqlite_file)) as database,
            serving(settings, database),
        ):
            migrate(database)
            now = datetime.now(UTC)
            with database.writing() as db:
                if not (unless_there and holds_data(db)):
                    today = now.astimezone(settings.timezone).date()
                    if large:
                        fill_large(db, large, now, today, lambda titles: click.echo(f"{titles} Titel", err=True))
                    else:
                        fill(db, now, today)
                admin = queries.first_admin(db)
                link = sign_in.new_link(db, admin, now) if admin else None
    if link:
        click.echo(f"link: {rules.sign_in_address(settings.base_url, link)}")


@cli.command(help="Prüfen, ob alles stimmt, was immer gelten muss.")
def verify() -> int:
    """Print each invariant and what breaks it; exit code 1 when something does."""
    with opened_library() as library:
        from bibliothek.catalogue.covers import folder_of
        from bibliothek.i18n import _
        from bibliothek.operations.verify import CHECKS, SHOWN
        from bibliothek.operations.verify import verify as check

        with library.database.reading() as db:
            findings = check(db, library.clock(), folder_of(library.settings))
    for finding in findings:
        click.echo(f"{'fehlt ' if finding.broken else 'stimmt'}  {_(finding.invariant)}")
        for row in finding.broken[:SHOWN]:
            click.echo(f"        {row}")
        if len(finding.broken) > SHOWN:
            click.echo(f"        und {len(finding.broken) - SHOWN} weitere")
    broken = sum(bool(finding.broken) for finding in findings)
    if len(findings) < len(CHECKS):
        raise Failed("Es fehlen Tabellen oder Spalten. Alles andere lässt sich erst prüfen, wenn sie wieder da sind.")
    if broken:
        raise Failed(f"{broken} von {len(findings)} Prüfungen sind nicht erfüllt.")
    click.echo(f"Alles in Ordnung: {len(findings)} Prüfungen.")
    return 0


# ---- doctor ----


@cli.command(help="Nachsehen, was dieser Installation fehlt, und sagen, was hilft. Geht auch ohne Bibliothek.")
@click.option("--json", "as_json", is_flag=True, help="Für Programme: eine Liste in JSON.")
@click.option(
    "--trust-clock",
    is_flag=True,
    help="Die Uhr dieses Rechners geht richtig, was die Bibliothek erlebt hat, war falsch.",
)
def doctor(as_json: bool, trust_clock: bool) -> int:
    """Print a line for each finding, with the mend below; exit code 1 when something is broken."""
    import logging

    import msgspec

    from bibliothek.clock import utc_now
    from bibliothek.operations.doctor import examine

    if trust_clock:
        _trust_clock()
        return 0
    # Misspelt settings are among what is found.
    logging.getLogger("bibliothek").addHandler(logging.NullHandler())
    findings = examine(utc_now())
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(findings)))
    for finding in () if as_json else findings:
        click.echo(f"{finding.level:<7}  {finding.about}: {finding.says}")
        if finding.mend:
            click.echo(f"         → {finding.mend}")
    return int(any(finding.level == "kaputt" for finding in findings))


def _trust_clock() -> None:
    with opened_library() as library:
        from bibliothek.clock import utc_now
        from bibliothek.operations.doctor import trust_clock
        from bibliothek.serving import nobody_serves

        # A running server knows by itself what it has seen.
        with nobody_serves(library.settings, library.database):
            is_set_back = trust_clock(library.database, utc_now())
        if is_set_back:
            click.echo("Von jetzt an gilt die Uhr dieses Rechners.")
        else:
            click.echo("Nichts zu tun: Die Bibliothek hat keinen späteren Augenblick erlebt.")
