"""Check that uv.lock names no package host but the public default's: a private one would leak, and fail elsewhere."""

from __future__ import annotations

import re
import sys
from pathlib import Path

LOCK = Path(__file__).parent.parent / "uv.lock"
PUBLIC = {"https://pypi.org", "https://files.pythonhosted.org"}

if __name__ == "__main__":
    found = set(re.findall(r"https?://[^/\"\s]+", LOCK.read_text(encoding="utf-8")))
    foreign = sorted(found - PUBLIC)
    if foreign:
        sys.exit(f"uv.lock names other hosts: {', '.join(foreign)}. Lock again without UV_* variables.")
