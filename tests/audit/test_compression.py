"""Frames of compressed lines: what went in comes out, and damage never comes out as data."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from dbguard.audit.compression import DamagedFrame, FramePlace, compress, decompress, frame_places

PARTS = [b"first line\n" * 90_000, b"", b"x" * 700_000 + b"\n", Random(1).randbytes(600_000)]


def test_frames_have_their_places(tmp_path: Path) -> None:
    packed = [compress(part) for part in PARTS]
    path = tmp_path / "frames"
    path.write_bytes(b"".join(packed))
    assert frame_places(path) == [
        FramePlace(sum(map(len, packed[:index])), len(packed[index]), len(PARTS[index]))
        for index in range(len(packed))
    ]
    for one, part in zip(packed, PARTS, strict=True):
        assert decompress(one) == part
    path.write_bytes(b"")
    assert frame_places(path) == []


def test_damage_is_noticed_wherever_it_is() -> None:
    whole = compress(b"".join(b"line %d\n" % number for number in range(2000)))
    random = Random(2)
    for place in [0, 3, 4, len(whole) - 1, *random.sample(range(len(whole)), 60)]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << random.randrange(8)
        with pytest.raises(DamagedFrame):
            decompress(bytes(damaged))


@pytest.mark.parametrize("end", [1, 10, -1])
def test_a_frame_that_is_cut_off_is_no_frame(end: int, tmp_path: Path) -> None:
    whole = compress(b"line\n" * 1000)
    with pytest.raises(DamagedFrame):
        decompress(whole[:end])
    with pytest.raises(DamagedFrame):
        (tmp_path / "frames").write_bytes(whole + whole[:end])
        frame_places(tmp_path / "frames")
    with pytest.raises(DamagedFrame):
        decompress(whole + whole)
