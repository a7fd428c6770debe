"""The delivery to one destination: follow, send, wait for the acknowledgement, remember."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from dbguard.errors import ConfigurationError
from dbguard.shipping_settings import DestinationSettings, OnReject
from dbguard.verification.regular_file import NotAFile

from .chains import find_chains
from .cursors import ChainCursor, Cursor, CursorBusy, CursorFile, Trouble
from .destination import Destination, Fork, Rejected, Unavailable
from .following import BATCH_BYTES, BATCH_RECORDS, ChainFollower, CheckpointFollower, TrailChanged
from .items import CheckpointBatch, Gap, Position, RecordBatch, now_text
from .status import DeliveryState, DeliveryStatus, Tell

POLL_SECONDS: Final = 1.0
"""How late a new record may be noticed."""
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 60.0
STOPPED_PAUSE: Final = 300.0
"""How often it is tried again where somebody has to look: what was mended needs no restart."""
SAVE_SECONDS: Final = 1.0
"""A cursor is synced at most so often: its syncs and those of the trail share a disk."""
TRIES_BY_HAND: Final = 3
BATCHES_AT_A_TIME: Final = 16
"""Of one chain, before the next one has its turn."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds to wait for this and that; tests have less of them."""

    poll: float = POLL_SECONDS
    first: float = FIRST_PAUSE
    longest: float = LONGEST_PAUSE
    stopped: float = STOPPED_PAUSE
    save: float = SAVE_SECONDS


@dataclass(frozen=True, slots=True)
class Load:
    """How much goes at once."""

    records: int = BATCH_RECORDS
    size: int = BATCH_BYTES
    gather: float = 0.0
    """Seconds that records may wait for others to go with them."""


class GivenUp(Exception):
    """By hand, nobody waits for a destination for ever. The text says why it was given up."""


