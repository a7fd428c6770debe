"""Signing how far a chain has come, from time to time. Used by the writer's thread only.

A failure here refuses nobody's statements: records are kept whether they are signed or not. It is
told in the log, recorded, and tried again.
"""

from __future__ import annotations

import math
import time
from binascii import hexlify
from dataclasses import dataclass
from pathlib import Path

import structlog

from dbguard.audit.chain import Head
from dbguard.audit.checkpoints import CHECKPOINTS_NAME, CheckpointFile, make_line
from dbguard.audit.notes import Checkpoint, Signer, origin
from dbguard.audit.outage import AuditFailure, errno_name
from dbguard.audit.records import EventRecord, RecordKind
from dbguard.audit.resuming import Resumed
from dbguard.audit.signing import SigningKey, began, not_handed_over
from dbguard.audit.stamping import written
from dbguard.audit.storage import Storage

log = structlog.get_logger(__name__)

CHECKPOINT_SECONDS = 60.0
RETRY_SECONDS = 5.0
"""How soon a checkpoint that failed is tried again."""


@dataclass(frozen=True, slots=True)
class _Announced:
    """A key that signs once its record is on the trail."""

    sequence: int
    signer: Signer


class Checkpoints:
    __slots__ = (
        "_announced",
        "_announcement",
        "_covered",
        "_due",
        "_every",
        "_file",
        "_key",
        "_last",
        "_origin",
        "_signer",
        "_telling",
        "_tree",
        "_warned",
        "failure",
    )

    def __init__(
        self,
        storage: Storage,
        directory: Path,
        resumed: Resumed,
        last: Head,
        key: SigningKey,
        every: float,
    ) -> None:
        """Cut the torn end of the file, and set aside one that cannot be used.

        `last`: the last record on the trail; `every`: seconds. Raises ConfigurationError when
        the key in the file is not the one that the chain is signed with, OSError.
        """
        self._tree = resumed.tree
        self._origin = resumed.origin
        self._key = key
        self._every = every
        self._last = last
        self._covered = resumed.covered
        self._due = 0.0 if last.sequence > resumed.covered else None  # what a crash left
        self._warned = False
        self.failure: AuditFailure | None = None
        """Why the last one could not be written."""
        self._telling: int | None = None
        self._announced: _Announced | None = None
        self._signer: Signer | None = None
        self._announcement = self._news(resumed)
        if resumed.set_aside:
            storage.rename(directory / CHECKPOINTS_NAME, _free_name(directory))
        self._file = CheckpointFile(storage, directory, resumed.size)
        try:
            self._file.cut()
        except OSError:
            self._file.close()
            raise

    # ---- which key

    def _news(self, resumed: Resumed) -> list[EventRecord]:
        """What the chain has to be told of the key before it signs."""
        signer = self._key.signer
        if resumed.key is None:
            return [began(signer.key)]
        if resumed.key == signer.key:
            self._signer = signer
            return []
        steps = self._key.handovers(resumed.key)
        if steps is None:
            raise not_handed_over(self._key.path, resumed.key.name)
        return [handover.record(old) for old, handover in steps]

    def announcements(self) -> list[EventRecord]:
        """Records that the chain needs before it is signed any further.

        Whoever takes them says what number the last one got (`announced`), and whether it was
        kept or lost. Looks whether the key file was replaced.
        """
        if self._announced is not None:
            return []
        if self._signer is None:
            return self._announcement
        self._key.look()
        present, newest = self._signer.key, self._key.signer.key
        if newest == present:
            self._warned = False
            return []
        steps = self._key.handovers(present)
        if steps is None:
            if not self._warned:
                log.warning(not_handed_over(self._key.path, present.name).message)
            self._warned = True
            return []
        return [handover.record(old) for old, handover in steps]

    def announced(self, sequence: int) -> None:
        self._announced = _Announced(sequence, self._key.signer)

    def kept(self, sequence: int) -> None:
        """All records up to there are on the trail."""
        if self._telling is not None and self._telling <= sequence:
            self._telling = None
        if self._announced is not None and self._announced.sequence <= sequence:
            self._signer = self._announced.signer
            self._announced = None
            self._due = 0.0

    def lost(self) -> None:
        """Whatever was not kept never will be; the record of the outage stands for it."""
        self._announced = None
        self._telling = None

    # ---- when

    def due(self, now: float) -> bool:
        return self._due is not None and now >= self._due

    def patience(self, now: float) -> float:
        """Seconds until the next one."""
        return math.inf if self._due is None else max(0.0, self._due - now)

    def took(self, hashes: list[bytes], last: Head, now: float) -> None:
        """Records that were written, by their hashes (32 bytes); `last` is the last of them."""
        if not hashes:
            return
        if not self._tree.size:
            self._origin = origin(hexlify(hashes[0]))
        self._tree.extend(hashes)
        self._last = last
        if self._due is None:
            self._due = now + self._every

    # ---- the checkpoint itself

    def write(self, segment: int, stamp: int) -> EventRecord | None:
        """Sign what `took` was told, and write it; `segment` holds the last record.

        Returns what is to be recorded: that it fails. Whoever records it says so (`telling`);
        nothing is signed before that is kept, so that it stands where checkpoints are missing.
        """
        now = time.monotonic()
        if self._telling is not None:
            self._due = now + RETRY_SECONDS
            return None
        if self._signer is None or self._last.sequence <= self._covered:
            self._due = None if self._signer else now + RETRY_SECONDS
            return None
        checkpoint = Checkpoint(
            origin=self._origin,
            size=self._tree.size,
            root=self._tree.root,
            sequence=self._last.sequence,
            hash=self._last.hash,
            time=written(stamp),
        )
        try:
            self._file.append(make_line(self._signer, checkpoint, segment, self._tree))
        except OSError as error:
            self._due = now + RETRY_SECONDS
            return self._failed(AuditFailure(errno_name(error), written(stamp)))
        self._covered = self._last.sequence
        self._due = None
        if self.failure is not None:
            self.failure = None
            log.info("checkpoints of the audit trail can be written again")
        return None

    def _failed(self, failure: AuditFailure) -> EventRecord | None:
        if self.failure is not None:
            return None
        self.failure = failure
        log.warning("checkpoints of the audit trail cannot be written", error=failure.error)
        return EventRecord(
            RecordKind.RECOVERY,
            "",
            (("reason", "checkpoints_outage"), ("error", failure.error), ("since", failure.since)),
        )

    def telling(self, sequence: int) -> None:
        """The number of the record that `write` asked for."""
        self._telling = sequence

    def close(self) -> None:
        self._file.close()


def _free_name(directory: Path) -> Path:
    number = 1
    while (path := directory / f"{CHECKPOINTS_NAME}.unusable-{number}").exists():
        number += 1
    return path
