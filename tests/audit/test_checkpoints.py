"""The file of checkpoints: its lines, its end, and disks that refuse."""

from __future__ import annotations

import errno
from pathlib import Path

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dbguard.audit.checkpoints import (
    CHECKPOINTS_NAME,
    CheckpointFile,
    LastLine,
    UnusableCheckpoint,
    last_line,
    make_line,
    read_line,
)
from dbguard.audit.merkle import MerkleTree
from dbguard.audit.notes import Checkpoint, Signer, origin

SIGNER = Signer(Ed25519PrivateKey.generate())
KNOWN = {SIGNER.key.name: SIGNER.key}


def line(size: int = 5) -> bytes:
    tree = MerkleTree()
    tree.extend(bytes([n]) * 32 for n in range(size))
    point = Checkpoint(
        origin(b"0123456789abcdef" * 4),
        size,
        tree.root,
        size,
        b"0f" * 32,
        "2026-11-21T08:00:00.000001Z",
    )
    return make_line(SIGNER, point, 3, tree)


def test_a_line_is_json_in_the_given_order_and_reads_back() -> None:
    members = orjson.loads(line())
    assert list(members) == ["v", "segment", "note", "peaks"]
    assert (members["v"], members["segment"], len(members["peaks"])) == (1, 3, 2)
    signed = read_line(line(), KNOWN)
    assert signed.checkpoint.size == signed.tree().size == 5
    assert signed.tree().root == signed.checkpoint.root
    assert (signed.segment, signed.key) == (3, SIGNER.key)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'{"v":1', b'{"v":2'),
        (b'"segment":3', b'"segment":"3"'),
        (b"seq 5", b"seq 6"),
        (b'"peaks":["', b'"peaks":["00'),
        (b'"peaks":[', b'"peaks":["' + b"00" * 32 + b'",'),
        (b'"note":', b'"nota":'),
        (b"}\n", b"\n"),
    ],
)
def test_a_changed_line_is_unusable(old: bytes, new: bytes) -> None:
    changed = line().replace(old, new)
    assert changed != line()
    with pytest.raises(UnusableCheckpoint):
        read_line(changed, KNOWN)


def test_a_changed_peak_is_unusable() -> None:
    members = orjson.loads(line())
    members["peaks"].reverse()
    with pytest.raises(UnusableCheckpoint, match="peaks"):
        read_line(orjson.dumps(members) + b"\n", KNOWN)


def test_a_strangers_line_is_unusable() -> None:
    with pytest.raises(UnusableCheckpoint, match="known key"):
        read_line(line(), {})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, None),
        (b"", LastLine(b"", 0, 0)),
        (b"torn", LastLine(b"", 0, 4)),
        (b"one\n", LastLine(b"one\n", 4, 0)),
        (b"one\ntwo\n", LastLine(b"two\n", 8, 0)),
        (b"one\ntwo\nto", LastLine(b"two\n", 8, 2)),
        (b"one\n" + b"x" * 200_000 + b"\nto", LastLine(b"x" * 200_000 + b"\n", 200_005, 2)),
        (b"one\ntwo\n" + b"x" * 200_000, LastLine(b"two\n", 8, 200_000)),
    ],
)
def test_the_end_of_the_file(
    tmp_path: Path, content: bytes | None, expected: LastLine | None
) -> None:
    path = tmp_path / CHECKPOINTS_NAME
    if content is not None:
        path.write_bytes(content)
    assert last_line(path) == expected


@pytest.mark.parametrize("operation", ["pwrite checkpoints", "fdatasync checkpoints", "truncate"])
def test_a_failed_write_leaves_nothing(tmp_path: Path, storage, operation: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / CHECKPOINTS_NAME
    path.write_bytes(b"one\nto")
    file = CheckpointFile(storage, tmp_path, 4)
    storage.failing[operation] = errno.EIO
    with pytest.raises(OSError, match="injected"):
        file.append(b"two\n")
    storage.failing.clear()
    file.append(b"three\n")
    file.append(b"four\n")
    file.close()
    assert path.read_bytes() == b"one\nthree\nfour\n" == storage.durable[path]
