"""Sizes as rules write them: `64MB`, `1GB`. Units are PostgreSQL's, powers of 1024."""

from __future__ import annotations

_BYTES = {"kB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}


def parse_size(text: str) -> int:
    """Bytes in `text`.

    Raises:
        ValueError: it is not a positive whole number and a unit.
    """
    number, unit = text[:-2].rstrip(" "), text[-2:]
    if not (number.isascii() and number.isdecimal() and int(number) > 0 and unit in _BYTES):
        raise ValueError(f"{text!r} is not a size")
    return int(number) * _BYTES[unit]


def describe_size(count: int) -> str:
    """Bytes in the largest unit that gives a whole number, as rules write them."""
    for unit, size in reversed(_BYTES.items()):
        if count >= size and count % size == 0:
            return f"{count // size} {unit}"
    return f"{count} bytes"
