"""A TCP relay whose connections can be cut in the middle of anything."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from contextlib import suppress


class CuttingRelay:
    """Carries bytes to `port` on this machine, in a thread of its own."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._pairs: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = int(self._listener.getsockname()[1])
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.start_server(self._carry, sock=self._listener))
        self._loop.run_forever()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            other_reader, other = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, other)
        self._pairs.append(pair)
        await asyncio.gather(_copy(reader, other), _copy(other_reader, writer))
        self._pairs.remove(pair)

    def cut(self, chance: random.Random) -> None:
        """Reset one connection, on both sides, whatever is on its way."""

        def now() -> None:
            if self._pairs:
                for end in chance.choice(self._pairs):
                    _reset(end)

        self._loop.call_soon_threadsafe(now)

    def cut_all(self) -> None:
        """Reset every connection, on both sides; returns when that is done."""
        done = threading.Event()

        def now() -> None:
            for pair in tuple(self._pairs):
                for end in pair:
                    _reset(end)
            done.set()

        self._loop.call_soon_threadsafe(now)
        done.wait()

    def close(self) -> None:
        def now() -> None:
            for pair in self._pairs:
                for end in pair:
                    end.transport.abort()
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.call_later(0.1, self._loop.stop)

        self._loop.call_soon_threadsafe(now)
        self._thread.join(10)
        self._listener.close()
        self._loop.close()


def _reset(end: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        end.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
    end.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()
