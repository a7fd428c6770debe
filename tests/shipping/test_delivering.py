"""At least once, in order, whatever happens to destination, cursor and process."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dbguard.audit.chain import segment_name
from dbguard.audit.checkpoints import CHECKPOINTS_NAME, PRUNED_NAME
from dbguard.shipping.cursors import CursorFile
from dbguard.shipping.delivering import GivenUp, Pace
from dbguard.shipping.destination import Fork, Rejected, Unavailable
from dbguard.shipping.shipper import ship, ship_by_hand
from dbguard.shipping.status import DeliveryState, DeliveryStatus

from .places import QUICK, Place, Said, Trail, delivery, sequences

KILLS = int(os.environ.get("SHIPPING_KILLS", "2"))


async def once(trail: Trail, place: Place, said: Said, **members: object) -> None:
    await delivery(trail, place, said, **members).run(once=True)  # type: ignore[arg-type]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(90):
        while not condition():
            await asyncio.sleep(0.005)


async def test_everything_arrives_once_and_then_nothing(trail: Trail, said: Said) -> None:
    trail.add(60)
    trail.checkpoint()
    place = Place()
    await once(trail, place, said)
    assert place.lines == trail.lines()
    assert len(place.checkpoints) == 1
    await once(trail, place, said)
    assert place.lines == trail.lines()
    trail.add(3)
    await once(trail, place, said)
    assert place.lines == trail.lines()
    assert place.closed == 3
    assert said.entries == []
    cursor = json.loads((trail.directory / "shipping" / "place.json").read_text())
    assert cursor["v"] == 1
    assert cursor["chains"][""]["seq"] == trail.count
    assert cursor["chains"][""]["checkpoint_size"] > 0
    assert (trail.directory / "shipping" / "place.json").stat().st_mode & 0o777 == 0o600


async def test_only_checkpoints(trail: Trail, said: Said) -> None:
    trail.add(20)
    trail.checkpoint(5)
    trail.checkpoint(20)
    place = Place()
    await once(trail, place, said, send=["checkpoints"])
    assert (len(place.lines), len(place.checkpoints)) == (0, 2)
    await once(trail, place, said, send=["checkpoints"])
    assert len(place.checkpoints) == 2


async def test_a_checkpoint_comes_behind_its_records(trail: Trail, said: Said) -> None:
    trail.add(20)
    trail.checkpoint(20)
    place = Place(moods=[Unavailable("away")] * 3)
    await once(trail, place, said)
    assert (place.lines, len(place.checkpoints)) == (trail.lines(), 1)


async def test_all_chains(tmp_path: Path, said: Said) -> None:
    top, other = Trail(tmp_path / "a"), Trail(tmp_path / "a", "eu-1")
    top.add(5)
    other.add(6)
    place = Place()
    await once(top, place, said)
    assert sorted(place.lines) == sorted([*top.lines(), *other.lines()])
    assert [line for line in place.lines if line in other.lines()] == other.lines()
    assert set(CursorFile(top.directory, "place").read().chains) == {"", "eu-1"}


async def test_it_is_away_and_comes_back(trail: Trail, said: Said) -> None:
    trail.add(20)
    place = Place(moods=[Unavailable("away")] * 5)
    shipping = delivery(trail, place, said)
    task = asyncio.create_task(shipping.run())
    await until(lambda: shipping.status().state is DeliveryState.RETRYING)
    assert shipping.status().lag_records == trail.count
    assert shipping.status().lag_seconds >= 0
    assert shipping.status().reason == "away"
    await until(lambda: len(place.lines) == trail.count)
    assert place.lines == trail.lines()
    await until(lambda: shipping.status().state is DeliveryState.SHIPPING)
    assert shipping.status().errors == 5
    assert shipping.status().lag_records == 0
    trail.add(4)
    await until(lambda: len(place.lines) == trail.count)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert said.events() == ["a destination is away", "a destination takes records again"]


async def test_one_that_is_slow_or_away_holds_up_no_other(trail: Trail, said: Said) -> None:
    trail.add(20)
    quick, slow, away = Place(), Place(slow=30), Place(moods=[Unavailable("away")] * 10_000)
    deliveries = [
        delivery(trail, place, said, name=name)
        for place, name in ((slow, "slow"), (away, "away"), (quick, "quick"))
    ]
    shown: list[list[DeliveryStatus]] = []
    task = asyncio.create_task(
        ship([lambda one=one: one for one in deliveries], said, shown.append, every=0.005)
    )
    await until(lambda: len(quick.lines) == trail.count)
    trail.add(5)
    await until(lambda: len(quick.lines) == trail.count)
    assert (slow.lines, away.lines) == ([], [])
    await until(lambda: bool(shown) and shown[-1][2].lag_records == 0)
    assert [status.lag_records > 0 for status in shown[-1]] == [True, True, False]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_hanging_destination_is_given_up_after_the_timeout(
    trail: Trail, said: Said
) -> None:
    trail.add(2)
    place = Place(slow=60)
    with pytest.raises(GivenUp, match="no answer within 1 s"):
        await delivery(trail, place, said, by_hand=True, timeout=1).run(once=True)


async def test_a_defect_in_one_is_told_by_its_kind_and_begun_again(
    trail: Trail, said: Said
) -> None:
    trail.add(3)
    broken, good = Place(moods=[KeyError("secret text")]), Place()
    shown: list[list[DeliveryStatus]] = []
    make = [
        lambda: delivery(trail, broken, said, name="broken"),
        lambda: delivery(trail, good, said, name="good"),
    ]
    task = asyncio.create_task(ship(make, said, shown.append, again=0.05, every=0.005))
    await until(lambda: len(broken.lines) == len(good.lines) == trail.count)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert said.events("error") == ["the delivery failed: KeyError"]
    assert "secret text" not in str(said)


async def test_what_is_refused_for_good_stops_the_destination(trail: Trail, said: Said) -> None:
    trail.add(20)
    place = Place(refuses=lambda line: Rejected("too large") if b'"seq":8,' in line else None)
    shipping = delivery(trail, place, said)
    task = asyncio.create_task(shipping.run())
    await until(lambda: shipping.status().state is DeliveryState.STOPPED)
    assert place.lines == trail.lines()[:7]
    assert shipping.status().reason == "record 8 is rejected: too large"

    def noted() -> bool:
        trouble = CursorFile(trail.directory, "place").read().trouble
        return trouble is not None and trouble.reason == "record 8 is rejected: too large"

    await until(noted)
    place.refuses = lambda line: None  # somebody has raised the limit there
    await until(lambda: place.lines == trail.lines())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert said.events("error") == ["nothing goes to a destination"]


async def test_what_is_refused_for_good_is_skipped_where_that_is_wanted(
    trail: Trail, said: Said
) -> None:
    trail.add(20)
    place = Place(refuses=lambda line: Rejected("too large") if b'"seq":8,' in line else None)
    await once(trail, place, said, on_reject="skip")
    lines = trail.lines()
    assert place.lines == lines[:7] + lines[8:]
    assert [(gap.first, gap.last, gap.reason) for gap in place.gaps] == [(8, 8, "rejected")]
    (entry,) = said.entries
    assert entry[2] == {"destination": "place", "what": "record 8", "reason": "too large"}


async def test_a_fork_stops_it(trail: Trail, said: Said) -> None:
    trail.add(3)
    place = Place(moods=[Fork("another record 2 is there")])
    with pytest.raises(GivenUp, match="fork: another record 2 is there"):
        await delivery(trail, place, said, by_hand=True).run(once=True)
    assert said.events() == ["nothing goes to a destination"]


async def test_a_chain_that_changed_holds_up_no_other(tmp_path: Path, said: Said) -> None:
    top, other = Trail(tmp_path / "a"), Trail(tmp_path / "a", "eu-1")
    top.add(5)
    other.add(6)
    path = top.folder / segment_name(1)
    path.write_bytes(path.read_bytes().replace(b"clinic.patients", b"clinic.patientz", 1))
    place = Place()
    shipping = delivery(top, place, said)
    task = asyncio.create_task(shipping.run())
    await until(lambda: place.lines == other.lines())
    other.add(3)
    await until(lambda: place.lines == other.lines())
    assert shipping.status().state is DeliveryState.STOPPED
    assert "does not match its own hash" in shipping.status().reason
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    failures = await ship_by_hand([delivery(top, Place(), said, by_hand=True)], once=True)
    assert list(failures) == ["place"]


async def test_a_chain_that_is_gone_is_told(tmp_path: Path, said: Said) -> None:
    top, other = Trail(tmp_path / "a"), Trail(tmp_path / "a", "eu-1")
    top.add(5)
    other.add(6)
    place = Place()
    await once(top, place, said)
    shutil.rmtree(other.folder)
    top.add(1)
    with pytest.raises(GivenUp, match="chain eu-1, which was shipped, is gone"):
        await delivery(top, place, said, by_hand=True).run(once=True)
    assert place.lines[-1:] == top.lines()[-1:]


async def test_another_dbguard_takes_over(trail: Trail, said: Said) -> None:
    trail.add(2)
    file = CursorFile(trail.directory, "place")
    file.lock()
    place = Place()
    second = delivery(trail, place, said)
    task = asyncio.create_task(second.run())
    await until(lambda: second.status().state is DeliveryState.STANDBY)
    file.release()
    await until(lambda: place.lines == trail.lines())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_records_that_retention_removed(trail: Trail, said: Said) -> None:
    trail.add(40)
    trail.checkpoint()
    first = trail.folder / segment_name(1)
    gone = len(first.read_bytes().splitlines())
    (trail.folder / PRUNED_NAME).write_bytes((trail.folder / CHECKPOINTS_NAME).read_bytes())
    lines = trail.lines()
    first.unlink()
    place = Place()
    await once(trail, place, said)
    assert [(gap.first, gap.last, gap.reason) for gap in place.gaps] == [(1, gone, "retention")]
    assert place.lines == lines[gone:]
    assert said.events("warning") == ["records were gone before they were shipped"]
    await once(trail, place, said)
    assert len(place.gaps) == 1


async def test_a_chain_without_a_name_is_told(trail: Trail, said: Said) -> None:
    trail.add(40)
    (trail.folder / segment_name(1)).unlink()
    with pytest.raises(GivenUp, match="the first segment is missing"):
        await delivery(trail, Place(), said, by_hand=True).run(once=True)


async def test_no_space_for_the_cursor(
    trail: Trail, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    trail.add(20)
    real = CursorFile.write

    def full(self: CursorFile, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(CursorFile, "write", full)
    place = Place()
    await once(trail, place, said)
    assert place.lines == trail.lines()
    assert said.events() == ["how far was shipped cannot be written down; copies may be sent again"]
    monkeypatch.setattr(CursorFile, "write", real)
    await once(trail, place, said)
    assert place.lines == trail.lines() * 2
    await once(trail, place, said)
    assert place.lines == trail.lines() * 2


async def test_a_damaged_cursor_is_not_guessed_at(trail: Trail, said: Said) -> None:
    trail.add(2)
    path = trail.directory / "shipping" / "place.json"
    path.parent.mkdir()
    path.write_text('{"v":1,"chains":{"":{"seq":"x"}}}')
    with pytest.raises(GivenUp, match="does not say how far"):
        await delivery(trail, Place(), said, by_hand=True).run(once=True)


async def test_one_at_a_time(trail: Trail, said: Said) -> None:
    trail.add(2)
    file = CursorFile(trail.directory, "place")
    file.lock()
    with pytest.raises(GivenUp, match="another dbguard ships to this destination"):
        await delivery(trail, Place(), said, by_hand=True).run(once=True)
    file.release()
    await once(trail, Place(), said)


CHILD = """
import asyncio, os, sys, time
from pathlib import Path
from dbguard.shipping.delivering import Delivery, Pace
from dbguard.shipping.items import RecordBatch
from dbguard.shipping_settings import DestinationSettings

out = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

class Appending:
    async def send_records(self, batch):
        os.write(out, batch.data)
        await asyncio.sleep(0)
    async def send_checkpoints(self, batch): pass
    async def send_gap(self, gap): os.write(out, b"gap")
    async def close(self): pass

settings = DestinationSettings(name="place", type="file", directory="/nowhere")
pace = Pace(poll=0.005, save=0.01)
from dbguard.shipping.delivering import Load
delivery = Delivery(Path(sys.argv[1]), settings, Appending(), lambda *_: None, pace=pace,
                    load=Load(records=3, size=100_000))
print("ready", flush=True)
asyncio.run(delivery.run())
"""


def test_killed_at_any_moment_nothing_is_missing_and_order_holds(
    trail: Trail, tmp_path: Path
) -> None:
    """SIGKILL at random moments; what arrived is the trail, apart from repetitions."""
    random_ = random.Random(11)
    out = tmp_path / "out"
    trail.add(50)
    for _ in range(KILLS):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(trail.directory), str(out)],
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        trail.add(random_.randint(1, 9))
        time.sleep(random_.uniform(0, 0.08))
        child.kill()
        child.wait()
        child.stdout.close()
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(trail.directory), str(out)], stdout=subprocess.PIPE
    )
    try:
        lines = trail.lines()
        for _ in range(4000):
            if out.exists() and lines[-1] in out.read_bytes():
                break
            time.sleep(0.005)
    finally:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()
    arrived = out.read_bytes().splitlines(keepends=True)
    highest = 0
    first_time = []
    for sequence, line in zip(sequences(arrived), arrived, strict=True):
        assert sequence <= highest + 1, "a gap"
        if sequence > highest:
            first_time.append(line)
            highest = sequence
    assert first_time == lines


async def test_the_longest_pause_is_kept(trail: Trail, said: Said) -> None:
    trail.add(1)
    place = Place(moods=[Unavailable("busy", retry_after=0.03), None])
    pace = Pace(poll=0.001, first=0.0001, longest=0.1, stopped=1, save=0)
    await delivery(trail, place, said, pace=pace).run(once=True)
    assert place.lines == trail.lines()
    assert QUICK.longest < 1
