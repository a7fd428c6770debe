"""Frames come out the same however the bytes came in, and nothing but ProtocolViolation."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbguard.errors import ProtocolViolation
from dbguard.wire import backend, frontend
from dbguard.wire.framing import (
    BackendLimits,
    BackendSplitter,
    Frame,
    FrameLimits,
    FrontendSplitter,
    Opening,
    Rest,
    RowRun,
    pack,
)
from dbguard.wire.startup import PROTOCOL_3_0, CancelRequest, SSLRequest, StartupMessage
from dbguard.wire.tags import Backend, Frontend, values_of

STARTUP = StartupMessage(PROTOCOL_3_0, (("user", "ann"),)).encode()
ROW_TAGS = (Backend.DATA_ROW, Backend.COPY_DATA)

frontend_frames = st.builds(
    Frame, st.sampled_from(sorted(values_of(Frontend))), st.binary(max_size=40)
)
backend_frames = st.builds(
    Frame, st.sampled_from(sorted(values_of(Backend))), st.binary(max_size=40)
)


def cut(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    places = sorted({0, len(data), *(place % (len(data) + 1) for place in cuts)})
    return [data[a:b] for a, b in pairwise(places)]


def started(limits: FrameLimits | None = None) -> FrontendSplitter:
    splitter = FrontendSplitter(limits)
    splitter.feed(STARTUP)
    assert splitter.next_startup() is not None
    return splitter


def frontend_all(chunks: Iterable[bytes]) -> list[Frame | Rest]:
    splitter = started()
    found = []
    for chunk in chunks:
        splitter.feed(chunk)
        while (frame := splitter.next()) is not None:
            found.append(frame)
    return found


def backend_all(
    chunks: Iterable[bytes], *, row_piece: int = 1 << 20
) -> tuple[list[Frame | RowRun], bytes]:
    splitter = BackendSplitter(row_piece=row_piece)
    found = []
    for chunk in chunks:
        splitter.feed(chunk)
        while (item := splitter.next()) is not None:
            found.append(item)
    return found, splitter.pending


@given(st.lists(frontend_frames, max_size=8), st.lists(st.integers(0, 10_000), max_size=10))
def test_frontend_frames_do_not_depend_on_chunks(frames: list[Frame], cuts: list[int]) -> None:
    data = b"".join(frame.raw for frame in frames)
    assert frontend_all([data]) == frames
    assert frontend_all(cut(data, cuts)) == frames
    assert frontend_all(data[i : i + 1] for i in range(len(data))) == frames


@given(
    st.lists(backend_frames, max_size=10),
    st.lists(st.integers(0, 10_000), max_size=10),
    st.sampled_from([8, 20, 1 << 20]),
)
def test_backend_stream_is_kept_whole(frames: list[Frame], cuts: list[int], piece: int) -> None:
    data = b"".join(frame.raw for frame in frames)
    rows = sum(frame.tag in ROW_TAGS for frame in frames)
    others = [frame for frame in frames if frame.tag not in ROW_TAGS]
    one_by_one = [data[i : i + 1] for i in range(len(data))]
    for chunks in ([data], cut(data, cuts), one_by_one):
        found, pending = backend_all(chunks, row_piece=piece)
        assert pending == b""
        assert b"".join(f.raw if isinstance(f, Frame) else f.data for f in found) == data
        assert [f for f in found if isinstance(f, Frame)] == others
        assert sum(f.count for f in found if isinstance(f, RowRun)) == rows


@given(st.lists(backend_frames, max_size=6), st.integers(0, 400), st.binary(max_size=6))
def test_mutated_backend_bytes(frames: list[Frame], at: int, junk: bytes) -> None:
    data = b"".join(frame.raw for frame in frames)
    data = data[:at] + junk + data[at + len(junk) :]
    splitter = BackendSplitter(row_piece=16)
    splitter.feed(data)
    out = b""
    try:
        while (item := splitter.next()) is not None:
            out += item.raw if isinstance(item, Frame) else item.data
            if isinstance(item, Frame):
                backend.decode(item)
    except ProtocolViolation:
        return
    assert out + splitter.pending == data


@given(st.lists(frontend_frames, max_size=6), st.integers(0, 400), st.binary(max_size=6))
def test_mutated_frontend_bytes(frames: list[Frame], at: int, junk: bytes) -> None:
    data = b"".join(frame.raw for frame in frames)
    data = data[:at] + junk + data[at + len(junk) :]
    splitter = started()
    splitter.feed(data)
    out = b""
    try:
        while (frame := splitter.next()) is not None:
            out += frame.raw
            message = frontend.decode(frame)
            assert message.encode() == frame.raw
    except ProtocolViolation:
        return
    assert out + splitter.pending == data


def test_neighbouring_rows_are_one_run() -> None:
    rows = b"".join(backend.DataRow((b"%d" % n, None)).encode() for n in range(100))
    done = backend.CommandComplete(b"SELECT 100").encode()
    copy = pack(Backend.COPY_DATA, b"x\n") * 3
    found, pending = backend_all([rows + done + copy + rows])
    assert pending == b""
    assert [f.count if isinstance(f, RowRun) else f.tag for f in found] == [
        100,
        Backend.COMMAND_COMPLETE,
        3,
        100,
    ]
    assert found[0] == RowRun(Backend.DATA_ROW, rows, 100)


def test_incomplete_row_waits_behind_complete_ones() -> None:
    row = backend.DataRow((b"value",)).encode()
    splitter = BackendSplitter()
    splitter.feed(row * 3 + row[:-1])
    assert splitter.next() == RowRun(Backend.DATA_ROW, row * 3, 3)
    assert splitter.next() is None
    splitter.feed(row[-1:])
    assert splitter.next() == RowRun(Backend.DATA_ROW, row, 1)


def test_large_row_streams_with_bounded_memory() -> None:
    size = 64 << 20
    chunk = bytes(256 << 10)
    splitter = BackendSplitter()
    splitter.feed(Backend.COPY_DATA.to_bytes(1, "big") + (size + 4).to_bytes(4, "big"))
    count = passed = 0
    tracemalloc.start()
    try:
        for _ in range(size // len(chunk)):
            splitter.feed(chunk)
            while isinstance(run := splitter.next(), RowRun):
                assert run.partial
                count += run.count
                passed += len(run.data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (passed, count) == (size + 5, 1)
    assert peak < 4 << 20
    splitter.feed(backend.ReadyForQuery(b"I").encode())
    assert splitter.next() == Frame(Backend.READY_FOR_QUERY, b"I")


def test_large_frame_is_collected_in_linear_time() -> None:
    payload = bytes(8 << 20)
    raw = pack(Frontend.QUERY, payload)
    splitter = started()
    for at in range(0, len(raw), 1024):
        assert splitter.next() is None
        splitter.feed(raw[at : at + 1024])
    frame = splitter.next()
    assert isinstance(frame, Frame)
    assert frame.payload == payload


def bind_of(size: int) -> frontend.Bind:
    return frontend.Bind(b"p", b"statement", struct.pack("!HHi", 0, 1, size) + bytes(size + 2))


@given(st.integers(20, 300), st.lists(st.integers(0, 10_000), max_size=10))
def test_large_binds_and_copy_data_stream(size: int, cuts: list[int]) -> None:
    copied = b"x" * size
    bind, data = bind_of(size).encode(), frontend.CopyData(copied).encode()
    stream = bind + data + frontend.Sync().encode()
    for chunks in ([stream], cut(stream, cuts)):
        splitter = started(FrameLimits(max_held=20))
        found = []
        for chunk in chunks:
            splitter.feed(chunk)
            while (frame := splitter.next()) is not None:
                found.append(frame)
        opening = found[0]
        assert isinstance(opening, Opening)
        assert frontend.decode(opening) == frontend.Bind(b"p", b"statement", b"")
        rest = [frame for frame in found if isinstance(frame, Rest)]
        assert opening.raw + b"".join(r.data for r in rest) == bind
        assert [r.last for r in rest] == [False] * (len(rest) - 1) + [True]
        pieces = [f for f in found if isinstance(f, Frame) and f.tag == Frontend.COPY_DATA]
        assert b"".join(f.payload for f in pieces) == copied
        assert found[-1] == Frame(Frontend.SYNC, b"")


def test_large_values_stream_with_bounded_memory() -> None:
    size, chunk = 64 << 20, bytes(256 << 10)
    splitter = started()
    header = pack(Frontend.BIND, b"p\0statement\0" + struct.pack("!HHi", 0, 1, size))
    splitter.feed(header[:1] + (len(header) - 1 + size + 2).to_bytes(4, "big") + header[5:])
    assert isinstance(splitter.next(), Opening)
    tracemalloc.start()
    try:
        for _ in range(size // len(chunk)):
            splitter.feed(chunk)
            while (piece := splitter.next()) is not None:
                assert isinstance(piece, Rest)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 << 20
    splitter.feed(b"\0\0" + frontend.Sync().encode())
    assert splitter.next() == Rest(b"\0\0", last=True)
    assert splitter.next() == Frame(Frontend.SYNC, b"")


def test_names_that_are_too_long() -> None:
    splitter = started(FrameLimits(max_held=20))
    splitter.feed(pack(Frontend.BIND, b"n" * 40))
    with pytest.raises(ProtocolViolation):
        splitter.next()


@pytest.mark.parametrize(
    "tag",
    sorted(values_of(Frontend)),
    ids=chr,
)
def test_frontend_caps(tag: int) -> None:
    limits = FrameLimits()
    cap = limits.by_tag()[tag]
    splitter = started(limits)
    splitter.feed(tag.to_bytes(1, "big") + cap.to_bytes(4, "big"))
    assert splitter.next() is None or cap == 4
    for length in (cap + 1, 0xFFFFFFFF, 0, 3):
        splitter = started(limits)
        splitter.feed(tag.to_bytes(1, "big") + length.to_bytes(4, "big"))
        with pytest.raises(ProtocolViolation):
            splitter.next()


@pytest.mark.parametrize("tag", sorted(values_of(Backend)), ids=chr)
def test_backend_caps(tag: int) -> None:
    cap = BackendLimits().by_tag()[tag]
    for length in (cap + 1, 0, 3):
        splitter = BackendSplitter()
        splitter.feed(tag.to_bytes(1, "big") + length.to_bytes(4, "big"))
        with pytest.raises(ProtocolViolation):
            splitter.next()


def test_rows_before_a_bad_length_still_come_out() -> None:
    row = backend.DataRow((b"1",)).encode()
    splitter = BackendSplitter()
    splitter.feed(row + b"D\0\0\0\0")
    assert splitter.next() == RowRun(Backend.DATA_ROW, row, 1)
    with pytest.raises(ProtocolViolation):
        splitter.next()


@pytest.mark.parametrize("tag", [0, ord("?"), ord("R"), 0xFF])
def test_unknown_frontend_type_is_refused_at_its_first_byte(tag: int) -> None:
    splitter = started()
    splitter.feed(bytes([tag]))
    with pytest.raises(ProtocolViolation):
        splitter.next()


def test_unknown_backend_type() -> None:
    splitter = BackendSplitter()
    splitter.feed(b"?\0\0\0\4")
    with pytest.raises(ProtocolViolation):
        splitter.next()


def test_only_accepted_types_pass_while_authenticating() -> None:
    splitter = started()
    splitter.accept_only(Frontend.PASSWORD)
    splitter.feed(frontend.PasswordMessage(b"x\0").encode())
    assert splitter.next() is not None
    splitter.accept_only()
    splitter.feed(frontend.Sync().encode())
    assert splitter.next() is not None
    splitter.accept_only(Frontend.PASSWORD)
    splitter.feed(b"B")
    with pytest.raises(ProtocolViolation):
        splitter.next()


class TestStartupMode:
    def test_special_requests_keep_it(self) -> None:
        splitter = FrontendSplitter()
        data = SSLRequest().encode() + STARTUP + frontend.Sync().encode()
        for byte in data:
            splitter.feed(bytes([byte]))
        starting = []
        for _ in range(2):
            assert splitter.next_startup() is not None
            starting.append(splitter.starting)
        assert starting == [True, False]
        assert splitter.next() == Frame(Frontend.SYNC, b"")

    def test_plaintext_behind_ssl_request_is_visible(self) -> None:
        splitter = FrontendSplitter()
        splitter.feed(SSLRequest().encode() + STARTUP)
        assert splitter.next_startup() is not None
        assert splitter.pending == STARTUP

    @pytest.mark.parametrize("length", [0, 4, 7, 10_001, 0xFFFFFFFF])
    def test_length(self, length: int) -> None:
        splitter = FrontendSplitter()
        splitter.feed(length.to_bytes(4, "big"))
        with pytest.raises(ProtocolViolation):
            splitter.next_startup()

    def test_each_mode_has_its_call(self) -> None:
        with pytest.raises(RuntimeError):
            FrontendSplitter().next()
        with pytest.raises(RuntimeError):
            started().next_startup()


def test_limits_are_settable() -> None:
    splitter = started(replace(FrameLimits(), max_query=20))
    splitter.feed(frontend.Query(b"x" * 20).encode())
    with pytest.raises(ProtocolViolation):
        splitter.next()


def test_no_content_in_repr() -> None:
    for thing in (
        Frame(Frontend.QUERY, b"secret"),
        RowRun(Backend.DATA_ROW, b"secret", 1),
        frontend.Query(b"secret"),
        frontend.Parse(b"", b"secret"),
        frontend.Bind(b"", b"", b"secret"),
        frontend.PasswordMessage(b"secret"),
        frontend.CopyData(b"secret"),
        frontend.CopyFail(b"secret"),
        frontend.FunctionCall(1, b"secret"),
        backend.DataRow((b"secret",)),
        backend.CopyData(b"secret"),
        backend.BackendKeyData(1, b"secret"),
        backend.NotificationResponse(1, b"c", b"secret"),
        backend.FunctionCallResponse(b"secret"),
        CancelRequest(1, b"secret"),
    ):
        assert "secret" not in repr(thing)
