"""Room for walks over deep trees.

Python counts its frames, the C stack is another matter: Python 3.11 and later keep pure Python
calls off it, so a higher limit costs memory only.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

RECURSION_LIMIT = 20_000
"""Python frames. `Limits.max_chain` allows trees of 2,000 levels, and a level costs the resolver
four frames at most; sqlglot takes about 20 for each of the 100 levels of `Limits.max_nesting`."""


@contextmanager
def deep_recursion() -> Iterator[None]:
    """Raise Python's recursion limit."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, RECURSION_LIMIT))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
