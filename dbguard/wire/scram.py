"""SCRAM-SHA-256 as PostgreSQL speaks it, both sides of it, without I/O.

A *verifier* is what a server keeps of a password: salt, iterations, StoredKey and ServerKey. A
client proves that it knows ClientKey, of which StoredKey is the hash; who holds the StoredKey can
read the ClientKey out of the proof. dbguard uses that to log in to the server as the client that
has just logged in to dbguard, without ever having its password.

Sources: RFC 5802 and RFC 7677 (SCRAM), RFC 5929 section 4 (tls-server-end-point);
src/backend/libpq/auth-scram.c and src/common/scram-common.c of PostgreSQL.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import Final, Protocol

from dbguard.errors import FeatureNotSupported, ProtocolViolation

from .authentication import SCRAM_SHA_256_PLUS
from .saslprep import saslprep

SCRAM_SHA_256: Final = "SCRAM-SHA-256"
DEFAULT_ITERATIONS: Final = 4096
MAX_ITERATIONS: Final = 1_000_000
"""PostgreSQL's default is 4,096; who asks for more than this is after processor time."""
KEY_BYTES: Final = 32
SALT_BYTES: Final = 16
NONCE_BYTES: Final = 18
MAX_MESSAGE_BYTES: Final = 65_536
"""PG_MAX_AUTH_TOKEN_LENGTH."""

_VERIFIER = re.compile(
    r"SCRAM-SHA-256\$(\d{1,7}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)"
)
_END_POINT = b"p=tls-server-end-point,,"


class MalformedScram(ProtocolViolation):
    """A message that is not what the exchange calls for."""


class WrongProof(Exception):
    """The client does not know the password. Says nothing more, since nobody is to learn more."""


class WrongServer(Exception):
    """The server does not know the verifier that it should have."""


