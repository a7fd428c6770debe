"""The commands and how they become one program.

Loading all of them takes longer than most of them run, so a program can be made of those that
are wanted: of one, when its name is the first argument.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Annotated

import typer

from dbguard import __version__
from dbguard.running_path import described

from .event_loop import chosen

_PASSES_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
COMMANDS = {
    "serve": "serve:serve",
    "demo": "demo:demo",
    "psql": "psql:psql",
    "check": "check:check",
    "doctor": "doctor:doctor",
    "test": "test_policy:test",
    "analyze": "analyze:analyze",
    "explain": "explain:explain",
    "snapshot": "snapshot:snapshot",
    "report": "report:report",
    "audit": "trail:audit_app",
    "backup": "backup:app",
    "identity": "identity:app",
    "user": "user:app",
}
"""Module of this package and name in it, in the order of `dbguard --help`."""
_SETTINGS = {"psql": _PASSES_ON}


def program(names: Iterable[str]) -> typer.Typer:
    """A program of these commands; no module of another is loaded."""
    made = typer.Typer(
        name="dbguard",
        help="A guardrail proxy for PostgreSQL: every statement parsed, decided and recorded "
        "before it runs.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",  # else brackets are styles, and lines stay as they are
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback()(_common)
    for name in names:
        command = _loaded(COMMANDS[name])
        if isinstance(command, typer.Typer):
            made.add_typer(command, name=name)
        else:
            made.command(name, context_settings=_SETTINGS.get(name))(command)
    return made


def _loaded(place: str) -> typer.Typer | Callable[..., None]:
    module, _, name = place.partition(":")
    found: typer.Typer | Callable[..., None] = getattr(import_module(f"dbguard.cli.{module}"), name)
    return found


def _version(wanted: bool) -> None:
    if wanted:
        path = f"{described()}; event loop: {chosen(os.environ)}"
        typer.echo(f"dbguard {__version__} ({path})")
        raise typer.Exit


def _common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Nothing is common to the commands but this."""
