"""A small S3 server: as much of Amazon's REST API as bringing files there needs. What it says was held against moto 5.2."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

KEY = "AKIDTESTKEY"


class S3(ThreadingHTTPServer):
    """`objects` are what lies there, by path with the bucket."""

    objects: dict[str, bytes]
    parts: dict[tuple[str, int], bytes]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: S3

    def log_message(self, *_: object) -> None: ...

    def _do(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        name, asked = unquote(parts.path)[1:], parse_qs(parts.query, keep_blank_values=True)
        if f"Credential={KEY}/" not in self.headers.get("Authorization", ""):
            self._say(403, "<Error><Code>InvalidAccessKeyId</Code></Error>")
        elif self.command == "GET" and "list-type" in asked:
            self._list(name, asked.get("prefix", [""])[0], is_flat="delimiter" in asked)
        elif self.command == "POST" and "delete" in asked:
            keys = re.findall("<Key>(.*?)</Key>", body.decode())
            for key in keys:
                self.server.objects.pop(f"{name}/{key}", None)
            gone = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
            self._say(200, f"<DeleteResult>{gone}</DeleteResult>")
        elif self.command == "POST" and "uploads" in asked:
            self._say(200, "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")
        elif self.command == "PUT" and "partNumber" in asked:
            self.server.parts[name, int(asked["partNumber"][0])] = body
            self._say(200, "")
        elif self.command == "POST":
            mine = sorted(key for key in self.server.parts if key[0] == name)
            self.server.objects[name] = b"".join(self.server.parts.pop(key) for key in mine)
            self._say(200, "<CompleteMultipartUploadResult><ETag>&quot;1&quot;</ETag></CompleteMultipartUploadResult>")
        else:
            self.server.objects[name] = body
            self._say(200, "")

    do_GET = do_PUT = do_POST = _do  # noqa: N815 (so they are looked for)

    def _list(self, bucket: str, prefix: str, is_flat: bool) -> None:
        start = f"{bucket}/{prefix}"
        entries = "".join(
            f"<Contents><Key>{escape(name.partition('/')[2])}</Key><Size>{len(content)}</Size>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for name, content in self.server.objects.items()
            if name.startswith(start) and not (is_flat and "/" in name.removeprefix(start))
        )
        self._say(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>")

    def _say(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("ETag", '"1"')
        self.end_headers()
        self.wfile.write(text.encode())


@contextmanager
def server() -> Iterator[S3]:
    made = S3(("127.0.0.1", 0), _Handler)
    made.objects, made.parts = {}, {}
    threading.Thread(target=made.serve_forever, daemon=True).start()
    try:
        yield made
    finally:
        made.shutdown()
        made.server_close()