class NoKeys(Exception):
    """The server has another verifier than the one that there are keys for."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """What is kept of a password."""

    iterations: int
    salt: bytes = field(repr=False)
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)

    def encode(self) -> str:
        """As PostgreSQL keeps it in pg_authid.rolpassword."""
        salt, stored, server = (
            base64.b64encode(part).decode("ascii")
            for part in (self.salt, self.stored_key, self.server_key)
        )
        return f"SCRAM-SHA-256${self.iterations}:{salt}${stored}:{server}"


@dataclass(frozen=True, slots=True)
class Keys:
    """What logs in as somebody: as good as a password where the verifier is the same."""

    client_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)


def parse_verifier(text: str) -> Verifier | None:
    """What pg_authid.rolpassword holds; None when it is no SCRAM verifier (an MD5 hash, say)."""
    found = _VERIFIER.fullmatch(text)
    if found is None:
        return None
    try:
        salt, stored, server = (
            base64.b64decode(part, validate=True) for part in found.groups()[1:]
        )
    except binascii.Error:
        return None
    iterations = int(found[1])
    if (
        not salt
        or {len(stored), len(server)} != {KEY_BYTES}
        or not 0 < iterations <= MAX_ITERATIONS
    ):
        return None
    return Verifier(iterations, salt, stored, server)


def keys_of(password: str, salt: bytes, iterations: int) -> Keys:
    """The keys that a password leads to; takes some milliseconds."""
    salted = hashlib.pbkdf2_hmac("sha256", saslprep(password).encode("utf-8"), salt, iterations)
    return Keys(_hmac(salted, b"Client Key"), _hmac(salted, b"Server Key"))


def make_verifier(password: str, salt: bytes, iterations: int = DEFAULT_ITERATIONS) -> Verifier:
    """The verifier of a password; `salt` has to be random (`SALT_BYTES` of it)."""
    keys = keys_of(password, salt, iterations)
    return Verifier(iterations, salt, _hash(keys.client_key), keys.server_key)


def mock_verifier(secret: bytes, user: str, iterations: int = DEFAULT_ITERATIONS) -> Verifier:
    """For somebody who has none: the same salt at each try, so that nobody learns that.

    No proof fits it. As mock_scram_secret of PostgreSQL. `secret` is the process's own.
    """
    salt = _hmac(secret, user.encode("utf-8", "surrogateescape"))[:SALT_BYTES]
    return Verifier(
        iterations, salt, _hmac(secret, b"stored" + salt), _hmac(secret, b"server" + salt)
    )


# -- towards a client ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Proved:
    """A client that knows the password."""

    keys: Keys
    final: bytes = field(repr=False)
    """The server-final-message, which proves to the client that dbguard knows the verifier."""


@dataclass(slots=True)
class ScramServer:
    """One exchange with a client, which proves that it knows the password behind `verifier`."""

    verifier: Verifier
    nonce: str = field(repr=False)
    """The server's part: random, printable, without a comma."""
    end_point: bytes | None = field(default=None, repr=False)
    """tls-server-end-point data of the connection; None: without TLS, nothing to bind to."""
    known: bool = True
    """False: `verifier` is a mock, and no proof is right."""
    _bound: bool = False
    _flags: bytes = b""
    _bare: bytes = field(default=b"", repr=False)
    _first: bytes = field(default=b"", repr=False)
    _whole_nonce: bytes = field(default=b"", repr=False)

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """What to offer, the stronger one first."""
        return (SCRAM_SHA_256_PLUS, SCRAM_SHA_256) if self.end_point else (SCRAM_SHA_256,)

    def first(self, mechanism: str, message: bytes) -> bytes:
        """Answer the client-first-message.

        Raises:
            MalformedScram: it is not one, or asks for a weaker mechanism than it could have had.
            FeatureNotSupported: it asks for what PostgreSQL does not offer either.
        """
        if mechanism not in self.mechanisms:
            raise MalformedScram("client selected an invalid SASL authentication mechanism")
        self._bound = mechanism == SCRAM_SHA_256_PLUS
        fields = message.split(b",")
        if len(message) > MAX_MESSAGE_BYTES or b"\0" in message or len(fields) < 4:
            raise _malformed()
        self._check_binding(fields[0])
        if fields[1].startswith(b"a="):
            raise FeatureNotSupported("client uses authorization identity, but it is not supported")
        if fields[1]:
            raise _malformed()
        if fields[2].startswith(b"m="):
            raise FeatureNotSupported("client requires an unsupported SCRAM extension")
        # the user's name was in the startup message; PostgreSQL ignores this one, too
        if not fields[2].startswith(b"n=") or not all(_attribute(part) for part in fields[2:]):
            raise _malformed()
        nonce = fields[3].removeprefix(b"r=")
        if nonce == fields[3] or not nonce or not _printable(nonce):
            raise _malformed()
        self._flags = fields[0]
        self._bare = b",".join(fields[2:])
        self._whole_nonce = nonce + self.nonce.encode("ascii")
        salt = base64.b64encode(self.verifier.salt)
        self._first = b"r=%s,s=%s,i=%d" % (self._whole_nonce, salt, self.verifier.iterations)
        return self._first

    def _check_binding(self, flags: bytes) -> None:
        if self._bound != flags.startswith(b"p="):
            raise _malformed("Channel binding and the chosen mechanism do not go together.")
        if self._bound and flags + b",," != _END_POINT:
            raise MalformedScram("unsupported SCRAM channel-binding type")
        if not self._bound and flags not in (b"n", b"y"):
            raise _malformed()
        if flags == b"y" and self.end_point:
            raise MalformedScram(
                "SCRAM channel binding negotiation error",
                detail="The client supports SCRAM channel binding but thinks the server does not. "
                "However, this server does support channel binding.",
            )

    def final(self, message: bytes) -> Proved:
        """Check the client-final-message.

        Raises:
            MalformedScram: it is not one, or was made for another exchange or connection.
            WrongProof: the client does not know the password.
        """
        if not self._first or len(message) > MAX_MESSAGE_BYTES:
            raise _malformed()
        without_proof, found, proof_text = message.rpartition(b",p=")
        fields = without_proof.split(b",")
        if not found or len(fields) < 2 or not all(_attribute(part) for part in fields):
            raise _malformed()
        if self._bound:
            expected = base64.b64encode(_END_POINT + (self.end_point or b""))
            if not hmac.compare_digest(fields[0], b"c=" + expected):
                raise MalformedScram("SCRAM channel binding check failed")
        elif fields[0] != b"c=" + base64.b64encode(self._flags + b",,"):
            raise MalformedScram(
                "unexpected SCRAM channel-binding attribute in client-final-message"
            )
        if not hmac.compare_digest(fields[1], b"r=" + self._whole_nonce):
            raise MalformedScram("invalid SCRAM response", detail="Nonce does not match.")
        proof = _decoded(proof_text)
        if proof is None or len(proof) != KEY_BYTES:
            raise _malformed("Malformed proof in client-final-message.")
        signed = b",".join((self._bare, self._first, without_proof))
        client_key = _xor(proof, _hmac(self.verifier.stored_key, signed))
        right = hmac.compare_digest(_hash(client_key), self.verifier.stored_key)
        signature = base64.b64encode(_hmac(self.verifier.server_key, signed))
        if not right or not self.known:
            raise WrongProof
        return Proved(Keys(client_key, self.verifier.server_key), b"v=" + signature)


# -- towards a server ---------------------------------------------------------


