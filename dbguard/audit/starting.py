"""What the writer does before its first record: take the directory, and read where it left off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dbguard.audit.checkpointing import Checkpoints
from dbguard.audit.opening import Tail, find_tail
from dbguard.audit.outage import unusable
from dbguard.audit.records import EventRecord, RecordKind
from dbguard.audit.resuming import Resumed, pruned_end, read_pruned, resume
from dbguard.audit.signing import SigningKey
from dbguard.audit.storage import DirectoryLock, Storage
from dbguard.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Start:
    """Where a chain goes on."""

    directory: Path
    tail: Tail
    signing: tuple[SigningKey, Resumed] | None
    """None for a chain that nobody signs."""

    def checkpoints(self, storage: Storage, every: float) -> Checkpoints | None:
        """Raises ConfigurationError, OSError."""
        if self.signing is None:
            return None
        key, resumed = self.signing
        return Checkpoints(storage, self.directory, resumed, self.tail.last, key, every)

    def records(self) -> Iterator[EventRecord]:
        """What the trail has to be told of how it was found."""
        if self.signing is not None:
            resumed = self.signing[1]
            if resumed.rebuilt:
                yield _recovery("checkpoints_rebuilt", checkpoints=resumed.rebuilt)
            if resumed.ends_missing:
                yield _recovery("checkpoints_missing", segments=str(resumed.ends_missing))
        if self.tail.torn or self.tail.behind:
            yield _recovery(
                "unclean_stop",
                torn_bytes=str(self.tail.torn),
                records_after_head=str(self.tail.behind),
            )


def take(storage: Storage, directory: Path) -> DirectoryLock:
    """Take the directory for one writer. Raises ConfigurationError."""
    try:
        storage.prepare(directory)
        return storage.lock(directory)
    except BlockingIOError as error:
        raise ConfigurationError(
            f"{directory}: another dbguard writes its audit trail here",
            hint="Stop that one, or give each a name (audit.writer) or a directory of its own.",
        ) from error
    except OSError as error:
        raise unusable(directory, error) from error


def look(directory: Path, key: SigningKey | None) -> Start:
    """Read the end of the trail. Raises ConfigurationError when it is not as left, OSError."""
    known = key.known() if key else None
    pruned = read_pruned(directory, known)
    tail = find_tail(directory, pruned_end(pruned))
    return Start(
        directory, tail, (key, resume(directory, tail, pruned, known)) if key and known else None
    )


def _recovery(reason: str, **fields: str) -> EventRecord:
    return EventRecord(RecordKind.RECOVERY, "", (("reason", reason), *fields.items()))
