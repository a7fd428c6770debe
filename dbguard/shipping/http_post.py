"""One POST by HTTP/1.1, bounded in size; its caller bounds the time.

No redirect is followed and no proxy is asked: the request holds secrets, and goes to the host that
is named or nowhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import h11

from dbguard import __version__

from .destination import Unavailable

READ_BYTES: Final = 16384
ANSWER_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What the peer says."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


async def post(
    url: str, headers: list[tuple[str, str]], body: bytes, context: ssl.SSLContext
) -> Answer:
    """Send `body` and read the answer. Raises Unavailable."""
    try:
        return await _post(url, headers, body, context)
    except ssl.SSLCertVerificationError:
        raise Unavailable("its certificate is not to be trusted") from None
    except ssl.SSLError:
        raise Unavailable("the TLS connection failed") from None
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no answer"
        raise Unavailable(f"it cannot be reached: {reason.lower()}") from None
    except h11.ProtocolError:
        raise Unavailable("it does not speak HTTP") from None


async def _post(
    url: str, headers: list[tuple[str, str]], body: bytes, context: ssl.SSLContext
) -> Answer:
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    reader, writer = await asyncio.open_connection(
        host,
        parts.port or (443 if secure else 80),
        ssl=context if secure else None,
        server_hostname=host if secure else None,
        happy_eyeballs_delay=0.25,
    )
    try:
        connection = h11.Connection(h11.CLIENT)
        request = h11.Request(
            method="POST",
            target=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
            headers=[
                ("Host", parts.netloc),
                ("User-Agent", f"dbguard/{__version__}"),
                ("Connection", "close"),
                ("Content-Length", str(len(body))),
                *headers,
            ],
        )
        writer.write(connection.send(request) + connection.send(h11.Data(body)))
        writer.write(connection.send(h11.EndOfMessage()) or b"")
        await writer.drain()
        return await _answer(reader, connection)
    finally:
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError, TimeoutError):
            async with asyncio.timeout(1):
                await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader, connection: h11.Connection) -> Answer:
    status, headers, body = 0, {}, bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(READ_BYTES))
        elif isinstance(event, h11.Response):
            status = event.status_code
            headers = {
                name.decode("ascii"): value.decode("latin-1") for name, value in event.headers
            }
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > ANSWER_BYTES:
                raise Unavailable(f"its answer is longer than {ANSWER_BYTES} bytes")
        elif isinstance(event, h11.EndOfMessage):
            return Answer(status, headers, bytes(body))
        elif not isinstance(event, h11.InformationalResponse):
            raise Unavailable("it hangs up")
