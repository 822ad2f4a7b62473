"""Backups in another place: a folder (another disk, a share), a WebDAV server (Nextcloud and the like), or S3.

Files go there as they are, one after the other, in pieces; a place that does not answer is tried again later.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

from bibliothek.operations.rotation import half_of, is_left_over, is_ours, moment_of, to_keep
from bibliothek.problems import Failed
from bibliothek.settings import Settings

PIECE = 1 << 20
# For a step that moves nothing, not for a whole file: at 1 Mbit/s a gigabyte takes two hours.
STALLED_S = 60.0
CONNECT_S = 15.0


class Place(Protocol):
    """Where backups lie. Whatever goes wrong there is raised as Failed, without the password."""

    def sizes(self) -> dict[str, int]:
        """All that is there, whosever it is, in bytes."""

    def put(self, file: Path) -> None: ...

    def remove(self, name: str) -> None: ...

    def close(self) -> None: ...


def send(settings: Settings, files: Collection[Path], now: datetime, bad: Collection[str] = ()) -> int:
    """Bring these backups to the other place, the newest first, and remove what is too old there. Returns how many are there then.

    One that is there already with the same size stays. What does not carry the id of this library is left alone, here and there.
    Raises Failed.
    """
    assert settings.backup_to
    with closing(open_place(settings.backup_to)) as place:
        found = place.sizes()
        there = {name: size for name, size in found.items() if moment_of(name) and is_ours(name, settings)}
        ours = [file for file in files if is_ours(file.name, settings)]
        wanted = to_keep({*there, *(file.name for file in ours)}, settings.backup_keep, settings.timezone, now, bad)
        for file in sorted(ours, reverse=True):
            if file.name in wanted and there.get(file.name) != file.stat().st_size:
                place.put(file)
        for name in there.keys() - wanted:
            place.remove(name)
        for name in found:
            if is_left_over(name, settings, now):
                place.remove(name)
    return len(wanted)


def open_place(address: str) -> Place:
    """The place of BIBLIOTHEK_BACKUP_TO."""
    parts = urlsplit(address)
    if parts.scheme == "s3":
        return _S3(parts)
    if parts.scheme in ("webdav", "webdavs"):
        return _WebDav(parts)
    return _Folder(Path(address).expanduser())


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def sizes(self) -> dict[str, int]:
        if not self._folder.is_dir():
            # Made by us, it would be a folder on this disk where a share is not mounted.
            raise Failed(f"Den Ordner {self._folder} gibt es gerade nicht. Ist die Platte eingehängt?")
        found = {}
        for file in self._folder.iterdir():
            # Another library may just be giving one of its own the right name, or removing it.
            with suppress(FileNotFoundError):
                if file.is_file():
                    found[file.name] = file.stat().st_size
        return found

    def put(self, file: Path) -> None:
        half = self._folder / half_of(file.name)
        try:
            with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
                with file.open("rb") as content:
                    shutil.copyfileobj(content, out, PIECE)
                out.flush()
                os.fsync(out.fileno())
            half.replace(self._folder / file.name)
        finally:
            half.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)

    def close(self) -> None: ...


class _WebDav:
    """RFC 4918, as much of it as is needed."""

    def __init__(self, parts: SplitResult) -> None:
        import httpx

        scheme = "https" if parts.scheme == "webdavs" else "http"
        place = parts.hostname if ":" not in (parts.hostname or "") else f"[{parts.hostname}]"
        self._root = f"{scheme}://{place}{f':{parts.port}' if parts.port else ''}{parts.path.rstrip('/')}/"
        self._client = httpx.Client(
            auth=(unquote(parts.username or ""), unquote(parts.password or "")) if parts.username else None,
            timeout=httpx.Timeout(STALLED_S, connect=CONNECT_S),
            headers={"User-Agent": "Bibliothek"},
        )

    def sizes(self) -> dict[str, int]:
        from defusedxml.ElementTree import fromstring

        answer = self._ask("PROPFIND", "", headers={"Depth": "1"})
        if answer.status_code == 404:
            self._ask("MKCOL", "", expected=(201, 405))
            return {}
        found = {}
        for entry in fromstring(answer.content).iter("{DAV:}response"):
            name = unquote(urlsplit(entry.findtext("{DAV:}href", "")).path).rpartition("/")[2]
            # Folders end with a slash.
            if name:
                found[name] = int(entry.findtext(".//{DAV:}getcontentlength") or 0)
        return found

    def put(self, file: Path) -> None:
        # One that broke off must not look like a backup.
        half = half_of(file.name)
        with file.open("rb") as content:
            length = {"Content-Length": str(file.stat().st_size)}
            self._ask("PUT", half, expected=(200, 201, 204), content=_pieces(content), headers=length)
        to = {"Destination": self._root + file.name, "Overwrite": "T"}
        self._ask("MOVE", half, expected=(201, 204), headers=to)

    def remove(self, name: str) -> None:
        self._ask("DELETE", name, expected=(200, 204, 404))

    def close(self) -> None:
        self._client.close()

    def _ask(self, method: str, name: str, expected: tuple[int, ...] = (207, 404), **more: Any) -> Any:
        import httpx

        try:
            answer = self._client.request(method, self._root + quote(name), **more)
        except httpx.TimeoutException as error:
            raise Failed("Der WebDAV-Server antwortet nicht.") from error
        except httpx.HTTPError as error:
            raise Failed(f"Der WebDAV-Server ist nicht zu erreichen ({type(error).__name__}).") from error
        if answer.status_code in (401, 403):
            raise Failed("Der WebDAV-Server lässt uns nicht hinein: Stimmen Name, Passwort und Ordner?")
        if answer.status_code == 507:
            raise Failed("Auf dem WebDAV-Server ist kein Platz mehr.")
        if answer.status_code not in expected:
            raise Failed(f"Der WebDAV-Server antwortet auf {method} mit {answer.status_code}.")
        return answer


def _pieces(content: IO[bytes]) -> Iterator[bytes]:
    while piece := content.read(PIECE):
        yield piece


class _S3:
    def __init__(self, parts: SplitResult) -> None:
        from datetime import timedelta

        from obstore.store import S3Store

        said = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        endpoint = said.get("endpoint")
        self._secrets = [unquote(part) for part in (parts.password, parts.username) if part]
        self._store = S3Store(
            parts.hostname or "",
            prefix=parts.path.strip("/") or None,
            region=said.get("region", "us-east-1"),
            access_key_id=unquote(parts.username or ""),
            secret_access_key=unquote(parts.password or ""),
            virtual_hosted_style_request=False,
            client_options={
                "allow_http": bool(endpoint and endpoint.startswith("http://")),
                "connect_timeout": timedelta(seconds=CONNECT_S),
                # For one request, which brings one piece of a file.
                "timeout": timedelta(seconds=10 * STALLED_S),
            },
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=STALLED_S)},
            **({"endpoint": endpoint} if endpoint else {}),  # type: ignore[arg-type]
        )

    def sizes(self) -> dict[str, int]:
        with self._faults():
            # Not what lies deeper: that is another library's.
            entries = self._store.list_with_delimiter()["objects"]
        return {str(entry["path"]).rpartition("/")[2]: int(entry["size"]) for entry in entries}

    def put(self, file: Path) -> None:
        with self._faults():
            # Of a file that comes in pieces S3 shows nothing until all are there.
            self._store.put(file.name, file, max_concurrency=2)

    def remove(self, name: str) -> None:
        with self._faults():
            self._store.delete(name)

    def close(self) -> None: ...

    @contextmanager
    def _faults(self) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except BaseError as error:
            words = str(error).strip().splitlines()[0]
            # Its own kinds of errors are not told apart for every request.
            if re.search(r"status code: (401|403|404)\b", words):
                raise Failed(
                    "Der S3-Speicher lässt uns nicht hinein: Stimmen Schlüssel, Geheimnis und Eimer?"
                ) from error
            for secret in self._secrets:
                words = words.replace(secret, "…")
            raise Failed(f"Der S3-Speicher nimmt die Sicherung nicht: {words[:200]}") from error
