"""A copy in a folder elsewhere: byte for byte, only growing, and never over something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbguard.audit.chain import HEAD_NAME, segment_name
from dbguard.audit.checkpoints import CHECKPOINTS_NAME
from dbguard.shipping.delivering import Delivery, GivenUp
from dbguard.shipping.making import make_destination
from dbguard.verification.trail import verify

from .places import QUICK, Said, Trail, settings_of


def shipping(trail: Trail, said: Said, copy: Path, **members: object) -> Delivery:
    settings = settings_of(**({"type": "file", "directory": copy} | members))
    destination = make_destination(settings, said)
    return Delivery(trail.directory, settings, destination, said, pace=QUICK, by_hand=True)


def same(trail: Trail, copy: Path) -> bool:
    names = sorted(path.name for path in trail.folder.glob("audit-*.jsonl"))
    return names == sorted(path.name for path in copy.glob("audit-*.jsonl")) and all(
        (trail.folder / name).read_bytes() == (copy / name).read_bytes() for name in names
    )


async def test_the_copy_is_a_trail(trail: Trail, said: Said, tmp_path: Path) -> None:
    trail.add(40)
    trail.checkpoint()
    copy = tmp_path / "elsewhere" / "audit"
    await shipping(trail, said, copy).run(once=True)
    assert same(trail, copy)
    trail.add(10)
    trail.checkpoint()
    await shipping(trail, said, copy).run(once=True)
    assert same(trail, copy)
    for name in (HEAD_NAME, CHECKPOINTS_NAME):
        assert (copy / name).read_bytes() == (trail.folder / name).read_bytes()
    assert verify(copy) == verify(trail.directory)
    assert (copy / segment_name(1)).stat().st_mode & 0o777 == 0o600


async def test_nothing_stands_there_twice(trail: Trail, said: Said, tmp_path: Path) -> None:
    """Not when the cursor is lost, nor when a write was cut off in the middle."""
    trail.add(40)
    trail.checkpoint(20)
    trail.checkpoint()
    copy = tmp_path / "copy"
    await shipping(trail, said, copy).run(once=True)
    checkpoints = (copy / CHECKPOINTS_NAME).read_bytes()
    cursor = trail.directory / "shipping" / "place.json"
    last = sorted(copy.glob("audit-*.jsonl"))[-1]
    for path, left in ((last, 250), (last, 0), (copy / CHECKPOINTS_NAME, 100)):
        cursor.unlink()
        path.write_bytes(path.read_bytes()[:left])
        await shipping(trail, said, copy).run(once=True)
        assert same(trail, copy)
        assert (copy / CHECKPOINTS_NAME).read_bytes() == checkpoints
        assert verify(copy) == verify(trail.directory)


async def test_only_checkpoints(trail: Trail, said: Said, tmp_path: Path) -> None:
    trail.add(20)
    trail.checkpoint(7)
    trail.checkpoint()
    await shipping(trail, said, tmp_path / "copy", send=["checkpoints"]).run(once=True)
    made = (trail.folder / CHECKPOINTS_NAME).read_bytes()
    assert (tmp_path / "copy" / CHECKPOINTS_NAME).read_bytes() == made
    assert not list((tmp_path / "copy").glob("audit-*"))


async def test_something_else_is_there(trail: Trail, said: Said, tmp_path: Path) -> None:
    trail.add(3)
    copy = tmp_path / "copy"
    await shipping(trail, said, copy).run(once=True)
    path = copy / segment_name(1)
    content = path.read_bytes()
    for changed in (content.replace(b"clinic", b"klinic", 1), content + b"more\n"):
        path.write_bytes(changed)
        (trail.directory / "shipping" / "place.json").unlink(missing_ok=True)
        trail.add(1)
        with pytest.raises(GivenUp, match=r"fork: .* holds something else behind byte"):
            await shipping(trail, said, copy).run(once=True)
        assert path.read_bytes() == changed
    path.write_bytes(content)
    await shipping(trail, said, copy).run(once=True)
    assert same(trail, copy)


async def test_something_is_missing_there(trail: Trail, said: Said, tmp_path: Path) -> None:
    trail.add(3)
    copy = tmp_path / "copy"
    await shipping(trail, said, copy).run(once=True)
    (copy / segment_name(1)).write_bytes(b"")
    trail.add(1)
    with pytest.raises(GivenUp, match=r"fork: .* has 0 bytes, where"):
        await shipping(trail, said, copy).run(once=True)


async def test_the_copy_of_another_trail(trail: Trail, said: Said, tmp_path: Path) -> None:
    other = Trail(tmp_path / "other")
    trail.add(3)
    other.add(3)
    await shipping(trail, said, tmp_path / "copy").run(once=True)
    with pytest.raises(GivenUp, match="holds a copy of another trail"):
        await shipping(other, said, tmp_path / "copy").run(once=True)


async def test_another_root_for_the_same_size(trail: Trail, said: Said, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    trail.add(10)
    trail.checkpoint()
    await shipping(trail, said, copy, send=["checkpoints"]).run(once=True)
    path = trail.folder / CHECKPOINTS_NAME
    note = path.read_text()
    root = note.split("\\n")[2]
    path.write_text(note.replace(root, "A" * 43 + "="))
    (trail.directory / "shipping" / "place.json").unlink()
    with pytest.raises(GivenUp, match="holds another root for tree size 11"):
        await shipping(trail, said, copy, send=["checkpoints"]).run(once=True)


async def test_the_place_cannot_be_written(trail: Trail, said: Said, tmp_path: Path) -> None:
    trail.add(1)
    (tmp_path / "file").write_text("")
    with pytest.raises(GivenUp, match="not a directory"):
        await shipping(trail, said, tmp_path / "file" / "copy").run(once=True)
