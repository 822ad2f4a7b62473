"""The files that others run the library with say what the app knows, and take away what it does not need.

What an engine, systemd or Caddy make of them is tried by hand: docs/developer.md says how.
"""

from __future__ import annotations

import re
import subprocess
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from bibliothek.settings import Settings, load_settings

TOP = Path(__file__).parent.parent
UID = "10001"


def text(name: str) -> str:
    return (TOP / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(text("docker-compose.yml"))["services"]
    return found


@pytest.mark.parametrize(
    "name",
    [
        "Dockerfile",
        "docker-compose.yml",
        ".env.example",
        "deploy/bibliothek.env",
        "deploy/nginx.conf",
        "docs/operator.md",
    ],
)
def test_no_file_names_a_setting_that_the_app_does_not_know(name: str) -> None:
    # BIBLIOTHEK_UPSTREAM is Caddy's: where the library listens.
    named = set(re.findall(r"\bBIBLIOTHEK_([A-Z_]*[A-Z])\b", text(name))) - {"UPSTREAM"}
    known = {field.upper() for field in Settings.__dataclass_fields__}
    assert {setting.removesuffix("_FILE") for setting in named} <= known


@pytest.mark.parametrize("name", [".env.example", "deploy/bibliothek.env"])
def test_the_settings_to_fill_in_can_be_read_as_they_are(name: str, tmp_path: Path) -> None:
    # What is commented out, too: whoever needs it removes the # and nothing else.
    lines = [re.sub(r"^#(?=[A-Z_]+=)", "", line) for line in text(name).splitlines()]
    (tmp_path / ".env").write_text("\n".join(lines), encoding="utf-8")
    assert load_settings({}, tmp_path).mail_is_possible


def test_three_settings_are_to_be_filled_in() -> None:
    asked = [line.partition("=")[0] for line in text(".env.example").splitlines() if line and not line.startswith("#")]
    assert asked == ["BIBLIOTHEK_BASE_URL", "BIBLIOTHEK_SMTP_URL", "BIBLIOTHEK_MAIL_FROM"]


def test_the_image_has_a_python_that_the_app_allows_and_one_user_who_is_not_root() -> None:
    file = text("Dockerfile")
    [allowed] = re.findall(r'^requires-python = ">=3\.(\d+)"', text("pyproject.toml"), re.MULTILINE)
    versions = re.findall(r"^FROM python:3\.(\d+)-slim", file, re.MULTILINE)
    assert len(versions) == 2
    assert len(set(versions)) == 1
    assert int(versions[0]) >= int(allowed)
    assert re.findall(r"^USER (.*)$", file, re.MULTILINE) == [f"{UID}:{UID}"]
    assert f"--uid {UID} " in file
    assert re.findall(r"^VOLUME (.*)$", file, re.MULTILINE) == ["/data"]
    assert "/readyz" in file.partition("HEALTHCHECK")[2]


def test_the_image_is_made_of_nothing_that_people_write_into_the_folder() -> None:
    first, *kept = [line for line in text(".dockerignore").splitlines() if line and not line.startswith("#")]
    assert first == "*"
    assert {line.removeprefix("!").partition("/")[0] for line in kept if line.startswith("!")} == {
        "pyproject.toml",
        "uv.lock",
        "README.md",
        "LICENSE",
        "bibliothek",
        "templates",
        "static",
        "scripts",
    }


def test_alone_by_default_and_more_when_asked(services: dict[str, dict[str, Any]]) -> None:
    profiles = {name: service.get("profiles", []) for name, service in services.items()}
    assert profiles == {"bibliothek": [], "caddy": ["https"], "postgresql": ["postgresql"]}


def test_every_container_writes_only_where_it_must_and_gets_no_rights_back(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "caddy" else []), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    app = services["bibliothek"]
    assert app["user"] == f"{UID}:{UID}"
    assert app["volumes"] == ["data:/data"]
    assert app["tmpfs"] == ["/tmp"]


def test_the_address_that_is_believed_is_caddys_and_no_others(services: dict[str, dict[str, Any]]) -> None:
    addresses = {name: service["networks"]["inside"]["ipv4_address"] for name, service in services.items()}
    assert len(set(addresses.values())) == len(addresses)
    assert services["bibliothek"]["environment"]["BIBLIOTHEK_TRUSTED_PROXY"].endswith(f":-{addresses['caddy']}}}")


def test_passwords_come_as_files(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for variable in service.get("environment", {}):
            assert "PASSWORD" not in variable or variable.endswith("_FILE"), (name, variable)


def test_the_service_runs_what_make_install_puts_there() -> None:
    unit = RawConfigParser(strict=False, delimiters="=")
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(text("deploy/bibliothek.service"))
    service, makefile = unit["Service"], text("Makefile")
    assert service["ExecStart"] == "/opt/bibliothek/bin/bibliothek serve"
    assert "install: VENV := /opt/bibliothek" in makefile
    assert f"{service['WorkingDirectory']}/.env" in makefile
    assert f"BIBLIOTHEK_DATA=/var/lib/{service['StateDirectory']}\n" in text("deploy/bibliothek.env")
    assert (service["ProtectSystem"], service["NoNewPrivileges"], service["MemoryDenyWriteExecute"]) == (
        "strict",
        "yes",
        "yes",
    )


def test_the_service_may_give_the_backup_of_each_night_a_lower_priority() -> None:
    filters = re.findall(r"^SystemCallFilter=(.*)$", text("deploy/bibliothek.service"), re.MULTILINE)
    # @resources has setpriority in it; what comes later counts.
    assert filters.index("setpriority") > next(n for n, one in enumerate(filters) if "~" in one and "@resources" in one)


def test_the_wrapper_is_a_shell_script_without_mistakes() -> None:
    subprocess.run(["sh", "-n", str(TOP / "deploy" / "bibliothek.sh")], check=True)
