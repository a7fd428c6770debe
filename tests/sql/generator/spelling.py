"""How names are written: folded, quoted, cut to 63 bytes."""

from __future__ import annotations

import random
import re

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*\Z")
_RESERVED = {"select", "user", "order", "from", "table", "all", "group"}
_LENGTH = 63


def spell(rng: random.Random, name: str) -> str:
    """`name` in one of the spellings that mean it."""
    if not _PLAIN.match(name) or name in _RESERVED:
        if len(name.encode()) == _LENGTH and rng.random() < 0.3:
            name += "zzz"
        return '"' + name.replace('"', '""') + '"'
    roll = rng.random()
    if len(name.encode()) == _LENGTH and roll < 0.4:
        return name + "_and_more"
    if roll < 0.05:
        return name.upper()
    if roll < 0.08:
        return name.title()
    if roll < 0.13:
        return f'"{name}"'
    if roll < 0.14:
        return f'U&"{name[:-1]}\\{ord(name[-1]):04x}"'
    return name
