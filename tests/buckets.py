"""A bucket of moto's server, for tests of what goes to S3."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@contextmanager
def s3_server() -> Iterator[str]:
    """Its address; skips where moto or boto3 is missing."""
    moto_server = pytest.importorskip("moto.server", reason="needs moto (extra shipping)")
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextmanager
def s3_client(endpoint: str, bucket: str) -> Iterator[Any]:
    """A client of its own, and an empty bucket."""
    boto3 = pytest.importorskip("boto3", reason="needs boto3 (extra s3)")
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1",
        aws_access_key_id="k", aws_secret_access_key="s",
    )  # fmt: skip
    client.create_bucket(Bucket=bucket)
    yield client
    urllib.request.urlopen(f"{endpoint}/moto-api/reset", data=b"").close()


@contextmanager
def answering(status: int, body: bytes = b"", hang: threading.Event | None = None) -> Iterator[str]:
    """A server that answers everything in the same way, or with nothing until `hang` is set."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if hang is not None:
                hang.wait(60)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_PUT = do_POST = do_HEAD = do_DELETE = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        if hang is not None:
            hang.set()
        server.shutdown()
        thread.join()
        server.server_close()


def error(code: str) -> bytes:
    """As S3 says it."""
    return f"<Error><Code>{code}</Code><Message>secret words</Message></Error>".encode()
