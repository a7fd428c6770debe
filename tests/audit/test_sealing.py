"""Sealing loses no byte, whatever stops it where, and seals nothing that was changed."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dbguard.audit import blocks as blocks_module
from dbguard.audit import sealing
from dbguard.audit.blocks import load_index
from dbguard.audit.compression import decompress, frame_places
from dbguard.audit.reading import Follower, Selection, last, read
from dbguard.audit.records import DecisionRecord, EventRecord, OutcomeRecord, RecordKind
from dbguard.audit.sealing import Unsealable, make_index, seal, to_seal, without_index
from dbguard.audit.terms import Term
from dbguard.audit.trails import segments
from dbguard.audit.writer import AuditLog
from dbguard.audit_settings import Durability
from dbguard.errors import ConfigurationError

MADE: list[Path] = []
BASE = datetime(2026, 11, 21, 8, tzinfo=UTC)


def fill(
    folder: Path, decision: DecisionRecord, sessions: int, segment_bytes: int = 20_000
) -> None:
    """A trail of several segments; each session has a user and a relation of its own."""
    log = AuditLog.open(folder, segment_bytes=segment_bytes, clock=lambda: BASE)
    begin = log.durable_sequence
    log.close()
    seconds = iter(range(begin, begin + 10 * sessions + 10))
    log = AuditLog.open(
        folder,
        segment_bytes=segment_bytes,
        durability=Durability.BUFFERED,
        clock=lambda: BASE + timedelta(seconds=next(seconds)),
    )
    for number in range(sessions):
        session = f"s{begin + number}"
        user = f"user{number % 7}"
        log.append(EventRecord(RecordKind.CONNECT, session, (("user", user),)))
        made = log.append(
            replace(
                decision, session=session, principal_user=user, relations=(f"clinic.t{number}",)
            )
        )
        log.wait(log.append(OutcomeRecord(session, made, "SELECT 1", 1, "", 5)), 10)
    log.close()


@pytest.fixture
def trail(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    decision: DecisionRecord,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """300 records in plain segments, made once."""
    monkeypatch.setattr(blocks_module, "BLOCK", 4096)  # several frames in a small segment
    if not MADE:
        MADE.append(tmp_path_factory.mktemp("trail"))
        fill(MADE[0], decision, 100)
    folder = tmp_path / "audit"
    shutil.copytree(MADE[0], folder)
    return folder


def content(folder: Path) -> bytes:
    """All lines, sealed or not, read without dbguard's readers."""
    whole = b""
    for segment in segments(folder):
        if segment.sealed:
            data = segment.compressed.read_bytes()
            for place in frame_places(segment.compressed):
                whole += decompress(data[place.offset : place.offset + place.size])
        else:
            whole += segment.plain.read_bytes()
    return whole


def seal_all(folder: Path) -> int:
    return sum(seal(segment) is not None for segment in to_seal(folder))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_all_but_the_last_segment_are_sealed_and_nothing_is_lost(trail: Path) -> None:
    before = content(trail)
    count = len(segments(trail))
    assert count > 3
    assert seal_all(trail) == count - 1
    assert content(trail) == before
    assert [segment.sealed for segment in segments(trail)] == [True] * (count - 1) + [False]
    assert not [name for name in names(trail) if name.endswith(".tmp")]
    assert len(frame_places(segments(trail)[0].compressed)) > 3
    assert seal_all(trail) == 0


def test_sealed_segments_read_as_plain_ones(trail: Path) -> None:
    selections = [
        Selection(),
        Selection(principal="user3"),
        Selection(kinds=frozenset({RecordKind.OUTCOME})),
        Selection(since=BASE + timedelta(seconds=50), until=BASE + timedelta(seconds=120)),
        Selection(after=200),
    ]
    before = [[stored.line for stored in read(trail, chosen)] for chosen in selections]
    newest = [stored.line for stored in last(trail, 250)]
    seal_all(trail)
    assert [[stored.line for stored in read(trail, chosen)] for chosen in selections] == before
    assert [stored.line for stored in last(trail, 250)] == newest
    assert [stored.sequence for stored in last(trail, 7)] == list(range(294, 301))


