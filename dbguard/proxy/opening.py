"""What comes before a login: encryption, cancel requests, and who wants which database."""

from __future__ import annotations

import ssl

from dbguard.errors import ProtocolViolation
from dbguard.wire.framing import FrontendSplitter, InvalidStartupLength
from dbguard.wire.startup import (
    CancelRequest,
    GSSENCRequest,
    SSLRequest,
    StartupMessage,
    decode_startup,
)

from .cancel import CancelRegistry
from .streams import Stream, unencrypted_data


async def read_startup(
    client: Stream, splitter: FrontendSplitter, tls: ssl.SSLContext | None, cancels: CancelRegistry
) -> StartupMessage | None:
    """The client's StartupMessage; None when it hung up, sent what is no packet at all, or wanted
    to cancel and has been served.

    Raises:
        ProtocolViolation: nothing that PostgreSQL would accept here.
    """
    seen: set[type] = set()
    while True:
        try:
            packet = splitter.next_startup()
        except InvalidStartupLength:
            return None  # no answer, as PostgreSQL: clients that say goodbye at once take none
        if packet is None:
            data = await client.read()
            if not data:
                return None
            splitter.feed(data)
            continue
        request = decode_startup(packet.payload)
        if type(request) in seen:
            raise ProtocolViolation("encryption was asked for twice")
        seen.add(type(request))
        match request:
            case StartupMessage():
                return request
            case CancelRequest():
                await cancels.cancel(request)
                return None
            case GSSENCRequest():
                await _decline(client, splitter, "GSSAPI encryption request")
            case SSLRequest() if tls is not None and not client.uses_tls:
                await _start_tls(client, splitter, tls)
            case SSLRequest():
                await _decline(client, splitter, "SSL request")
        await client.drain()


async def _decline(client: Stream, splitter: FrontendSplitter, request: str) -> None:
    """Say no to encryption. As PostgreSQL, to nobody who goes on before the answer."""
    client.write(b"N")
    await client.drain()
    if splitter.pending or client.has_unread:
        raise unencrypted_data(request)


async def _start_tls(client: Stream, splitter: FrontendSplitter, tls: ssl.SSLContext) -> None:
    if splitter.pending:
        raise unencrypted_data("SSL request")
    client.write(b"S")
    await client.drain()
    try:
        await client.start_tls(tls)
    except (ssl.SSLError, ConnectionError):
        client.abort()
        raise ProtocolViolation("the TLS handshake failed") from None


def readable(text: str) -> str:
    """A startup parameter, whose bytes need not be UTF-8, as text that can be written."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
