"""Processes that analyse statements, forked by the proxy of a nursery (`forking`).

Each would load the parsers for itself: most of what the start of a proxy costs. Here the proxy,
which has them loaded, forks: the child closes what it has of the proxy's and goes on as
`python -m dbguard.proxy.analysis_worker` does. Such processes that begin by themselves are shown
by tests/proxy/test_analysis_pool.py, and wherever proxies do.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import signal
import sys
from collections.abc import Mapping
from typing import Any

from dbguard.proxy import analysis_worker

_COMMAND = (sys.executable, "-P", "-m", "dbguard.proxy.analysis_worker")
_begin = asyncio.create_subprocess_exec


def fork_analysis() -> None:
    """From here on this process forks those that analyse statements."""
    import dbguard.engine.planning  # noqa: F401 - to be there in every child

    if hasattr(os, "pidfd_open"):
        asyncio.create_subprocess_exec = _begun


async def _begun(*command: Any, **options: Any) -> Any:
    if command[: len(_COMMAND)] != _COMMAND:
        return await _begin(*command, **options)
    return await _Forked.start(command[len(_COMMAND) :], options["env"])


class _Forked:
    """As much of `asyncio.subprocess.Process` as `AnalysisProcess` uses."""

    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._descriptor = os.pidfd_open(pid)
        self._loop.add_reader(self._descriptor, self._reap)

    @classmethod
    async def start(cls, arguments: tuple[str, ...], environment: Mapping[str, str]) -> _Forked:
        requests, requested = os.pipe()
        replied, replies = os.pipe()
        pid = os.fork()
        if pid == 0:
            _become(arguments, environment, requests, replies)
        os.close(requests)
        os.close(replies)
        process, loop = cls(pid), asyncio.get_running_loop()
        process.stdout = asyncio.StreamReader()
        await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(process.stdout), os.fdopen(replied, "rb", 0)
        )
        transport, protocol = await loop.connect_write_pipe(
            asyncio.streams.FlowControlMixin, os.fdopen(requested, "wb", 0)
        )
        process.stdin = asyncio.StreamWriter(transport, protocol, None, loop)
        return process

    def _reap(self) -> None:
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
        _, status = os.waitpid(self.pid, 0)
        self.returncode = os.waitstatus_to_exitcode(status)
        self._ended.set()

    async def wait(self) -> int:
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def kill(self) -> None:
        if self.returncode is not None:
            raise ProcessLookupError
        os.kill(self.pid, signal.SIGKILL)


def _become(
    arguments: tuple[str, ...], environment: Mapping[str, str], requests: int, replies: int
) -> None:
    """Go on as the new process would; does not return."""
    code = 1
    try:
        gc.freeze()  # what is the proxy's is never looked at, nor ended
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor, place in ((requests, 0), (replies, 1), (null, 2)):
            os.dup2(descriptor, place)
        os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        os.environ.clear()
        os.environ.update(environment)
        code = analysis_worker.main(list(arguments))
    finally:
        with contextlib.suppress(BaseException):
            os._exit(code)