class Delivery:
    """Ships to one destination. Not for more than one event loop."""

    def __init__(
        self,
        trail: Path,
        settings: DestinationSettings,
        destination: Destination,
        tell: Tell,
        *,
        pace: Pace | None = None,
        by_hand: bool = False,
        load: Load | None = None,
    ) -> None:
        self._trail = trail
        self._settings = settings
        self._destination = destination
        self._tell = tell
        self._pace = pace or Pace()
        self._by_hand = by_hand
        self._load = load or Load()
        self._file = CursorFile(trail, settings.name)
        self._cursor = Cursor()
        self._followers: dict[str, tuple[ChainFollower, CheckpointFollower]] = {}
        self._blocked: dict[str, tuple[float, str]] = {}
        """Chains that changed: when to look again, and what does not fit."""
        self._saved = 0.0
        self._unsaved = False
        self._saving_fails = False
        self._state = DeliveryState.STARTING
        self._reason = ""
        self._shipped = self._errors = 0
        self._oldest: datetime | None = None

    @property
    def name(self) -> str:
        return self._settings.name

    def status(self) -> DeliveryStatus:
        """How it is doing now. Looks at the disk."""
        lag = 0
        if self._settings.records:
            lag = sum(records.lag() for records, _ in list(self._followers.values()))
        age = (datetime.now(UTC) - self._oldest).total_seconds() if self._oldest and lag else 0.0
        return DeliveryStatus(
            self.name, self._state, lag, max(0.0, age), self._shipped, self._errors, self._reason
        )

    async def run(self, *, once: bool = False) -> None:
        """Ship for as long as the task runs; `once`: until all that is there was acknowledged.

        Raises GivenUp when it works by hand and the destination does not take what it gets.
        """
        await self._lock()
        try:
            await self._begin()
            while True:
                moved = await self._round()
                await self._save(force=not moved)
                if not moved:
                    self._is_well()
                    if self._by_hand and self._blocked:
                        raise GivenUp(self._reason)
                    if once:
                        return
                    await asyncio.sleep(self._pace.poll)
        finally:
            await self._save(force=True)
            self._file.release()
            await self._destination.close()

    async def _lock(self) -> None:
        while True:
            try:
                self._file.lock()
                return
            except CursorBusy:
                state, reason = DeliveryState.STANDBY, "another dbguard ships to this destination"
            except OSError as error:
                state, reason = (
                    DeliveryState.RETRYING,
                    f"the cursor cannot be kept: {_words(error)}",
                )
            if self._by_hand:
                raise GivenUp(reason)
            if (state, reason) != (self._state, self._reason):
                level = "info" if state is DeliveryState.STANDBY else "error"
                self._tell(level, reason, {"destination": self.name})
            self._state, self._reason = state, reason
            await asyncio.sleep(self._pace.longest / 10)

    async def _begin(self) -> None:
        while True:
            try:
                self._cursor = self._file.read()
                return
            except (ConfigurationError, OSError) as error:
                reason = error.message if isinstance(error, ConfigurationError) else _words(error)
                await self._wait_for_somebody(reason)

    # ---- what is there

    async def _round(self) -> bool:
        """Ship what all chains have; whether there was anything."""
        moved = False
        try:
            names = await asyncio.to_thread(find_chains, self._trail)
        except OSError as error:
            await self._wait_for_somebody(f"the trail cannot be read: {_words(error)}")
            return True
        for name, chain in self._cursor.chains.items():
            if chain.records.sequence and name not in names:
                await self._block(name, f"{_chain_name(name)}, which was shipped, is gone")
        for name in names:
            if name in self._blocked and time.monotonic() < self._blocked[name][0]:
                continue
            records, checkpoints = self._follower(name)
            try:
                for _ in range(BATCHES_AT_A_TIME):
                    if not await self._ship(name, records, checkpoints):
                        break
                    moved = True
            except TrailChanged as error:
                await self._block(name, f"{_chain_name(name)}: {error}")
            except OSError as error:
                await self._block(name, f"{_chain_name(name)} cannot be read: {_words(error)}")
            else:
                self._blocked.pop(name, None)
        return moved

    async def _block(self, name: str, reason: str) -> None:
        """Leave a chain alone for a while; the others go on."""
        self._errors += 1
        self._blocked[name] = time.monotonic() + self._pace.stopped, reason
        await self._trouble(DeliveryState.STOPPED, reason, "error")

    def _follower(self, name: str) -> tuple[ChainFollower, CheckpointFollower]:
        found = self._followers.get(name)
        if found is None:
            chain = self._cursor.chains.get(name, ChainCursor())
            records = ChainFollower(
                self._trail / name if name else self._trail, name, chain.records, chain.trail
            )
            found = records, CheckpointFollower(records, chain.checkpoints)
            self._followers[name] = found
        return found

    async def _ship(
        self, name: str, records: ChainFollower, checkpoints: CheckpointFollower
    ) -> bool:
        moved = False
        if self._settings.records:
            found = await self._next(records)
            if isinstance(found, RecordBatch):
                await self._send_records(found, lambda part: self._advance(name, part.after))
            elif isinstance(found, Gap):
                await self._send_gap(found)
                self._advance(name, found.after)
            moved = found is not None
        if self._settings.checkpoints:
            up_to = records.position.sequence if self._settings.records else None
            batch = await asyncio.to_thread(checkpoints.next, up_to)
            if batch is not None:
                await self._send_checkpoints(batch)
                checkpoints.position = batch.after
                self._advance(name, records.position)
                moved = True
        await self._save()
        return moved

    def _advance(self, name: str, position: Position) -> None:
        """What stands before `position` was acknowledged."""
        records, checkpoints = self._followers[name]
        records.position = position
        self._cursor.chains[name] = ChainCursor(records.trail, position, checkpoints.position)
        self._unsaved = True

    async def _next(self, records: ChainFollower) -> RecordBatch | Gap | None:
        found = await asyncio.to_thread(records.next, self._load.size, self._load.records)
        if isinstance(found, RecordBatch):
            self._oldest = found.records[0].moment
            if self._load.gather and not self._by_hand:
                age = (datetime.now(UTC) - self._oldest).total_seconds()
                more = found.after.sequence < records.position.sequence + records.lag()
                if not more and 0 <= age < self._load.gather:
                    return None
        return found

    # ---- sending

    async def _send_records(self, batch: RecordBatch, done: Callable[[RecordBatch], None]) -> None:
        """Send all of it; `done` is told of each part that was acknowledged, or is skipped."""
        rejected = await self._until_taken(lambda: self._destination.send_records(batch))
        if rejected is None:
            self._shipped += len(batch.records)
        elif len(batch.records) > 1:
            middle = len(batch.records) // 2
            await self._send_records(batch.part(0, middle), done)
            await self._send_records(batch.part(middle, len(batch.records)), done)
            return
        else:
            record = batch.records[0]
            name = f"record {_chain_name(batch.chain.writer, record.sequence)}"
            if not await self._skipped(name, rejected):
                await self._send_records(batch, done)
                return
            gap = Gap(
                batch.chain, record.sequence, record.sequence, "rejected", now_text(), batch.after
            )
            await self._send_gap(gap)
        done(batch)

    async def _send_checkpoints(self, batch: CheckpointBatch) -> None:
        rejected = await self._until_taken(lambda: self._destination.send_checkpoints(batch))
        if rejected is not None and not await self._skipped("a checkpoint", rejected):
            await self._send_checkpoints(batch)

    async def _send_gap(self, gap: Gap) -> None:
        if gap.reason != "rejected":
            self._tell(
                "warning" if gap.reason == "retention" else "error",
                "records were gone before they were shipped",
                {
                    "destination": self.name,
                    "writer": gap.chain.writer,
                    "first": gap.first,
                    "last": gap.last,
                    "reason": gap.reason,
                },
            )
        rejected = await self._until_taken(lambda: self._destination.send_gap(gap))
        if rejected is not None and not await self._skipped("the note of a gap", rejected):
            await self._send_gap(gap)

    async def _until_taken(self, send: Callable[[], Awaitable[None]]) -> str | None:
        """Send until it is acknowledged; why not, when it is rejected for good."""
        tries = 0
        while True:
            try:
                async with asyncio.timeout(self._settings.timeout):
                    await send()
            except Rejected as error:
                self._errors += 1
                return error.reason
            except Fork as error:
                await self._wait_for_somebody(error.reason, security=True)
                continue
            except Unavailable as error:
                reason, wanted = error.reason, error.retry_after
            except TimeoutError:
                reason, wanted = f"no answer within {self._settings.timeout:g} s", None
            else:
                self._is_well()
                return None
            tries += 1
            await self._pause(reason, tries, wanted)

    async def _pause(self, reason: str, tries: int, wanted: float | None) -> None:
        self._errors += 1
        if self._by_hand and tries >= TRIES_BY_HAND:
            await self._trouble(DeliveryState.RETRYING, reason, "warning")
            raise GivenUp(reason)
        await self._trouble(DeliveryState.RETRYING, reason, "warning")
        pause = min(self._pace.longest, self._pace.first * 2 ** min(tries - 1, 20))
        pause *= random.uniform(0.5, 1.0)  # noqa: S311 - so that many do not come back at once
        if wanted is not None:
            pause = max(pause, min(wanted, self._pace.longest * 10))
        await asyncio.sleep(pause)

    async def _skipped(self, what: str, reason: str) -> bool:
        """Whether what is refused for good is passed over; if not, somebody has looked now."""
        if self._settings.on_reject is OnReject.SKIP:
            self._tell(
                "error",
                "a destination does not take something, which is skipped",
                {"destination": self.name, "what": what, "reason": reason},
            )
            return True
        await self._wait_for_somebody(f"{what} is rejected: {reason}")
        return False

    async def _wait_for_somebody(self, reason: str, *, security: bool = False) -> None:
        self._errors += 1
        if security:
            reason = f"fork: {reason}"
        await self._trouble(DeliveryState.STOPPED, reason, "error")
        if self._by_hand:
            raise GivenUp(reason)
        await asyncio.sleep(self._pace.stopped)

    # ---- what becomes known of it

    async def _trouble(self, state: DeliveryState, reason: str, level: str) -> None:
        if (state, reason) == (self._state, self._reason):
            return
        self._state, self._reason = state, reason
        event = "nothing goes to a destination" if level == "error" else "a destination is away"
        self._tell(level, event, {"destination": self.name, "reason": reason})
        self._cursor.trouble = Trouble(now_text(), reason)
        self._unsaved = True
        await self._save(force=True)

    def _is_well(self) -> None:
        if self._blocked:
            self._state = DeliveryState.STOPPED
            self._reason = next(iter(self._blocked.values()))[1]
            return
        if self._state in (DeliveryState.RETRYING, DeliveryState.STOPPED):
            self._tell("info", "a destination takes records again", {"destination": self.name})
        self._state, self._reason = DeliveryState.SHIPPING, ""
        if self._cursor.trouble is not None:
            self._cursor.trouble = None
            self._unsaved = True

    async def _save(self, *, force: bool = False) -> None:
        """Write the cursor down when it is time; one that cannot be written is only behind."""
        now = time.monotonic()
        if not self._unsaved or (not force and now - self._saved < self._pace.save):
            return
        try:
            await asyncio.to_thread(self._file.write, self._cursor.render())
        except OSError as error:
            if not self._saving_fails:
                self._errors += 1
                self._tell(
                    "error",
                    "how far was shipped cannot be written down; copies may be sent again",
                    {"destination": self.name, "reason": _words(error)},
                )
            self._saving_fails = True
        else:
            self._unsaved = self._saving_fails = False
        self._saved = now


def _chain_name(writer: str, sequence: int | None = None) -> str:
    if sequence is None:
        return f"chain {writer}" if writer else "the chain"
    return f"{writer}:{sequence}" if writer else str(sequence)


def _words(error: OSError) -> str:
    if isinstance(error, NotAFile):
        return f"{Path(error.filename).name} is {error.strerror}"
    return (error.strerror or "input/output error").lower()
