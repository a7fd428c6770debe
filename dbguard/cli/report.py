"""`dbguard report`: what was blocked, what was masked, and who saw what."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from dbguard.cli.audit import (
    AuditOption,
    ConfigOption,
    JsonOption,
    one_line_errors,
    trail_directory,
)
from dbguard.errors import ConfigurationError
from dbguard.report import build_from, document, terminal
from dbguard.report.periods import moment, span
from dbguard.report.trail import Range
from dbguard.report.wording import View
from dbguard.report.zones import EVERYWHERE, LOCAL, Zone

SinceOption = Annotated[
    str,
    typer.Option(
        metavar="WHEN",
        help="From then on: 24h, '2 hours ago', yesterday, 'last night', monday, 2026-11-01.",
        show_default=False,
    ),
]
UntilOption = Annotated[
    str, typer.Option(metavar="WHEN", help="Before then, written likewise.", show_default=False)
]
DuringOption = Annotated[
    str,
    typer.Option(
        metavar="WHEN",
        help="From its beginning to its end: yesterday, 'last night', 'last month', 2026-11.",
        show_default=False,
    ),
]


def report(
    audit: AuditOption = None,
    config: ConfigOption = None,
    since: SinceOption = "",
    until: UntilOption = "",
    during: DuringOption = "",
    utc: Annotated[bool, typer.Option("--utc", help="Days and times in UTC.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Lines in each table.")] = 10,
    bulk_rows: Annotated[
        int, typer.Option(min=1, help="Rows from which on a read of classified tables is bulk.")
    ] = 1_000,
    json: JsonOption = False,
) -> None:
    """Report what was blocked, what was masked and who saw what, from the audit trail.

    First whether anything needs a person. Then what was blocked and masked, by rule, principal,
    table, column and statement: the redacted text, how often, why, and what would get it allowed.
    Then who saw classified values unmasked, bulk reads, changes of structure, failed logins,
    sessions past dbguard, and what became of the audit log itself.

    Example: dbguard report --since 'last night'
    """
    with one_line_errors():
        directory = trail_directory(audit, config)
        zone = EVERYWHERE if utc else LOCAL
        start, end = _range(since, until, during, zone)
        result = build_from(directory, Range(start, end), zone, bulk_rows=bulk_rows)
        if json:
            typer.echo(document.render(result), nl=False)
        else:
            Console(highlight=False).print(terminal.render(result, View(zone, limit)))


def _range(
    since: str, until: str, during: str, zone: Zone
) -> tuple[datetime | None, datetime | None]:
    """The options as points in time. Raises ConfigurationError."""
    now = datetime.now(UTC)
    if during:
        if since or until:
            raise ConfigurationError("--during does not go together with --since or --until")
        found = span(during, now, "--during", zone)
        return found.start, found.end
    start = moment(since, now, "--since", zone) if since else None
    end = moment(until, now, "--until", zone) if until else None
    if start and end and start >= end:
        raise ConfigurationError("--since is not before --until")
    return start, end
