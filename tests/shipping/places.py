"""A trail to ship, and a destination that does what a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dbguard.audit.chain import read_line, segment_name
from dbguard.audit.checkpoints import CHECKPOINTS_NAME, make_line
from dbguard.audit.merkle import MerkleTree
from dbguard.audit.notes import Checkpoint, Signer, origin
from dbguard.audit.records import DecisionRecord, EventRecord, Record, RecordKind, Verdict
from dbguard.audit.writer import AuditLog
from dbguard.shipping.delivering import Delivery, Pace
from dbguard.shipping.destination import Destination
from dbguard.shipping.items import CheckpointBatch, Gap, RecordBatch
from dbguard.shipping_settings import DestinationSettings

QUICK = Pace(poll=0.005, first=0.001, longest=0.01, stopped=0.02, save=0.0)


def decision(number: int, verdict: Verdict = Verdict.ALLOW, text: str = "") -> DecisionRecord:
    return DecisionRecord(
        session=f"s{number % 3}",
        principal_user="ana",
        principal_groups=("analysts",),
        database="clinic",
        client_address="10.0.0.7",
        application="test",
        environment="production",
        phase="query",
        action="select",
        wrapper="",
        relations=("clinic.patients",),
        columns=(),
        decision=verdict,
        rules=("r1",),
        reasons=(),
        masked=(),
        requirements=(),
        text=text or f"SELECT {number}",
        fingerprint="f" * 16,
        statement="",
        rules_digest="d" * 8,
        catalog_epoch=1,
        hints=(),
    )


class Trail:
    """A trail that grows when a test says so."""

    def __init__(self, directory: Path, writer: str = "", segment_bytes: int = 6000) -> None:
        self.directory = directory
        self.folder = directory / writer if writer else directory
        self.segment_bytes = segment_bytes
        self.signer = Signer(Ed25519PrivateKey.generate())
        self.count = 0

    def add(self, count: int, record: Callable[[int], Record] = decision) -> None:
        log = AuditLog.open(self.folder, segment_bytes=self.segment_bytes)
        for _ in range(count):
            self.count += 1
            log.append(record(self.count))
            if self.count % 7 == 0:  # segments end between commits
                log.wait(log.append(EventRecord(RecordKind.POLICY, "", (("digest", "d"),))))
                self.count += 1
        log.close()

    def lines(self) -> list[bytes]:
        found = []
        number = 1
        while (path := self.folder / segment_name(number)).exists():
            found += path.read_bytes().splitlines(keepends=True)
            number += 1
        return found

    def checkpoint(self, upto: int | None = None) -> bytes:
        """Sign the first records, as the writer does, and put that behind the others."""
        lines = self.lines()[:upto]
        tree = MerkleTree()
        tree.extend(bytes.fromhex(read_line(line).hash.decode()) for line in lines)
        link, first = read_line(lines[-1]), read_line(lines[0])
        text = Checkpoint(
            origin(first.hash), tree.size, tree.root, link.sequence, link.hash, link.time
        )
        segment = 1
        while lines[-1] not in (self.folder / segment_name(segment)).read_bytes():
            segment += 1
        made = make_line(self.signer, text, segment, tree)
        with (self.folder / CHECKPOINTS_NAME).open("ab") as file:
            file.write(made)
        return made


@dataclass
class Place:
    """A destination in memory; `moods` are taken one by one, each an exception to raise."""

    lines: list[bytes] = field(default_factory=list)
    checkpoints: list[bytes] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    moods: list[Exception | None] = field(default_factory=list)
    refuses: Callable[[bytes], Exception | None] = lambda line: None
    slow: float = 0.0
    closed: int = 0
    batches: int = 0

    async def send_records(self, batch: RecordBatch) -> None:
        await self._mood()
        for record in batch.records:
            if error := self.refuses(record.line):
                raise error
        self.lines += [record.line for record in batch.records]
        self.batches += 1

    async def send_checkpoints(self, batch: CheckpointBatch) -> None:
        await self._mood()
        self.checkpoints += [checkpoint.line for checkpoint in batch.checkpoints]

    async def send_gap(self, gap: Gap) -> None:
        await self._mood()
        self.gaps.append(gap)

    async def close(self) -> None:
        self.closed += 1

    async def _mood(self) -> None:
        if self.slow:
            await asyncio.sleep(self.slow)
        if self.moods and (mood := self.moods.pop(0)):
            raise mood


@dataclass
class Said:
    """What went into the log."""

    entries: list[tuple[str, str, dict[str, object]]] = field(default_factory=list)

    def __call__(self, level: str, event: str, fields: dict[str, object]) -> None:
        self.entries.append((level, event, fields))

    def events(self, level: str = "") -> list[str]:
        return [event for found, event, _ in self.entries if level in ("", found)]

    def __str__(self) -> str:
        return repr(self.entries)


def settings_of(**members: object) -> DestinationSettings:
    return DestinationSettings.model_validate({"name": "place", "timeout": 5} | members)


PLACE = {"type": "file", "directory": "/nowhere"}


def delivery(
    trail: Trail,
    place: Destination,
    said: Said,
    *,
    by_hand: bool = False,
    pace: Pace = QUICK,
    **members: object,
) -> Delivery:
    settings = settings_of(**(PLACE | members))
    return Delivery(trail.directory, settings, place, said, by_hand=by_hand, pace=pace)


def sequences(lines: list[bytes]) -> list[int]:
    return [orjson.loads(line)["seq"] for line in lines]
