"""`dbguard report`: what was blocked, what was masked, and who saw what."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from dbguard.cli.audit import (
    AuditOption,
    ConfigOption,
    JsonOption,
    one_line_errors,
    trail_directory,
)
from dbguard.cli.audit_verify import CheckpointsOption, KeyOption, record_findings, unusable_inputs
from dbguard.cli.evidence import bundle, settings_of
from dbguard.errors import ConfigurationError
from dbguard.report import build_from, document, html, spreadsheets, terminal
from dbguard.report.building import WORTH_PROCESSES
from dbguard.report.periods import moment, span
from dbguard.report.remembered import LAST, last_report, remember, state_folder
from dbguard.report.tally import DEFAULT_BULK_ROWS
from dbguard.report.trail import Range
from dbguard.report.wording import View
from dbguard.report.zones import EVERYWHERE, LOCAL, Zone
from dbguard.verification.findings import Verification

SinceOption = Annotated[
    str,
    typer.Option(
        metavar="WHEN",
        help="From then on: 24h, '2 hours ago', yesterday, 'last night', monday, 2026-11-01; "
        "last: since your last report of this trail.",
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
HtmlOption = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", help="Write it as one HTML file.", show_default=False),
]
CsvOption = Annotated[
    Path | None,
    typer.Option(
        "--csv",
        metavar="DIR|FILE.csv",
        help="Write it as CSV: a file for each table, or all in one.",
        show_default=False,
    ),
]
EvidenceOption = Annotated[
    Path | None,
    typer.Option(
        "--evidence",
        metavar="FILE.zip|DIR",
        help="Make an auditor's bundle: report, verification, keys, policy, what it shows.",
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
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, help="Lines in each table [default: 10; in HTML 50].", show_default=False
        ),
    ] = None,
    bulk_rows: Annotated[
        int, typer.Option(min=1, help="Rows from which on a read of classified tables is bulk.")
    ] = DEFAULT_BULK_ROWS,
    html_file: HtmlOption = None,
    csv: CsvOption = None,
    json: JsonOption = False,
    evidence: EvidenceOption = None,
    public_key: KeyOption = None,
    checkpoints: CheckpointsOption = None,
) -> None:
    """Report what was blocked, what was masked and who saw what, from the audit trail.

    First whether anything needs a person. Then what was blocked and masked, by rule, principal,
    table, column and statement: the redacted text, how often, why, and what would get it allowed.
    Then who saw classified values unmasked, bulk reads, changes of structure, failed logins,
    sessions past dbguard, and what became of the audit log itself.

    --evidence checks the whole trail as well (exit code 1: it is not the one that was written);
    with --config the bundle also holds the policy and what the settings say. --public-key and
    --checkpoints are for that check.

    Example: dbguard report --since 'last night' --html report.html
    """
    verified: Verification | None = None
    with one_line_errors(), unusable_inputs():
        directory = trail_directory(audit, config)
        state = state_folder(os.environ)
        zone = EVERYWHERE if utc else LOCAL
        wanted = _range(since, until, during, zone, lambda: last_report(state, directory))
        with _progress() as progress:
            result = build_from(directory, wanted, zone, bulk_rows=bulk_rows, progress=progress)
        if html_file is not None:
            _write(html_file, html.render(result, View(zone, limit or html.ROWS)))
        if csv is not None:
            spreadsheets.write(result, csv)
        if evidence is not None:
            view, settings = View(zone, limit or html.ROWS), settings_of(audit, config)
            verified = bundle(
                result, view, directory, settings, public_key or [], checkpoints or [], evidence
            )
        if json:
            typer.echo(document.render(result), nl=False)
        elif html_file is None and csv is None and evidence is None:
            Console(highlight=False).print(terminal.render(result, View(zone, limit or 10)))
        for path in (html_file, csv, evidence):
            if path is not None:
                typer.echo(f"written: {path}", err=json)
        remember(state, directory, result)
    if verified is not None and not verified.ok:
        typer.echo("dbguard: the trail is NOT in order: see verification.txt there", err=True)
        if audit is None and os.access(directory, os.W_OK):
            record_findings(verified, audit, config)
        raise typer.Exit(1)


def _range(
    since: str,
    until: str,
    during: str,
    zone: Zone,
    reported: Callable[[], datetime | None],
) -> Range:
    """The options as points in time. Raises ConfigurationError."""
    now = datetime.now(UTC)
    if during:
        if since or until:
            raise ConfigurationError("--during does not go together with --since or --until")
        found = span(during, now, "--during", zone)
        return Range(found.start, found.end)
    if since.strip().lower() == LAST:
        start = reported()
    else:
        start = moment(since, now, "--since", zone) if since else None
    end = moment(until, now, "--until", zone) if until else None
    if start and end and start >= end:
        raise ConfigurationError("--since is not before --until")
    return Range(start, end)


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be written: {error.strerror}",
            hint="Name a file where you may write.",
        ) from error


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, for trails that take a while."""
    console = Console(stderr=True)
    with contextlib.ExitStack() as stack:
        bars: list[Progress] = []

        def tell(done: int, total: int) -> None:
            if not console.is_terminal or total < WORTH_PROCESSES:
                return
            if not bars:
                bars.append(stack.enter_context(Progress(console=console, transient=True)))
                bars[0].add_task("reading the trail", total=total)
            bars[0].update(bars[0].task_ids[0], completed=done)

        yield tell
