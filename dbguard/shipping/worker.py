"""The subprocess of `dbguard serve` that ships.

It gets its job on standard input, and ends when that is closed: its parent is gone then. On
standard output it says how it is doing, in lines of JSON: `{"states": […]}` every second, and
`{"log": …}` for what belongs into the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
import struct
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import orjson

from dbguard.shipping_settings import DestinationSettings

from .delivering import Delivery
from .making import make_delivery
from .shipper import ship
from .status import DeliveryStatus

NICENESS: Final = 10
"""Statements go first."""
LAST_SECONDS: Final = 1.5
LENGTH: Final = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Job:
    """What the subprocess has to do. It crosses a pipe between a process and its own child."""

    trail: Path
    destinations: tuple[DestinationSettings, ...]

    def pack(self) -> bytes:
        data = pickle.dumps(self)
        return LENGTH.pack(len(data)) + data


def _say(document: dict[str, object]) -> None:
    data = orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _tell(level: str, event: str, fields: dict[str, object]) -> None:
    _say({"log": {"level": level, "event": event, "fields": fields}})


def _show(statuses: list[DeliveryStatus]) -> None:
    _say({"states": [status.render() for status in statuses]})


def _make(trail: Path, settings: DestinationSettings) -> Delivery:
    return make_delivery(trail, settings, _tell)


async def _until_orphaned(job: Job) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer
    )
    with contextlib.suppress(NotImplementedError):
        for number in (signal.SIGINT, signal.SIGTERM):  # of the terminal's group: the parent says
            asyncio.get_running_loop().add_signal_handler(number, lambda: None)
    make = [partial(_make, job.trail, settings) for settings in job.destinations]
    shipping = asyncio.get_running_loop().create_task(ship(make, _tell, _show))
    closed = asyncio.get_running_loop().create_task(reader.read(1))
    await asyncio.wait((shipping, closed), return_when=asyncio.FIRST_COMPLETED)
    if not shipping.done():
        await _last_words(shipping)
    shipping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await shipping


async def _last_words(shipping: asyncio.Task[None]) -> None:
    """Give what was written last the time to get away: a few looks at the trail."""
    await asyncio.wait((shipping,), timeout=LAST_SECONDS)


def _read(size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = os.read(0, size - len(data))
        if not more:
            os._exit(0)
        data += more
    return data


def _lower_priority() -> None:
    with contextlib.suppress(OSError):
        os.nice(NICENESS)


def main() -> None:
    """Run until standard input is closed."""
    _lower_priority()
    (length,) = LENGTH.unpack(_read(LENGTH.size))
    job: Job = pickle.loads(_read(length))  # noqa: S301 - from the parent, which made it
    with contextlib.suppress(BrokenPipeError):
        asyncio.run(_until_orphaned(job))
    os._exit(0)  # a thread may hang in a file system that is gone


if __name__ == "__main__":
    main()
