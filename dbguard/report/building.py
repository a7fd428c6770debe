"""Records to a report, in one pass and memory that does not grow with the trail."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from datetime import datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from dbguard.audit.reading import Stored
from dbguard.audit.records import DecisionRecord, EventRecord, OutcomeRecord, Verdict
from dbguard.audit.trails import chains
from dbguard.errors import ConfigurationError
from dbguard.report.counting import instant, stamp
from dbguard.report.model import Report, Totals
from dbguard.report.plans import RUNS, Plan
from dbguard.report.scanning import scan
from dbguard.report.tally import DEFAULT_BULK_ROWS, Tally
from dbguard.report.trail import Part, Range, parts
from dbguard.report.zones import EVERYWHERE, Zone

WORTH_PROCESSES = 32 * 1024 * 1024
"""Bytes on disk from which on several processes are faster than one."""
_MOST_PROCESSES = 8


def build(
    records: Iterable[Stored],
    since: datetime | None = None,
    until: datetime | None = None,
    zone: Zone = EVERYWHERE,
) -> Report:
    """The report on the records of one chain from `since` (included) to `until` (excluded)."""
    tally = Tally("")
    plans: dict[DecisionRecord, Plan] = {}
    for stored in records:
        if (since is not None and stored.time < since) or (
            until is not None and stored.time >= until
        ):
            continue
        time, record = stamp(stored.time), stored.record
        tally.seen(time)
        tally.session(record.session.encode("utf-8", "replace"))
        match record:
            case DecisionRecord():
                key = replace(
                    record, session="", client_address="", application="", phase="",
                    statement="", traceparent="", tags=(), sealed="",
                )  # fmt: skip
                plan = plans.get(key)
                if plan is None:
                    plan = plans[key] = Plan(record)
                tally.decided(plan, stored.sequence, time, record.phase in RUNS)
            case OutcomeRecord():
                tally.outcome(record.decision, record.rows, record.bytes, record.sqlstate, time)
            case EventRecord():
                tally.event(record, stored.sequence, time)
    for plan in plans.values():
        tally.fold(plan)
    return finish(tally, Range(since, until), zone, ())


def build_from(
    directory: Path,
    wanted: Range,
    zone: Zone = EVERYWHERE,
    *,
    bulk_rows: int = DEFAULT_BULK_ROWS,
    processes: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """The report on a trail, all chains together.

    `progress` is told how many bytes of how many are done. `processes`: as many as there are
    processors where the trail is large.

    Raises:
        ConfigurationError: it cannot be read, or a line is not a record (file and line named).
    """
    chosen = parts(directory, wanted)
    total = sum(part.size for part in chosen)
    if processes is None:
        processes = min(os.cpu_count() or 1, _MOST_PROCESSES) if total >= WORTH_PROCESSES else 1
    scanner = partial(scan, wanted=wanted, bulk_rows=bulk_rows)
    done = 0
    whole = Tally(chosen[0].chain if chosen else "", bulk_rows)
    for part, tally in zip(chosen, _scanned(chosen, scanner, processes), strict=True):
        whole.merge(tally)
        done += part.size
        progress(done, total)
    writers = tuple(chain.writer for chain in chains(directory))
    return finish(whole, wanted, zone, writers)


def finish(tally: Tally, wanted: Range, zone: Zone, writers: tuple[str, ...]) -> Report:
    """The report that a whole tally comes to."""
    since, until = wanted.since, wanted.until
    first = instant(tally.first) if tally.first else None
    last = instant(tally.last) if tally.last else None
    verdicts = tally.verdicts
    return Report(
        since=since,
        until=until,
        zone=zone.name(last or since or until or instant("2000-01-01T00:00:00Z")),
        first=first,
        last=last,
        totals=Totals(
            records=tally.records,
            allowed=verdicts[Verdict.ALLOW],
            masked=verdicts[Verdict.MASKED],
            denied=verdicts[Verdict.DENY],
            undecided=verdicts[Verdict.ERROR],
            failed=tally.failed,
            rows=tally.rows,
            sessions=len(tally.sessions),
            sessions_more=tally.sessions_more,
        ),
        timeline=tally.times.result(since, until, first, last, zone),
        blocked=tally.blocked.result(),
        masked=tally.masked.result(),
        raw=tally.raw.result(),
        bulk=tally.bulk.result(),
        structure=tally.structure.result(),
        requirements=tally.requirements.result(),
        principals=tally.principals.result(),
        logins=tally.events.logins(),
        events=tally.events.result(),
        digests=tally.digests.result(),
        chains=writers,
        notes=tuple(_notes(tally)),
    )


def _notes(tally: Tally) -> Iterator[str]:
    if tally.lost:
        yield (
            f"{tally.lost:,} outcomes could not be joined with their decision: more statements "
            "ran at once than are remembered. Their rows are missing under raw access and bulk "
            "reads."
        )
    forgotten = tally.blocked.shapes.others + tally.masked.shapes.others + tally.structure.others
    if forgotten:
        yield f"{forgotten:,} statements are of shapes too rare to be listed; they are counted."
    if tally.principals.others:
        yield f"{tally.principals.others:,} statements are of principals too rare to be listed."
    if tally.sessions_more:
        yield "There were more sessions than are counted one by one."


def _scanned(
    chosen: list[Part], scanner: Callable[[Part], Tally], processes: int
) -> Iterator[Tally]:
    if processes <= 1 or len(chosen) <= 1:
        yield from map(scanner, chosen)
        return
    with _pool(min(processes, len(chosen))) as pool:
        try:
            yield from pool.map(scanner, chosen)
        except BrokenProcessPool as error:
            raise ConfigurationError(
                "a process that reads the trail has died",
                hint="See whether the machine has run out of memory; a shorter --since needs less.",
            ) from error


def _pool(processes: int) -> Executor:
    # spawned, not forked: whoever shows the progress may have threads
    return ProcessPoolExecutor(processes, mp_context=get_context("spawn"))
