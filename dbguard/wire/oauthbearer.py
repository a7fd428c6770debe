"""OAUTHBEARER as PostgreSQL speaks it, the server's side, without I/O.

The client sends its token in one message. One that proves nothing is answered with a document that
says where to get a better one; the client has to acknowledge it, and then the login fails. libpq
sends an empty token first when it has none, for the sake of that document.

Sources: RFC 7628; src/backend/libpq/auth-oauth.c of PostgreSQL 18.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Final

from dbguard.errors import FeatureNotSupported, ProtocolViolation

OAUTHBEARER: Final = "OAUTHBEARER"
MAX_MESSAGE_BYTES: Final = 65_535
"""PG_MAX_AUTH_TOKEN_LENGTH."""

_SEPARATOR = b"\x01"
_KEY = re.compile(rb"[A-Za-z]+")
_VALUE = re.compile(rb"[\x21-\x7e \t\r\n]*")
_BEARER = re.compile(rb"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
"""RFC 6750, section 2.1; the scheme in whatever case (RFC 7628, section 4)."""


class MalformedOauth(ProtocolViolation):
    """A message that is not what the exchange calls for. Quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class BearerResponse:
    """What a client sends first."""

    token: bytes | None = field(repr=False)
    """None: it has none that could be one."""
    discovers: bool = False
    """It asks where to get one."""


def parse_response(message: bytes) -> BearerResponse:
    """Read the client's first message.

    Raises:
        MalformedOauth: it is none.
        FeatureNotSupported: it wants to act for somebody else.
    """
    if not message:
        raise _malformed("The message is empty.")
    if len(message) > MAX_MESSAGE_BYTES:
        raise _malformed("The message is too long.")
    if b"\0" in message:
        raise _malformed("Message length does not match input length.")
    if message[:1] == b"p":
        raise _malformed(
            "The server does not support channel binding for OAuth, but the client message "
            "includes channel binding data."
        )
    if message[:2] not in (b"n,", b"y,"):
        raise _malformed("Unexpected channel-binding flag.")
    rest = message[2:]
    if rest[:1] == b"a":
        raise FeatureNotSupported("client uses authorization identity, but it is not supported")
    if rest[:2] != b"," + _SEPARATOR:
        raise _malformed("Key-value separator expected.")
    auth = _auth(rest[2:])
    if not auth:
        return BearerResponse(None, discovers=True)
    found = _BEARER.fullmatch(auth)
    return BearerResponse(None if found is None else found[1])


def _auth(pairs: bytes) -> bytes:
    """The value of `auth` among `key=value` pairs; others mean nothing (RFC 7628, section 3.1)."""
    found: bytes | None = None
    while True:
        pair, ended, pairs = pairs.partition(_SEPARATOR)
        if not ended:
            raise _malformed("Message did not contain a final terminator.")
        if not pair:
            break
        key, separator, value = pair.partition(b"=")
        if not separator:
            raise _malformed("Message contains a key without a value.")
        if not _KEY.fullmatch(key):
            raise _malformed("Message contains an invalid key name.")
        if not _VALUE.fullmatch(value):
            raise _malformed("Message contains an invalid value.")
        if key == b"auth":
            if found is not None:
                raise _malformed("Message contains multiple auth values.")
            found = value
    if pairs:
        raise _malformed("Message contains additional data after the final terminator.")
    if found is None:
        raise _malformed("Message does not contain an auth value.")
    return found


def failure(configuration_url: str, scope: str) -> bytes:
    """What a client is told whose token proves nothing: RFC 7628, section 3.2.2."""
    document = {
        "status": "invalid_token",
        "openid-configuration": configuration_url,
        "scope": scope,
    }
    return json.dumps(document).encode("ascii")


def check_acknowledgement(message: bytes) -> None:
    """Raises MalformedOauth when a client answers a failure with anything but what it has to."""
    if message != _SEPARATOR:
        raise _malformed("Client did not send a kvsep response.")


def _malformed(detail: str) -> MalformedOauth:
    return MalformedOauth("malformed OAUTHBEARER message", detail=detail)
