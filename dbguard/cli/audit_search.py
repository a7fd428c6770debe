"""`dbguard audit search`: records that fit what is asked for, newest first."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated

import typer

from dbguard.audit.reading import Selection
from dbguard.audit.records import RecordKind, Verdict
from dbguard.audit.searching import Criterion, Search, count, search
from dbguard.audit.terms import Term
from dbguard.audit.trails import chains, segments

from .audit import (
    AuditOption,
    ConfigOption,
    JsonOption,
    NoIndexOption,
    SinceOption,
    UntilOption,
    one_line_errors,
    period,
    tell_of_indexes,
    trail_directory,
)
from .audit_lines import print_records
from .progress_bar import progress_bar

Values = list[str] | None


def _of(what: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(metavar="NAME", help=what, show_default=False)
    return option


def search_command(
    words: Annotated[
        list[str] | None,
        typer.Argument(help="Words of the redacted text, or of an event.", show_default=False),
    ] = None,
    audit: AuditOption = None,
    config: ConfigOption = None,
    principal: Annotated[Values, _of("Database user or identity.")] = None,
    identity: Annotated[Values, _of("Who stands behind the database user.")] = None,
    relation: Annotated[Values, _of("Table or view, with its schema.")] = None,
    column: Annotated[Values, _of("Column, with its table and schema.")] = None,
    tag: Annotated[Values, _of("Tag of a column, as phi.ssn.")] = None,
    rule: Annotated[Values, _of("Rule that decided or masked.")] = None,
    decision: Annotated[
        list[Verdict] | None, typer.Option(help="Only these decisions.", show_default=False)
    ] = None,
    kind: Annotated[
        list[RecordKind] | None, typer.Option(help="Only these kinds.", show_default=False)
    ] = None,
    session: Annotated[Values, _of("Session, as records name it.")] = None,
    application: Annotated[Values, _of("Application name of the client.")] = None,
    address: Annotated[Values, _of("Address of the client.")] = None,
    database: Annotated[Values, _of("Database.")] = None,
    sqlstate: Annotated[Values, _of("SQLSTATE that the statement ended with.")] = None,
    fingerprint: Annotated[Values, _of("Fingerprint of the statement.")] = None,
    since: SinceOption = "",
    until: UntilOption = "",
    limit: Annotated[int, typer.Option(min=0, help="The newest so many; 0 shows all.")] = 100,
    counted: Annotated[bool, typer.Option("--count", help="Only say how many there are.")] = False,
    no_index: NoIndexOption = False,
    json: JsonOption = False,
) -> None:
    """Find records: all words and options together must fit; newest first.

    An option may be given several times, and is then met by any of its values; values may be
    patterns (`clinic.*`). With --sqlstate or --kind outcome, outcomes are found, and the other
    options speak of their decisions.

    Example: dbguard audit search --principal anna --tag 'phi.*' --decision deny --since 30d
    """
    asked: list[tuple[set[Term], list[str] | list[Verdict] | list[RecordKind] | None]] = [
        ({Term.FINGERPRINT}, fingerprint),
        ({Term.SESSION}, session),
        ({Term.SQLSTATE}, sqlstate),
        ({Term.COLUMN}, column),
        ({Term.RELATION}, relation),
        ({Term.USER, Term.IDENTITY}, principal),
        ({Term.IDENTITY}, identity),
        ({Term.RULE}, rule),
        ({Term.TAG}, tag),
        ({Term.APPLICATION}, application),
        ({Term.ADDRESS}, address),
        ({Term.DATABASE}, database),
        ({Term.DECISION}, decision),
        ({Term.KIND}, kind),
    ]
    with one_line_errors():
        directory = trail_directory(audit, config)
        start, end = period(since, until)
        wanted = Search(
            tuple(words or ()),
            tuple(
                Criterion(frozenset(terms), tuple(map(str, values)))
                for terms, values in asked
                if values
            ),
            Selection(start, end),
        )
        with progress_bar("searching", _size(directory)) as progress:
            if counted:
                number = count(directory, wanted, index=not no_index, progress=progress)
            else:
                found = search(directory, wanted, index=not no_index, progress=progress)
                shown = list(itertools.islice(found, limit)) if limit else None
        if counted:
            typer.echo(f'{{"v":1,"records":{number}}}' if json else f"{number:,} records")
        else:
            if shown is not None and not shown and not json:
                typer.echo("no record fits", err=True)
            print_records(found if shown is None else shown, json)
        if not no_index and wanted != Search():
            tell_of_indexes(directory)


def _size(directory: Path) -> int:
    return sum(segment.size for chain in chains(directory) for segment in segments(chain.folder))
