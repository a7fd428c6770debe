"""Durations as rules write them: `45s`, `30m`, `1h`, `2d`."""

from __future__ import annotations

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: str) -> int:
    """Seconds in `text`.

    Raises:
        ValueError: it is not a positive whole number and a unit.
    """
    number, unit = text[:-1], text[-1:]
    if not (number.isascii() and number.isdecimal() and int(number) > 0 and unit in _SECONDS):
        raise ValueError(f"{text!r} is not a duration")
    return int(number) * _SECONDS[unit]
