"""All commands under one roof."""

from __future__ import annotations

from typing import Annotated

import typer

from dbguard import __version__

from . import (
    analyze,
    backup,
    check,
    demo,
    doctor,
    explain,
    identity,
    psql,
    report,
    serve,
    snapshot,
    test_policy,
    user,
)
from .trail import audit_app

app = typer.Typer(
    name="dbguard",
    help="A guardrail proxy for PostgreSQL: every statement parsed, decided and recorded before "
    "it runs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # else brackets are taken for styles, and lines stay as they are
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dbguard {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Nothing is common to the commands but this."""


app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.command("psql", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(
    psql.psql
)
app.command("check")(check.check)
app.command("doctor")(doctor.doctor)
app.command("test")(test_policy.test)
app.command("analyze")(analyze.analyze)
app.command("explain")(explain.explain)
app.command("snapshot")(snapshot.snapshot)
app.command("report")(report.report)
app.add_typer(audit_app, name="audit")
app.add_typer(backup.app, name="backup")
app.add_typer(identity.app, name="identity")
app.add_typer(user.app, name="user")
