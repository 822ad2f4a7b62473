"""The API's own description."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get
from litestar.serialization import encode_json

from bibliothek.web.sign_in import Audience


@get("/openapi.json", sync_to_thread=True, include_in_schema=False, opt={"audience": Audience.EVERYONE})
def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
    """All calls with what goes in and comes out (OpenAPI 3.1); open to all, paths are absolute."""
    return Response(encode_json(request.app.openapi_schema.to_schema()), media_type="application/json")


handlers = [openapi]
