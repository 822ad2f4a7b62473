"""Say, before the tests start, which system parts are missing and the one command that installs them all."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def missing() -> list[str]:
    """Debian packages that the tests need and this machine lacks."""
    packages = []
    if not shutil.which("pdftoppm"):
        packages.append("poppler-utils")
    if os.environ.get("SKIP_BROWSER") != "1" and not shutil.which("chromium-headless-shell"):
        packages.append("chromium-headless-shell")
    if os.environ.get("SKIP_POSTGRES") != "1" and not _has_postgresql():
        packages.append("postgresql")
    if not shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin"):
        packages.append("nginx")
    return packages


def _has_postgresql() -> bool:
    return bool(list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))) or shutil.which("initdb") is not None


if __name__ == "__main__":
    packages = missing()
    if packages:
        sys.exit(
            f"Für die Tests fehlt: {', '.join(packages)}\n"
            f"Installieren: sudo apt-get install -y --no-install-recommends {' '.join(packages)}\n"
            "Oder Teile auslassen: SKIP_BROWSER=1 SKIP_POSTGRES=1 make test"
        )
