"""Processes of `dbguard` that begin with everything loaded.

A proxy takes over a second of CPU to load its modules, and tests start a hundred. A
*nursery* is a process that has loaded them and does nothing but fork: each child gets the
arguments, folder, variables and standard streams that a new process would have, and goes on as
`python -m dbguard` does. Processes that begin by themselves are shown where starting is the
subject (two tests of test_bad_input, tests/demo, tests/test_deployment) and by
`Factory(…, whole=True)`.

The nursery and its user talk over a socket: a request is a JSON object with two descriptors,
standard output and standard error; each message back is a JSON list.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from .forked_analysis import fork_analysis

ROOT = Path(__file__).parents[2]
RUN_SECONDS = 120.0
"""A command that takes longer hangs, and is killed."""


class Nursery:
    """Forks processes of dbguard; they end with it."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.e2e.forking", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )

    def start(
        self, arguments: list[str], folder: Path, errors: IO[Any], environment: dict[str, str]
    ) -> Forked:
        """`dbguard` with `arguments` in `folder`."""
        ours, theirs = os.pipe()
        request = {"arguments": arguments, "folder": str(folder), "environment": environment}
        with self._lock:
            socket.send_fds(self._socket, [json.dumps(request).encode()], [theirs, errors.fileno()])
            os.close(theirs)
            (pid,) = json.loads(self._socket.recv(1 << 16))
        return Forked(self, pid, os.fdopen(ours, "r"))

    def run(
        self, arguments: Sequence[str], folder: Path, environment: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """`dbguard` with `arguments` in `folder`, to its end."""
        with tempfile.TemporaryFile("w+") as errors:
            process = self.start(list(arguments), folder, errors, environment)
            overdue = threading.Timer(RUN_SECONDS, process.kill)
            overdue.start()
            with process.stdout:
                said = process.stdout.read()
            overdue.cancel()
            code = process.wait(RUN_SECONDS)
            errors.seek(0)
            return subprocess.CompletedProcess(arguments, code, said, errors.read())

    def code(self, pid: int) -> int | None:
        """How it ended: an exit code, or minus the number of a signal; None while it runs."""
        with self._lock:
            self._socket.send(json.dumps(pid).encode())
            (code,) = json.loads(self._socket.recv(1 << 16))
        return code  # type: ignore[no-any-return]

    def close(self) -> None:
        self._socket.close()
        self._process.wait(30)


@functools.cache
def the_nursery() -> Nursery:
    """The one of this process of tests, begun when it is first asked for."""
    return Nursery()


class Forked:
    """As much of `subprocess.Popen` as tests use."""

    def __init__(self, nursery: Nursery, pid: int, stdout: IO[str]) -> None:
        self._nursery = nursery
        self.pid = pid
        self.stdout = stdout
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._nursery.code(self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = time.monotonic() + timeout if timeout is not None else None
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(["dbguard"], timeout or 0)
            time.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


# -- in the nursery -------------------------------------------------------------------------------


def _main(descriptor: int) -> None:
    import gc

    for command in ("serve", "backup", "report", "trail"):  # to be there in every child
        importlib.import_module(f"dbguard.cli.{command}")
    gc.freeze()
    asked = socket.socket(fileno=descriptor)
    ended: dict[int, int] = {}
    alive: set[int] = set()
    while True:
        data, descriptors, *_ = socket.recv_fds(asked, 1 << 20, 2)
        if not data:
            break
        request = json.loads(data)
        if isinstance(request, int):
            _reap(alive, ended)
            asked.send(json.dumps([ended.get(request)]).encode())
            continue
        pid = os.fork()
        if pid == 0:
            asked.close()
            _become(request, *descriptors)
        alive.add(pid)
        for each in descriptors:
            os.close(each)
        asked.send(json.dumps([pid]).encode())
    for pid in alive:
        os.kill(pid, signal.SIGKILL)


def _reap(alive: set[int], ended: dict[int, int]) -> None:
    for pid in list(alive):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            alive.discard(pid)
            ended[pid] = os.waitstatus_to_exitcode(status)


def _become(request: dict[str, Any], output: int, errors: int) -> None:
    """Go on as `python -m dbguard` would; does not return."""
    code = 1
    try:
        os.dup2(output, 1)
        os.dup2(errors, 2)
        os.close(output)
        os.close(errors)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.argv = [str(ROOT / "dbguard" / "__main__.py"), *request["arguments"]]
        from dbguard.cli import main

        fork_analysis()
        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _main(int(sys.argv[1]))
