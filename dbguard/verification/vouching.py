"""Records that no checkpoint vouches for although one should: they may have been made up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import Final

from .chain import ChainReading
from .checkpoints import FILE_NAME
from .coverage import Coverage
from .findings import Finding
from .record_lines import Mark
from .sources import own_source
from .trust import Trust

_UNSIGNED_MINUTES: Final = 10
"""Records should not be so much younger than the last checkpoint, as they are made by default."""


def never_signed(reading: ChainReading, coverage: Coverage, trust: Trust) -> list[Finding]:
    """Who gives a key expects signatures: in a chain that says which key signs it, and in any of
    several segments.

    A writer signs as soon as the record that names its key is on the disk, before it writes
    another record, or says why it could not.
    """
    walk = reading.walk
    if not trust.given or not walk.records or coverage.fitting:
        return []
    if walk.findings or coverage.findings:
        return []
    key = next((mark for mark in walk.marks if mark.fields.get("event") == "began"), None)
    if key is not None:
        sequence = key.sequence
        problem = (
            "this record says which key signs, and the first checkpoint is made at once, but none "
            "that a given key signed covers any record of this chain: they were removed, or not "
            "copied with the records"
        )
        honest = _first_moment(walk.marks, key, walk.sequence)
    elif reading.pruned is not None:
        sequence = reading.pruned.sequence
        problem = (
            "records up to this one were removed because checkpoints covered them, but there is "
            "no checkpoint any more"
        )
        honest = any(_checkpoints_in_trouble(mark) for mark in walk.marks)
    else:
        sequence = walk.sequence
        problem = (
            "no checkpoint covers any record of this chain: what the key signed was removed, or "
            "nothing was ever signed"
        )
        honest = len(reading.ends) < 2
    if honest or _signed_since(reading, trust):
        return []
    return [Finding(sequence, reading.prefix + FILE_NAME, 0, problem, reading.writer)]


def _first_moment(marks: list[Mark], key: Mark, last: int) -> bool:
    """Whether the chain tells why nothing is signed yet.

    It ended, in a crash, before the first checkpoint; or trouble with the disk stands directly
    behind the key, which is what a writer that cannot sign says first. Behind an outage the key
    comes late, among other records.
    """
    sequence = key.sequence
    for mark in marks:
        if mark.sequence <= key.sequence:
            if mark.fields.get("reason") == "outage":
                return True
            continue
        follows = mark.sequence == sequence + 1 or mark.gap == (sequence + 1, mark.sequence - 1)
        if not follows or mark.kind not in ("recovery", "clock", "key"):
            break
        if mark.kind == "recovery":
            return True
        sequence = mark.sequence
    return sequence == last


def _checkpoints_in_trouble(mark: Mark) -> bool:
    return mark.kind == "recovery" and mark.fields.get("reason", "").startswith("checkpoints_")


def _signed_since(reading: ChainReading, trust: Trust) -> bool:
    """Whether a running writer has made a checkpoint since the file was looked at."""
    with closing(own_source(reading.directory / FILE_NAME, "")) as own:
        checkpoints = (own.checkpoint(entry) for entry in own.entries())
        return any(one and one.note.signer(trust.keys) for one in checkpoints)


def unsigned(reading: ChainReading, coverage: Coverage, trust: Trust) -> Iterator[str]:
    """What is to be said of records behind the last checkpoint."""
    walk, signed = reading.walk, coverage.signed
    if not trust.given or not walk.records:
        return
    name = f"chain {reading.writer}: " if reading.writer else ""
    if signed is None:
        yield (
            f"{name}who wrote the {walk.records:,} records: no checkpoint that a given key signed "
            "covers any of them"
        )
    elif signed.sequence < walk.sequence and _minutes(signed.time, walk.time) > _UNSIGNED_MINUTES:
        yield (
            f"{name}who wrote the records behind {signed.sequence}: the last is "
            f"{_minutes(signed.time, walk.time):,} minutes younger than the last checkpoint, so "
            "that others could not be signed, are not due yet (audit.checkpoints.every), or were "
            "removed"
        )


def _minutes(before: str, after: bytes) -> int:
    try:
        times = [datetime.fromisoformat(one) for one in (before, after.decode())]
        return int((times[1] - times[0]).total_seconds() // 60)
    except (ValueError, TypeError):
        return _UNSIGNED_MINUTES + 1
