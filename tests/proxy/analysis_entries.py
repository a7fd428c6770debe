"""Entries that the analysis pool's tests run in worker processes."""

from __future__ import annotations

import ctypes
import os
import pickle
import sys
import time

from dbguard.errors import UndefinedName


def act(state: object, request: object) -> object:
    """Do what the request says; `state` is handed back by "state"."""
    match request:
        case ("echo", value):
            return value
        case "state":
            return state
        case "pid":
            return os.getpid()
        case "abort":
            os.abort()
        case "segfault":
            return ctypes.string_at(0)
        case "exit":
            os._exit(3)
        case "hang":
            while True:
                pass
        case ("sleep", float(seconds)):
            time.sleep(seconds)
            return os.getpid()
        case "hog":
            return len([bytes(1 << 20) for _ in range(4096)])
        case "recurse":
            return _depth(10**9)
        case ("depth", int(levels)):
            return _depth(levels)
        case "native recursion":
            sys.setrecursionlimit(2**31 - 1)
            nested: list[object] = []
            for _ in range(3_000_000):
                nested = [nested]
            return len(pickle.dumps(nested))  # hundreds of bytes of C stack a level
        case "print":
            print("noise" * 100)
            sys.stdin.read()
            os.system("echo noise")
            return "quiet"
        case "raise":
            raise ValueError("123-45-6789")
        case "refuse":
            raise UndefinedName("42P01", "relation does not exist", hint="Look.", position=7)
        case "unpicklable":
            return lambda: None
        case "environment":
            return sorted(os.environ)
    return None


def _depth(levels: int) -> int:
    return 0 if levels == 0 else 1 + _depth(levels - 1)
