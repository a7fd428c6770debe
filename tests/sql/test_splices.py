"""Edits by bytes, and positions back by characters."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbguard.sql.splices import PositionMap, Splice, apply, ordered, position_map


def test_insertions_at_one_place_keep_their_order_before_a_replacement() -> None:
    splices = [Splice(2, 4, "CD"), Splice(2, 2, "1"), Splice(2, 2, "2"), Splice(0, 1, "")]
    assert apply(b"abcdef", splices) == b"b12CDef"


@pytest.mark.parametrize(
    "splices",
    [
        [Splice(0, 3, "x"), Splice(2, 4, "y")],
        [Splice(0, 3, "x"), Splice(1, 1, "y")],
        [Splice(3, 2, "x")],
        [Splice(-1, 2, "x")],
    ],
)
def test_overlapping_splices_are_an_error(splices: list[Splice]) -> None:
    with pytest.raises(ValueError):
        ordered(splices)


def test_a_splice_outside_the_text_is_an_error() -> None:
    with pytest.raises(ValueError):
        apply(b"abc", [Splice(2, 4, "x")])


def test_positions_count_characters_not_bytes() -> None:
    raw = "sélect x fröm y".encode()
    splices = [Splice(raw.index(b"x"), raw.index(b"x") + 1, "ÄÄÄ"), Splice(len(raw), len(raw), "!")]
    places = position_map(raw, splices)
    new = apply(raw, splices).decode()
    assert places.to_original(new.index("sélect") + 1) == 1
    assert [places.to_original(new.index("Ä") + 1 + i) for i in range(3)] == [8, 8, 8]
    assert places.to_original(new.index("fröm") + 1) == 10
    assert places.to_original(new.index("!") + 1) == 16
    assert places.to_original(len(new) + 1) == 16


def test_without_splices_positions_stay() -> None:
    assert [PositionMap().to_original(p) for p in (1, 7, 900)] == [1, 7, 900]
    assert pickle.loads(pickle.dumps(PositionMap())) == PositionMap()


@st.composite
def edits(draw: st.DrawFn) -> tuple[str, list[Splice]]:
    text = draw(st.text(alphabet="abäß€😀 ", max_size=30))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    offsets = [len(text[:c].encode()) for c in cuts]
    return text, [
        Splice(a, b, draw(st.text(alphabet="xyÿ", max_size=3)))
        for a, b in zip(offsets[::2], offsets[1::2], strict=False)
    ]


@given(edits())
def test_every_kept_character_maps_to_itself(edit: tuple[str, list[Splice]]) -> None:
    text, splices = edit
    raw = text.encode()
    new = apply(raw, splices).decode()
    places = position_map(raw, splices)
    removed = {i for s in splices for i in range(s.start, s.end)}
    for position in range(1, len(new) + 1):
        back = places.to_original(position)
        assert 1 <= back <= len(text) + 1
        if new[position - 1] not in "xyÿ":
            assert text[back - 1] == new[position - 1]
            assert len(text[: back - 1].encode()) not in removed
