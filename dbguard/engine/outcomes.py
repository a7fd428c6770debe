"""What became of the statements that were sent: one record for each that may have run.

A decision without an outcome never ran: it was refused, skipped by the server after an error, or
was no more than prepared.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from dbguard.audit.members import kept_text
from dbguard.audit.rendering import rendered_outcome
from dbguard.errors import AuditUnavailable

from .asks import Surroundings
from .pending import Pending, Queue
from .server_codes import recorded_code

UNKNOWN = "08006"
"""Connection failure: the session was over before the server had said how it went."""


@lru_cache(maxsize=256)
def _read(tag: bytes) -> tuple[bytes, int]:
    """A tag as records have it, and the number it ends with; -1 when there is none. The same few
    come again and again."""
    text = tag.rstrip(b"\0").decode("ascii", "replace")
    last = text.rsplit(" ", 1)[-1]
    return kept_text(text), int(last) if last.isdigit() else -1


@dataclass(slots=True)
class Outcomes:
    """Writes the outcomes of one session."""

    session: str
    surroundings: Surroundings
    _rendered: bytes = field(init=False, repr=False)
    """The session as records have it."""

    def __post_init__(self) -> None:
        self._rendered = kept_text(self.session)

    def record(self, entry: Pending, index: int, tag: bytes, sqlstate: str) -> None:
        """Statement `index` of `entry` has ended, or its portal waits for the next Execute."""
        rows, size = entry.rows, entry.bytes
        entry.rows = entry.bytes = 0
        if index >= len(entry.decisions):
            return
        code = recorded_code(sqlstate)
        self.ended(entry.decisions[index], entry.started, tag, rows, size, code)

    def ended(
        self, decision: int, started: float, tag: bytes, rows: int, size: int, sqlstate: str
    ) -> None:
        """What became of the statement of that decision; `rows` where its tag tells no number.

        `started`: monotonic seconds; `size`: bytes; `tag`: as CommandComplete has it.
        """
        surroundings = self.surroundings
        words, number = _read(tag)
        elapsed = int((surroundings.monotonic() - started) * 1_000_000)
        outcome = rendered_outcome(
            self._rendered,
            decision,
            words,
            rows if number < 0 else number,
            sqlstate,
            elapsed if elapsed > 0 else 0,
            size,
        )
        try:  # noqa: SIM105 - `suppress` is an object more
            surroundings.record_outcome(outcome)
        except AuditUnavailable:
            pass  # the decision is on disk, and it has run

    def abandon(self, queue: Queue) -> None:
        """The session is over: what the server owes an answer to may have run, or may yet."""
        told: set[int] = set()
        for entry in queue.entries:
            for index in range(entry.statement, len(entry.decisions)):
                if not entry.failed and entry.decisions[index] not in told:
                    told.add(entry.decisions[index])
                    self.record(entry, index, b"", UNKNOWN)
