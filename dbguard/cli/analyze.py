"""`dbguard analyze`: what a statement touches, as JSON."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import orjson
import typer

from dbguard.cli.catalog_source import (
    CatalogOption,
    SearchPathOption,
    load_catalog,
    session_view,
)
from dbguard.cli.deep_stack import with_deep_stack
from dbguard.cli.statement_input import CommandOption, FilesArgument, read_statements
from dbguard.errors import ConfigurationError, StatementError
from dbguard.sql.analysis import analyze as analyze_text
from dbguard.sql.facts import StatementFacts
from dbguard.sql.limits import DEFAULT_LIMITS
from dbguard.sql.snapshot import SessionView, Snapshot
from dbguard.sql.splitting import split


def analyze(
    files: FilesArgument = None,
    catalog: CatalogOption = None,
    search_path: SearchPathOption = None,
    user: Annotated[
        str,
        typer.Option(
            "--user",
            "--role",
            help="The role in force: what $user means, and which schemas it may look into.",
            show_default=False,
        ),
    ] = "",
    command: CommandOption = None,
) -> None:
    """Print one JSON document for each statement: action, tables, columns with uses, functions.

    A statement that cannot be understood gives {"refused": "why"}, and the exit code is 1.

    Example: dbguard analyze --catalog catalog.json -c 'SELECT * FROM clinic.patients'
    """
    if not catalog:
        raise ConfigurationError(
            "--catalog is missing",
            hint="Give a database (postgresql://…) or a file that holds a saved snapshot.",
        )
    texts = read_statements(files, command)
    snapshot = load_catalog(catalog)
    view = session_view(snapshot, user, search_path)
    refused = False
    for text in texts:
        for document in with_deep_stack(partial(documents, text, snapshot, view)):
            refused = refused or "refused" in document
            typer.echo(orjson.dumps(document))
    raise typer.Exit(1 if refused else 0)


def documents(text: str, snapshot: Snapshot, view: SessionView) -> list[dict[str, object]]:
    """One document for each statement of a text.

    Where the text as a whole is refused, its statements are looked at one by one, so that a
    mistake in one does not hide the others.
    """
    try:
        readings = analyze_text(text, snapshot, view, DEFAULT_LIMITS)
    except StatementError as error:
        statements = split(text)
        if len(statements) == 1:
            return [{"refused": error.message}]
        return [d for s in statements for d in documents(s, snapshot, view)]
    return [document_of(reading.facts) for reading in readings]


def document_of(facts: StatementFacts) -> dict[str, object]:
    """The contract of `dbguard analyze` for one statement."""
    if facts.opaque:
        return {"refused": "; ".join(dict.fromkeys(o.construct for o in facts.opaque))}
    return facts_document(facts)


def facts_document(facts: StatementFacts) -> dict[str, object]:
    """What a statement does, in words."""
    columns: dict[str, set[str]] = {}
    for use in facts.columns:
        columns.setdefault(str(use.column), set()).update(use.uses)
    found: dict[str, object] = {
        "action": facts.action.value,
        "tables": sorted({f"{r.schema}.{r.name}" for r in facts.relations}),
        "columns": [
            {"column": name, "uses": sorted(uses)} for name, uses in sorted(columns.items())
        ],
        "functions": sorted(
            {f"{f.schema}.{f.name}" if f.schema else f.name for f in facts.functions}
        ),
        "outputs": [
            {"name": o.name, "origin": str(o.origin) if o.origin else None} for o in facts.outputs
        ],
    }
    if facts.wrapper is not None:
        found["wrapper"] = facts.wrapper.value
    return found
