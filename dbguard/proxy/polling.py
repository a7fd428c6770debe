"""The proxy's event loop: asyncio's own, asked for what has come by a poll that serves the sockets
of connections itself.

Of a statement that passes the straight way (`shortcut`) asyncio learns nothing: its bytes are read,
decided on and sent on between two questions of asyncio's, so that it costs no handle, no context
and no turn of the loop. Everything else (timers, tasks, other sockets) is asyncio's as ever, which
is let go on as soon as anything was scheduled. Where there is no epoll, connections run on whatever
loop there is (`Channel`).
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import selectors
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import Context
from typing import Any, Final, Protocol, TypeAlias, TypeVarTuple, cast

_Ts = TypeVarTuple("_Ts")

TurnEnd: TypeAlias = Callable[[Callable[[], None]], None]
Within: TypeAlias = Callable[[float, Callable[[], None] | None], None]

READABLE: Final = 1
WRITABLE: Final = 4
"""As epoll has them; all other events are told with the next reading."""
_MOST: Final = 64
"""Sockets that are served in one batch."""


class Watched(Protocol):
    """What is served by the poll."""

    def happened(self, events: int) -> None:
        """Called with bits of epoll's. Raises nothing that is not a defect."""


class _Keys(Mapping[Any, selectors.SelectorKey]):
    """As `selectors` has it: by a descriptor, or by what has one."""

    def __init__(self, keys: dict[int, selectors.SelectorKey]) -> None:
        self._keys = keys

    def __getitem__(self, file: Any) -> selectors.SelectorKey:
        return self._keys[_descriptor(file)]

    def __iter__(self) -> Iterator[Any]:
        return iter([key.fileobj for key in self._keys.values()])

    def __len__(self) -> int:
        return len(self._keys)


def _descriptor(file: Any) -> int:
    return file if isinstance(file, int) else int(file.fileno())


class Poll:
    """A selector for asyncio (`selectors.BaseSelector`), and more."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._watched: dict[int, Watched] = {}
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._ends: list[Callable[[], None]] = []
        self._late: Callable[[], None] | None = None
        self._late_at = 0.0
        self.interrupted = False
        """Asyncio has something to do that it did not have when it asked."""
        self.failed: Callable[[Exception], None] = _raised
        """Is told of defects."""

    # -- sockets of connections -------------------------------------------------

    def watch(self, descriptor: int, watched: Watched, events: int, before: int) -> None:
        """Have it told of these events; `before` are those that it is told of up to now, 0 to begin
        or to end."""
        if not before:
            self._epoll.register(descriptor, events)
            self._watched[descriptor] = watched
        elif events:
            self._epoll.modify(descriptor, events)
        else:
            del self._watched[descriptor]
            self._epoll.unregister(descriptor)

    def at_turn_end(self, call: Callable[[], None]) -> None:
        """Call it once all has been served that had come by now."""
        self._ends.append(call)

    def within(self, seconds: float, call: Callable[[], None] | None) -> None:
        """Call it by then, in place of what was to be called so far; None: nothing."""
        self._late = call
        if call is not None:
            self._late_at = time.monotonic() + seconds

    def _end_turn(self) -> None:
        while self._ends:
            ends, self._ends = self._ends, []
            for call in ends:
                self._called(call)

    def _called(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - asyncio would not end its loop for it either
            self.failed(error)

    def _serve(self, watched: Watched, events: int) -> None:
        try:
            watched.happened(events)
        except Exception as error:  # noqa: BLE001
            self.failed(error)

    # -- for asyncio --------------------------------------------------------------

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What has come for asyncio, at the latest after `timeout` seconds; [] also when something
        was scheduled meanwhile."""
        self.interrupted = False
        self._end_turn()
        until = time.monotonic() + timeout if timeout is not None and timeout > 0.0 else 0.0
        wait = -1.0 if timeout is None else timeout
        found: list[tuple[selectors.SelectorKey, int]] = []
        while True:
            if self.interrupted:
                wait = 0.0
            elif self._late is not None:
                left = max(self._late_at - time.monotonic(), 0.0)
                wait = left if wait < 0.0 or left < wait else wait
            for descriptor, events in self._epoll.poll(wait, _MOST):
                watched = self._watched.get(descriptor)
                if watched is not None:
                    self._serve(watched, events)
                    continue
                key = self._keys.get(descriptor)
                if key is not None:
                    found.append((key, _events_of(events) & key.events))
            self._end_turn()
            now = time.monotonic()
            late = self._late
            if late is not None and now >= self._late_at:
                self._late = None
                self._called(late)
                self._end_turn()
            if found or self.interrupted or (timeout is not None and now >= until):
                return found
            wait = -1.0 if timeout is None else until - now

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        descriptor = _descriptor(fileobj)
        if descriptor in self._keys:
            raise KeyError(f"{descriptor} is registered already")
        key = selectors.SelectorKey(fileobj, descriptor, events, data)
        self._epoll.register(descriptor, _bits_of(events))
        self._keys[descriptor] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key = self._keys.pop(_descriptor(fileobj))
        with contextlib.suppress(OSError):  # closed before: the system has forgotten it
            self._epoll.unregister(key.fd)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        descriptor = _descriptor(fileobj)
        before = self._keys[descriptor]
        if before.events != events:
            self._epoll.modify(descriptor, _bits_of(events))
        key = self._keys[descriptor] = before._replace(events=events, data=data)
        return key

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys[_descriptor(fileobj)]

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return _Keys(self._keys)

    def close(self) -> None:
        self._epoll.close()
        self._keys.clear()
        self._watched.clear()


def _raised(error: Exception) -> None:
    raise error


def _bits_of(events: int) -> int:
    """What epoll is asked for."""
    bits = READABLE if events & selectors.EVENT_READ else 0
    return bits | WRITABLE if events & selectors.EVENT_WRITE else bits


def _events_of(bits: int) -> int:
    """As EpollSelector has it: trouble is told to whoever waits for anything."""
    events = selectors.EVENT_WRITE if bits & ~READABLE else 0
    return events | selectors.EVENT_READ if bits & ~WRITABLE else events


class ProxyLoop(asyncio.SelectorEventLoop):
    """Asyncio's loop on a `Poll`.

    Raises:
        AttributeError: this system has no epoll.
    """

    def __init__(self) -> None:
        self.poll = Poll()
        super().__init__(cast(selectors.BaseSelector, self.poll))
        self.poll.failed = self._failed

    def _failed(self, error: Exception) -> None:
        self.call_exception_handler(
            {"message": "serving a connection has failed", "exception": error}
        )

    def call_soon(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        self.poll.interrupted = True
        return super().call_soon(callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        self.poll.interrupted = True
        return super().call_at(when, callback, *args, context=context)


def poll_of(loop: asyncio.AbstractEventLoop) -> Poll | None:
    """The poll of a `ProxyLoop`; None for any other."""
    return loop.poll if isinstance(loop, ProxyLoop) else None


def turns() -> tuple[TurnEnd, Within] | tuple[()]:
    """`Poll.at_turn_end` and `Poll.within` of the running loop, if it is a `ProxyLoop`."""
    poll = poll_of(asyncio.get_running_loop())
    return () if poll is None else (poll.at_turn_end, poll.within)
