"""Lines and head check themselves."""

from __future__ import annotations

import pytest

from dbguard.audit.chain import (
    GENESIS,
    HEAD_SIZE,
    BrokenLine,
    Head,
    make_line,
    read_head,
    read_line,
    segment_name,
    segment_number,
)

TIME = "2026-11-21T08:00:00.000001Z"
LINE, HASH = make_line(7, TIME, GENESIS, b'"kind":"start","fields":{},"session":""')


def test_a_line_reads_back() -> None:
    assert read_line(LINE) == (7, TIME, GENESIS, HASH)


def test_every_flipped_bit_of_a_line_shows() -> None:
    for position in range(len(LINE)):
        for bit in range(8):
            changed = bytearray(LINE)
            changed[position] ^= 1 << bit
            with pytest.raises(BrokenLine):
                read_line(bytes(changed))


@pytest.mark.parametrize("changed", [b"", b"\n", b"{}\n", LINE[:-1], LINE + b" ", b" " + LINE])
def test_what_is_not_a_line_is_refused(changed: bytes) -> None:
    with pytest.raises(BrokenLine):
        read_line(changed)


@pytest.mark.parametrize("sequence", [0, 1, 2**63 - 1])
def test_the_head_has_a_fixed_size(sequence: int) -> None:
    head = Head(sequence, HASH)
    data = head.render()
    assert len(data) == HEAD_SIZE
    assert read_head(data) == head


def test_every_flipped_bit_of_the_head_shows() -> None:
    data = Head(42, HASH).render()
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1
        with pytest.raises(BrokenLine):
            read_head(bytes(changed))


@pytest.mark.parametrize("number", [1, 999_999, 1_000_000])
def test_segment_names(number: int) -> None:
    assert segment_number(segment_name(number)) == number


@pytest.mark.parametrize("name", ["head", "audit-1.jsonl", "audit-000001.jsonl.bak", "x"])
def test_other_names_are_no_segments(name: str) -> None:
    assert segment_number(name) is None
