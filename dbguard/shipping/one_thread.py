"""Blocking work of one destination, one call after the other, in a thread of its own.

A call that hangs (a file system that is gone) holds up its own destination and nothing else, not
even the end of the process: the thread is a daemon.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")


class _Call(Generic[T]):
    def __init__(self, work: Callable[[], T]) -> None:
        self.work = work
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self.loop.create_future()

    def run(self) -> None:
        if self.future.cancelled():
            return
        try:
            result = self.work()
        except BaseException as error:
            self._tell(partial(self._fail, error))
            if not isinstance(error, Exception):
                raise
        else:
            self._tell(partial(self._succeed, result))

    def _tell(self, what: Callable[[], None]) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(what)

    def _succeed(self, result: T) -> None:
        if not self.future.done():
            self.future.set_result(result)

    def _fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class OneThread:
    """Runs calls in the order in which they come. A cancelled one that has begun goes on."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`, or what it raises."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        call = _Call(work)
        self._calls.put(call.run)
        return await call.future

    def end(self) -> None:
        """Let the thread end when it has done what it was told."""
        self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
