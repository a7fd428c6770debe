"""Records to lines of the chain, many at a time: what each record costs for being in the trail.

`chain.make_line` says what a line is and makes one. Here stands the same for a batch, with nothing
done twice: most records that are committed together have one time.
"""

from __future__ import annotations

from binascii import hexlify
from hashlib import sha256
from typing import TypeAlias

from dbguard.audit.stamping import SECOND, whole_second

Entry: TypeAlias = tuple[int, int, bytes]
"""A record on its way to the disk: sequence number, moment (microseconds), body. A plain tuple:
one is made for each record."""


def link(entries: list[Entry], prev: bytes, digests: list[bytes]) -> bytes:
    """The lines of the records, behind the one whose hash (hexadecimal) is `prev`.

    Adds the hash of each (32 bytes) to `digests`.
    """
    lines: list[bytes] = []
    before, stamp = -1, b""
    for sequence, moment, body in entries:
        if moment != before:
            before = moment
            stamp = b',"time":"%b%06dZ","prev":"' % (
                whole_second(moment // SECOND),
                moment % SECOND,
            )
        covered = b"".join((b'{"v":1,"seq":%d' % sequence, stamp, prev, b'",', body))
        digest = sha256(covered).digest()
        prev = hexlify(digest)
        digests.append(digest)
        lines += (covered, b',"hash":"', prev, b'"}\n')
    return b"".join(lines)
