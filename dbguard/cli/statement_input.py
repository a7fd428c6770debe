"""Statements as commands take them: from files, the command line, or standard input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dbguard.errors import ConfigurationError

FilesArgument = Annotated[
    list[Path] | None,
    typer.Argument(help="Files with SQL; standard input when none is given.", show_default=False),
]
CommandOption = Annotated[
    str | None,
    typer.Option("--command", "-c", metavar="SQL", help="The SQL itself.", show_default=False),
]


def read_statements(files: list[Path] | None, command: str | None) -> list[str]:
    """The texts that the arguments mean.

    Raises:
        ConfigurationError: both kinds were given, or one cannot be read.
    """
    if command is not None:
        if files:
            raise ConfigurationError("--command and files at once", hint="Give one of them.")
        return [command]
    if not files:
        return [_decoded(sys.stdin.buffer.read(), "standard input")]
    texts = []
    for file in files:
        try:
            texts.append(_decoded(file.read_bytes(), str(file)))
        except OSError as error:
            reason = (error.strerror or "input/output error").lower()
            raise ConfigurationError(f"{file}: cannot be read: {reason}") from None
    return texts


def _decoded(raw: bytes, name: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{name}: is not UTF-8 text", hint="Save it as UTF-8.") from None
