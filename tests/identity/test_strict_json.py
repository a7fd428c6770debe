"""JSON that can be read in one way only, and all that is none."""

from __future__ import annotations

import sys

import pytest

from dbguard.identity.strict_json import MAX_DEPTH, NotJson, parse_object


def nested(depth: int, inside: bytes = b"1") -> bytes:
    return b'{"a":' * depth + inside + b"}" * depth


GOOD = [
    b"{}",
    b' {"a" : [1, 2.5, true, null, "x"]} ',
    nested(MAX_DEPTH),
    b'{"a":"' + b"[" * 500 + b'"}',
    b'{"a":"\\"' + b"[" * 500 + b'"}',
    b'{"a":' + b"[]," * 0 + b"[" + b"[]," * 500 + b"[]]}",
    b'{"a":{"x":1},"b":{"x":1}}',
    '{"ü":"ß"}'.encode(),
]


@pytest.mark.parametrize("data", GOOD)
def test_what_is_read(data: bytes) -> None:
    assert isinstance(parse_object(data), dict)


BAD = [
    b"",
    b"[]",
    b"1",
    b'"{}"',
    b"{",
    b"{}{}",
    b"{} x",
    b"{'a':1}",
    b'{"a":1,}',
    b'{"a":1,"a":1}',
    b'{"a":{"x":1,"x":2}}',
    b'{"a":[{"x":1,"\\u0078":2}]}',
    b'{"a":NaN}',
    b'{"a":-Infinity}',
    b'{"a":1e999}',
    b'{"a":' + b"9" * 5000 + b"}",
    b'{"a":01}',
    b'{"a":"\n"}',
    b'\xef\xbb\xbf{"a":1}',
    b'{"a":"\xff"}',
    b'{"a":"\xed\xa0\x80"}',
    '{"a":1}'.encode("utf-16"),
    nested(MAX_DEPTH + 1),
    b'{"a":' + b'["]",' * 5000,
]


@pytest.mark.parametrize("data", BAD)
def test_what_is_refused(data: bytes) -> None:
    with pytest.raises(NotJson):
        parse_object(data)


def test_depth_does_not_hang_on_the_recursion_limit() -> None:
    """Elsewhere it may be raised beyond what the stack can take: this once killed the process."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(10**6)
    try:
        for closing in (b"]", b'"]"]'):
            with pytest.raises(NotJson):
                parse_object(b'{"a":' + b"[" * 200_000 + closing * 200_000 + b"}")
    finally:
        sys.setrecursionlimit(before)
