"""Frames of compressed lines: what went in comes out, and damage never comes out as data."""

from __future__ import annotations

import io
from random import Random

import pytest

from dbguard.audit.compression import DamagedFrame, compress, decompress, frames

PARTS = [b"first line\n" * 90_000, b"", b"x" * 700_000 + b"\n", Random(1).randbytes(600_000)]


def test_frames_come_back_with_their_places() -> None:
    packed = [compress(part) for part in PARTS]
    found = list(frames(io.BytesIO(b"".join(packed))))
    assert [frame.data for frame in found] == PARTS
    assert [frame.size for frame in found] == [len(one) for one in packed]
    assert [frame.offset for frame in found] == [
        sum(map(len, packed[:index])) for index in range(len(packed))
    ]
    for one, part in zip(packed, PARTS, strict=True):
        assert decompress(one) == part


def test_reading_may_begin_at_any_frame() -> None:
    packed = [compress(part) for part in PARTS]
    file = io.BytesIO(b"".join(packed))
    file.seek(len(packed[0]))
    assert [frame.data for frame in frames(file)] == PARTS[1:]


def test_damage_is_noticed_wherever_it_is() -> None:
    whole = compress(b"".join(b"line %d\n" % number for number in range(2000)))
    random = Random(2)
    for place in [0, 3, 4, len(whole) - 1, *random.sample(range(len(whole)), 60)]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << random.randrange(8)
        with pytest.raises(DamagedFrame):
            decompress(bytes(damaged))
        with pytest.raises(DamagedFrame):
            list(frames(io.BytesIO(bytes(damaged))))


@pytest.mark.parametrize("end", [1, 10, -1])
def test_a_frame_that_is_cut_off_is_no_frame(end: int) -> None:
    whole = compress(b"line\n" * 1000)
    with pytest.raises(DamagedFrame):
        decompress(whole[:end])
    with pytest.raises(DamagedFrame):
        list(frames(io.BytesIO(whole + whole[:end])))
    with pytest.raises(DamagedFrame):
        decompress(whole + whole)
