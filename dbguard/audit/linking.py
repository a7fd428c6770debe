"""Records to lines of the chain, many at a time: what each record costs for being in the trail.

`chain.make_line` says what a line is and makes one. Here stands the same for a batch, with nothing
done twice: of the time, only the microseconds differ from record to record within a second.
"""

from __future__ import annotations

from binascii import hexlify
from collections.abc import Sequence
from hashlib import sha256
from typing import TypeAlias

from dbguard.audit.stamping import SECOND, whole_second

Entry: TypeAlias = tuple[int, int, bytes]
"""A record on its way to the disk: sequence number, moment (microseconds), body. A plain tuple:
one is made for each record."""


def link(entries: Sequence[Entry], prev: bytes, digests: list[bytes]) -> bytes:
    """The lines of the records, behind the one whose hash (hexadecimal) is `prev`.

    Adds the hash of each (32 bytes) to `digests`.
    """
    lines: list[bytes] = []
    add_line, add_digest = lines.append, digests.append
    second, text = -1, b""
    for sequence, moment, body in entries:
        if moment // SECOND != second:
            second = moment // SECOND
            text = whole_second(moment).encode()
        covered = (
            b'{"v":1,"seq":%d,"time":"%b%06dZ","prev":"%b",'
            % (sequence, text, moment - second * SECOND, prev)
            + body
        )
        digest = sha256(covered).digest()
        prev = hexlify(digest)
        add_digest(digest)
        add_line(covered)
        add_line(b',"hash":"%b"}\n' % prev)
    return b"".join(lines)
