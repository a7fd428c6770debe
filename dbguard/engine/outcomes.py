"""What became of the statements that were sent: one record for each that may have run.

A decision without an outcome never ran: it was refused, skipped by the server after an error, or
was no more than prepared.
"""

from __future__ import annotations

from dataclasses import dataclass

from dbguard.audit.records import OutcomeRecord
from dbguard.errors import AuditUnavailable

from .asks import Surroundings
from .pending import Pending, Queue
from .server_codes import recorded_code

UNKNOWN = "08006"
"""Connection failure: the session was over before the server had said how it went."""


@dataclass(slots=True)
class Outcomes:
    """Writes the outcomes of one session."""

    session: str
    surroundings: Surroundings

    def record(self, entry: Pending, index: int, tag: str, sqlstate: str) -> None:
        """Statement `index` of `entry` has ended, or its portal waits for the next Execute."""
        rows, size = entry.rows, entry.bytes
        entry.rows = entry.bytes = 0
        if index >= len(entry.decisions):
            return
        last = tag.rsplit(" ", 1)[-1]
        elapsed = self.surroundings.monotonic() - entry.started
        try:
            self.surroundings.record(
                OutcomeRecord(
                    session=self.session,
                    decision=entry.decisions[index],
                    command_tag=tag,
                    rows=int(last) if last.isdigit() else rows,
                    sqlstate=recorded_code(sqlstate),
                    duration_microseconds=max(0, int(elapsed * 1_000_000)),
                    bytes=size,
                )
            )
        except AuditUnavailable:
            return  # the decision is on disk; the statement has already run

    def abandon(self, queue: Queue) -> None:
        """The session is over: what the server owes an answer to may have run, or may yet."""
        told: set[int] = set()
        for entry in queue.entries:
            for index in range(entry.statement, len(entry.decisions)):
                if not entry.failed and entry.decisions[index] not in told:
                    told.add(entry.decisions[index])
                    self.record(entry, index, "", UNKNOWN)
