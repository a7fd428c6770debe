"""`dbguard audit seal`: compress segments that have ended, by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from dbguard.audit.sealing import Unsealable, make_index, seal, to_seal, without_index
from dbguard.audit.trails import chains, segments

from .audit import AuditOption, ConfigOption, one_line_errors, trail_directory
from .progress_bar import progress_bar


def seal_command(
    audit: AuditOption = None,
    config: ConfigOption = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild-index", help="Make all indexes anew, not only missing ones.")
    ] = False,
) -> None:
    """Compress the segments that have ended, and make missing indexes.

    dbguard does it by itself unless audit.segments.compress is off. Each segment is checked
    first; one that is not what was written stays as it is, and the exit code is 1.

    Example: dbguard audit seal --audit audit/
    """
    changed = 0
    with one_line_errors():
        folders = [chain.folder for chain in chains(trail_directory(audit, config))]
        found = [segment for folder in folders for segment in to_seal(folder)]
        with progress_bar("sealing", sum(segment.size for segment in found)) as progress:
            for segment in found:
                try:
                    done = seal(segment, progress)
                except Unsealable as error:
                    changed += 1
                    typer.echo(f"not sealed: {error}", err=True)
                    continue
                if done is None:
                    typer.echo(f"{segment.plain}: another process seals it")
                else:
                    typer.echo(
                        f"{done.segment.path}: {done.records:,} records, {done.raw:,} bytes "
                        f"in {done.size:,}"
                    )
        told = len(found)
        for folder in folders:
            sealed = [segment for segment in segments(folder) if segment.sealed]
            for segment in sealed if rebuild else without_index(folder):
                try:
                    make_index(segment)
                except Unsealable as error:
                    changed += 1
                    typer.echo(f"no index: {error}", err=True)
                else:
                    typer.echo(f"{segment.index}: made anew")
                told += 1
        if not told:
            typer.echo("nothing to seal: all segments that have ended are")
    if changed:
        typer.echo("Run `dbguard audit verify` to see what was changed.", err=True)
        raise typer.Exit(1)
