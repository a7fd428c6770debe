"""Masks as rules write them.

Apart from what decides: only who reads rules needs their shapes, and a process that analyses
statements does not load them.
"""

from __future__ import annotations

from .decision import Mask, MaskKind
from .document import (
    AgeCapShape,
    KeepFirstShape,
    KeepLastShape,
    MaskShape,
    RedactShape,
    YearShape,
    Zip3Shape,
)
from .safe_harbor import safe_harbor

REDACTED = "[redacted]"
"""What `redact` shows when the profile gives no text."""


def mask_of(shape: MaskShape) -> Mask:
    """The mask that an entry of a profile means."""
    match shape:
        case None | "null":
            return Mask(MaskKind.NULL)
        case "redact":
            return Mask(MaskKind.REDACT, fill=REDACTED)
        case "year":
            return Mask(MaskKind.YEAR)
        case "zip3":
            return Mask(MaskKind.ZIP3, restricted=safe_harbor().restricted_zip3)
        case "age_cap":
            return Mask(MaskKind.AGE_CAP, keep=safe_harbor().age_cap)
        case RedactShape():
            return Mask(MaskKind.REDACT, fill=shape.redact)
        case KeepFirstShape():
            return Mask(MaskKind.KEEP_FIRST, keep=shape.keep_first, fill=shape.with_)
        case KeepLastShape():
            return Mask(MaskKind.KEEP_LAST, keep=shape.keep_last, fill=shape.with_)
        case YearShape():
            return Mask(MaskKind.YEAR, floor_year=shape.year.floor)
        case Zip3Shape():
            return Mask(MaskKind.ZIP3, restricted=shape.zip3.restricted)
        case AgeCapShape():
            return Mask(MaskKind.AGE_CAP, keep=shape.age_cap)
    raise AssertionError(type(shape).__name__)
