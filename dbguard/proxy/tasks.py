"""Background tasks that keep a reference and whose failures are seen.

The event loop holds tasks weakly, and an exception in a task that nobody awaits shows up when it
is collected, or never. Everything that does not fit an `asyncio.TaskGroup` starts here.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Coroutine
from typing import Final, TypeVar

import structlog

_LOG = structlog.get_logger(__name__)

T = TypeVar("T")

_running: Final[set[asyncio.Task[object]]] = set()


def spawn(work: Coroutine[object, object, T], name: str) -> asyncio.Task[T]:
    """Start `work`. Whoever awaits the task gets its result or exception; a failure is logged
    by its type alone (its text could hold values) whether or not anybody does."""
    task = asyncio.get_running_loop().create_task(work, name=name)
    _running.add(task)
    task.add_done_callback(_finished)
    return task


def _finished(task: asyncio.Task[object]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        _LOG.error("background task failed", task=task.get_name(), error=type(error).__name__)


def places(error: BaseException) -> list[str]:
    """Where an exception came through, as module:line; its text could hold a value."""
    return [
        f"{frame.f_globals.get('__name__', '?')}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
