"""`dbguard audit sql`: ad-hoc questions to the trail."""

from __future__ import annotations

import csv
import itertools
import sys
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dbguard.audit.querying import Answer, query
from dbguard.errors import ConfigurationError
from dbguard.report.terminal import plain

from .audit import AuditOption, ConfigOption, one_line_errors, trail_directory

ROWS_SHOWN = 200
CELL_SHOWN = 200
"""Characters."""


def sql_command(
    text: Annotated[str, typer.Argument(metavar="SELECT", help="The query; - reads it.")],
    audit: AuditOption = None,
    config: ConfigOption = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV, all rows.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One object a line, all rows.")] = False,
    files: Annotated[
        bool,
        typer.Option("--files", help="Allow any statement, and access to all files that you have."),
    ] = False,
) -> None:
    """Ask the trail in SQL: DuckDB over the views decisions, outcomes and events.

    Each has writer, seq, time (UTC) and session; an outcome's `decision` is the seq of its
    decision. Only a SELECT can be run, and it sees nothing but the trail. Needs the extra sql.

    Example: dbguard audit sql 'SELECT principal_user, count(*) FROM decisions GROUP BY 1'
    """
    with one_line_errors():
        if as_csv and as_json:
            raise ConfigurationError("--csv and --json exclude each other")
        directory = trail_directory(audit, config)
        question = sys.stdin.read() if text == "-" else text
        try:
            with query(directory, question, files=files) as answer:
                if as_json:
                    _json(answer)
                elif as_csv:
                    _csv(answer)
                else:
                    _table(answer)
        except ConfigurationError as error:
            if not error.detail:
                raise
            typer.echo(f"dbguard: {error.message}: {error.detail}\n{error.hint}", err=True)
            raise typer.Exit(2) from None


def _json(answer: Answer) -> None:
    options = orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
    for row in answer.rows():
        document = dict(zip(answer.names, row, strict=True))
        sys.stdout.buffer.write(orjson.dumps(document, default=str, option=options) + b"\n")
    sys.stdout.flush()


def _csv(answer: Answer) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(answer.names)
    writer.writerows([_cell(value) for value in row] for row in answer.rows())
    sys.stdout.flush()


def _table(answer: Answer) -> None:
    table = Table(box=None, header_style="bold")
    for name in answer.names:
        table.add_column(Text(plain(name, CELL_SHOWN)))
    rows = list(itertools.islice(answer.rows(), ROWS_SHOWN + 1))
    for row in rows[:ROWS_SHOWN]:
        table.add_row(*(Text(plain(_cell(value), CELL_SHOWN)) for value in row))
    Console(highlight=False).print(table)
    if len(rows) > ROWS_SHOWN:
        typer.echo(f"the first {ROWS_SHOWN} rows; --csv and --json give all", err=True)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list | dict):
        return orjson.dumps(value, default=str).decode()
    return str(value)
