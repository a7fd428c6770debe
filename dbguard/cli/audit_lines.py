"""Records as lines for people."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import typer
from rich.console import Console
from rich.text import Text

from dbguard.audit.reading import Stored
from dbguard.audit.records import DecisionRecord, OutcomeRecord
from dbguard.audit.trails import record_name
from dbguard.report.wording import plain
from dbguard.report.zones import LOCAL

TEXT_SHOWN = 240
"""Characters."""


def print_records(records: Iterable[Stored], json: bool) -> None:
    """Write them to standard output: one a line, or (`json`) as they stand in the trail."""
    console = Console(highlight=False, soft_wrap=True)
    for stored in records:
        if json:
            typer.echo(stored.line, nl=False)
        else:
            console.print(Text(_line(stored)))
    sys.stdout.flush()


def _line(stored: Stored) -> str:
    when = LOCAL.shown(stored.time)
    return f"{stored.name:>8}  {when}  {stored.kind:<10}  {plain(_summary(stored), TEXT_SHOWN)}"


def _summary(stored: Stored) -> str:
    record = stored.record
    match record:
        case DecisionRecord():
            who = f"{record.principal_user}@{record.database}"
            if record.identity is not None:
                who = f"{record.identity.name} as {who}"
            return f"{who} {record.decision} ({record.phase}) {record.text or record.action}"
        case OutcomeRecord():
            how = f"failed with {record.sqlstate}" if record.sqlstate else record.command_tag
            took = record.duration_microseconds / 1000
            of = record_name(stored.writer, record.decision)
            return f"of {of}: {how}, {record.rows} rows, {took:.1f} ms"
        case _:
            return ", ".join(f"{name}: {value}" for name, value in record.fields)
