"""A syslog receiver, made from RFC 5424, 5425, 5426 and 6587: strict, and nothing of dbguard's."""

from __future__ import annotations

import asyncio
import re
import ssl
from dataclasses import dataclass, field

_PRI = re.compile(rb"<(0|[1-9][0-9]{0,2})>1 ")
_TIMESTAMP = re.compile(
    rb"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    rb"(\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)
_SD_NAME = rb"[!#-<>-\\^-~]{1,32}"
_PARAMETER = re.compile(rb" (" + _SD_NAME + rb')="((?:[^"\\\]]|\\.)*)"', re.DOTALL)
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Message:
    facility: int
    severity: int
    timestamp: str
    hostname: str
    application: str
    process: str
    message_id: str
    element: str
    parameters: dict[str, str]
    text: bytes | None


def parse(data: bytes) -> Message:
    """Raises ValueError for anything that RFC 5424's grammar does not allow."""
    match = _PRI.match(data)
    if match is None or int(match[1]) > 191:
        raise ValueError("PRI or VERSION")
    fields = data[match.end() :].split(b" ", 5)
    if len(fields) != 6:
        raise ValueError("HEADER")
    timestamp, host, application, process, message_id, rest = fields
    if not _TIMESTAMP.fullmatch(timestamp):
        raise ValueError("TIMESTAMP")
    for part, most in ((host, 255), (application, 48), (process, 128), (message_id, 32)):
        if not re.fullmatch(rb"[!-~]{1,%d}" % most, part):
            raise ValueError("a field of HEADER")
    start = re.match(rb"\[(" + _SD_NAME + rb")(?=[ \]])", rest)
    if start is None:
        raise ValueError("SD-ID")
    at, parameters = start.end(), {}
    while found := _PARAMETER.match(rest, at):
        if re.search(rb'(?<!\\)(?:\\\\)*\\[^"\\\]]', found[2]):
            raise ValueError("PARAM-VALUE has an escape that is none")
        value = re.sub(rb'\\(["\\\]])', rb"\1", found[2])
        parameters[found[1].decode()] = value.decode("utf-8")
        at = found.end()
    if rest[at : at + 1] != b"]":
        raise ValueError("STRUCTURED-DATA")
    tail = rest[at + 1 :]
    text = None
    if tail:
        if not tail.startswith(b" " + _BOM):
            raise ValueError("MSG is not marked as UTF-8")
        text = tail[1 + len(_BOM) :]
        text.decode("utf-8")
    priority = int(match[1])
    return Message(
        priority // 8, priority % 8, timestamp.decode(), host.decode(), application.decode(),
        process.decode(), message_id.decode(), start[1].decode(), parameters, text,
    )  # fmt: skip


@dataclass
class Receiver:
    """Takes messages; the test says when it hangs up."""

    messages: list[Message] = field(default_factory=list)
    hang_up_after: int = 0
    """Messages, and then it closes the connection without reading the rest."""
    connections: int = 0
    port: int = 0
    _server: asyncio.Server | None = None
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def listen(self, context: ssl.SSLContext | None = None, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        try:
            while True:
                length = await reader.readuntil(b" ")
                if not re.fullmatch(rb"[1-9][0-9]* ", length):
                    raise ValueError("MSG-LEN")
                self.messages.append(parse(await reader.readexactly(int(length))))
                if self.hang_up_after and len(self.messages) >= self.hang_up_after:
                    self.hang_up_after = 0
                    writer.transport.abort()
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.sizes: list[int] = []

    def datagram_received(self, data: bytes, address: object) -> None:
        self.sizes.append(len(data))
        self.messages.append(parse(data))
