"""HIPAA Safe Harbor facts that masks use, as versioned data with its source beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True)
class SafeHarbor:
    """What 45 CFR 164.514(b)(2)(i) leaves open to data."""

    source: str
    age_cap: int
    """Ages from this one on are shown as "or older"."""
    restricted_zip3: tuple[str, ...]
    """Three-digit ZIP areas with 20,000 or fewer people, to be shown as 000."""


@cache
def safe_harbor() -> SafeHarbor:
    """The data shipped with this release."""
    text = resources.files(__package__).joinpath("safe_harbor.json").read_text("utf-8")
    data = json.loads(text)
    return SafeHarbor(
        source=str(data["source"]),
        age_cap=int(data["age_cap"]),
        restricted_zip3=tuple(map(str, data["restricted_zip3"])),
    )
