"""Trails with a past, written by dbguard's own writer: crashes, power losses, outages, clocks that
are set, keys that rotate, segments that are sealed or removed."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import orjson

from dbguard.audit.blocks import blocks
from dbguard.audit.keys import public_path
from dbguard.audit.pruning import Keeping, begin, plan, remove
from dbguard.audit.records import EventRecord, OutcomeRecord, RecordKind
from dbguard.audit.sealing import seal, to_seal
from dbguard.audit.signing import SigningKey, rotate
from dbguard.audit.trails import Chain, Segment, segments
from dbguard.audit.writer import AuditLog
from dbguard.errors import AuditUnavailable, ConfigurationError
from dbguard.verification.inputs import load_keys
from dbguard.verification.signed_note import PublicKey

from .power_loss import PowerLossStorage

SEGMENT_BYTES = 4000


@dataclass
class History:
    trail: Path
    key: Path
    random: Random
    shift: timedelta = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.shift

    def keys(self) -> list[PublicKey]:
        return load_keys([public_path(self.key)])

    def folder(self, writer: str) -> Path:
        return self.trail / writer if writer else self.trail

    def open(self, writer: str, storage: PowerLossStorage | None = None) -> AuditLog:
        return AuditLog.open(
            self.folder(writer),
            clock=self.now,
            storage=storage,
            segment_bytes=SEGMENT_BYTES,
            signer=SigningKey(self.key),
            checkpoint_seconds=self.random.choice([0.005, 60]),
        )

    # ---- what may happen

    def work(self, log: AuditLog, count: int) -> None:
        for number in range(count):
            sequence = log.append(
                EventRecord(RecordKind.CONNECT, f"s{number}", (("user", "analyst"),))
            )
            log.append(OutcomeRecord(f"s{number}", sequence, "SELECT 1", 1, "", 5))
            if self.random.random() < 0.3:
                log.wait(sequence + 1, 20)
                if self.random.random() < 0.2:
                    time.sleep(0.006)

    def ordinary(self, writer: str) -> None:
        log = self.open(writer)
        self.work(log, self.random.randint(3, 25))
        log.close()

    def crash(self, writer: str) -> None:
        """The process dies, or the machine."""
        storage = PowerLossStorage(self.random)
        storage.fuse = self.random.randint(5, 60)
        with contextlib.suppress(AuditUnavailable, ConfigurationError):
            log = self.open(writer, storage)
            with contextlib.suppress(AuditUnavailable):
                self.work(log, 40)
            storage.off = True
            log.close()
        if self.random.random() < 0.5:
            storage.lose_power()

    def outage(self, writer: str) -> None:
        storage = PowerLossStorage(self.random)
        log = self.open(writer, storage)
        self.work(log, 3)
        storage.full = True
        with contextlib.suppress(AuditUnavailable):
            self.work(log, 10)
        with contextlib.suppress(AuditUnavailable):
            log.wait(log.append(EventRecord(RecordKind.START, "", ())), 20)
        storage.full = False
        while not log.available:
            time.sleep(0.01)
        self.work(log, 3)
        log.close()

    def clock(self, writer: str) -> None:
        log = self.open(writer)
        self.work(log, 3)
        self.shift += timedelta(seconds=self.random.choice([-3600, 7200, -5]))
        self.work(log, 3)
        log.close()

    def rotation(self, writer: str) -> None:
        rotate(self.key, lost=self.random.random() < 0.2)
        self.ordinary(writer)

    def sealing(self, writer: str) -> None:
        for segment in to_seal(self.folder(writer)):
            if self.random.random() < 0.5:
                seal(segment)

    def pruning(self, writer: str) -> None:
        """As `dbguard audit prune` does it, of some segments at the beginning."""
        self.open(writer).close()  # what a crash left is put in order first
        chain = Chain(writer, self.folder(writer))
        found = segments(chain.folder)
        if len(found) < 3:
            return
        key = SigningKey(self.key)
        keeping = Keeping(_first_time(self.random.choice(found[1:])), (), {})
        made = plan(chain, keeping, key.known(), lambda _: None)
        remove(made.left)
        if made.removal is None:
            return
        log = self.open("operator")
        log.wait(log.append(made.removal.record(keeping.before)), 20)
        log.close()
        begin(made.removal, key.signer)
        if self.random.random() < 0.8:  # else it is killed here, and goes on the next time
            remove(made.removal.segments)


def _first_time(segment: Segment) -> datetime:
    data = next(iter(blocks(segment))).data
    return datetime.fromisoformat(orjson.loads(data[: data.index(b"\n")])["time"])


def build(folder: Path, seed: int) -> History:
    """A trail that came to its present state in its own way, closed in order at the end."""
    random = Random(seed)
    history = History(folder / "audit", folder / "audit.key", random)
    writers = ["", "eu-1"][: random.randint(1, 2)]
    for writer in writers:
        history.ordinary(writer)
    deeds = [
        history.ordinary,
        history.ordinary,
        history.crash,
        history.outage,
        history.clock,
        history.rotation,
        history.sealing,
        history.pruning,
    ]
    for _ in range(random.randint(3, 7)):
        random.choice(deeds)(random.choice(writers))
    for writer in writers:
        history.ordinary(writer)
    return history
