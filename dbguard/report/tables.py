"""A report as tables of plain cells, for spreadsheets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from dbguard.report.model import Count, Event, Report, Section, Shape
from dbguard.report.verdict import judge

Cell: TypeAlias = str | int | datetime


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    """Letters and underscores: it becomes a file's name."""
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def tables(report: Report) -> list[Table]:
    """All that the report holds. A table that has no rows is there too."""
    return [
        _summary(report),
        _timeline(report),
        *_section("blocked", report.blocked),
        *_section("masked", report.masked),
        _raw(report),
        _bulk(report),
        _shapes("structure", report.structure),
        _counts("requirements", (("requirement", report.requirements),)),
        _counts("rules_in_force", (("digest", report.digests),)),
        _principals(report),
        _counts(
            "failed_logins",
            (
                ("user", report.logins.failed_by_user),
                ("address", report.logins.failed_by_address),
                ("reason", report.logins.failed_by_reason),
            ),
        ),
        _counts(
            "encryption",
            (("clients", report.logins.client_tls), ("servers", report.logins.server_tls)),
        ),
        _events(report),
    ]


def _summary(report: Report) -> Table:
    totals, judgement = report.totals, judge(report)
    rows: list[tuple[Cell, ...]] = [
        ("verdict", judgement.headline),
        *(("point", point.text) for point in judgement.points),
        ("since", report.since or ""),
        ("until", report.until or ""),
        ("first record", report.first or ""),
        ("last record", report.last or ""),
        ("time zone of days", report.zone),
        ("records", totals.records),
        ("allowed", totals.allowed),
        ("masked", totals.masked),
        ("denied", totals.denied),
        ("undecided", totals.undecided),
        ("failed in the database", totals.failed),
        ("rows", totals.rows),
        ("sessions", totals.sessions),
        ("logins accepted", report.logins.accepted),
        ("logins failed", report.logins.failed),
        *(("note", note) for note in report.notes),
    ]
    return Table("summary", ("what", "value"), tuple(rows))


def _timeline(report: Report) -> Table:
    return Table(
        "timeline",
        ("start", "length", "allowed", "masked", "refused"),
        tuple(
            (b.start, report.timeline.grain, b.allowed, b.masked, b.refused)
            for b in report.timeline.buckets
        ),
    )


def _section(name: str, section: Section) -> Iterator[Table]:
    yield _counts(
        f"{name}_by",
        (
            ("rule", section.by_rule),
            ("principal", section.by_principal),
            ("table", section.by_table),
            ("column", section.by_column),
        ),
    )
    yield _shapes(f"{name}_statements", section.shapes)


def _counts(name: str, groups: tuple[tuple[str, tuple[Count, ...]], ...]) -> Table:
    return Table(
        name,
        ("by", "name", "count", "last"),
        tuple(
            (by, "(others)" if count.others else count.name, count.count, count.last)
            for by, counts in groups
            for count in counts
        ),
    )


def _shapes(name: str, shapes: tuple[Shape, ...]) -> Table:
    return Table(
        name,
        (
            "count", "principals", "action", "decision", "statement", "rules", "reasons",
            "remedies", "masks", "requirements", "first", "last", "record", "fingerprint",
        ),
        tuple(
            (
                shape.count,
                ", ".join(shape.principals),
                shape.action,
                shape.decision,
                shape.text,
                "; ".join(why.rule for why in shape.whys),
                "; ".join(why.reason for why in shape.whys),
                "; ".join(why.remedy for why in shape.whys),
                "; ".join(shape.masks),
                "; ".join(shape.requirements),
                shape.first,
                shape.last,
                shape.example,
                shape.fingerprint,
            )
            for shape in shapes
        ),
    )  # fmt: skip


def _raw(report: Report) -> Table:
    return Table(
        "unmasked_access",
        ("who", "column", "tags", "values", "statements", "rows", "first", "last", "record"),
        tuple(
            (
                entry.who,
                entry.column,
                ", ".join(entry.tags),
                "computed with" if entry.computed else "as they are",
                entry.statements,
                entry.rows,
                entry.first,
                entry.last,
                entry.example,
            )
            for entry in report.raw.entries
        ),
    )


def _bulk(report: Report) -> Table:
    return Table(
        "bulk_reads",
        (
            "count", "rows", "largest", "bytes", "who", "action", "statement", "unmasked",
            "tables", "first", "last", "record",
        ),
        tuple(
            (
                entry.count,
                entry.rows,
                entry.largest,
                entry.bytes,
                entry.who,
                entry.action,
                entry.text,
                "yes" if entry.raw else "no",
                ", ".join(entry.tables),
                entry.first,
                entry.last,
                entry.example,
            )
            for entry in report.bulk.entries
        ),
    )  # fmt: skip


def _principals(report: Report) -> Table:
    return Table(
        "principals",
        ("who", "database users", "proofs", "allowed", "masked", "refused", "last"),
        tuple(
            (
                principal.name,
                ", ".join(principal.users),
                ", ".join(principal.proofs),
                principal.allowed,
                principal.masked,
                principal.refused,
                principal.last,
            )
            for principal in report.principals
        ),
    )


def _events(report: Report) -> Table:
    happened = report.events
    sorts = (
        ("security", happened.security), ("session past dbguard", happened.past),
        ("drift", happened.drift), ("audit log", happened.recoveries),
        ("clock", happened.clocks), ("key", happened.keys),
        ("verification", happened.verifications), ("retention", happened.retention),
        ("policy", happened.policies), ("backup", happened.backups), ("users", happened.users),
        ("session ended", happened.ended), ("start and stop", happened.starts),
    )  # fmt: skip
    found = [(sort, event) for sort, events in sorts for event in events.latest]
    found += [("failed login", event) for event in report.logins.latest]
    return Table(
        "events",
        ("sort", "time", "session", "what", "record"),
        tuple((sort, e.time, e.session, _fields(e), e.record) for sort, e in found),
    )


def _fields(event: Event) -> str:
    return ", ".join(f"{name}: {value}" for name, value in event.fields)
