"""Which event loop the proxy runs on: its own (`proxy.polling`) where there is epoll, otherwise
asyncio's.

`DBGUARD_EVENT_LOOP` (`asyncio` or `epoll`) chooses one by hand.
"""

from __future__ import annotations

import asyncio
import enum
import select
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from dbguard.errors import ConfigurationError

VARIABLE: Final = "DBGUARD_EVENT_LOOP"


class EventLoop(enum.StrEnum):
    ASYNCIO = "asyncio"
    EPOLL = "epoll"


def chosen(environ: Mapping[str, str]) -> EventLoop:
    """The one to run on.

    Raises:
        ConfigurationError: the variable names none, or one that this system has not.
    """
    wanted = environ.get(VARIABLE, "")
    if wanted not in ("", *EventLoop):
        raise ConfigurationError(
            f"{VARIABLE}: there is no such event loop",
            hint=f"It can be {' or '.join(EventLoop)}; without it, the faster one is used that "
            "this system has.",
        )
    if wanted == EventLoop.ASYNCIO:
        return EventLoop.ASYNCIO
    if hasattr(select, "epoll"):
        return EventLoop.EPOLL
    if not wanted:
        return EventLoop.ASYNCIO
    raise ConfigurationError(
        f"{VARIABLE}: this system has no epoll",
        hint=f"Run without {VARIABLE}.",
    )


def run(main: Coroutine[Any, Any, None], environ: Mapping[str, str]) -> None:
    """Run `main` to its end, on the loop that is chosen. Raises what `chosen` raises."""
    try:
        loop = chosen(environ)
    except ConfigurationError:
        main.close()
        raise
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if loop is EventLoop.EPOLL:
        from dbguard.proxy.polling import ProxyLoop  # for this alone: commands load no proxy

        factory = ProxyLoop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main)
