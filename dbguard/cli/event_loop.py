"""Which event loop the proxy runs on: uvloop where it is installed (extra `fast`), else asyncio's.

`DBGUARD_EVENT_LOOP` (`asyncio` or `uvloop`) chooses one by hand.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable, Coroutine, Mapping
from importlib import import_module
from importlib.metadata import version
from typing import Any, Final

from dbguard.errors import ConfigurationError

VARIABLE: Final = "DBGUARD_EVENT_LOOP"


class EventLoop(enum.StrEnum):
    ASYNCIO = "asyncio"
    UVLOOP = "uvloop"

    @property
    def description(self) -> str:
        """With its version, where it is not Python's own."""
        return self.value if self is EventLoop.ASYNCIO else f"{self.value} {version(self.value)}"


def chosen(environ: Mapping[str, str]) -> EventLoop:
    """The one to run on.

    Raises:
        ConfigurationError: the variable names none, or one that is not installed.
    """
    wanted = environ.get(VARIABLE, "")
    if wanted not in ("", *EventLoop):
        raise ConfigurationError(
            f"{VARIABLE}: there is no such event loop",
            hint=f"It can be {' or '.join(EventLoop)}; without it, the faster one is used that is "
            "installed.",
        )
    if wanted == EventLoop.ASYNCIO:
        return EventLoop.ASYNCIO
    try:
        import_module(EventLoop.UVLOOP)
    except ImportError:
        if not wanted:
            return EventLoop.ASYNCIO
        raise ConfigurationError(
            f"{VARIABLE}: uvloop is not installed",
            hint="Run: pip install 'dbguard[fast]'",
        ) from None
    return EventLoop.UVLOOP


def run(main: Coroutine[Any, Any, None], environ: Mapping[str, str]) -> None:
    """Run `main` to its end, on the loop that is chosen. Raises what `chosen` raises."""
    try:
        loop = chosen(environ)
    except ConfigurationError:
        main.close()
        raise
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if loop is EventLoop.UVLOOP:
        factory = import_module(EventLoop.UVLOOP).new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main)
