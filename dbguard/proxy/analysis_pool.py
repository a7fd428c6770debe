"""Worker processes that run one pure function under limits of time and memory.

A statement that makes a worker hang, crash or eat memory is refused by itself: the worker is
killed, a new one takes its place, and nobody else notices more than a short wait. A *slot* is a
place for one worker; a request holds a slot while its worker answers, in a task of its own, so
that a cancelled caller leaves no half-read answer behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Final, TypeVar

from dbguard.errors import ConfigurationError, DbguardError, LimitExceeded, NotUnderstood
from dbguard.proxy.analysis_frames import ERROR, FAILED, NO_MEMORY, RESULT, TOO_DEEP, decode_error
from dbguard.proxy.analysis_process import AnalysisProcess, WorkerGone
from dbguard.proxy.tasks import spawn

StateKey = tuple[Hashable, ...]
_T = TypeVar("_T")

_SPLIT: Final = "Split the statement into smaller ones."
_REPORT: Final = "Write the statement in another way, and report this text as a bug of dbguard."


@dataclass(slots=True, eq=False)
class _Slot:
    worker: AnalysisProcess | None = None
    successor: asyncio.Task[AnalysisProcess] | None = None
    """A worker being started to relieve this one, which goes on serving."""


class AnalysisPool:
    """Runs `entry(state, request)` in worker processes.

    `entry` is "module:function", imported in the worker. `timeout_seconds` counts from when a
    worker has the request. `memory_bytes` is what one request may add to the worker's address
    space (Linux only; elsewhere the time limit has to do). A worker is replaced after
    `recycle_after` requests, since native parsers leak. At most `max_waiting` requests wait, each
    at most `max_wait_seconds`: beyond, clients are better told than kept.
    """

    def __init__(
        self,
        entry: str,
        workers: int = 1,
        timeout_seconds: float = 5.0,
        memory_bytes: int = 1 << 30,
        recycle_after: int = 10_000,
        *,
        max_waiting: int = 256,
        max_wait_seconds: float = 30.0,
    ) -> None:
        self._entry = entry
        self._timeout_seconds = timeout_seconds
        self._memory_bytes = memory_bytes
        self._recycle_after = recycle_after
        self._max_waiting = max_waiting
        self._max_wait_seconds = max_wait_seconds
        self._slots = [_Slot() for _ in range(workers)]
        self._idle: list[_Slot] = []
        self._free = asyncio.Semaphore(0)
        self._waiting = 0
        self._tasks: set[asyncio.Task[object]] = set()
        self._closed = False

    async def start(self) -> None:
        """Start all workers; ConfigurationError when one cannot import the entry."""
        try:
            async with asyncio.TaskGroup() as group:
                for slot in self._slots:
                    group.create_task(self._fill(slot))
        except BaseExceptionGroup as failed:
            await self.close()
            raise failed.exceptions[0] from None
        for slot in self._slots:
            self._release(slot)

    async def close(self) -> None:
        """End all workers. Requests that still wait are refused."""
        self._closed = True
        for _ in range(self._waiting):
            self._free.release()
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        for slot in self._slots:
            await self._take_successor(slot)
            if slot.worker is not None:
                await slot.worker.stop()
                slot.worker = None

    async def run(self, state_key: StateKey, state: Callable[[], bytes], request: bytes) -> bytes:
        """The pickled result of `entry(state, request)`.

        `state` is called for the pickled state when a worker does not have that of `state_key`
        yet; `request` is pickled too. Raises what the entry raised if it is a DbguardError,
        LimitExceeded for time, memory, depth and queue, and NotUnderstood when the worker
        crashed or the entry failed.
        """
        slot = await self._acquire(state_key)
        answer = self._track(self._answer(slot, state_key, state, request), "analysis")
        try:
            result = await asyncio.shield(answer)
        except asyncio.CancelledError:
            if answer.cancelled():  # the pool was closed, not the caller cancelled
                raise _shutting_down() from None
            raise
        if isinstance(result, DbguardError):
            raise result
        return result

    async def _acquire(self, key: StateKey) -> _Slot:
        self._refuse_when_closed()
        if self._waiting >= self._max_waiting:
            raise _too_busy(f"{self._max_waiting} statements wait for analysis already.")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._max_wait_seconds):
                await self._free.acquire()
        except TimeoutError:
            raise _too_busy(f"Its turn did not come in {self._max_wait_seconds:g} s.") from None
        finally:
            self._waiting -= 1
        self._refuse_when_closed()
        manned = [slot for slot in self._idle if slot.worker is not None] or self._idle
        holding = (slot for slot in manned if slot.worker and slot.worker.holds(key))
        chosen = next(holding, manned[-1])
        self._idle.remove(chosen)
        return chosen

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise _shutting_down()

    def _release(self, slot: _Slot) -> None:
        self._idle.append(slot)
        self._free.release()

    async def _answer(
        self, slot: _Slot, key: StateKey, state: Callable[[], bytes], request: bytes
    ) -> bytes | DbguardError:
        """The result or the refusal. Gives the slot back, with a worker fit for the next."""
        fit = False
        try:
            worker = await self._worker_of(slot)
            await worker.send_state(key, state)
            async with asyncio.timeout(self._timeout_seconds):
                kind, payload = await worker.ask(key, request)
            # Memory that ran out may have left native code in pieces.
            fit = kind != NO_MEMORY
            return payload if kind == RESULT else self._refusal(kind, payload)
        except TimeoutError:
            return LimitExceeded(
                f"analysis of the statement took longer than {self._timeout_seconds:g} s",
                detail="A limit on the time of analysis was reached.",
                hint=_SPLIT,
            )
        except WorkerGone:
            code = await slot.worker.stop() if slot.worker else 0
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            return _failed(f"The analysis process ended ({how}).")
        except ConfigurationError:
            return _failed("The analysis process cannot be started.")
        finally:
            if fit:
                self._relieve(slot)
                self._release(slot)
            else:
                self._replace(slot)

    def _refusal(self, kind: int, payload: bytes) -> DbguardError:
        if kind == ERROR:
            return decode_error(payload)
        if kind == NO_MEMORY:
            return LimitExceeded(
                f"analysis of the statement needs more than {self._memory_bytes >> 20} MiB",
                detail="A limit on the memory of analysis was reached.",
                hint=_SPLIT,
            )
        if kind == TOO_DEEP:
            return LimitExceeded(
                "statement is nested too deeply to be analysed",
                detail="A limit on the depth of analysis was reached.",
                hint=_SPLIT,
            )
        name = payload.decode("ascii", "replace") if kind == FAILED else "an unknown answer"
        return _failed(f"The cause is {name}.")

    async def _worker_of(self, slot: _Slot) -> AnalysisProcess:
        """The slot's worker: the successor once it is ready, a new one if there is none alive."""
        if slot.successor is not None and slot.successor.done():
            await self._take_successor(slot)
        if slot.worker is not None and not slot.worker.alive:
            await slot.worker.stop()
            slot.worker = None
        if slot.worker is None:
            await self._fill(slot)
        assert slot.worker is not None
        return slot.worker

    async def _take_successor(self, slot: _Slot) -> None:
        """Put a successor that is ready in its place."""
        successor, slot.successor = slot.successor, None
        if successor is None or successor.cancelled() or successor.exception() is not None:
            return
        old, slot.worker = slot.worker, successor.result()
        if old is not None:
            await old.stop()

    async def _fill(self, slot: _Slot) -> None:
        slot.worker = await AnalysisProcess.start(self._entry, self._memory_bytes)

    def _relieve(self, slot: _Slot) -> None:
        worker = slot.worker
        due = worker is not None and worker.served >= self._recycle_after
        if due and slot.successor is None and not self._closed:
            start = AnalysisProcess.start(self._entry, self._memory_bytes)
            slot.successor = self._track(start, "analysis worker start")

    def _replace(self, slot: _Slot) -> None:
        if self._closed:
            return
        if slot.worker is not None:
            slot.worker.kill()
        self._track(self._renew(slot), "analysis worker replacement")

    async def _renew(self, slot: _Slot) -> None:
        """A new worker for the slot. Failing that, the next request tries again and is told."""
        try:
            if slot.worker is not None:
                await slot.worker.stop()
                slot.worker = None
            await self._worker_of(slot)
        finally:
            self._release(slot)

    def _track(self, work: Coroutine[object, object, _T], name: str) -> asyncio.Task[_T]:
        task = spawn(work, name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _failed(detail: str) -> NotUnderstood:
    return NotUnderstood("analysis failed", detail=detail, hint=_REPORT)


def _too_busy(detail: str) -> LimitExceeded:
    return LimitExceeded(
        "too many statements wait for analysis", detail=detail, hint="Try again in a moment."
    )


def _shutting_down() -> LimitExceeded:
    return LimitExceeded(
        "statement was not analysed because dbguard is shutting down", hint="Connect again."
    )
