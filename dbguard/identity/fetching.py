"""One document by HTTP, bounded in time and size.

No redirect is followed, no proxy is asked, no compression is accepted: the answer comes from the
host that is named, or there is none.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

import h11

from dbguard import __version__

SECONDS: Final = 5.0
"""For the whole answer: somebody who wants to log in waits for it."""
READ_BYTES: Final = 16384
HEADER_BYTES: Final = 64 * 1024
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class NotFetched(Exception):
    """There is no answer that could be used. `reason` quotes nothing of one."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def fetch(
    url: str,
    context: ssl.SSLContext,
    most: int,
    seconds: float = SECONDS,
    headers: Mapping[str, str] = _NONE,
) -> bytes:
    """The document at `url`, which `check_url` has accepted, of at most `most` bytes. `headers` are
    sent along.

    Raises:
        NotFetched: there is none.
    """
    try:
        async with asyncio.timeout(seconds):
            return await _fetch(url, context, most, headers)
    except TimeoutError:
        raise NotFetched(f"no whole answer within {seconds:g} s") from None
    except ssl.SSLCertVerificationError:
        raise NotFetched("its certificate is not to be trusted") from None
    except ssl.SSLError:
        raise NotFetched("the TLS handshake failed") from None
    except (OSError, UnicodeError):
        raise NotFetched("it cannot be reached") from None
    except h11.ProtocolError:
        raise NotFetched("it does not speak HTTP") from None


async def _fetch(url: str, context: ssl.SSLContext, most: int, headers: Mapping[str, str]) -> bytes:
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    reader, writer = await asyncio.open_connection(
        host,
        parts.port or (443 if secure else 80),
        ssl=context if secure else None,
        server_hostname=host if secure else None,
        happy_eyeballs_delay=0.25,  # RFC 8305: one address that hangs must not take all the time
    )
    try:
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEADER_BYTES)
        request = h11.Request(
            method="GET",
            target=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
            headers=[
                ("Host", parts.netloc),
                ("Accept", "application/json"),
                ("Accept-Encoding", "identity"),
                ("User-Agent", f"dbguard/{__version__}"),
                ("Connection", "close"),
                *headers.items(),
            ],
        )
        writer.write(connection.send(request) + connection.send(h11.EndOfMessage()))
        return await _body(reader, connection, most)
    finally:
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError, TimeoutError):
            async with asyncio.timeout(1):
                await writer.wait_closed()


async def _body(reader: asyncio.StreamReader, connection: h11.Connection, most: int) -> bytes:
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(READ_BYTES))
        elif isinstance(event, h11.Response):
            if event.status_code != 200:
                raise NotFetched(f"it answers with HTTP status {event.status_code}")
            if any(n == b"content-encoding" and v != b"identity" for n, v in event.headers):
                raise NotFetched("it answers in an encoding that was not asked for")
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > most:
                raise NotFetched(f"its answer is longer than {most} bytes")
        elif isinstance(event, h11.EndOfMessage):
            return bytes(body)
        elif not isinstance(event, h11.InformationalResponse):
            raise NotFetched("it hangs up")
