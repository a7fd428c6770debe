"""How much each mask reveals."""

from __future__ import annotations

from .decision import Mask, MaskKind

_REVEALS = (
    MaskKind.NULL,
    MaskKind.REDACT,
    MaskKind.DEFINITION,
    MaskKind.COMMENT,
    MaskKind.YEAR,
    MaskKind.AGE_CAP,
    MaskKind.ZIP3,
    MaskKind.KEEP_LAST,
    MaskKind.KEEP_FIRST,
)
"""From the least revealing kind to the most."""


def revealing(mask: Mask) -> tuple[int, int, int, int, tuple[str, ...], str]:
    """Sort key: the smaller, the less the mask reveals. Total, so that order never matters."""
    floor = -(mask.floor_year or 0)  # a later floor hides more years
    return (_REVEALS.index(mask.kind), mask.keep, floor, -len(mask.restricted), mask.restricted,
            mask.fill)  # fmt: skip
