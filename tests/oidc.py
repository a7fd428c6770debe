"""An OpenID Connect issuer for tests: it signs whatever it is asked to, and can misbehave."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import trustme
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "dbguard"
LIFETIME = 3600
RSA_KEYS = tuple(rsa.generate_private_key(65537, 2048) for _ in range(2))
"""Made once: that takes a tenth of a second each."""


@dataclass
class Key:
    """A private key with its name and the algorithm it signs with."""

    name: str | None
    algorithm: str
    private: Any

    def public(self, **more: Any) -> dict[str, Any]:
        """As it stands in a JWK Set."""
        kinds: dict[str, Any] = {"E": ECAlgorithm, "R": RSAAlgorithm, "P": RSAAlgorithm}
        kind = OKPAlgorithm if self.algorithm == "EdDSA" else kinds[self.algorithm[0]]
        jwk = kind.to_jwk(self.private.public_key(), as_dict=True)
        jwk.pop("key_ops", None)
        named = {} if self.name is None else {"kid": self.name}
        return {**jwk, "use": "sig", "alg": self.algorithm, **named, **more}


def rsa_key(name: str | None = "one", algorithm: str = "RS256", number: int = 0) -> Key:
    return Key(name, algorithm, RSA_KEYS[number])


def ec_key(name: str | None = "ec", algorithm: str = "ES256") -> Key:
    curves: dict[str, Any] = {
        "ES256": ec.SECP256R1,
        "ES384": ec.SECP384R1,
        "ES512": ec.SECP521R1,
    }
    return Key(name, algorithm, ec.generate_private_key(curves[algorithm]()))


def ed_key(name: str | None = "ed") -> Key:
    return Key(name, "EdDSA", ed25519.Ed25519PrivateKey.generate())


def signed(claims: dict[str, Any], key: Key, **headers: Any) -> str:
    named = {} if key.name is None else {"kid": key.name}
    payload = json.dumps(claims).encode()
    return jwt.PyJWS().encode(payload, key.private, key.algorithm, headers={**named, **headers})


def key_set(*keys: Key) -> bytes:
    return json.dumps({"keys": [key.public() for key in keys]}).encode()


def claims_of(issuer: str, now: float, **more: Any) -> dict[str, Any]:
    """What a token says unless a test wants it otherwise; None takes a claim out."""
    claims = {
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": "ana",
        "iat": int(now),
        "exp": int(now) + LIFETIME,
        **more,
    }
    return {name: value for name, value in claims.items() if value is not None}


@dataclass
class LocalIssuer:
    """A running issuer; what it answers can be changed at any time."""

    keys: list[Key] = field(default_factory=lambda: [rsa_key()])
    documents: dict[str, bytes] = field(default_factory=dict)
    """Answers in place of its own, by path."""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pause: float = 0.0
    """Seconds between the bytes of an answer."""
    gate: threading.Event = field(default_factory=threading.Event)
    """Answers wait until it is set, as it is at the beginning."""
    asked: list[str] = field(default_factory=list)
    """Paths that were asked for."""
    port: int = 0
    scheme: str = "http"

    def __post_init__(self) -> None:
        self.gate.set()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def token(self, key: Key | None = None, **more: Any) -> str:
        return signed(claims_of(self.url, time.time(), **more), key or self.keys[0])

    def answer(self, path: str) -> bytes | None:
        if path in self.documents:
            return self.documents[path]
        if path == "/.well-known/openid-configuration":
            return json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/keys"}).encode()
        return key_set(*self.keys) if path == "/keys" else None


@contextmanager
def running(issuer: LocalIssuer, authority: trustme.CA | None = None) -> Iterator[LocalIssuer]:
    """Let it answer, with TLS when there is an authority for its certificate."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            issuer.gate.wait(20)
            body = issuer.answer(self.path)
            self.send_response(404 if body is None else issuer.status)
            for name, value in issuer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            if not issuer.pause:
                self.wfile.write(body or b"")
                return
            for number in range(len(body or b"")):
                self.wfile.write((body or b"")[number : number + 1])
                time.sleep(issuer.pause)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A client that hangs up is none of the test's business."""

    server = Server(("127.0.0.1", issuer.port), Handler)
    if authority is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        issuer.scheme = "https"
    issuer.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
