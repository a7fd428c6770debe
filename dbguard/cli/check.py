"""`dbguard check`: are the rules sound, and do they fit the database?"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from dbguard.config import load_settings
from dbguard.errors import ConfigurationError, DbguardError
from dbguard.policy.binding import BoundPolicy, bind
from dbguard.policy.coverage import Finding, findings
from dbguard.policy.document import json_schema
from dbguard.policy.loading import load_policy
from dbguard.policy.model import Policy
from dbguard.proxy.servers import Servers
from dbguard.server_settings import TargetSessionAttrs
from dbguard.settings import Settings
from dbguard.shipping.making import check_installed
from dbguard.sql.lineage import column_sources, unreadable_views
from dbguard.sql.snapshot import Snapshot

from .catalog_source import CatalogOption, load_catalog, save_catalog
from .checking_key import check_key
from .checking_proofs import check_proofs, unknown_roles
from .checking_providers import check_locations, provider_lines, unknown_providers


def check(
    rules: Annotated[
        Path | None, typer.Argument(help="Folder of rules files.", show_default=False)
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            metavar="FILE",
            show_default=False,
            help="Settings of the proxy to check as well; its rules when none are given.",
        ),
    ] = None,
    catalog: CatalogOption = None,
    save: Annotated[
        Path | None,
        typer.Option(
            "--save",
            metavar="FILE",
            help="Write the catalog read with --catalog to a file, for work without the database.",
            show_default=False,
        ),
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of a rules file and exit.")
    ] = False,
) -> None:
    """Check rules files, whether they fit a database, and with --config the proxy's settings.

    Every mistake is printed with file, line and column. With --catalog also: patterns that match
    nothing, roles and functions that do not exist, and unclassified columns whose names look like
    PHI. With --config also: roles that people get by a token, a certificate or a login, and that no
    rules file defines. Exit code 0: fine; 1: something to look at; 2: the rules can't be loaded.
    """
    if schema:
        typer.echo(json.dumps(json_schema(), indent=2))
        return
    settings, named, key = _checked(config) if config else (None, (), ())
    if rules is None:
        if settings is None:
            fail("which rules? give the folder that holds them")
        rules = settings.rules
    if save and not catalog:
        fail("nothing to save; name a database with --catalog")
    try:
        policy = load_policy(rules)
        snapshot = load_catalog(catalog) if catalog else None
        if save and snapshot:
            save_catalog(snapshot, save)
        bound = bound_policy(policy, snapshot) if snapshot else None
    except DbguardError as error:
        fail(wording(error))
    missing = unknown_providers(settings, policy) if settings else ()
    found = (*key, *unknown_roles(named, policy), *missing, *(findings(bound) if bound else ()))
    _print_findings(found)
    typer.echo(_summary(policy, bound))
    for line in (
        (*_servers(settings), *_shipped(settings), *provider_lines(settings)) if settings else ()
    ):
        typer.echo(line)
    if found:
        raise typer.Exit(1)


def _checked(
    config: Path,
) -> tuple[Settings, tuple[tuple[str, str], ...], tuple[Finding, ...]]:
    """Settings that `dbguard serve` would start with, as far as they say themselves, the roles
    of the policy that they name, and what is wrong with the key that signs the audit trail."""
    try:
        settings = load_settings(config, os.environ)
        settings.check_combination()
        Servers(settings)
        named = check_proofs(settings)
        check_installed(settings.audit.ship)
        check_locations(settings)
        key = check_key(settings.audit)
    except ConfigurationError as error:
        fail(wording(error))
    return settings, named, key


def _servers(settings: Settings) -> Iterator[str]:
    """Which databases go where, a line for each upstream."""
    for name, upstream in settings.servers.items():
        where = ", ".join(f"{host}:{port}" for host, port in upstream.addresses)
        wanted = upstream.target_session_attrs
        which = f" ({wanted})" if wanted is not TargetSessionAttrs.ANY else ""
        databases = (
            ", ".join(settings.upstreams[name].databases)
            if name
            else ("all other databases" if settings.upstreams else "all databases")
        )
        yield f"{f'upstream {name}' if name else 'upstream'}: {where}{which}, TLS " + (
            f"{upstream.tls.mode}; {databases}"
        )


def _shipped(settings: Settings) -> Iterator[str]:
    """Where copies of the audit trail go, a line for each place."""
    for destination in settings.audit.ship:
        what = " and ".join(destination.send)
        yield f"audit trail: {what} to {destination.name} ({destination.type})"
    if settings.audit.ship and not any(one.checkpoints for one in settings.audit.ship):
        yield "audit trail: no second place for checkpoints, so nothing shows a trail rewritten"


def fail(message: str) -> NoReturn:
    """End with exit code 2, the message on standard error."""
    typer.echo(message, err=True)
    raise typer.Exit(2)


def wording(error: DbguardError) -> str:
    """An error for a terminal."""
    return f"{error.message} ({error.hint})" if error.hint else error.message


def bound_policy(policy: Policy, snapshot: Snapshot) -> BoundPolicy:
    """The policy over a catalog, views classified by their definitions."""
    unreadable = unreadable_views(snapshot, policy.safe_functions)
    return bind(policy, snapshot, column_sources(snapshot), unreadable)


def _print_findings(found: tuple[Finding, ...]) -> None:
    if not found:
        return
    table = Table(box=None, pad_edge=False, show_edge=False)
    for column in ("subject", "finding", "what to do"):
        table.add_column(column, overflow="fold")
    for finding in found:
        table.add_row(finding.subject, finding.what, finding.remedy)
    Console().print(table)


def _summary(policy: Policy, bound: BoundPolicy | None) -> str:
    text = (
        f"{len(policy.rules)} rules, {len(policy.roles)} roles, {len(policy.tags)} tags, "
        f"policy {policy.digest[:12]}"
    )
    if bound is not None:
        text += f"; {bound.classified_columns} classified columns in {bound.snapshot.database}"
    return text
