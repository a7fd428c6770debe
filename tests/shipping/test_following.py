"""What is on disk is given once, in order, and only when it is durable and whole."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from dbguard.audit.chain import HEAD_NAME, Head, make_line, read_line, segment_name
from dbguard.audit.checkpoints import CHECKPOINTS_NAME, PRUNED_NAME
from dbguard.audit.sealing import seal, to_seal
from dbguard.shipping.following import ChainFollower, CheckpointFollower, TrailChanged
from dbguard.shipping.items import CheckpointPosition, Gap, Position, RecordBatch

from .places import Trail, sequences


def follower(trail: Trail, position: Position | None = None) -> ChainFollower:
    return ChainFollower(trail.folder, "", position or Position())


def rest(follower: ChainFollower, most: int = 300, count: int = 4) -> list[bytes]:
    """All that comes, in small batches."""
    found: list[bytes] = []
    while (batch := follower.next(most, count)) is not None:
        assert isinstance(batch, RecordBatch)
        assert len(batch.records) <= count
        found += [record.line for record in batch.records]
        follower.position = batch.after
    return found


def seal_all(trail: Trail) -> int:
    found = to_seal(trail.folder)
    for segment in found:
        seal(segment)
    return len(found)


def test_everything_once_and_in_order_across_segments(trail: Trail) -> None:
    trail.add(60)
    assert (trail.folder / segment_name(4)).exists()
    following = follower(trail)
    assert rest(following) == trail.lines()
    assert following.next() is None
    before = trail.count
    trail.add(9)
    assert sequences(rest(following)) == list(range(before + 1, trail.count + 1))


def test_from_any_place_plain_or_sealed(trail: Trail) -> None:
    trail.add(60)
    lines = trail.lines()
    following = follower(trail)
    positions = [Position()]
    while (batch := following.next(10, 1)) is not None:
        following.position = batch.after
        positions.append(batch.after)
    chosen = random.Random(5).sample(positions, 12)
    plain = [rest(follower(trail, position)) for position in chosen]
    assert seal_all(trail) >= 3
    assert not (trail.folder / segment_name(1)).exists()
    sealed = [rest(follower(trail, position)) for position in chosen]
    assert plain == sealed == [lines[positions.index(position) :] for position in chosen]


def test_sealed_while_it_is_read(trail: Trail) -> None:
    trail.add(40)
    lines = trail.lines()
    following = follower(trail)
    found = []
    for step in range(10_000):
        if step == 3:
            seal_all(trail)
        batch = following.next(300, 3)
        if batch is None:
            break
        assert isinstance(batch, RecordBatch)
        found += [record.line for record in batch.records]
        following.position = batch.after
    assert found == lines


def test_only_what_the_head_file_knows(trail: Trail) -> None:
    trail.add(5)
    lines = trail.lines()
    link = read_line(lines[2])
    (trail.folder / HEAD_NAME).write_bytes(Head(link.sequence, link.hash).render())
    following = follower(trail)
    assert rest(following) == lines[:3]
    with (trail.folder / segment_name(1)).open("ab") as file:
        file.write(b'{"v":1,"seq":6,')  # a write that is under way
    assert following.next() is None
    link = read_line(lines[-1])
    (trail.folder / HEAD_NAME).write_bytes(Head(link.sequence, link.hash).render())
    assert rest(following) == lines[3:]


def test_a_long_line_comes_whole(trail: Trail) -> None:
    from .places import decision

    trail.add(3, lambda number: decision(number, text="x" * 100_000))
    assert rest(follower(trail), most=1000) == trail.lines()


def prune(trail: Trail, number: int, *, recorded: bool) -> int:
    """Remove the first segments; the last record that is gone."""
    trail.checkpoint()
    gone = 0
    for segment in range(1, number + 1):
        path = trail.folder / segment_name(segment)
        gone = sequences(path.read_bytes().splitlines(keepends=True))[-1]
        path.unlink()
    if recorded:
        lines = trail.folder / CHECKPOINTS_NAME
        (trail.folder / PRUNED_NAME).write_bytes(lines.read_bytes().splitlines(True)[0])
    return gone


@pytest.mark.parametrize(("recorded", "reason"), [(True, "retention"), (False, "missing")])
def test_what_is_gone_is_a_gap(trail: Trail, recorded: bool, reason: str) -> None:
    trail.add(60)
    following = follower(trail)
    first = following.next(5000, 2)
    assert first is not None
    following.position = first.after
    gone = prune(trail, 2, recorded=recorded)
    gap = following.next()
    assert isinstance(gap, Gap)
    assert (gap.first, gap.last, gap.reason) == (3, gone, reason)
    following.position = gap.after
    assert sequences(rest(following)) == list(range(gone + 1, trail.count + 1))


def test_a_new_destination_is_told_what_is_gone(trail: Trail) -> None:
    trail.add(60)
    gone = prune(trail, 1, recorded=True)
    following = follower(trail)
    gap = following.next()
    assert isinstance(gap, Gap)
    assert (gap.first, gap.last) == (1, gone)


def test_nothing_is_missing_when_all_that_is_gone_was_shipped(trail: Trail) -> None:
    trail.add(60)
    lines = (trail.folder / segment_name(1)).read_bytes()
    last = read_line(lines.splitlines(True)[-1])
    following = follower(trail, Position(last.sequence, last.hash.decode(), 1, len(lines)))
    prune(trail, 1, recorded=True)
    assert isinstance(following.next(), RecordBatch)


def flip(trail: Trail) -> None:
    path = trail.folder / segment_name(2)
    path.write_bytes(path.read_bytes().replace(b"clinic.patients", b"clinic.patientz", 1))


def rewrite(trail: Trail) -> None:
    """Compute everything anew from record 1 on, with one word changed."""
    prev = b"0" * 64
    head = Head(0, prev)
    for path in sorted(trail.folder.glob("audit-*.jsonl")):
        lines = []
        for line in path.read_bytes().splitlines(keepends=True):
            link = read_line(line)
            body = line[line.index(b'"kind"') : line.rindex(b',"hash"')]
            made, prev = make_line(link.sequence, link.time, prev, body.replace(b"ana", b"eve"))
            lines.append(made)
            head = Head(link.sequence, prev)
        path.write_bytes(b"".join(lines))
    (trail.folder / HEAD_NAME).write_bytes(head.render())


def cut(trail: Trail) -> None:
    link = read_line(trail.lines()[3])
    (trail.folder / HEAD_NAME).write_bytes(Head(link.sequence, link.hash).render())


def lose(trail: Trail) -> None:
    last = sorted(trail.folder.glob("audit-*.jsonl"))[-1]
    last.unlink()


def behead(trail: Trail) -> None:
    (trail.folder / HEAD_NAME).unlink()


def scribble(trail: Trail) -> None:
    (trail.folder / HEAD_NAME).write_bytes(b"x" * 256)


@pytest.mark.parametrize("change", [flip, rewrite, cut, lose, behead, scribble])
def test_a_trail_that_changed_is_not_shipped(trail: Trail, change: object) -> None:
    trail.add(60)
    following = follower(trail)
    for _ in range(3):
        batch = following.next(3000, 2)
        assert batch is not None
        following.position = batch.after
    change(trail)  # type: ignore[operator]
    with pytest.raises(TrailChanged):
        rest(following)


def test_a_rewritten_trail_is_another_trail(trail: Trail) -> None:
    trail.add(10)
    first = follower(trail)
    batch = first.next()
    assert isinstance(batch, RecordBatch)
    rewrite(trail)
    trail.add(1)
    following = ChainFollower(trail.folder, "", Position(), batch.chain.trail)
    with pytest.raises(TrailChanged, match=f"where {batch.chain.trail} was"):
        following.next()


def test_checkpoints_of_records_that_are_durable_and_shipped(trail: Trail) -> None:
    trail.add(20)
    made = [trail.checkpoint(size) for size in (5, 5, 12, 20)]
    records = follower(trail)
    following = CheckpointFollower(records, CheckpointPosition())
    batch = following.next(up_to=12)
    assert batch is not None
    assert [checkpoint.line for checkpoint in batch.checkpoints] == made[:3]
    following.position = batch.after
    assert following.next(up_to=12) is None
    batch = following.next()
    assert batch is not None
    assert [checkpoint.line for checkpoint in batch.checkpoints] == made[3:]
    following.position = batch.after
    assert following.next() is None


def test_a_checkpoint_of_lost_records_waits(trail: Trail) -> None:
    trail.add(20)
    trail.checkpoint(20)
    link = read_line(trail.lines()[10])
    (trail.folder / HEAD_NAME).write_bytes(Head(link.sequence, link.hash).render())
    assert CheckpointFollower(follower(trail), CheckpointPosition()).next() is None


def test_checkpoints_in_a_file_that_was_written_anew(trail: Trail) -> None:
    trail.add(20)
    made = [trail.checkpoint(size) for size in (5, 12)]
    following = CheckpointFollower(follower(trail), CheckpointPosition())
    batch = following.next()
    assert batch is not None
    following.position = CheckpointPosition(batch.after.size, batch.after.offset - 3)
    made.append(trail.checkpoint(20))
    batch = following.next()
    assert batch is not None
    assert [checkpoint.line for checkpoint in batch.checkpoints] == made[2:]


def test_a_torn_checkpoint_waits(trail: Trail) -> None:
    trail.add(5)
    made = trail.checkpoint()
    path = trail.folder / CHECKPOINTS_NAME
    path.write_bytes(made[:-40])
    following = CheckpointFollower(follower(trail), CheckpointPosition())
    assert following.next() is None
    path.write_bytes(made)
    assert following.next() is not None


def test_nothing_is_no_trouble(tmp_path: Path) -> None:
    trail = Trail(tmp_path / "none")
    assert follower(trail).next() is None
    assert follower(trail).lag() == 0
