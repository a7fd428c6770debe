"""All chains of a trail, with the keys that sign them and the copies of their checkpoints."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from .chain import ChainReading, Progress, read_chain, size_on_disk
from .checkpoints import PRUNED_NAME, Checkpoint
from .coverage import Coverage, judge
from .findings import ChainVerification, Finding, NoTrail, Verification, record_name
from .segment_files import writers
from .signed_note import PublicKey
from .sources import Source, copies
from .trust import KeyRecord, Trust, establish
from .vouching import never_signed, unsigned

OPERATOR: Final = "operator"
"""The chain in which the command line records what it does to the others."""
_CLOCK_NOTES: Final = 20
_PARALLEL_BYTES: Final = 24 << 20
"""A trail of fewer is read in this process: starting others takes longer."""


def verify(
    trail: Path,
    *,
    keys: Sequence[PublicKey] = (),
    checkpoint_files: Sequence[Path] = (),
    processes: int | None = None,
    progress: Progress = lambda _: None,
) -> Verification:
    """Check all chains of a trail; writers may be running.

    `keys`: who is trusted to sign; `checkpoint_files`: copies of checkpoints from a second place.
    Raises NoTrail, UnusableInput, OSError.
    """
    # Before the trail itself: what was copied must be there.
    sources = [copies(path) for path in checkpoint_files]
    names = writers(trail)
    if not names:
        raise NoTrail(f"{trail}: there is no audit trail here")
    with ExitStack() as opened:
        executor = opened.enter_context(_executor(trail, names, processes))
        found: dict[str, ChainReading] = {}
        # The operator's chain last: it says what happened to the others before it did. It may have
        # begun only now.
        while left := sorted(set(writers(trail)) - set(found), key=_operator_last):
            name = left[0]
            found[name] = read_chain(trail, name, sources, executor, progress)
            opened.callback(found[name].own.close)
        return _judged([found[name] for name in sorted(found)], list(keys), sources)


def _operator_last(name: str) -> tuple[bool, str]:
    return name == OPERATOR, name


def _judged(
    readings: list[ChainReading], keys: list[PublicKey], sources: list[Source]
) -> Verification:
    trust = establish(
        keys,
        [
            KeyRecord(reading.writer, mark)
            for reading in readings
            for mark in reading.walk.marks
            if mark.kind == "key"
        ],
    )
    findings: list[Finding] = list(trust.findings)
    notes = list(trust.notes)
    chains = []
    unchecked: list[str] = []
    for reading in readings:
        coverage = judge(reading, trust, sources)
        findings += reading.walk.findings + coverage.findings
        notes += reading.walk.notes + coverage.notes + _clock_notes(reading)
        findings += _check_prune_record(reading, readings)
        removed = never_signed(reading, coverage, trust)
        findings += removed
        chains.append(_summary(reading, coverage))
        if not removed:
            unchecked += unsigned(reading, coverage, trust)
    findings += _missing_chains(readings, sources, trust)
    return Verification(
        tuple(chains),
        tuple(_without_repetition(findings)),
        tuple(notes),
        (*_unchecked(readings, trust, sources), *unchecked),
    )


@contextmanager
def _executor(trail: Path, names: list[str], processes: int | None) -> Iterator[Executor | None]:
    count = _cores() if processes is None else processes
    size = sum(size_on_disk(trail / name) for name in names)
    if count < 2 or (processes is None and size < _PARALLEL_BYTES):
        yield None
        return
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _check_prune_record(reading: ChainReading, readings: list[ChainReading]) -> list[Finding]:
    """Nothing is removed without a record of it in the operator's chain."""
    pruned = reading.pruned
    if pruned is None:
        return []
    operator = [other for other in readings if other.writer == OPERATOR]
    for other in operator:
        if other.pruned is not None:
            return []  # older records of what was pruned may be gone themselves
        for mark in other.walk.marks:
            fields = mark.fields
            if mark.kind == "prune" and (fields.get("chain"), fields.get("last_hash")) == (
                reading.writer,
                pruned.hash.decode(),
            ):
                return []
    return [
        Finding(
            pruned.sequence,
            reading.prefix + PRUNED_NAME,
            0,
            "and all before it were removed, and no PRUNE record in the operator's chain says so",
            reading.writer,
        )
    ]


def _missing_chains(
    readings: list[ChainReading], sources: list[Source], trust: Trust
) -> Iterator[Finding]:
    known = frozenset().union(*(reading.origins for reading in readings))
    for source in sources:
        last: dict[str, tuple[Checkpoint, int]] = {}
        for entry in source.entries():
            outline = source.outline(entry)
            if outline is not None and outline.origin in known and entry.raw:
                continue
            checkpoint = source.checkpoint(entry)
            if checkpoint is None:
                yield Finding(0, source.name, entry.line, "this is not a checkpoint of dbguard's")
            else:
                last[checkpoint.origin] = checkpoint, entry.line
        for origin, (checkpoint, line) in last.items():
            if trust.given and checkpoint.note.signer(trust.keys) is None:
                problem = "the checkpoint up to this record is signed by none of the keys given"
            else:
                problem = (
                    f"and all before it are missing: chain {origin.partition('/')[2]}, which this "
                    f"checkpoint of {checkpoint.time} covers, is not in the trail"
                )
            yield Finding(checkpoint.sequence, source.name, line, problem)


def _clock_notes(reading: ChainReading) -> list[str]:
    steps = [mark for mark in reading.walk.marks if mark.kind == "clock"]
    told = [
        f"{mark.file}: record {record_name(reading.writer, mark.sequence)}: the clock was set by "
        f"{mark.fields.get('seconds', '')} seconds"
        for mark in steps[:_CLOCK_NOTES]
    ]
    more = len(steps) - len(told)
    return [*told, f"and {more} more times"] if more > 0 else told


def _without_repetition(findings: list[Finding]) -> list[Finding]:
    """A tail that is missing is told once, by whoever knows of most of it."""
    ends: dict[str, Finding] = {}
    kept = []
    for finding in findings:
        if "at the end of the trail: " not in finding.problem:
            kept.append(finding)
            continue
        known = ends.get(finding.writer)
        if known is None or _end(finding) > _end(known):
            ends[finding.writer] = finding
    return [*kept, *ends.values()]


def _end(finding: Finding) -> int:
    words = finding.problem.split()
    return int(words[4]) if words[:4] == ["and", "all", "up", "to"] else finding.sequence


def _summary(reading: ChainReading, coverage: Coverage) -> ChainVerification:
    walk = reading.walk
    signed = coverage.signed
    return ChainVerification(
        writer=reading.writer,
        records=walk.records,
        segments=reading.segments,
        first_time=walk.first_time.decode("ascii", "replace"),
        last_time=walk.time.decode("ascii", "replace"),
        last_sequence=walk.sequence,
        last_hash=(walk.hash or b"").decode(),
        pruned_through=reading.pruned.sequence if reading.pruned else 0,
        checkpoints=coverage.fitting,
        signed_through=signed.sequence if signed else 0,
        signed_at=signed.time if signed else "",
        signed_by=coverage.signed_by,
    )


def _unchecked(readings: list[ChainReading], trust: Trust, sources: list[Source]) -> Iterator[str]:
    if not trust.given:
        signed = any(reading.own.count for reading in readings)
        yield (
            "who signed the checkpoints: no public key was given"
            if signed
            else "signatures: the trail has no checkpoints, and no public key was given"
        )
    if not sources:
        yield (
            "the end of the trail against a second place: no copies of checkpoints were given, so "
            "that a chain that was removed, cut or rewritten together with them does not show"
        )
