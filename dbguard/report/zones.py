"""Days and hours as people mean them: in a time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo


@dataclass(frozen=True, slots=True)
class Zone:
    """A time zone; without `info` the one this machine is set to."""

    info: tzinfo | None = UTC

    def local(self, time: datetime) -> datetime:
        """`time`, which knows its zone, as clocks in this one show it."""
        return time.astimezone(self.info)

    def shown(self, time: datetime) -> str:
        """To the millisecond, with the distance from UTC."""
        text = self.local(time).isoformat(" ", "milliseconds")
        return text.replace("+00:00", "Z")

    def instant(self, shown: datetime) -> datetime:
        """The moment at which clocks here show `shown` (its own zone is not looked at), in UTC."""
        return shown.replace(tzinfo=self.info).astimezone(UTC)

    def name(self, at: datetime) -> str:
        """What the zone is called at that moment, with its distance from UTC."""
        local = self.local(at)
        name, offset = local.tzname() or "", local.strftime("%z")
        if offset == "+0000":
            return "UTC"
        distance = f"UTC{offset[:3]}:{offset[3:5]}"
        return (
            distance if not name[:1].isalpha() or name.startswith("UTC") else f"{name}, {distance}"
        )


LOCAL = Zone(None)
EVERYWHERE = Zone(UTC)
