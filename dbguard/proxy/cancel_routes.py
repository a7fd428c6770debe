"""Cancel requests that reach another worker than the one that has the session.

Which worker a key belongs to is a keyed hash of it: whoever makes a key makes one that is its own,
and whoever gets a request knows whom to hand it to. So a secret has as many bits as with one
worker, nobody outside learns where a session is, and only its own worker compares secrets.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dbguard.wire.startup import CancelRequest

HEAD: Final = struct.Struct(">IH")
"""Process id, and how many bytes of secret follow. The answer is the end of the connection, whether
or not there was anything to cancel: who asked waits for it as for a server's."""
_CANNOT: Final = (OSError, asyncio.IncompleteReadError)


@dataclass(frozen=True, slots=True)
class CancelRoutes:
    """One worker's view of all of them: it is `number` of `count`, counted from 1."""

    folder: Path
    """Where their sockets are. Nobody but dbguard's own user may look into it."""
    number: int
    count: int
    secret: bytes = field(repr=False)
    """The same for all of them, as long as they run."""

    def owner(self, process_id: int, secret: bytes) -> int:
        """The number of the worker that a key belongs to."""
        key = process_id.to_bytes(4) + secret
        digest = hashlib.blake2b(key, key=self.secret, digest_size=8).digest()
        return int.from_bytes(digest) % self.count + 1

    def is_own(self, process_id: int, secret: bytes) -> bool:
        return self.owner(process_id, secret) == self.number

    async def pass_on(self, request: CancelRequest) -> None:
        """Hand a request to its worker, and wait until that has seen to it. With a worker that is
        gone, so are its sessions."""
        path = self._socket(self.owner(request.process_id, request.secret))
        try:
            reader, writer = await asyncio.open_unix_connection(path)
        except OSError:
            return
        with contextlib.suppress(OSError):
            try:
                writer.write(HEAD.pack(request.process_id, len(request.secret)) + request.secret)
                await writer.drain()
                await reader.read()
            finally:
                writer.close()

    @contextlib.asynccontextmanager
    async def answering(
        self, cancel: Callable[[CancelRequest], Awaitable[None]]
    ) -> AsyncIterator[None]:
        """See to the requests that others hand over, as long as the block runs."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                process_id, size = HEAD.unpack(await reader.readexactly(HEAD.size))
                await cancel(CancelRequest(process_id, await reader.readexactly(size)))
            except _CANNOT:
                return
            finally:
                writer.close()

        path = self._socket(self.number)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        server = await asyncio.start_unix_server(serve, path)
        try:
            yield
        finally:
            server.close()

    def _socket(self, number: int) -> str:
        return str(self.folder / f"{number}.cancel")
