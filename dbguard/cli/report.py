"""`dbguard report`: what was blocked and what was masked."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from dbguard.audit.reading import Selection, read
from dbguard.cli.audit import (
    AuditOption,
    ConfigOption,
    JsonOption,
    SinceOption,
    UntilOption,
    one_line_errors,
    period,
    trail_directory,
)
from dbguard.report import build, document, terminal


def report(
    audit: AuditOption = None,
    config: ConfigOption = None,
    since: SinceOption = "",
    until: UntilOption = "",
    limit: Annotated[int, typer.Option(min=1, help="Lines in each table.")] = 10,
    json: JsonOption = False,
) -> None:
    """Report what was blocked and what was masked, from the audit trail.

    By rule, principal, table and column, and by statement: the redacted text, how often, why, and
    what would get it allowed. Security events and outages of the audit log stand at the end.

    Example: dbguard report --since 24h
    """
    with one_line_errors():
        directory = trail_directory(audit, config)
        start, end = period(since, until)
        result = build(read(directory, Selection(start, end)), start, end)
        if json:
            typer.echo(document.render(result), nl=False)
        else:
            Console(highlight=False).print(terminal.render(result, limit))
