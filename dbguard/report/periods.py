"""Points in time as people write them on a command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from dbguard.errors import ConfigurationError

_AGO = re.compile(r"([0-9]{1,6})\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(text: str, now: datetime, option: str) -> datetime:
    """`24h`, `30m`, `7d` before `now`, or a date or time (UTC unless it names a zone).

    Raises ConfigurationError naming `option`.
    """
    try:
        ago = _AGO.fullmatch(text.strip())
        if ago:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        parsed = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(
            f"{option}: not a time: {text}",
            hint="Write how long ago (30m, 24h, 7d, 2w) or a date such as 2026-11-01 or "
            "2026-11-01T08:00.",
        ) from error
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