class KeySource(Protocol):
    """Where the keys for a login come from."""

    def keys(self, salt: bytes, iterations: int) -> Keys:
        """The keys for this salt.

        Raises:
            NoKeys: there are none.
        """


@dataclass(frozen=True, slots=True)
class RecoveredKeys:
    """Keys that a client's proof has shown: right for the verifier that it was checked against."""

    verifier: Verifier
    recovered: Keys

    def keys(self, salt: bytes, iterations: int) -> Keys:
        if (salt, iterations) != (self.verifier.salt, self.verifier.iterations):
            raise NoKeys
        return self.recovered


@dataclass(frozen=True, slots=True)
class Password:
    """Keys that a password leads to."""

    password: str = field(repr=False)

    def keys(self, salt: bytes, iterations: int) -> Keys:
        return keys_of(self.password, salt, iterations)


@dataclass(slots=True)
class ScramClient:
    """One exchange with a server, logging in with keys."""

    source: KeySource
    nonce: str = field(repr=False)
    end_point: bytes | None = field(default=None, repr=False)
    """tls-server-end-point data of the connection; None: without TLS."""
    user: str = ""
    """PostgreSQL goes by the startup message."""
    _flags: bytes = b"n,,"
    _binding: bytes = field(default=b"", repr=False)
    _bare: bytes = field(default=b"", repr=False)
    _signature: bytes = field(default=b"", repr=False)

    def first(self, offered: tuple[str, ...]) -> tuple[str, bytes]:
        """The mechanism to choose, and the client-first-message.

        Raises:
            FeatureNotSupported: none that is offered can be used.
        """
        if SCRAM_SHA_256_PLUS in offered and self.end_point:
            mechanism, self._flags, self._binding = SCRAM_SHA_256_PLUS, _END_POINT, self.end_point
        elif SCRAM_SHA_256 in offered:
            mechanism, self._flags = SCRAM_SHA_256, b"y,," if self.end_point else b"n,,"
        else:
            raise FeatureNotSupported("the server offers no SASL mechanism that dbguard speaks")
        name = self.user.replace("=", "=3D").replace(",", "=2C").encode("utf-8")
        self._bare = b"n=" + name + b",r=" + self.nonce.encode("ascii")
        return mechanism, self._flags + self._bare

    def final(self, first: bytes) -> bytes:
        """The client-final-message for a server-first-message.

        Raises:
            MalformedScram: it is not one, or not an answer to this exchange.
            NoKeys: there are none for its salt.
        """
        fields = first.split(b",")
        if len(fields) < 3 or len(first) > MAX_MESSAGE_BYTES:
            raise _malformed()
        ours = self._bare.partition(b",r=")[2]
        nonce = fields[0].removeprefix(b"r=")
        # one that is no longer than ours could be an old one that is played again
        if fields[0][:2] != b"r=" or not nonce.startswith(ours) or len(nonce) == len(ours):
            raise MalformedScram("invalid SCRAM response", detail="Nonce does not match.")
        salt = _decoded(fields[1].removeprefix(b"s=")) if fields[1][:2] == b"s=" else None
        count = fields[2].removeprefix(b"i=") if fields[2][:2] == b"i=" else b""
        if not salt or not count.isdigit() or not 0 < int(count[:9]) <= MAX_ITERATIONS:
            raise _malformed()
        keys = self.source.keys(salt, int(count))
        without_proof = b"c=" + base64.b64encode(self._flags + self._binding) + b",r=" + nonce
        signed = b",".join((self._bare, first, without_proof))
        self._signature = _hmac(keys.server_key, signed)
        proof = _xor(keys.client_key, _hmac(_hash(keys.client_key), signed))
        return without_proof + b",p=" + base64.b64encode(proof)

    def check(self, final: bytes) -> None:
        """Check the server-final-message.

        Raises:
            WrongServer: whoever sent it does not know the verifier.
        """
        signature = _decoded(final.removeprefix(b"v=")) if final[:2] == b"v=" else None
        if not self._signature or signature is None:
            raise WrongServer
        if not hmac.compare_digest(signature, self._signature):
            raise WrongServer


# -- bytes --------------------------------------------------------------------


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _hash(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _decoded(text: bytes) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None


def _attribute(part: bytes) -> bool:
    """`x=value`, as read_any_attr of auth-scram.c has it."""
    return part[:1].isalpha() and part[1:2] == b"="


def _printable(nonce: bytes) -> bool:
    """RFC 5802, section 7: %x21-2B / %x2D-7E."""
    return all(0x21 <= byte <= 0x7E and byte != 0x2C for byte in nonce)


def _malformed(detail: str = "") -> MalformedScram:
    return MalformedScram("malformed SCRAM message", detail=detail)