def test_a_period_reads_no_other_frames(trail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seal_all(trail)
    reads: list[int] = []
    real = blocks_module._read

    def counting(*arguments: object) -> bytes:
        reads.append(1)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(blocks_module, "_read", counting)
    since = BASE + timedelta(seconds=60)
    assert len(list(read(trail, Selection(since=since, until=since + timedelta(seconds=3))))) == 3
    assert len(reads) <= 2


class Stop(Exception):
    """The process ends here."""


STEPS: list[tuple[object, str, int]] = [
    (sealing, "_new", 1),
    (sealing, "_write", 1),
    (sealing, "_compare", 1),
    (sealing, "_new", 2),
    (sealing, "_put_index", 1),
    (sealing, "_sync", 1),
    (sealing, "_sync", 2),
    (sealing, "_sync", 3),
    (Path, "rename", 1),
    (Path, "rename", 2),
    (Path, "unlink", 1),
    (Path, "unlink", 2),
    (Path, "unlink", 3),
]
"""What is called, and which of its calls is the last."""


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("owner", "name", "call"), STEPS, ids=lambda value: str(value)[-9:])
def test_a_stop_at_any_step_is_harmless(
    trail: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    name: str,
    call: int,
    after: bool,
) -> None:
    """The process stops for good: what `finally` would clean up stays, as after a kill."""
    before = content(trail)
    real: Callable[..., object] = getattr(owner, name)
    calls = 0
    stopped = False

    def stopping(*arguments: object, **options: object) -> object:
        nonlocal calls, stopped
        if stopped:
            raise Stop
        calls += 1
        if calls == call and not after:
            stopped = True
            raise Stop
        result = real(*arguments, **options)
        if calls == call:
            stopped = True
            raise Stop
        return result

    segment = to_seal(trail)[0]
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, stopping)
        if name != "unlink":
            unlink = Path.unlink

            def surviving(path: Path, missing_ok: bool = False) -> None:
                if not stopped:
                    unlink(path, missing_ok)

            patch.setattr(Path, "unlink", surviving)
        with contextlib.suppress(Stop):
            seal(segment)
    assert content(trail) == before
    assert len(list(read(trail))) == 300
    assert (
        seal_all(trail)
        == len(to_seal(trail))
        + sum(s.sealed for s in segments(trail))
        - int(not segment.plain.exists() and calls == 0)
        or content(trail) == before
    )
    assert content(trail) == before
    assert without_index(trail) == []
    assert all(s.sealed for s in segments(trail)[:-1])
    assert not [one for one in names(trail) if one.endswith(".tmp")]


def test_a_killed_sealer_leaves_what_can_be_gone_on_with(
    tmp_path: Path, decision: DecisionRecord
) -> None:
    fill(tmp_path, decision, 300, segment_bytes=100_000)
    before = content(tmp_path)
    code = (
        "import sys; from pathlib import Path; from dbguard.audit.sealing import seal, to_seal\n"
        "print('begin', flush=True)\n"
        "for segment in to_seal(Path(sys.argv[1])): seal(segment)"
    )
    for milliseconds in (0, 4, 8, 16):
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        child.stdout.readline()
        try:
            child.wait(milliseconds / 1000)
        except subprocess.TimeoutExpired:
            child.kill()
        child.wait()
        child.stdout.close()
        assert content(tmp_path) == before
        assert len(list(read(tmp_path))) == 900
    seal_all(tmp_path)
    assert content(tmp_path) == before
    assert not [one for one in names(tmp_path) if one.endswith(".tmp")]


def test_no_space_leaves_everything_as_it_was(trail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = names(trail)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    segment = to_seal(trail)[0]
    with monkeypatch.context() as patch:
        patch.setattr(sealing, "_sync", lambda path: None)
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="no space left"):
            seal(segment)
    assert names(trail) == found
    assert seal(segment) is not None


def flip(data: bytes) -> bytes:
    return data.replace(b"clinic.t3", b"clinic.t4", 1)


