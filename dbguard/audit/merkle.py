"""The Merkle tree over a chain's records (RFC 6962, section 2.1), as far as the writer needs it.

Only the roots of the perfect subtrees are kept (the *peaks*; RFC 9162 calls such a thing a
compact range): one for each bit that is set in the size, largest first. They are enough to go on
from and fold to the root of the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

HASH_SIZE = 32
"""Bytes of SHA-256."""
_LEAF = b"\x00"
_NODE = b"\x01"


def leaf_hash(data: bytes) -> bytes:
    return sha256(_LEAF + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(_NODE + left + right).digest()


class MerkleTree:
    """A tree that only grows. Adding a leaf costs two hashes in the long run."""

    __slots__ = ("_peaks", "_size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        """Go on from a tree of `size` leaves. Raises ValueError when the peaks are not its."""
        if size < 0 or len(peaks) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has not {len(peaks)} peaks")
        if any(len(peak) != HASH_SIZE for peak in peaks):
            raise ValueError("a peak is not a SHA-256 hash")
        self._size = size
        self._peaks = list(peaks)

    @property
    def size(self) -> int:
        return self._size

    @property
    def peaks(self) -> tuple[bytes, ...]:
        return tuple(self._peaks)

    @property
    def root(self) -> bytes:
        if not self._peaks:
            return sha256().digest()
        root = self._peaks[-1]
        for peak in self._peaks[-2::-1]:
            root = node_hash(peak, root)
        return root

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaves, given as their data."""
        peaks, size = self._peaks, self._size
        for data in leaves:
            node = sha256(_LEAF + data).digest()
            below = size
            while below & 1:
                node = sha256(_NODE + peaks.pop() + node).digest()
                below >>= 1
            peaks.append(node)
            size += 1
        self._size = size
