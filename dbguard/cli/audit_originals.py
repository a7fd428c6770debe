"""`dbguard audit key auditor` and `dbguard audit open`: statements as they came, for an auditor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer

from dbguard.audit.original_text import CannotOpen, OriginalText, load_private, make_keys, open_text
from dbguard.audit.reading import find
from dbguard.audit.records import DecisionRecord
from dbguard.audit.trails import parse_record_name
from dbguard.errors import ConfigurationError

from .audit import AuditOption, ConfigOption, JsonOption, one_line_errors, trail_directory


def auditor_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the private key goes.")],
) -> None:
    """Make an auditor's key pair, to keep statements as they came so that only it can read them.

    The private key is the auditor's: take it to a machine that dbguard's operators cannot read.
    The public one, beside it, goes into `audit.original_text.public_key`.

    Example: dbguard audit key auditor auditor.key
    """
    with one_line_errors():
        public = make_keys(file)
    typer.echo(f"private key: {file}")
    typer.echo(f"public key:  {public}")


def open_command(
    record: Annotated[
        str, typer.Argument(metavar="[WRITER:]SEQ", help="The decision, by its name.")
    ],
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="The auditor's private key.")],
    audit: AuditOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show a statement as the client sent it, where such texts are kept (audit.original_text).

    Values that were bound to its parameters are not part of it. Exit code 1: this key does not
    open it. 2: there is nothing to open.

    Example: dbguard audit open 4711 --key auditor.key
    """
    with one_line_errors():
        found = _decision(trail_directory(audit, config), record)
        private = load_private(key)
    try:
        original = open_text(found.sealed, private, found.session, found.fingerprint)
    except CannotOpen as error:
        typer.echo(f"dbguard: record {record} cannot be opened: {error}", err=True)
        raise typer.Exit(1) from None
    if json:
        document = {"v": 1, "text": original.text, "bytes": original.whole_bytes}
        typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))
        return
    typer.echo(_printable(original))
    if original.is_cut:
        kept = len(original.text.encode())
        typer.echo(f"cut: the first {kept} of {original.whole_bytes} bytes were kept", err=True)


def _decision(directory: Path, name: str) -> DecisionRecord:
    stored = find(directory, *parse_record_name(name))
    if stored is None:
        raise ConfigurationError(f"{directory}: there is no record {name}")
    if not isinstance(stored.record, DecisionRecord):
        raise ConfigurationError(f"record {name} is no decision")
    if not stored.record.sealed:
        raise ConfigurationError(
            f"record {name} holds no original text",
            hint="They are kept only while audit.original_text is set.",
        )
    return stored.record


def _printable(original: OriginalText) -> str:
    """Without what a terminal would act on."""
    return "".join(
        c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in original.text
    )
