"""The tree against the figures of the Certificate Transparency project, and against RFC 6962's own
definition, written down as it stands there."""

from __future__ import annotations

from hashlib import sha256

import pytest

from dbguard.audit.merkle import MerkleTree

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [  # certificate-transparency, src/merkletree/merkle_tree_test.cc
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def defined(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + defined(leaves[:k]) + defined(leaves[k:])).digest()


@pytest.mark.parametrize("size", range(9))
def test_the_known_roots(size: int) -> None:
    tree = MerkleTree()
    tree.extend(LEAVES[:size])
    assert tree.root.hex() == ROOTS[size]
    assert tree.size == size


def test_every_size_folds_to_the_defined_root() -> None:
    leaves = [bytes([n]) * 32 for n in range(70)]
    tree = MerkleTree()
    for size, leaf in enumerate(leaves, 1):
        tree.extend([leaf])
        assert tree.root == defined(leaves[:size])


@pytest.mark.parametrize("size", [0, 1, 5, 6, 7, 8, 63])
def test_peaks_are_all_it_takes_to_go_on(size: int) -> None:
    leaves = [bytes([n]) * 32 for n in range(70)]
    before = MerkleTree()
    before.extend(leaves[:size])
    after = MerkleTree(before.size, before.peaks)
    after.extend(leaves[size:])
    assert after.root == defined(leaves)
    assert before.root == defined(leaves[:size])


@pytest.mark.parametrize(
    ("size", "peaks"),
    [(-1, []), (0, [b"x" * 32]), (3, [b"x" * 32]), (1, [b"x" * 31]), (1, [b"x" * 33])],
)
def test_peaks_of_another_tree_are_refused(size: int, peaks: list[bytes]) -> None:
    with pytest.raises(ValueError, match="peak"):
        MerkleTree(size, peaks)
