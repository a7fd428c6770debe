"""Destination `syslog`: RFC 5424 by TLS (RFC 5425), TCP (RFC 6587, octet counting) or UDP (5426).

Syslog has no acknowledgement. By TCP and TLS, a batch counts as taken when the peer's system has
acknowledged all bytes of it (where the system can tell, Linux and macOS) and has not hung up; what
was sent last over a connection that breaks is sent again over the next one. A receiver that loses
what it holds in memory loses it all the same: records that must not be lost need another
destination. By UDP nothing is known at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import ssl
import struct
import sys
import termios
from typing import Final

from dbguard.shipping_settings import SyslogTransport

from .destination import Rejected, Unavailable
from .items import CheckpointBatch, Gap, RecordBatch
from .status import Tell
from .syslog_format import MessageFormat, frame

UDP_BYTES: Final = 2048
"""What receivers should accept; RFC 5426, 3.2."""
STREAM_BYTES: Final = 64 * 1024
"""RFC 5424 asks for 2,048; rsyslog and syslog-ng can be set to this and more."""
_SETTLE_SECONDS: Final = 0.02
_UNSENT: Final = {"linux": termios.TIOCOUTQ, "darwin": 0x1024}
"""Linux: SIOCOUTQ, the bytes that the peer has not acknowledged. macOS: SO_NWRITE."""


class SyslogReceiver:
    """See the module."""

    def __init__(
        self,
        name: str,
        address: str,
        transport: SyslogTransport,
        context: ssl.SSLContext | None,
        structured_data_id: str,
        max_bytes: int,
        tell: Tell,
    ) -> None:
        host, _, port = address.rpartition(":")
        self._name = name
        self._host, self._port = host.strip("[]"), int(port)
        self._transport = transport
        self._context = context
        stream = transport is not SyslogTransport.UDP
        most = max_bytes or (STREAM_BYTES if stream else UDP_BYTES)
        self._most = most
        self._format = MessageFormat(socket.gethostname(), os.getpid(), structured_data_id, most)
        self._tell = tell
        self._writer: asyncio.StreamWriter | None = None
        self._reader: asyncio.StreamReader | None = None
        self._datagrams: asyncio.DatagramTransport | None = None
        self._last = b""
        """What was sent last, and may have been lost with the connection."""
        self._said = False

    async def send_records(self, batch: RecordBatch) -> None:
        messages: list[bytes] = []
        for record in batch.records:
            message = self._format.of_record(batch.chain, record)
            if message is None:
                message = self._without_line(batch, len(messages))
            messages.append(message)
        await self._send(messages)

    async def send_checkpoints(self, batch: CheckpointBatch) -> None:
        messages = []
        for checkpoint in batch.checkpoints:
            message = self._format.of_checkpoint(batch.chain, checkpoint)
            if message is None:
                raise Rejected(f"it is longer than max_bytes ({self._most}) allows")
            messages.append(message)
        await self._send(messages)

    async def send_gap(self, gap: Gap) -> None:
        await self._send([self._format.of_gap(gap)])

    async def close(self) -> None:
        if self._datagrams is not None:
            self._datagrams.close()
            self._datagrams = None
        writer, self._writer, self._reader = self._writer, None, None
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError, ssl.SSLError, TimeoutError):
                async with asyncio.timeout(1):
                    await writer.wait_closed()

    def _without_line(self, batch: RecordBatch, index: int) -> bytes:
        record = batch.records[index]
        if self._transport is not SyslogTransport.UDP:
            raise Rejected(f"it is longer than max_bytes ({self._most}) allows")
        if not self._said:
            self._said = True
            self._tell(
                "warning",
                "records that are too long for a datagram go without their line",
                {"destination": self._name, "sequence": record.sequence, "most": self._most},
            )
        return self._format.of_long_record(batch.chain, record)

    async def _send(self, messages: list[bytes]) -> None:
        try:
            if self._transport is SyslogTransport.UDP:
                await self._send_datagrams(messages)
            else:
                await self._send_stream(b"".join(map(frame, messages)))
        except ssl.SSLCertVerificationError:
            raise Unavailable("its certificate is not to be trusted") from None
        except ssl.SSLError:
            raise Unavailable("the TLS connection failed") from None
        except OSError as error:
            reason = (error.strerror or "no answer").lower()
            raise Unavailable(f"it cannot be reached: {reason}") from None

    async def _send_datagrams(self, messages: list[bytes]) -> None:
        if self._datagrams is None:
            loop = asyncio.get_running_loop()
            self._datagrams, _ = await loop.create_datagram_endpoint(
                asyncio.DatagramProtocol, remote_addr=(self._host, self._port)
            )
        for message in messages:
            self._datagrams.sendto(message)
            await asyncio.sleep(0)

    async def _send_stream(self, data: bytes) -> None:
        taken = False
        try:
            writer, reader, before = await self._connected()
            writer.write(before + data)
            await writer.drain()
            await self._settled(writer, reader)
            taken = True
        finally:
            if not taken:
                await self.close()
        self._last = data

    async def _connected(self) -> tuple[asyncio.StreamWriter, asyncio.StreamReader, bytes]:
        """The connection, and what is to be sent again over it."""
        if self._writer is not None and self._reader is not None:
            if not self._reader.at_eof() and not self._writer.is_closing():
                return self._writer, self._reader, b""
            await self.close()
        self._reader, self._writer = await asyncio.open_connection(
            self._host,
            self._port,
            ssl=self._context,
            server_hostname=self._host if self._context else None,
            happy_eyeballs_delay=0.25,
        )
        return self._writer, self._reader, self._last

    async def _settled(self, writer: asyncio.StreamWriter, reader: asyncio.StreamReader) -> None:
        """Wait until the peer's system has everything. Raises ConnectionResetError."""
        transport = writer.transport
        request = _UNSENT.get(sys.platform)
        found = transport.get_extra_info("socket")
        while True:
            if reader.at_eof() or transport.is_closing():
                raise ConnectionResetError(0, "the peer hung up")
            waiting = transport.get_write_buffer_size()
            if not waiting and request and found is not None:
                waiting = struct.unpack("i", fcntl.ioctl(found.fileno(), request, b"\0" * 4))[0]
            if not waiting:
                return
            await asyncio.sleep(_SETTLE_SECONDS)
