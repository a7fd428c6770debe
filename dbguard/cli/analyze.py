"""`dbguard analyze`: what a statement touches, as JSON."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import asyncpg
import orjson
import typer

from dbguard.catalog.loading import load_snapshot
from dbguard.catalog.saved import load
from dbguard.errors import ConfigurationError, StatementError
from dbguard.sql.analysis import analyze as analyze_text
from dbguard.sql.facts import StatementFacts
from dbguard.sql.limits import DEFAULT_LIMITS
from dbguard.sql.snapshot import SessionView, Snapshot


def analyze(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Files with SQL; standard input when none is given."),
    ] = None,
    catalog: Annotated[
        str, typer.Option(help="A database (postgresql://…) or a saved catalog snapshot.")
    ] = "",
    search_path: Annotated[
        str, typer.Option(help="Schemas to look names up in, separated by commas.")
    ] = "public",
    command: Annotated[str | None, typer.Option("--command", "-c", help="The SQL itself.")] = None,
) -> None:
    """Print one JSON document for each statement: action, tables, columns with uses, functions.

    A statement that cannot be understood gives {"refused": "why"}, and the exit code is 1.
    """
    snapshot = read_catalog(catalog)
    path = tuple(p.strip() for p in search_path.split(",") if p.strip())
    if "pg_catalog" not in path:
        path = ("pg_catalog", *path)
    view = SessionView("analyze", path)
    refused = False
    for text in _texts(files, command):
        for document in documents(text, snapshot, view):
            refused = refused or "refused" in document
            sys.stdout.write(orjson.dumps(document).decode() + "\n")
    raise typer.Exit(1 if refused else 0)


def _texts(files: list[Path] | None, command: str | None) -> list[str]:
    if command is not None:
        return [command]
    if not files:
        return [sys.stdin.read()]
    texts = []
    for file in files:
        try:
            texts.append(file.read_text("utf-8"))
        except OSError as error:
            reason = (error.strerror or "input/output error").lower()
            raise ConfigurationError(f"{file}: cannot be read: {reason}") from None
        except UnicodeDecodeError:
            raise ConfigurationError(f"{file}: is not UTF-8 text") from None
    return texts


def read_catalog(where: str) -> Snapshot:
    """A snapshot from a live database or a saved file.

    Raises:
        ConfigurationError: it cannot be read.
    """
    if not where:
        raise ConfigurationError(
            "--catalog is missing",
            hint="Give a database (postgresql://…) or a file that holds a saved snapshot.",
        )
    if where.startswith(("postgresql://", "postgres://")):
        return asyncio.run(_live(where))
    try:
        return load(Path(where).read_text("utf-8"))
    except OSError as error:
        reason = (error.strerror or "input/output error").lower()
        raise ConfigurationError(f"{where}: cannot be read: {reason}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{where}: is not UTF-8 text") from None


async def _live(dsn: str) -> Snapshot:
    try:
        connection = await asyncpg.connect(dsn, server_settings={"search_path": ""}, timeout=10)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError):
        raise ConfigurationError(
            "--catalog: the database cannot be reached",
            hint="Check host, port, user and password of the URL.",
        ) from None
    try:
        return await load_snapshot(connection, 0)
    finally:
        await connection.close()


def documents(text: str, snapshot: Snapshot, view: SessionView) -> list[dict[str, object]]:
    """The documents for one text."""
    try:
        readings = analyze_text(text, snapshot, view, DEFAULT_LIMITS)
    except StatementError as error:
        return [{"refused": error.message}]
    return [document_of(reading.facts) for reading in readings]


def document_of(facts: StatementFacts) -> dict[str, object]:
    """The contract of `dbguard analyze` for one statement."""
    if facts.opaque:
        return {"refused": "; ".join(dict.fromkeys(o.construct for o in facts.opaque))}
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
