"""A record's proof convinces whoever has the key, and nobody of anything else."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from dbguard.verification.findings import UnusableInput
from dbguard.verification.proof_check import InvalidProof, check
from dbguard.verification.proving import prove
from dbguard.verification.signed_note import PublicKey, read_vkey
from dbguard.verification.tree import Node, Range, leaf_digest

from .chain_writer import ChainWriter, Key, peaks, tree_hash


@pytest.fixture(scope="module")
def both(key: Key) -> list[PublicKey]:
    return [read_vkey(key.vkey), read_vkey(Key(2).vkey)]


def test_every_record_can_be_proved(built: Path, both: list[PublicKey]) -> None:
    for writer, sequences in {
        "": range(1, 101),
        "eu-1": [*range(14, 19), *range(22, 39)],
        "operator": [1, 2],
    }.items():
        for sequence in sequences:
            proof = prove(built, writer, sequence)
            proven = check(json.dumps(proof.document()).encode(), both)
            assert (proven.writer, proven.sequence) == (writer, sequence)
            assert proven.signed_by in {key.name for key in both}
            assert json.loads(proven.line)["seq"] == sequence


def test_by_an_older_checkpoint(built: Path, both: list[PublicKey]) -> None:
    for size in (29, 40, 100):
        proof = prove(built, "", 25, size)
        assert proof.checkpoint.size == size
        assert check(json.dumps(proof.document()).encode(), both).sequence == 25
    with pytest.raises(UnusableInput, match="no checkpoint of 10 records covers record 25"):
        prove(built, "", 25, 10)


def test_what_cannot_be_proved(trail: Path) -> None:
    with pytest.raises(UnusableInput, match="there is no record 102"):
        prove(trail, "", 102)
    with pytest.raises(UnusableInput, match="it was pruned"):
        prove(trail, "eu-1", 3)
    with pytest.raises(UnusableInput, match="no record eu-1:20"):
        prove(trail, "eu-1", 20)  # lost in an outage
    path = trail / "audit-000001.jsonl"
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"hash":"', b'"hash":"0', 1).replace(b'"}\n', b"}\n", 0))
    with pytest.raises(UnusableInput, match="not those that the checkpoint"):
        prove(trail, "", 5)


def test_a_changed_proof_proves_nothing(built: Path, both: list[PublicKey], key: Key) -> None:
    document = prove(built, "", 30).document()
    other = prove(built, "", 31).document()
    path = document["path"]
    assert isinstance(path, list)
    random = Random(3)
    for changed in [
        {"leaf": 30},
        {"leaf": -1},
        {"size": 101},
        {"path": path[:-1]},
        {"path": [*path, path[0]]},
        {"path": path[::-1]},
        {"record": other["record"]},
        {"record": str(document["record"]).replace("u0", "u2")},
        {"record": str(document["record"]) + "\n"},
        {"checkpoint": str(document["checkpoint"]).replace("seq 1", "seq 2")},
        {"checkpoint": prove(built, "eu-1", 30).document()["checkpoint"]},
        {"format": "x"},
        {"leaf": None},
    ]:
        with pytest.raises(InvalidProof):
            check(json.dumps({**document, **changed}).encode(), both)
    with pytest.raises(InvalidProof, match="not signed by a key that was given"):
        check(json.dumps(document).encode(), [read_vkey(Key(9).vkey)])
    whole = json.dumps(document).encode()
    for _ in range(100):
        data = bytearray(whole)
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
        try:
            proven = check(bytes(data), both)
        except InvalidProof:
            continue
        assert proven.line == document["record"]
    for junk in (b"", b"[]", b"{}", b"\xff", b"1", b"null"):
        with pytest.raises(InvalidProof):
            check(junk, both)


@pytest.mark.parametrize("size", [*range(18), 31, 32, 33, 100])
def test_trees_are_those_of_the_rfc(size: int) -> None:
    random = Random(size)
    leaves = [random.randbytes(32) for _ in range(size)]
    for split in {0, size // 3, size // 2, size}:
        tree = Range.of_peaks(split, peaks(leaves[:split]))
        assert tree.root() == tree_hash(leaves[:split])
        part = Range(split)
        part.extend(leaves[split : split + 5])
        part.extend(leaves[split + 5 :])
        for node in part.nodes:
            tree.push(node)
        assert tree.root() == tree_hash(leaves)
        assert [node.digest for node in tree.nodes] == peaks(leaves)
    one_by_one = Range()
    for position, leaf in enumerate(leaves):
        one_by_one.push(Node(0, position, leaf_digest(leaf)))
    assert one_by_one.root() == tree_hash(leaves)


def test_a_young_chain(tmp_path: Path, key: Key, both: list[PublicKey]) -> None:
    chain = ChainWriter(tmp_path, key)
    chain.checkpoint()
    proof = prove(tmp_path, "", 1)
    assert proof.path == ()
    assert check(json.dumps(proof.document()).encode(), both).sequence == 1
