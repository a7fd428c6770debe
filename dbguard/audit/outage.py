"""Times when the log cannot be written, and how that is told."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from dbguard.audit.records import EventRecord, RecordKind
from dbguard.errors import AuditUnavailable, ConfigurationError
from dbguard.verification.regular_file import HINT, NotAFile

_MESSAGE = "the audit log cannot be written"


@dataclass(frozen=True, slots=True)
class AuditFailure:
    """Why the log cannot be written at the moment."""

    error: str
    """The errno's name, such as ENOSPC."""
    since: str
    """UTC, as in the records."""

    def refusal(self) -> AuditUnavailable:
        return AuditUnavailable(
            _MESSAGE,
            detail=f"The operating system reported {self.error}.",
            hint="Statements are refused until the audit directory is writable again; "
            "dbguard resumes by itself.",
        )


@dataclass(frozen=True, slots=True)
class Outage:
    failure: AuditFailure
    reserved: int
    """Sequence number of the RECOVERY record; all between the last kept one and it are lost."""
    lost: int
    """How many records."""

    def over(self, kept: int) -> EventRecord:
        """What is recorded when it is over; `kept` is the last record written before it."""
        fields = [
            ("reason", "outage"),
            ("error", self.failure.error),
            ("since", self.failure.since),
            ("records_lost", str(self.lost)),
        ]
        if kept + 1 < self.reserved:
            fields += [("gap_first", str(kept + 1)), ("gap_last", str(self.reserved - 1))]
        return EventRecord(RecordKind.RECOVERY, "", tuple(fields))


def lost_before() -> AuditUnavailable:
    return AuditUnavailable(
        _MESSAGE,
        detail="The record was lost in an outage that is over.",
        hint="Run the statement again.",
    )


def too_slow(seconds: float | None) -> AuditUnavailable:
    return AuditUnavailable(
        _MESSAGE,
        detail=f"The disk did not answer within {seconds} seconds.",
        hint="Look at the disk that holds the audit directory.",
    )


def closed() -> AuditUnavailable:
    return AuditUnavailable(
        _MESSAGE,
        detail="The audit log is closed.",
        hint="dbguard is stopping; connect again when it runs.",
    )


def unusable(directory: Path, error: OSError) -> ConfigurationError:
    if isinstance(error, NotAFile):
        return ConfigurationError(f"{error.filename}: {error.strerror}", hint=HINT)
    return ConfigurationError(
        f"{directory}: the audit directory cannot be used: {os.strerror(error.errno or 0)}",
        hint="It must be a directory that dbguard may write to, on a disk with free space.",
    )


def errno_name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "an unknown error")
