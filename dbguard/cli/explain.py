"""`dbguard explain`: what the proxy would do with a statement of somebody, and why."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from dbguard.config import load_settings
from dbguard.engine.explaining import explain_text
from dbguard.engine.plan import PlanRequest
from dbguard.engine.planning import World, principal_of
from dbguard.errors import ConfigurationError
from dbguard.policy.cases import Expectation
from dbguard.policy.decision import Identity, Principal, Proof
from dbguard.policy.loading import load_documents, read_rules, rule_places
from dbguard.proxy.servers import Servers
from dbguard.sql.limits import DEFAULT_LIMITS, Limits
from dbguard.sql.snapshot import Snapshot

from .audit import DEFAULT_CONFIG
from .catalog_source import CatalogOption, SearchPathOption, load_catalog, session_view
from .deep_stack import with_deep_stack
from .explanation_document import Places, document_of, outcome_of_text
from .explanation_view import view
from .statement_input import CommandOption, FilesArgument, read_statements
from .test_policy import CATALOG_FILE


@dataclass(frozen=True, slots=True)
class _Setup:
    world: World
    places: Places
    environment: str


def explain(
    files: FilesArgument = None,
    user: Annotated[
        str, typer.Option("--user", "-u", help="Whose statement it is: a database user.")
    ] = "",
    command: CommandOption = None,
    rules: Annotated[
        Path | None,
        typer.Option("--rules", metavar="DIR", help="Folder of rules files.", show_default=False),
    ] = None,
    catalog: CatalogOption = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            envvar="DBGUARD_CONFIG",
            help="Settings file, for what is not given: rules, catalog, environment, limits "
            "[default: dbguard.yaml, if there].",
            show_default=False,
        ),
    ] = None,
    database: Annotated[
        str,
        typer.Option(
            help="The database, in place of the one that the DSN names.", show_default=False
        ),
    ] = "",
    groups: Annotated[
        str | None,
        typer.Option(
            "--roles",
            metavar="NAMES",
            help="Database roles that the user is a member of, separated by commas "
            "[default: as the catalog says].",
            show_default=False,
        ),
    ] = None,
    identity: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="The person or program that the user stands for (mode identities).",
            show_default=False,
        ),
    ] = "",
    identity_roles: Annotated[
        str,
        typer.Option(
            metavar="NAMES", help="Policy roles it comes with, between commas.", show_default=False
        ),
    ] = "",
    attribute: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="What is known of it; repeat for more."),
    ] = None,
    environment: Annotated[
        str | None,
        typer.Option(
            help="The environment [default: that of the settings, else production].",
            show_default=False,
        ),
    ] = None,
    search_path: SearchPathOption = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document for each text.")] = False,
) -> None:
    """Show what dbguard would do with a statement of one user: facts, rules, decision, text sent.

    It plans the statement as the proxy does, and runs nothing. Exit code 0: it would run (masked,
    or once a backup is there); 1: it would be refused; 2: rules or catalog can't be read.

    Example: dbguard explain -u analyst --rules rules/hipaa -c 'SELECT ssn FROM clinic.patients'
    """  # fmt: skip
    if not user:
        raise ConfigurationError("whose statement? --user is missing", hint="Give a database user.")
    setup = _set_up(rules, catalog, config, database, environment)
    who = _identity(identity, identity_roles, attribute or [])
    principal = replace(_principal(setup.world.snapshot, user, groups), identity=who)
    seen = session_view(setup.world.snapshot, user, search_path)
    refused = False
    console = Console(highlight=False)
    for text in read_statements(files, command):
        request = PlanRequest(text, principal, seen, setup.environment)
        explanation = with_deep_stack(partial(explain_text, setup.world, request))
        outcome = outcome_of_text(explanation.plan)
        refused = refused or outcome in (Expectation.DENY, Expectation.REFUSED)
        if json:
            document = document_of(setup.world, request, explanation, setup.places)
            typer.echo(orjson.dumps(document))
        else:
            console.print(view(setup.world, request, explanation, setup.places))
    raise typer.Exit(1 if refused else 0)


def _set_up(
    rules: Path | None,
    catalog: str | None,
    config: Path | None,
    database: str,
    environment: str | None,
) -> _Setup:
    """Rules, catalog and environment: as given, else as the settings say.

    Raises:
        ConfigurationError: something is missing or cannot be read.
    """
    limits = DEFAULT_LIMITS
    if config is None and rules is None and DEFAULT_CONFIG.exists():
        config = DEFAULT_CONFIG
    if config is not None:
        settings = load_settings(config, os.environ)
        limits = Limits(max_text_bytes=settings.limits.statement_bytes)
        rules = rules or settings.rules
        if not catalog:
            (place, _), *_ = Servers(settings).of(database).servers
            catalog = place.dsn
        environment = environment or settings.environment
    if rules is None:
        raise ConfigurationError(
            "which rules?", hint="Give --rules DIR, or --config FILE of the proxy."
        )
    texts = read_rules(rules)
    policy = load_documents(texts)
    if not catalog and (rules / CATALOG_FILE).exists():
        catalog = str(rules / CATALOG_FILE)
    if not catalog:
        raise ConfigurationError(
            "which catalog?",
            hint="Give --catalog with a database (postgresql://…) or a file that "
            "`dbguard snapshot` wrote.",
        )
    snapshot = load_catalog(catalog, database)
    return _Setup(World(snapshot, policy, limits), rule_places(texts), environment or "production")


def _principal(snapshot: Snapshot, user: str, groups: str | None) -> Principal:
    if groups is None:
        return principal_of(snapshot, user)
    given = {name.strip() for name in groups.split(",") if name.strip()}
    role = snapshot.role_by_name.get(user)
    return Principal(
        user, frozenset({*given, user}), snapshot.database, bool(role and role.superuser)
    )


def _identity(name: str, roles: str, attributes: list[str]) -> Identity | None:
    pairs = [text.partition("=") for text in attributes]
    if not all(key and sign and value for key, sign, value in pairs):
        raise ConfigurationError(
            "--attribute: must be NAME=VALUE", hint="For example --attribute department=oncology."
        )
    if not name:
        if roles or attributes:
            raise ConfigurationError(
                "whose roles and attributes? --identity is missing", hint="Give a name."
            )
        return None
    given = frozenset(role.strip() for role in roles.split(",") if role.strip())
    return Identity(name, Proof.PASSWORD, given, frozenset((k, v) for k, _, v in pairs))
