"""`dbguard psql`: PostgreSQL's own client on the running demo."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Annotated

import typer

from dbguard.config import load_settings
from dbguard.demo.binaries import find_binaries
from dbguard.demo.people import DATABASE, PASSWORD, PEOPLE, default_directory
from dbguard.errors import ConfigurationError

from .demo_options import BinariesOption, DirectoryOption


def psql(
    context: typer.Context,
    user: Annotated[
        str, typer.Argument(help=f"Database user: {', '.join(PEOPLE)}.", show_default=True)
    ] = "analyst",
    directory: DirectoryOption = None,
    pg_bin: BinariesOption = None,
) -> None:
    """Open psql on the running demo, through dbguard. What follows the user goes to psql.

    Example: dbguard psql clinician

    Example: dbguard psql analyst -c "SELECT * FROM clinic.patients LIMIT 5"
    """
    arguments = list(context.args)
    if user.startswith("-"):  # no user was given: an option for psql comes first
        arguments.insert(0, user)
        user = "analyst"
    if user not in PEOPLE:
        raise ConfigurationError(
            f"the demo has no user {user}", hint=f"There are: {', '.join(PEOPLE)}."
        )
    folder = (directory or default_directory(Path.home())).expanduser().absolute()
    config = folder / "dbguard.yaml"
    if not config.exists():
        raise ConfigurationError(f"there is no demo in {folder}", hint=_start(directory))
    listen = load_settings(config, {}).listen
    try:
        socket.create_connection((listen.host, listen.port), timeout=5).close()
    except OSError as error:
        raise ConfigurationError(
            f"nothing answers on {listen.host}:{listen.port}: the demo does not run",
            hint=_start(directory),
        ) from error
    program = find_binaries(pg_bin).program("psql")
    # PG… variables of the caller (a service, an sslmode) are meant for other servers.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    environment |= {
        "PGHOST": listen.host,
        "PGPORT": str(listen.port),
        "PGUSER": user,
        "PGDATABASE": DATABASE,
        "PGPASSWORD": PASSWORD,
        "PGAPPNAME": "psql",
    }
    os.execve(program, [str(program), *arguments], environment)  # noqa: S606 - that is the job


def _start(directory: Path | None) -> str:
    option = f" --directory {directory}" if directory else ""
    return f"Start it in another terminal: dbguard demo{option}"
