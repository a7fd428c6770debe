"""What a delivery says of itself, to metrics, to the log and to people."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias


class DeliveryState(enum.StrEnum):
    """How a destination is doing."""

    STARTING = "starting"
    SHIPPING = "shipping"
    """All that is on disk is there, or on its way."""
    STANDBY = "standby"
    """Another process ships to it, and this one waits for that to end."""
    RETRYING = "retrying"
    """It cannot be reached, or does not take what it gets at the moment."""
    STOPPED = "stopped"
    """Somebody has to look: it rejected a record, holds another trail, or the trail changed."""


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """One destination at one moment."""

    name: str
    state: DeliveryState
    lag_records: int = 0
    """On disk and not acknowledged."""
    lag_seconds: float = 0.0
    """Age of the oldest of them."""
    shipped: int = 0
    """Records acknowledged since the start."""
    errors: int = 0
    """Attempts that failed since the start."""
    reason: str = ""

    def render(self) -> dict[str, object]:
        return {
            "name": self.name,
            "state": self.state.value,
            "lag_records": self.lag_records,
            "lag_seconds": self.lag_seconds,
            "shipped": self.shipped,
            "errors": self.errors,
            "reason": self.reason,
        }


def read_status(document: Mapping[str, object]) -> DeliveryStatus:
    """What `render` gave. Raises ValueError, KeyError."""
    return DeliveryStatus(
        str(document["name"]),
        DeliveryState(str(document["state"])),
        int(str(document["lag_records"])),
        float(str(document["lag_seconds"])),
        int(str(document["shipped"])),
        int(str(document["errors"])),
        str(document["reason"]),
    )


Tell: TypeAlias = Callable[[str, str, dict[str, object]], None]
"""Takes a level of the log (`info`, `warning`, `error`), an event and its fields."""
