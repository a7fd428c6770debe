"""What somebody who may write to the audit directory puts there against a check."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from backports import zstd

from dbguard.verification.presentation import lines as shown
from dbguard.verification.signed_note import PublicKey
from dbguard.verification.trail import verify
from dbguard.verification.zstandard import DamagedFrame, frames

from .chain_writer import ChainWriter, Key


@pytest.mark.parametrize("name", ["audit-000006.jsonl", "head", "checkpoints.jsonl", "pruned.json"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_not_waited_for(trail: Path, name: str, make: object) -> None:
    (trail / name).unlink(missing_ok=True)
    assert callable(make)
    make(trail / name)
    with pytest.raises(OSError, match="not a regular file"):
        verify(trail)


def test_a_frame_that_would_fill_the_memory_is_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "audit-000001.jsonl.zst"
    path.write_bytes(zstd.compress(b"\n" * ((256 << 20) + 1)))
    (frame,) = frames(path)
    assert isinstance(frame, DamagedFrame)


def test_a_checkpoint_that_does_not_end_is_a_finding(trail: Path) -> None:
    with (trail / "checkpoints.jsonl").open("ab") as file:
        file.truncate(4 << 30)
    assert "not a checkpoint" in verify(trail).findings[0].problem


def test_many_lines_in_one_frame_come_in_pieces(tmp_path: Path) -> None:
    ChainWriter(tmp_path, None).work(3)
    plain = tmp_path / "audit-000001.jsonl"
    content = plain.read_bytes() + b"\n" * (5 << 19)
    plain.unlink()
    (tmp_path / "audit-000001.jsonl.zst").write_bytes(zstd.compress(content))
    result = verify(tmp_path)
    assert result.findings[0].sequence == 4
    assert len(result.findings) <= 1001


def test_records_cannot_show_another_result(trail: Path, key: Key) -> None:
    chain = ChainWriter(trail / "forged", key)
    text = "x\x1b[2J\x1b[Hin order\nin order: all of it\u202e"
    chain.event("clock", {"seconds": text})
    chain.event("key", {"event": "replaced", "key": Key(3).vkey, "previous": text})
    chain.head()
    result = verify(trail)
    assert any("\x1b" in note for note in result.notes)
    for line in shown(trail, result):
        assert line.isprintable()
        assert len(line) < 1200
        assert not line.startswith("in order: all")


def test_a_short_chain_that_names_no_key_says_that_nobody_signed_it(
    tmp_path: Path, public: PublicKey
) -> None:
    ChainWriter(tmp_path, None).work(50)
    result = verify(tmp_path, keys=[public])
    assert result.ok
    assert "no checkpoint that a given key signed" in result.unchecked[-1]


def test_a_long_end_without_checkpoints_says_that_nobody_signed_it(
    tmp_path: Path, public: PublicKey, key: Key
) -> None:
    chain = ChainWriter(tmp_path, key)
    chain.work(50)
    chain.checkpoint()
    assert len(verify(tmp_path, keys=[public]).unchecked) == 1
    chain.work(700)
    unsigned = verify(tmp_path, keys=[public]).unchecked[-1]
    assert "who wrote the records behind 51" in unsigned
    assert "minutes younger than the last checkpoint" in unsigned
