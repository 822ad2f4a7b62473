"""The wheel: what it carries, and that it lends a book where nothing else of ours is."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving import SOURCES, free_port

TOP = Path(__file__).parent.parent
FOLDERS = ("bibliothek", "templates", "static")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=TOP, check=True, stdout=subprocess.DEVNULL)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Path:
    """The `bibliothek` command of an environment that has the wheel, and all that it needs, from here: no network."""
    home = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), "install", "--quiet", "--no-compile"]
    subprocess.run([*pip, "--no-index", "--no-deps", "--disable-pip-version-check", str(wheel)], check=True)
    [packages] = home.glob("lib/python*/site-packages")
    # Folders named here are looked into, but not into the .pth files in them: the checkout stays outside.
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return home / "bin" / "bibliothek"


def ours() -> Iterator[str]:
    """Every file that git keeps of what the library is made of."""
    listed = subprocess.run(["git", "ls-files", "-z", *FOLDERS], cwd=TOP, check=True, capture_output=True)
    yield from filter(None, listed.stdout.decode().split("\0"))


def test_the_wheel_carries_everything_and_nothing_else(wheel: Path) -> None:
    carried = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert carried == {name if name.startswith("bibliothek/") else f"bibliothek/{name}" for name in ours()}


def test_an_installed_wheel_lends_a_book_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    surroundings = {name: text for name, text in os.environ.items() if not name.startswith(("BIBLIOTHEK_", "PYTHON"))}
    surroundings |= {f"BIBLIOTHEK_{name}_URL": "off" for name in SOURCES}
    surroundings |= {"BIBLIOTHEK_PORT": str(free_port())}
    command = [sys.executable, str(TOP / "scripts" / "first_loan.py"), str(installed), "serve"]
    lent = subprocess.run(command, cwd=empty, env=surroundings, capture_output=True, text=True, check=False)
    assert lent.returncode == 0, lent.stdout + lent.stderr
    assert "Es ist zurück." in lent.stdout
    assert (empty / "data" / "bibliothek.sqlite").is_file()
    where = [str(installed.with_name("python")), "-c", "import bibliothek; print(bibliothek.__file__)"]
    found = subprocess.run(where, cwd=empty, env=surroundings, capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()).is_relative_to(installed.parents[1])
