"""`dbguard doctor`: ways past dbguard, and what closes them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from dbguard.config import load_settings
from dbguard.doctor.checks import findings
from dbguard.doctor.looking import look
from dbguard.doctor.model import Finding, Severity
from dbguard.errors import DbguardError
from dbguard.proxy.servers import Servers

from .backup_providers import inventories_of, location_of
from .check import fail, wording

_MEANING = {
    Severity.OPEN: "a way past dbguard",
    Severity.WEAK: "makes one easier",
    Severity.UNSEEN: "could not be looked at",
}


def doctor(
    config: Annotated[
        Path,
        typer.Option(
            "--config", "-c", metavar="FILE", help="Settings of the proxy.", envvar="DBGUARD_CONFIG"
        ),
    ] = Path("dbguard.yaml"),
) -> None:
    """Look for ways past dbguard on its servers, and say what closes them.

    Asks each server over the control connection, and each provider and location of backups, and
    changes nothing. Exit code 0: nothing found; 1: something to change; 2: a server cannot be
    looked at.
    """
    try:
        settings = load_settings(config, os.environ)
        servers = Servers(settings)
        places = [place for cluster in servers.clusters.values() for place, _ in cluster.servers]
        found = [(place, asyncio.run(look(place.dsn))) for place in places]
        locations = {name: location_of(settings, name) for name in servers.clusters}
    except DbguardError as error:
        fail(f"{wording(error)}" if not error.detail else f"{error.message}: {error.detail}")
    any_found = False
    for cluster in servers.clusters.values():
        if (location := locations[cluster.name]) is not None:
            url, failure = location
            any_found = any_found or bool(failure)
            typer.echo(f"{cluster.setting}backup.location: {failure or url}")
        for listing in inventories_of(servers, cluster):
            usable = sum(not backup.flaw for backup in listing.backups)
            any_found = any_found or bool(listing.failure)
            typer.echo(
                f"{cluster.setting}backup.providers.{listing.provider} ({listing.kind}): "
                + (listing.failure or f"{usable} of {len(listing.backups)} backups can count")
            )
    for place, observed in found:
        problems = findings(observed)
        any_found = any_found or bool(problems)
        typer.echo(f"{place.host}:{place.port}: {_count(problems)}")
        for finding in problems:
            typer.echo("")
            _print(finding)
    if any_found:
        raise typer.Exit(1)


def _count(problems: tuple[Finding, ...]) -> str:
    if not problems:
        return "no way past dbguard found"
    counted = (
        (severity, sum(finding.severity is severity for finding in problems))
        for severity in Severity
    )
    return ", ".join(f"{count} {severity.value}" for severity, count in counted if count)


def _print(finding: Finding) -> None:
    typer.echo(f"{finding.severity.value}: {finding.subject} ({_MEANING[finding.severity]})")
    typer.echo(f"  {finding.what}")
    for line in finding.lines:
        typer.echo(f"    {line}")
