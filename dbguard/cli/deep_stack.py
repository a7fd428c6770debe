"""Analysis outside its worker process, with a worker's room for recursion."""

from __future__ import annotations

import concurrent.futures
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

from dbguard.errors import LimitExceeded
from dbguard.proxy.analysis_worker import RECURSION_LIMIT, STACK_BYTES

_T = TypeVar("_T")


def with_deep_stack(work: Callable[[], _T]) -> _T:
    """What `work` returns or raises, run on a stack as large as a worker's.

    Raises:
        LimitExceeded: it needs an even larger one.
    """
    limit, size = sys.getrecursionlimit(), threading.stack_size(STACK_BYTES)
    sys.setrecursionlimit(RECURSION_LIMIT)
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as executor:
            return executor.submit(work).result()
    except RecursionError:
        raise LimitExceeded(
            "statement is nested too deeply to be analysed",
            hint="Split the statement into smaller ones.",
        ) from None
    finally:
        sys.setrecursionlimit(limit)
        threading.stack_size(size)
