"""What a destination is, and the ways in which it can say no."""

from __future__ import annotations

from typing import Protocol

from .items import CheckpointBatch, Gap, RecordBatch


class Destination(Protocol):
    """A place that copies go to. A method that returns has been acknowledged.

    Every method raises Unavailable, Rejected or Fork. Connections are made when they are needed,
    and given up by whoever finds them broken.
    """

    async def send_records(self, batch: RecordBatch) -> None: ...

    async def send_checkpoints(self, batch: CheckpointBatch) -> None: ...

    async def send_gap(self, gap: Gap) -> None: ...

    async def close(self) -> None:
        """Let go of connections and files. Raises nothing."""


class Unavailable(Exception):
    """Not now. The text says why, and holds neither credentials nor what the peer said."""

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        """Seconds that the peer asked for."""


class Rejected(Exception):
    """Not this, ever: at least one of what was sent is refused for what it is."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Fork(Exception):
    """The destination holds something else in the place of what was sent: somebody has two trails
    of the same name, or changed one of them."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