def cut(data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    return b"".join(lines[:3] + lines[4:])


def shorten(data: bytes) -> bytes:
    return b"".join(data.splitlines(keepends=True)[:-1])


def swap(data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    return b"".join([*lines[:3], lines[4], lines[3], *lines[5:]])


@pytest.mark.parametrize("change", [flip, cut, shorten, swap, lambda data: data[:-1]])
def test_what_was_changed_is_not_sealed(trail: Path, change: Callable[[bytes], bytes]) -> None:
    segment = segments(trail)[0]
    changed = change(segment.plain.read_bytes())
    segment.plain.write_bytes(changed)
    with pytest.raises(Unsealable, match=r"audit-00000[12]\.jsonl: "):
        seal(segment)
    assert segment.plain.read_bytes() == changed
    assert not segment.compressed.exists()


def test_a_segment_that_does_not_follow_the_sealed_one_is_not_sealed(trail: Path) -> None:
    first, second = to_seal(trail)[:2]
    seal(first)
    second.plain.write_bytes(b"".join(second.plain.read_bytes().splitlines(keepends=True)[1:]))
    with pytest.raises(Unsealable, match="does not continue"):
        seal(second)


def test_a_segment_that_the_head_file_does_not_know_to_be_over_waits(trail: Path) -> None:
    head = trail / "head"
    whole = head.read_bytes()
    head.write_bytes(b"x" * 256)
    assert to_seal(trail) == []
    head.unlink()
    assert to_seal(trail) == []
    head.write_bytes(whole)
    assert to_seal(trail)


def test_two_sealers_do_not_meet(trail: Path) -> None:
    segment = to_seal(trail)[0]
    with sealing.held(segment) as file:
        assert file is not None
        assert seal(segment) is None
    assert seal(segment) is not None
    assert seal(segment) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:20],
        lambda data: data[:-10],
        lambda data: data[:60] + b"\xff" + data[61:],
        lambda data: b"{}",
    ],
)
def test_without_a_usable_index_all_is_still_found(
    trail: Path, damage: Callable[[bytes], bytes]
) -> None:
    chosen = Selection(kinds=frozenset({RecordKind.DECISION}), since=BASE + timedelta(seconds=33))
    expected = [stored.sequence for stored in read(trail, chosen)]
    seal_all(trail)
    segment = segments(trail)[0]
    segment.index.write_bytes(damage(segment.index.read_bytes()))
    assert [stored.sequence for stored in read(trail, chosen)] == expected
    assert [stored.sequence for stored in last(trail, 300)] == list(range(1, 301))


def test_the_index_of_another_segment_misleads_nobody(trail: Path) -> None:
    seal_all(trail)
    first, second = segments(trail)[:2]
    first.index.write_bytes(second.index.read_bytes())
    assert without_index(trail) == [first]
    assert len(list(read(trail, Selection(kinds=frozenset({RecordKind.DECISION}))))) == 100
    make_index(first)
    index = load_index(first)
    assert without_index(trail) == []
    assert index is not None
    values = index.values(Term.RELATION)
    assert values is not None
    assert values["clinic.t0"] == 1


def test_too_many_values_are_left_out(trail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbguard.audit.index.MAX_VALUES", 10)
    seal_all(trail)
    index = load_index(segments(trail)[0])
    assert index is not None
    assert index.values(Term.RELATION) is None
    assert index.where(Term.RELATION, lambda value: False) == index.all
    assert sorted(index.values(Term.USER) or ()) == [f"user{number}" for number in range(7)]


def test_damaged_compressed_data_is_named(trail: Path) -> None:
    seal_all(trail)
    path = segments(trail)[1].compressed
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ConfigurationError, match=r"audit-000002\.jsonl\.zst: "):
        list(read(trail))
    path.chmod(0)
    if os.geteuid():
        with pytest.raises(ConfigurationError, match="cannot be read"):
            list(read(trail))


def test_reading_goes_on_while_segments_are_sealed(trail: Path) -> None:
    """Listed as plain, opened when it is sealed already."""
    records = read(trail)
    found = [next(records).sequence for _ in range(10)]
    seal_all(trail)
    found += [stored.sequence for stored in records]
    assert found == list(range(1, 301))


def test_followers_go_on_in_a_segment_that_was_sealed_meanwhile(
    trail: Path, decision: DecisionRecord
) -> None:
    follower = Follower(trail)
    fill(trail, decision, 60)
    seal_all(trail)
    assert [stored.sequence for stored in follower.new()] == list(range(301, 481))
    fill(trail, decision, 1)
    assert [stored.sequence for stored in follower.new()] == [481, 482, 483]
    assert follower.new() == []


def test_chains_are_merged_by_time(trail: Path, decision: DecisionRecord) -> None:
    follower = Follower(trail)
    fill(trail / "eu-1", decision, 20)
    seal_all(trail)
    found = list(read(trail))
    assert len(found) == 360
    assert [stored.time for stored in found] == sorted(stored.time for stored in found)
    assert {stored.name for stored in found} >= {"1", "300", "eu-1:1", "eu-1:60"}
    assert [stored.time for stored in last(trail, 360)] == [stored.time for stored in found]
    assert [stored.name for stored in follower.new()] == [f"eu-1:{n}" for n in range(1, 61)]
