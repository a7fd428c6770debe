"""A trail may have millions of checkpoints: they are gone through, and not kept."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from dbguard.audit.chain import GENESIS, Head, make_line
from dbguard.audit.checkpoints import make_line as checkpoint_line
from dbguard.audit.keys import public_path
from dbguard.audit.merkle import MerkleTree
from dbguard.audit.notes import Checkpoint, origin
from dbguard.audit.signing import SigningKey
from dbguard.verification import coverage
from dbguard.verification.inputs import load_keys
from dbguard.verification.trail import verify

PER_SEGMENT = 100


def write(directory: Path, key: SigningKey, count: int) -> None:
    """A chain of which each record has a checkpoint of its own."""
    directory.mkdir()
    tree, prev, name = MerkleTree(), GENESIS, ""
    lines: list[bytes] = []
    signed: list[bytes] = []
    number = 1
    for sequence in range(1, count + 1):
        time = f"2026-11-21T08:{sequence // 60 % 60:02d}:{sequence % 60:02d}.000000Z"
        time = time.replace("T08", f"T{8 + sequence // 3600:02d}")
        line, prev = make_line(sequence, time, prev, b'"kind":"stop","fields":{},"session":""')
        lines.append(line)
        tree.extend([bytes.fromhex(prev.decode())])
        name = name or origin(prev)
        checkpoint = Checkpoint(name, tree.size, tree.root, sequence, prev, time)
        signed.append(checkpoint_line(key.signer, checkpoint, number, tree))
        if len(lines) == PER_SEGMENT or sequence == count:
            (directory / f"audit-{number:06d}.jsonl").write_bytes(b"".join(lines))
            number, lines = number + 1, []
    (directory / "checkpoints.jsonl").write_bytes(b"".join(signed))
    (directory / "head").write_bytes(Head(count, prev).render())


def peak(directory: Path, key: Path, *copies: Path) -> int:
    keys = load_keys([public_path(key)])
    tracemalloc.start()
    try:
        result = verify(directory, keys=keys, checkpoint_files=copies)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert result.ok, result.findings[:3]
    assert result.chains[0].signed_through == result.records
    assert result.chains[0].checkpoints == result.records * (1 + len(copies))
    return most


def test_memory_does_not_grow_with_their_number(tmp_path: Path) -> None:
    key = tmp_path / "key"
    signer = SigningKey(key)
    peaks = []
    few, many = PER_SEGMENT, 6 * PER_SEGMENT
    for count in (few, few, many):  # the first one also pays for what is made only once
        directory = tmp_path / f"{len(peaks)}"
        write(directory, signer, count)
        peaks.append(peak(directory, key, directory / "checkpoints.jsonl"))
    # What is kept of one are a few numbers of 8 bytes, and garbage until it is collected; read,
    # each of them (and of the copies) has some 3,000.
    assert (peaks[2] - peaks[1]) / (many - few) < 600, peaks


def test_findings_do_not_fill_the_memory_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coverage, "FINDINGS_KEPT", 20)
    signer = SigningKey(tmp_path / "key")
    directory = tmp_path / "audit"
    write(directory, signer, 50)
    path = directory / "checkpoints.jsonl"
    path.write_bytes(path.read_bytes().replace(b"Z\\n", b"Y\\n"))
    findings = verify(directory, keys=load_keys([public_path(tmp_path / "key")])).findings
    assert len(findings) == 20
    assert "and more that is not as it was signed" in findings[-1].problem
