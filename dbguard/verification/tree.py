"""The Merkle tree of RFC 6962 over the records of a chain.

The data of leaf i are the 32 bytes of the hash of the i-th record since the chain began. A *range*
of leaves is held as the roots of the largest aligned subtrees in it, left to right: a whole tree's
are its *peaks*, which fold to the root, and two neighbouring ranges make one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import NamedTuple

EMPTY_ROOT = sha256(b"").digest()


class Node(NamedTuple):
    """The root of an aligned subtree, of the leaves `place << level` to `(place + 1) << level`."""

    level: int
    place: int
    digest: bytes


def leaf_digest(data: bytes) -> bytes:
    return sha256(b"\0" + data).digest()


def node_digest(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


class Range:
    """Leaves from some position on."""

    __slots__ = ("nodes", "size")

    def __init__(self, start: int = 0, nodes: Iterable[Node] = ()) -> None:
        self.size = start
        """The position behind the last leaf."""
        self.nodes = list(nodes)

    @classmethod
    def of_peaks(cls, size: int, peaks: Sequence[bytes]) -> Range:
        """The tree of `size` leaves. Raises ValueError when it has another number of peaks."""
        levels = [level for level in reversed(range(size.bit_length())) if size >> level & 1]
        if len(levels) != len(peaks):
            raise ValueError("the number of peaks does not fit the size")
        nodes = []
        position = 0
        for level, peak in zip(levels, peaks, strict=True):
            nodes.append(Node(level, position >> level, peak))
            position += 1 << level
        return cls(size, nodes)

    def copy(self) -> Range:
        return Range(self.size, self.nodes)

    def push(self, node: Node) -> None:
        """Put an aligned subtree behind the leaves so far."""
        level, index, digest = node
        self.size = (index + 1) << level
        nodes = self.nodes
        while index & 1 and nodes and nodes[-1][:2] == (level, index - 1):
            digest = node_digest(nodes.pop().digest, digest)
            level += 1
            index >>= 1
        nodes.append(Node(level, index, digest))

    def extend(self, data: Sequence[bytes]) -> None:
        """Put leaves behind those so far, level by level."""
        digests = [sha256(b"\0" + one).digest() for one in data]
        level, index = 0, self.size
        trailing: list[Node] = []
        while digests:
            if index & 1:
                self.push(Node(level, index, digests[0]))
                del digests[0]
                index += 1
            if len(digests) & 1:
                trailing.append(Node(level, index + len(digests) - 1, digests.pop()))
            digests = [
                sha256(b"\1" + left + right).digest()
                for left, right in zip(digests[::2], digests[1::2], strict=True)
            ]
            level += 1
            index >>= 1
        for node in reversed(trailing):
            self.push(node)

    def root(self) -> bytes:
        """Of the whole tree, when the range begins at its first leaf."""
        return fold([node.digest for node in self.nodes])


def fold(peaks: Sequence[bytes]) -> bytes:
    """The root of the tree that has these peaks, largest first."""
    if not peaks:
        return EMPTY_ROOT
    digest = peaks[-1]
    for peak in reversed(peaks[:-1]):
        digest = node_digest(peak, digest)
    return digest
