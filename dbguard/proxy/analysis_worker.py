"""The process in which statements are analysed: `python -m dbguard.proxy.analysis_worker`.

It reads requests from its standard input and answers on its standard output, one at a time. A
statement may take it down: the pool refuses that statement and starts another worker.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

from dbguard.errors import DbguardError
from dbguard.proxy.analysis_frames import (
    ERROR,
    FAILED,
    HEADER,
    NO_MEMORY,
    READY,
    REQUEST,
    REQUEST_HEAD,
    RESULT,
    STATE,
    STATE_HEAD,
    TOO_DEEP,
    dumps,
    encode_error,
    frame,
)
from dbguard.proxy.process_limits import no_core_files, set_soft_limit

Entry = Callable[[object, object], object]

STACK_BYTES: Final = 256 << 20
"""Of address space; only what recursion really touches becomes memory."""
RECURSION_LIMIT: Final = 20_000
"""sqlglot takes about a dozen frames a nesting level. At under 10 KB of C stack a frame this
fits the stack, so that deep text ends in RecursionError rather than a dead process."""
COLLECT_EVERY: Final = 50_000
"""New objects between two looks for garbage: about 10 MB. A tree of a million nodes holds none, and
Python's own 700 make analysing it take half as long again (measured)."""
OOM_SCORE_ADJUST: Final = "800"
"""When the machine runs out of memory, a worker is to go before the proxy does."""
_PR_SET_PDEATHSIG: Final = 1


def main(arguments: list[str]) -> int:
    """`arguments`: entry as "module:function", memory headroom in bytes, process id of the pool."""
    entry, headroom, parent = arguments
    requests, replies = _own_pipes()
    _tie_to(int(parent))
    _lower_standing()
    sys.setrecursionlimit(RECURSION_LIMIT)
    gc.set_threshold(COLLECT_EVERY)
    threading.stack_size(STACK_BYTES)
    worker = threading.Thread(
        target=_serve, args=(entry, int(headroom), requests, replies), daemon=True
    )
    worker.start()
    worker.join()
    return 0


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The pipes, out of reach of anything that reads standard input or prints."""
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    return requests, replies


def _tie_to(parent: int) -> None:
    """Die with the pool: by signal where Linux offers it, else when the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        with contextlib.suppress(ImportError, OSError, AttributeError):
            import ctypes

            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the signal was asked for
        os._exit(0)


def _lower_standing() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE_ADJUST, "ascii")
    no_core_files()


def _address_space() -> int | None:
    """Bytes of address space in use now; None where /proc does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


class _States:
    """The states that requests refer to, by number."""

    def __init__(self, headroom: int) -> None:
        self._headroom = headroom
        self._states: dict[int, object] = {}

    def limit_memory(self) -> None:
        """Allow `headroom` more than what is in use now."""
        used = _address_space()
        set_soft_limit("RLIMIT_AS", None if used is None else used + self._headroom)

    def take(self, payload: bytes) -> None:
        """Unpickle a state. It belongs to the base, not to a statement's headroom."""
        number, forgotten = STATE_HEAD.unpack_from(payload)
        self._states.pop(forgotten, None)
        set_soft_limit("RLIMIT_AS", None)
        self._states[number] = pickle.loads(payload[STATE_HEAD.size :])  # noqa: S301 - from the pool
        self.limit_memory()

    def answer(self, entry: Entry, payload: bytes) -> bytes:
        """The frame that answers one request."""
        (number,) = REQUEST_HEAD.unpack_from(payload)
        try:
            request = pickle.loads(payload[REQUEST_HEAD.size :])  # noqa: S301 - from the pool
            result = entry(self._states[number], request)
            return frame(RESULT, dumps(result))
        except MemoryError:
            return frame(NO_MEMORY)
        except RecursionError:
            return frame(TOO_DEEP)
        except DbguardError as error:
            return frame(ERROR, encode_error(error))
        except Exception as error:  # noqa: BLE001 - refused; its text may quote the statement
            return frame(FAILED, type(error).__name__.encode("utf-8", "replace"))


def _serve(entry_name: str, headroom: int, requests: BinaryIO, replies: BinaryIO) -> None:
    def reply(data: bytes) -> None:
        replies.write(data)
        replies.flush()

    module, _, function = entry_name.partition(":")
    try:
        entry: Entry = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        reply(frame(FAILED, f"{type(error).__name__}: {error}".encode("utf-8", "replace")))
        return
    states = _States(headroom)
    states.limit_memory()
    reply(frame(READY))
    while len(head := requests.read(HEADER.size)) == HEADER.size:
        kind, length = HEADER.unpack(head)
        payload = requests.read(length)
        if len(payload) != length:
            return
        if kind == STATE:
            states.take(payload)
            reply(frame(READY))
        elif kind == REQUEST:
            reply(states.answer(entry, payload))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
