"""What a check found, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final

from .findings import ChainVerification, Verification
from .proof_check import Proven

FINDINGS_SHOWN: Final = 20
NOTES_SHOWN: Final = 40
_LINE_SHOWN: Final = 1000


def document(result: Verification) -> dict[str, object]:
    """For JSON."""
    return {
        "v": 2,
        "ok": result.ok,
        "records": result.records,
        "segments": result.segments,
        "first_time": result.first_time,
        "last_time": result.last_time,
        "last_sequence": result.last_sequence,
        "last_hash": result.last_hash,
        "chains": [asdict(chain) for chain in result.chains],
        "findings": [{**asdict(finding), "record": finding.record} for finding in result.findings],
        "notes": list(result.notes),
        "unchecked": list(result.unchecked),
    }


def lines(directory: Path, result: Verification) -> Iterator[str]:
    return map(_plain, _lines(directory, result))


def _plain(line: str) -> str:
    """Without what could end the line or move the cursor: a trail that somebody changed may hold
    what makes a terminal show another result."""
    shown = "".join(c if c.isprintable() else "�" for c in line)
    return shown if len(shown) <= _LINE_SHOWN else shown[:_LINE_SHOWN] + "…"


def _lines(directory: Path, result: Verification) -> Iterator[str]:
    for finding in result.findings[:FINDINGS_SHOWN]:
        yield str(finding) if Path(finding.file).is_absolute() else f"{directory}/{finding}"
    more = len(result.findings) - FINDINGS_SHOWN
    if more > 0:
        yield f"and {more} more (--json has all)"
    for note in result.notes[:NOTES_SHOWN]:
        yield f"note: {note}"
    if len(result.notes) > NOTES_SHOWN:
        yield f"note: and {len(result.notes) - NOTES_SHOWN} more (--json has all)"
    if not result.ok:
        yield (
            f"NOT in order: {_count(len(result.findings), 'finding')} in "
            f"{_count(result.records, 'readable record')}"
        )
    elif not result.records:
        yield "in order: the trail has no records yet"
    else:
        yield (
            f"in order: {_count(result.records, 'record')} in "
            f"{_count(result.segments, 'segment')}, "
            f"{result.first_time} to {result.last_time}"
        )
    for chain in result.chains:
        if chain.records:
            yield from _chain_lines(chain, named=len(result.chains) > 1)
    for what in result.unchecked:
        yield f"not checked: {what}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _chain_lines(chain: ChainVerification, *, named: bool) -> Iterator[str]:
    name = f"{chain.writer or 'top'}: " if named else ""
    yield f"{name}last: record {chain.last_sequence}, hash {chain.last_hash}"
    if chain.pruned_through:
        yield f"{name}pruned: records up to {chain.pruned_through}, when their time was over"
    if chain.signed_through:
        behind = chain.last_sequence - chain.signed_through
        yield (
            f"{name}signed: records up to {chain.signed_through} by {chain.signed_by}, "
            f"{chain.signed_at}; "
            + (f"{behind} after it not yet" if behind else "no record is unsigned")
        )


def proof_lines(proven: Proven) -> Iterator[str]:
    yield "".join(c if c.isprintable() else "�" for c in proven.line)
    yield (
        f"proven: record {proven.sequence} of chain {proven.origin.partition('/')[2]}, written at "
        f"{proven.time}, stood in the trail when {proven.signed_by} signed it at {proven.signed_at}"
    )
