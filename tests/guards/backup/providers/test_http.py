"""URLs that answer with an inventory: over TLS, late, too long, not at all."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from dbguard.guards.backup.evidence import Evidence
from dbguard.guards.backup.providers.fields import NoInventory
from dbguard.guards.backup.providers.http import Http
from dbguard.guards.backup.providers.running import MOST_BYTES
from dbguard.guards.backup.providers.stated import Statements
from dbguard.setting_types import SecretSource

from .conftest import CLINIC, SYSTEM

ANSWER = json.dumps(
    {"v": 1, "backups": [{"id": "a", "taken_at": "2026-11-22T06:00:00Z", "covers": "cluster"}]}
).encode()
AUTHORITY = trustme.CA()

Handler = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def serving(answer: Handler, authority: trustme.CA | None = None) -> Iterator[int]:
    """The port of an HTTP server on this machine."""

    class Requests(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Requests)
    if authority is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def plainly(request: BaseHTTPRequestHandler, body: bytes = ANSWER, status: int = 200) -> None:
    request.send_response(status)
    request.send_header("Content-Length", str(len(body)))
    if status == 302:
        request.send_header("Location", "/elsewhere")
    request.end_headers()
    request.wfile.write(body)


def ask(url: str, token: str = "s3cret", seconds: float = 30, ca: Path | None = None) -> Evidence:
    context = ssl.create_default_context(cafile=ca)
    headers = {"Authorization": SecretSource(token)}
    provider = Http("own", url, headers, context, Statements("own", SYSTEM), seconds)
    assert "s3cret" not in repr(provider)
    (found,) = asyncio.run(provider.backups(CLINIC))
    return found


def test_an_inventory() -> None:
    seen = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        seen.append((request.path, request.headers["Authorization"]))
        plainly(request)

    with serving(answer) as port:
        assert ask(f"http://127.0.0.1:{port}/inventory?of=clinic").flaw == ""
    assert seen == [("/inventory?of=clinic", "s3cret")]


def test_tls(tmp_path: Path) -> None:
    AUTHORITY.cert_pem.write_to_path(str(tmp_path / "ca"))
    with serving(plainly, AUTHORITY) as port:
        assert ask(f"https://localhost:{port}/", ca=tmp_path / "ca").flaw == ""
        with pytest.raises(NoInventory, match="its certificate is not to be trusted"):
            ask(f"https://localhost:{port}/")
        with pytest.raises(NoInventory, match="its certificate is not to be trusted"):
            ask(f"https://127.0.0.1:{port}/", ca=tmp_path / "ca")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda r: plainly(r, status=500), "it answers with HTTP status 500"),
        (lambda r: plainly(r, status=302), "it answers with HTTP status 302"),
        (lambda r: plainly(r, b"<html>"), "what it says is no valid JSON"),
        (lambda r: plainly(r, b"x" * (MOST_BYTES + 1)), f"longer than {MOST_BYTES} bytes"),
        (lambda r: r.wfile.write(b"hello\r\n\r\n"), "it does not speak HTTP"),
        (lambda r: None, "it hangs up|it does not speak HTTP"),
    ],
)
def test_answers_that_are_none(answer: Handler, reason: str) -> None:
    with serving(answer) as port, pytest.raises(NoInventory, match=reason):
        ask(f"http://127.0.0.1:{port}/")


def test_one_that_never_ends() -> None:
    over = threading.Event()

    def drip(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        over.wait(60)

    with serving(drip) as port:
        with pytest.raises(NoInventory, match=r"no whole answer within 0\.3 s"):
            ask(f"http://127.0.0.1:{port}/", seconds=0.3)
        over.set()


def test_nobody_there() -> None:
    with pytest.raises(NoInventory, match="it cannot be reached"):
        ask("http://127.0.0.1:1/")


def test_a_token_that_would_be_two_headers() -> None:
    with pytest.raises(NoInventory, match="characters that headers must not"):
        ask("http://127.0.0.1:1/", token="a\r\nX: y")
