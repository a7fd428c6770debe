"""What the pool and its worker processes say to each other over two pipes.

A frame is kind (one byte), length (8 bytes), payload. The pool sends `STATE` (answered by
`READY`) and `REQUEST` (answered by any of the others); a worker sends `READY` once when its
entry is imported.

Requests and states are pickled by the proxy itself. What comes back is not trusted as much: the
worker runs native parsers over hostile text. Errors come as JSON, and results are written by
`dumps` and read by `loads`, which builds classes of the named packages only.
"""

from __future__ import annotations

import enum
import importlib
import io
import json
import pickle
from struct import Struct
from typing import Any, Final

from dbguard import errors
from dbguard.errors import DbguardError, NotUnderstood, UndefinedName, sqlstate_of

HEADER: Final = Struct("!BQ")
STATE_HEAD: Final = Struct("!QQ")
"""Number of the state that follows, number of the one to forget (0: none)."""
REQUEST_HEAD: Final = Struct("!Q")
"""Number of the state to use."""

STATE: Final = ord("S")
REQUEST: Final = ord("Q")
READY: Final = ord("K")
RESULT: Final = ord("R")
ERROR: Final = ord("E")
NO_MEMORY: Final = ord("M")
TOO_DEEP: Final = ord("D")
FAILED: Final = ord("X")

MAX_REPLY_BYTES: Final = 256 << 20
"""A reading of a statement of 16 MiB is far below; a longer one comes from a broken worker."""

PURE: Final = ("dbguard.sql", "dbguard.policy", "dbguard.masking", "dbguard.engine")
"""Layers whose classes open no file and no socket, whatever they are called with."""


def frame(kind: int, payload: bytes = b"") -> bytes:
    return HEADER.pack(kind, len(payload)) + payload


def encode_error(error: DbguardError) -> bytes:
    """An error's class and wording, without pickle."""
    parts = [error.message, error.detail, error.hint, error.position]
    return json.dumps([type(error).__name__, sqlstate_of(error), *parts]).encode()


def decode_error(data: bytes) -> DbguardError:
    """The error that `encode_error` took apart; NotUnderstood for a class that is not known."""
    name, sqlstate, message, detail, hint, position = json.loads(data)
    kind = getattr(errors, name, None)
    if kind is UndefinedName:
        return UndefinedName(sqlstate, message, hint=hint, position=position)
    if not (isinstance(kind, type) and issubclass(kind, DbguardError)):
        kind = NotUnderstood
    return kind(message, detail=detail, hint=hint, position=position)


class _Pickler(pickle.Pickler):
    def reducer_override(self, obj: object) -> Any:
        # Python 3.11.0 to 3.11.3 would write a call of getattr, which `loads` had better not know.
        if isinstance(obj, enum.Enum):
            return type(obj), (obj.value,)
        return NotImplemented


def dumps(result: object) -> bytes:
    """Pickle a result so that `loads` can read it, whatever version of Python this is."""
    buffer = io.BytesIO()
    _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(result)
    return buffer.getvalue()


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, packages: tuple[str, ...]) -> None:
        super().__init__(io.BytesIO(data))
        self._packages = packages

    def find_class(self, module: str, name: str) -> object:
        if module == "builtins" and name in ("set", "frozenset"):
            return super().find_class(module, name)
        if any(module == p or module.startswith(p + ".") for p in self._packages):
            found = getattr(importlib.import_module(module), name, None)
            # Defined there, not merely imported there: no way to os, subprocess and the like.
            if isinstance(found, type) and found.__module__ == module:
                return found
        raise pickle.UnpicklingError("a class that results do not hold")


def loads(data: bytes, packages: tuple[str, ...] = PURE) -> object:
    """Unpickle a result: plain values, sets, and classes defined in `packages`.

    Raises pickle.UnpicklingError for a reference to anything else.
    """
    return _Unpickler(data, packages).load()
