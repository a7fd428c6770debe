"""A snapshot on its way to the workers: what is the server's own is packed once.

It is most of the snapshot and stays the same over many. Who unpacks the same bytes again gets the
objects he has.
"""

from __future__ import annotations

import pickle
from functools import lru_cache

from dbguard.sql.snapshot import Snapshot, SystemObjects

_KEPT = 8
"""Databases whose system objects are kept; each takes some 3 MB."""

Packed = tuple[Snapshot, bytes | None]


def packed(snapshot: Snapshot) -> Packed:
    """What can be pickled at little cost."""
    rest = snapshot.without_system()
    if snapshot.system is None or len(rest.functions) == len(snapshot.functions):
        return rest, None
    return rest, _bytes(snapshot.system)


def unpacked(parts: Packed) -> Snapshot:
    """The snapshot that `packed` was given."""
    rest, system = parts
    return rest if system is None else rest.with_system(_objects(system))


@lru_cache(maxsize=_KEPT)
def _bytes(system: SystemObjects) -> bytes:
    return pickle.dumps((system.functions, system.relations))


@lru_cache(maxsize=_KEPT)
def _objects(system: bytes) -> SystemObjects:
    functions, relations = pickle.loads(system)  # noqa: S301 - from our own process
    return SystemObjects(functions, relations)
