"""The library behind nginx, with the file that deploy/ offers: HTTPS, forwarded addresses, large photos, headers."""

from __future__ import annotations

import http.client
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlencode

import pytest

from bibliothek.library.rules import setup_code
from bibliothek.members.sign_in import SETUP_NETWORK_LIMIT
from bibliothek.settings import ensure_secret_key
from tests.conftest import Library
from tests.serving import PATIENCE_S, Answer, Program, free_port, serving

TOP = Path(__file__).parent.parent
sys.path.insert(0, str(TOP / "scripts"))
import first_loan  # noqa: E402 — scripts is no package

NAME = "bibliothek.example.org"
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx"


@dataclass
class Proxy:
    """nginx in front of a library: its ports for https and http, the library's own, and whom a browser is to trust."""

    https: int
    http: int
    inside: int
    tls: ssl.SSLContext

    def ask(
        self, method: str, path: str, body: bytes | None = None, source: str = "127.0.0.1", **headers: str
    ) -> Answer:
        """One request from an address of this machine, as a page of ours would send it."""
        headers = {name.replace("_", "-"): text for name, text in headers.items()} | {"Sec-Fetch-Site": "same-origin"}
        where = ("localhost", self.https)
        asked = http.client.HTTPSConnection(*where, timeout=PATIENCE_S, context=self.tls, source_address=(source, 0))
        with closing(asked) as connection:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key, chain = folder / "key.pem", folder / "chain.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    made = ["openssl", "req", *kind, *subject, "-keyout", str(key), "-out", str(chain)]
    subprocess.run(made, check=True, stderr=subprocess.DEVNULL)
    return chain, key


@contextmanager
def nginx(folder: Path, inside: int, certificate: tuple[Path, Path], https: int) -> Iterator[Proxy]:
    """nginx with deploy/nginx.conf, whose ports, name and certificate are ours."""
    chain, key, plain = *certificate, free_port()
    site = (TOP / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    ours = {
        f"/etc/letsencrypt/live/{NAME}/fullchain.pem": str(chain),
        f"/etc/letsencrypt/live/{NAME}/privkey.pem": str(key),
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen 443 ssl;": f"listen 127.0.0.1:{https} ssl;",
        "    listen [::]:80;\n": "",
        "    listen [::]:443 ssl;\n": "",
        "http://127.0.0.1:8000": f"http://127.0.0.1:{inside}",
        NAME: "localhost",
    }
    for theirs, mine in ours.items():
        assert theirs in site, theirs
        site = site.replace(theirs, mine)
    kept = " ".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    # Whoever starts it as root has folders here that only root may enter.
    user = "user root;" if os.geteuid() == 0 else ""
    everything = f"{user} pid {folder}/pid; events {{}} http {{ access_log off; {kept}\n{site} }}"
    (folder / "nginx.conf").write_text(everything, encoding="utf-8")
    running = [NGINX, "-q", "-c", str(folder / "nginx.conf"), "-p", str(folder), "-e", str(folder / "nginx.log")]
    # It goes into the background once it listens.
    subprocess.run(running, check=True)
    try:
        yield Proxy(https, plain, inside, ssl.create_default_context(cafile=str(chain)))
    finally:
        subprocess.run([*running, "-s", "stop"], check=True)


@pytest.fixture
def proxy(library: Library, tmp_path: Path, certificate: tuple[Path, Path]) -> Iterator[Proxy]:
    """A new library behind nginx."""
    https = free_port()
    address = f"https://localhost:{https}"
    with (
        serving(library, base_url=address, trusted_proxy="127.0.0.1") as server,
        nginx(tmp_path, server.port, certificate, https) as proxy,
    ):
        yield proxy


def opened(library: Library, proxy: Proxy) -> first_loan.Browser:
    """The browser of whoever opened the library, with the code from the terminal: the running server has a key of its own."""
    browser = first_loan.Browser(f"https://localhost:{proxy.https}", proxy.tls)
    first_loan.open_library(browser, setup_code(ensure_secret_key(replace(library.settings, secret_key=None))))
    return browser


def test_behind_nginx_a_book_is_lent_with_cookies_that_only_https_carries(library: Library, proxy: Proxy) -> None:
    browser = opened(library, proxy)
    first_loan.give_back(browser, first_loan.lend_first_book(browser))
    assert browser.cookies
    assert all(cookie.name.startswith("__Host-") and cookie.secure for cookie in browser.cookies)


def test_nginx_leads_to_https_and_lets_our_headers_through(proxy: Proxy) -> None:
    with closing(Program(proxy.http, "")) as plain:
        led = plain.ask("GET", "/katalog?q=a", headers={"Host": "localhost"})
    assert (led.status, led.headers["location"]) == (301, "https://localhost/katalog?q=a")
    with closing(Program(proxy.inside, "")) as inside:
        straight = inside.ask("GET", "/einrichten").headers
    through = proxy.ask("GET", "/einrichten").headers
    for name in ("content-security-policy", "permissions-policy", "referrer-policy", "cache-control"):
        assert through[name] == straight[name], name
    assert "camera=(self)" in through["permissions-policy"]


def test_nobody_outside_gives_a_request_its_number(proxy: Proxy) -> None:
    assert proxy.ask("GET", "/healthz", x_request_id="mine").headers["x-request-id"] != "mine"


def test_what_is_too_large_is_refused_by_the_library_in_its_own_words(library: Library, proxy: Proxy) -> None:
    browser = opened(library, proxy)
    photo = b"\xff\xd8\xff" + bytes(26 * 1024 * 1024)
    head = (
        b'--b\r\nContent-Disposition: form-data; name="picture"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    )
    body = head + photo + b"\r\n--b--\r\n"
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies)
    sent = proxy.ask("POST", "/spenden/buch", body, content_type="multipart/form-data; boundary=b", cookie=cookies)
    assert "25 MB" in sent.body.decode()


def test_tries_are_counted_by_the_address_that_nginx_saw_whatever_else_is_claimed(proxy: Proxy) -> None:
    def attempt(source: str, claimed: str) -> int:
        fields = {"code": "0000-0000", "library": "L", "name": "N", "email": "n@example.org"}
        form = {"content_type": "application/x-www-form-urlencoded", "x_forwarded_for": claimed}
        return proxy.ask("POST", "/einrichten", urlencode(fields).encode(), source, **form).status

    most, _within = SETUP_NETWORK_LIMIT
    answers = [attempt("127.0.0.1", f"192.0.2.{number}") for number in range(most + 1)]
    assert answers == [422] * most + [429]
    assert attempt("127.0.0.2", "127.0.0.1") == 422
