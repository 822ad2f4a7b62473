"""Backups in another place: they arrive whole, the old ones go, and trouble is said without the password."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from bibliothek.operations import offsite
from bibliothek.operations.rotation import ID_FILE, half_of
from bibliothek.problems import Failed
from bibliothek.settings import Keep, Settings
from tests.conftest import NOON
from tests.operations import s3

OURS, THEIRS = "1a2b3c4d", "99999999"
DAYS = [f"bibliothek-202611{day:02}T030000Z-{OURS}.zip" for day in range(1, 29)]
LATER = NOON + timedelta(days=30)
# So large that S3 gets it in pieces.
LARGE = 12_000_000


@pytest.fixture
def webdav(tmp_path: Path) -> Iterator[str]:
    """The address of a real WebDAV server with one user, without its scheme."""
    from cheroot.wsgi import Server
    from wsgidav.wsgidav_app import WsgiDAVApp

    root = tmp_path / "dav"
    root.mkdir()
    app = WsgiDAVApp(
        {
            "provider_mapping": {"/": str(root)},
            "simple_dc": {"user_mapping": {"*": {"anna": {"password": "geh/eim"}}}},
            "verbose": 0,
            "logging": {"enable": False},
        }
    )
    server = Server(("127.0.0.1", 0), app)
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.bind_addr[1]}"
    server.stop()
    thread.join()


@pytest.fixture(params=["folder", "webdav", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """BIBLIOTHEK_BACKUP_TO of a place that is there."""
    match request.param:
        case "folder":
            (tmp_path / "disk").mkdir()
            yield str(tmp_path / "disk")
        case "webdav":
            yield f"webdav://anna:geh%2Feim@{request.getfixturevalue('webdav')}/sicherungen"
        case _:
            with s3.server() as server:
                yield f"s3://{s3.KEY}:geheim@eimer/a/b?endpoint={server.address}&region=eu-central-1"


def settings_for(place: str, data: Path, keep: Keep = Settings.backup_keep, library: str = OURS) -> Settings:
    (data / library).mkdir(exist_ok=True)
    (data / library / ID_FILE).write_text(library, encoding="utf-8")
    return Settings(data=data / library, backup_to=place, backup_keep=keep)


def there(place: str) -> dict[str, int]:
    with closing(offsite.open_place(place)) as opened:
        return opened.sizes()


def made(folder: Path, names: list[str], size: int = 1000) -> list[Path]:
    folder.mkdir(exist_ok=True, parents=True)
    for name in names:
        (folder / name).write_bytes(name.encode() * (size // len(name)))
    return [folder / name for name in names]


def test_backups_arrive_whole_once_and_the_old_ones_go(place: str, tmp_path: Path) -> None:
    settings = settings_for(place, tmp_path, Keep(2, 1))
    files = made(tmp_path / "backups", DAYS[:3], LARGE)
    offsite.send(settings, files, LATER)
    assert there(place) == {file.name: file.stat().st_size for file in files[1:]}
    files += made(tmp_path / "backups", DAYS[14:16])
    for _ in range(2):
        offsite.send(settings, files, LATER)
        assert set(there(place)) == {DAYS[14], DAYS[15]}


def test_one_that_arrived_cut_short_is_brought_again(place: str, tmp_path: Path) -> None:
    settings = settings_for(place, tmp_path)
    [whole] = made(tmp_path / "backups", DAYS[:1])
    [half] = made(tmp_path / "half", DAYS[:1], 500)
    offsite.send(settings, [half], LATER)
    offsite.send(settings, [whole], LATER)
    assert there(place) == {whole.name: whole.stat().st_size}


def test_two_libraries_in_one_place_leave_each_others_backups_alone(place: str, tmp_path: Path) -> None:
    names = [name.replace(OURS, THEIRS) for name in DAYS[:3]]
    # Of an earlier version: nobody knows whose.
    nameless = [name.replace(f"-{OURS}", "") for name in DAYS[4:6]]
    for_both = {file.name for file in made(tmp_path / "first", [*names, *nameless])}
    there(place)
    with closing(offsite.open_place(place)) as opened:
        for name in for_both:
            opened.put(tmp_path / "first" / name)
    settings = settings_for(place, tmp_path, Keep(1, 0))
    # In a folder of both, theirs lie beside ours; ours do not go there twice.
    files = made(tmp_path / "backups", [*DAYS[6:8], DAYS[8].replace(OURS, THEIRS), DAYS[9].replace(f"-{OURS}", "")])
    assert offsite.send(settings, files, LATER) == 1
    assert set(there(place)) == {*for_both, DAYS[7]}


def test_what_another_library_renames_in_the_folder_meanwhile_is_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, is_file = tmp_path / "disk", Path.is_file
    settings = settings_for(str(disk), tmp_path)
    theirs = DAYS[0].replace(OURS, THEIRS)
    made(disk, [half_of(theirs)])

    def arrives(file: Path) -> bool:
        found = is_file(file)
        if file.name == half_of(theirs):
            file.replace(disk / theirs)
        return found

    monkeypatch.setattr(Path, "is_file", arrives)
    assert offsite.send(settings, made(tmp_path / "backups", DAYS[:1]), LATER) == 1
    assert {file.name for file in disk.iterdir()} == {theirs, DAYS[0]}


def test_what_a_killed_upload_left_goes_when_it_is_old_and_ours(webdav: str, tmp_path: Path) -> None:
    new = f"bibliothek-{LATER - timedelta(hours=23):%Y%m%dT%H%M%S}Z-{OURS}.zip"
    stay = [half_of(new), half_of(DAYS[0].replace(OURS, THEIRS)), half_of(DAYS[0].replace(f"-{OURS}", "")), ".x.half"]
    folder = tmp_path / "dav" / "sicherungen"
    made(folder, [half_of(DAYS[0]), half_of(DAYS[1]), *stay])
    settings = settings_for(f"webdav://anna:geh%2Feim@{webdav}/sicherungen", tmp_path)
    offsite.send(settings, made(tmp_path / "backups", DAYS[:1]), LATER)
    assert {file.name for file in folder.iterdir()} == {DAYS[0], *stay}


def test_the_backups_of_another_library_that_lie_deeper_are_nobodys_business(place: str, tmp_path: Path) -> None:
    [ours] = made(tmp_path / "backups", DAYS[:1])
    [theirs] = made(tmp_path / "theirs", [f"bibliothek-20261101T040000Z-{OURS}.zip"])
    deeper = place.replace("?", "/deeper?") if "?" in place else f"{place}/deeper"
    if "://" not in place:
        Path(deeper).mkdir()
    there(place)
    offsite.send(settings_for(deeper, tmp_path), [theirs], LATER)
    assert offsite.send(settings_for(place, tmp_path, Keep(1, 0)), [ours], LATER) == 1
    assert set(there(place)) == {ours.name}
    assert set(there(deeper)) == {theirs.name}


def test_a_wrong_password_is_said_but_not_repeated(webdav: str, tmp_path: Path) -> None:
    files = made(tmp_path / "backups", DAYS[:1])
    with s3.server() as server:
        for address in (
            f"webdav://anna:falsch123@{webdav}/",
            f"s3://falsch123:falsch123@eimer?endpoint={server.address}",
        ):
            with pytest.raises(Failed, match="lässt uns nicht hinein") as raised:
                offsite.send(settings_for(address, tmp_path), files, LATER)
            assert "falsch123" not in str(raised.value) + repr(Settings(backup_to=address))


@pytest.mark.parametrize(
    "address", ["webdav://anna:x@127.0.0.1:{port}/", "s3://k:x@eimer?endpoint=http://127.0.0.1:{port}"]
)
def test_a_place_that_never_answers_is_given_up(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offsite, "STALLED_S", 0.05)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        settings = settings_for(address.format(port=deaf.getsockname()[1]), tmp_path)
        with pytest.raises(Failed, match=r"antwortet nicht|nimmt die Sicherung nicht"):
            offsite.send(settings, made(tmp_path / "backups", DAYS[:1]), LATER)


def test_a_folder_that_is_not_mounted_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="eingehängt"):
        offsite.send(settings_for(str(tmp_path / "usb"), tmp_path), made(tmp_path / "backups", DAYS[:1]), LATER)
    assert not (tmp_path / "usb").exists()
