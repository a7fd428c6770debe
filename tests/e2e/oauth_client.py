"""libpq 18 as a client that has a token: its hook, in the library that psycopg has loaded."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

TOKEN_WANTED = 1
"""PQAUTHDATA_OAUTH_BEARER_TOKEN of libpq-fe.h."""


class Request(ctypes.Structure):
    """PGoauthBearerRequest of libpq-fe.h."""

    _fields_ = (
        ("openid_configuration", ctypes.c_char_p),
        ("scope", ctypes.c_char_p),
        ("async_", ctypes.c_void_p),
        ("cleanup", ctypes.c_void_p),
        ("token", ctypes.c_void_p),
        ("user", ctypes.c_void_p),
    )


Hook = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(Request))


def _library() -> ctypes.CDLL:
    if psycopg.pq.version() >= 180_000:
        for line in Path("/proc/self/maps").read_text().splitlines():
            path = line.split(maxsplit=5)[-1]
            if "/libpq" in path:
                library = ctypes.CDLL(path)
                if hasattr(library, "PQsetAuthDataHook"):
                    return library
    pytest.skip("psycopg's libpq has no hook for tokens (libpq 18)")


@contextmanager
def giving(token: Callable[[str, str], str]) -> Iterator[None]:
    """Let libpq log in with tokens; `token` gets what the server says: address and scope. Without a
    token, libpq gives up."""
    library = _library()
    kept: list[ctypes.Array[ctypes.c_char]] = []

    def hook(kind: int, _: int, request: ctypes._Pointer[Request]) -> int:
        if kind != TOKEN_WANTED:
            return 0
        asked = request.contents
        made = token((asked.openid_configuration or b"").decode(), (asked.scope or b"").decode())
        if not made:
            return 0
        kept.append(ctypes.create_string_buffer(made.encode()))
        asked.token = ctypes.addressof(kept[-1])
        return 1

    called = Hook(hook)
    library.PQsetAuthDataHook(called)
    try:
        yield
    finally:
        library.PQsetAuthDataHook(None)
