"""The chain as bytes: how a line and the head file are made, and how the writer reads them back.

A line is one JSON object on one line:

    {"v":1,"seq":N,"time":"…","prev":"…","kind":"…",…,"hash":"…"}

`hash` is the SHA-256 of all bytes of the line before `,"hash":`, in hexadecimal; `prev` is the
`hash` of the line before, so it covers every byte of the trail up to there. One hash a record,
and each line can be checked by itself.

`dbguard.verification` does not use this module: it reads the trail on its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

GENESIS = b"0" * 64
"""`prev` of the first record of a trail."""

HEAD_NAME = "head"
HEAD_SIZE = 256
"""Bytes; less than a disk sector (512), so that an overwrite in place is never half done."""

_PREFIX = re.compile(rb'\{"v":1,"seq":([0-9]{1,19}),"time":"([^"]{27})","prev":"([0-9a-f]{64})",')
_SUFFIX = re.compile(rb',"hash":"([0-9a-f]{64})"\}\n')
SUFFIX_SIZE = len(b',"hash":""}\n') + 64
"""Bytes of a line from `,"hash":` to its end."""
_HEAD = re.compile(
    rb'(\{"v":1,"seq":([0-9]{1,19}),"hash":"([0-9a-f]{64})"),"checksum":"([0-9a-f]{64})"\} *\n'
)
_SEGMENT = re.compile(r"audit-([0-9]{6,})\.jsonl")


class BrokenLine(ValueError):
    """A complete line that is not what the writer wrote."""


class Link(NamedTuple):
    """What the chain needs of a line."""

    sequence: int
    time: str
    prev: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """How far the chain had come when the head file was last written."""

    sequence: int
    hash: bytes

    def render(self) -> bytes:
        covered = b'{"v":1,"seq":%d,"hash":"%b"' % (self.sequence, self.hash)
        text = covered + b',"checksum":"%b"}' % sha256(covered).hexdigest().encode()
        return text.ljust(HEAD_SIZE - 1) + b"\n"


EMPTY = Head(0, GENESIS)


def segment_name(number: int) -> str:
    return f"audit-{number:06d}.jsonl"


def segment_number(name: str) -> int | None:
    """The number in a segment's file name; None for any other file."""
    match = _SEGMENT.fullmatch(name)
    return int(match[1]) if match else None


def make_line(sequence: int, time: str, prev: bytes, body: bytes) -> tuple[bytes, bytes]:
    """The line of a record and its hash (both as bytes to write)."""
    covered = b'{"v":1,"seq":%d,"time":"%b","prev":"%b",%b' % (
        sequence,
        time.encode(),
        prev,
        body,
    )
    digest = sha256(covered).hexdigest().encode()
    return covered + b',"hash":"%b"}\n' % digest, digest


def read_line(line: bytes) -> Link:
    """The line's place in the chain. Raises BrokenLine when its bytes are not what was written."""
    prefix = _PREFIX.match(line)
    suffix = _SUFFIX.fullmatch(line, max(0, len(line) - SUFFIX_SIZE))
    if prefix is None or suffix is None:
        raise BrokenLine("not a record")
    if sha256(line[:-SUFFIX_SIZE]).hexdigest().encode() != suffix[1]:
        raise BrokenLine("the record does not match its own hash")
    return Link(int(prefix[1]), prefix[2].decode("ascii", "replace"), prefix[3], suffix[1])


def read_head(data: bytes) -> Head:
    """The head file's content. Raises BrokenLine."""
    match = _HEAD.fullmatch(data)
    if match is None or len(data) != HEAD_SIZE or sha256(match[1]).hexdigest().encode() != match[4]:
        raise BrokenLine("the head file is damaged")
    return Head(int(match[2]), match[3])
