"""How much memory a plan holds, so that a cache of plans is bounded by what it really takes."""

from __future__ import annotations

import enum
import sys

_HEADER_BYTES = 32
"""What tracemalloc sees allocated for an object with slots beyond what sys.getsizeof tells."""
_LEAVES = (str, bytes, int, float)


def footprint(value: object) -> int:
    """Bytes of `value` and everything below it, each object once, as CPython allocates them.

    Knows frozen dataclasses with slots and the containers that they hold. What exists once in
    a process anyway (enum members, None, booleans, small numbers) counts nothing.
    """
    total = 0
    seen: set[int] = set()
    pending = [value]
    while pending:
        found = pending.pop()
        if found is None or isinstance(found, enum.Enum | bool | type) or id(found) in seen:
            continue
        if isinstance(found, int) and -5 <= found <= 256:
            continue
        seen.add(id(found))
        total += sys.getsizeof(found)
        if isinstance(found, _LEAVES):
            continue
        if isinstance(found, tuple | frozenset):
            pending.extend(found)
        elif isinstance(found, dict):
            pending.extend(found.keys())
            pending.extend(found.values())
        else:
            total += _HEADER_BYTES
            names = getattr(found, "__dataclass_fields__", ())
            pending.extend(getattr(found, name) for name in names)
    return total
