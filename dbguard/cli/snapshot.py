"""`dbguard snapshot`: save a database's catalog for work without the database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dbguard.cli.catalog_source import load_catalog, save_catalog


def snapshot(
    catalog: Annotated[str, typer.Argument(metavar="DSN", help="The database.")],
    file: Annotated[Path, typer.Argument(help="Where to write its catalog.")],
) -> None:
    """Save a database's catalog to a file.

    `analyze`, `explain`, `check` and `test` take it with --catalog. It holds names, types and the
    texts of views and functions, and no rows.

    Example: dbguard snapshot postgresql://dbguard@127.0.0.1/clinic catalog.json
    """
    found = load_catalog(catalog)
    save_catalog(found, file)
    shown = sum(r.schema not in ("pg_catalog", "information_schema") for r in found.relations)
    typer.echo(f"{file}: {shown} relations of {found.database}")
