"""The head file: the last record that the writer knew to be on disk."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from .segment_files import read_small

_SIZE = 256
_HEAD = re.compile(
    rb'(\{"v":1,"seq":([0-9]{1,19}),"hash":"([0-9a-f]{64})"),"checksum":"([0-9a-f]{64})"\} *\n'
)
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Head:
    sequence: int
    hash: bytes


def read_head(path: Path) -> Head | str | None:
    """The head; a sentence when it cannot be believed; None when there is none. Raises OSError."""
    for _ in range(_ATTEMPTS):  # a running writer may be overwriting it
        data = read_small(path)
        if data is None:
            return None
        match = _HEAD.fullmatch(data)
        if match and len(data) == _SIZE and sha256(match[1]).hexdigest().encode() == match[4]:
            return Head(int(match[2]), match[3])
    return "the head file was changed: it does not match its checksum"
