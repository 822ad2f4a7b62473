"""Is the process alive, and can it serve? For service managers, containers and proxies; open to all, says nothing secret."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import MediaType, Request, Response

from bibliothek.operations.health import Check, look
from bibliothek.web.routes import READ
from bibliothek.web.sign_in import Audience
from bibliothek.web.visit import Kit


@READ("/healthz", sync_to_thread=False, include_in_schema=False, opt={"audience": Audience.EVERYONE})
def alive() -> Response[str]:
    """200 as long as the process answers."""
    return Response("ok\n", media_type=MediaType.TEXT)


@READ("/readyz", sync_to_thread=True, include_in_schema=False, opt={"audience": Audience.EVERYONE})
def ready(request: Request[Any, Any, Any]) -> Response[Any]:
    """200 when requests can be served, also before the first run; 503 otherwise.

    Lines: `ok` or the reason why not, then what else should be looked at. With `Accept: application/json` every check.
    """
    kit: Kit = request.app.state.kit
    checks = look(kit.database, kit.settings, kit.clock)
    failed = any(check.status == "failed" for check in checks)
    if "application/json" in request.headers.get("accept", ""):
        answer: Any = msgspec.json.encode({"status": "failed" if failed else "ok", "checks": checks})
        kind: str = MediaType.JSON
    else:
        answer, kind = "\n".join([*([] if failed else ["ok"]), *_lines(checks), ""]), MediaType.TEXT
    return Response(answer, status_code=503 if failed else 200, media_type=kind, headers={"cache-control": "no-store"})


def _lines(checks: Sequence[Check]) -> list[str]:
    return [
        check.reason if check.status == "failed" else f"warning: {check.reason}" for check in checks if check.reason
    ]


handlers = [alive, ready]
