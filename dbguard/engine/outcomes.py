"""What became of the statements that were sent: one record for each that may have run.

A decision without an outcome never ran: it was refused, skipped by the server after an error, or
was no more than prepared.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

from dbguard.audit.members import rendered_text
from dbguard.audit.rendering import rendered_outcome
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
    _rendered: bytes = field(init=False, repr=False)
    """The session as records have it."""

    def __post_init__(self) -> None:
        self._rendered = rendered_text(self.session)

    def record(self, entry: Pending, index: int, tag: str, sqlstate: str) -> None:
        """Statement `index` of `entry` has ended, or its portal waits for the next Execute."""
        rows, size = entry.rows, entry.bytes
        entry.rows = entry.bytes = 0
        if index >= len(entry.decisions):
            return
        self.ended(entry.decisions[index], entry.started, tag, rows, size, recorded_code(sqlstate))

    def ended(
        self, decision: int, started: float, tag: str, rows: int, size: int, sqlstate: str
    ) -> None:
        """What became of the statement of that decision; `rows` where its tag tells no number.

        `started`: monotonic seconds; `size`: bytes.
        """
        last = tag.rsplit(" ", 1)[-1]
        elapsed = self.surroundings.monotonic() - started
        outcome = rendered_outcome(
            self._rendered,
            decision,
            tag,
            int(last) if last.isdigit() else rows,
            sqlstate,
            max(0, int(elapsed * 1_000_000)),
            size,
        )
        with contextlib.suppress(AuditUnavailable):  # the decision is on disk, and it has run
            self.surroundings.record(outcome)

    def abandon(self, queue: Queue) -> None:
        """The session is over: what the server owes an answer to may have run, or may yet."""
        told: set[int] = set()
        for entry in queue.entries:
            for index in range(entry.statement, len(entry.decisions)):
                if not entry.failed and entry.decisions[index] not in told:
                    told.add(entry.decisions[index])
                    self.record(entry, index, "", UNKNOWN)
