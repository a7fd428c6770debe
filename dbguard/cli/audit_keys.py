"""`dbguard audit key`: the key that signs the audit trail's checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import orjson
import typer

from dbguard.audit import keys
from dbguard.audit.checkpoints import (
    CHECKPOINTS_NAME,
    SignedCheckpoint,
    UnusableCheckpoint,
    last_line,
    read_line,
)
from dbguard.audit.notes import VerifyingKey
from dbguard.audit.own_chain import operator_chain
from dbguard.audit.signing import rotate
from dbguard.audit.trails import chains
from dbguard.audit_settings import AuditSettings
from dbguard.errors import ConfigurationError

from .audit import (
    AuditOption,
    ConfigOption,
    JsonOption,
    one_line_errors,
    trail_settings,
)

app = typer.Typer(
    no_args_is_help=True, help="The key that signs the trail's checkpoints, and keys of auditors."
)


@dataclass(frozen=True, slots=True)
class _Use:
    """How far a chain was signed last, or why that is not known."""

    writer: str
    signed: SignedCheckpoint | None
    problem: str


@app.command("show")
def show_command(
    audit: AuditOption = None, config: ConfigOption = None, json: JsonOption = False
) -> None:
    """Show where the key is, its public form, and which chain of the trail it signs.

    The public keys are what somebody needs to check the trail: one a line, the newest last.
    """
    with one_line_errors():
        settings = trail_settings(audit, config)
        path = settings.signing_key
        public = keys.public_keys(path)
        try:
            present = keys.load(path).key
        except FileNotFoundError:
            present = None
        known = {key.name: key for key in [*public, *([present] if present else [])]}
        found = chains(settings.directory) if settings.directory.is_dir() else []
        uses = [_use(chain.writer, chain.folder, known) for chain in found]
        if json:
            typer.echo(orjson.dumps(_document(path, present, public, uses)))
        else:
            _print(settings, present, public, uses)


@app.command("rotate")
def rotate_command(
    audit: AuditOption = None,
    config: ConfigOption = None,
    lost: Annotated[
        bool,
        typer.Option(
            "--lost", help="The old key cannot sign the new one: it is gone, or somebody has it."
        ),
    ] = False,
) -> None:
    """Make a new key and let the old one hand over to it.

    A dbguard that runs takes the new key with its next checkpoint, others when they start; each
    chain records it. Whoever trusts the old key follows to the new one, but not with --lost:
    then give them the new public key.
    """
    with one_line_errors():
        settings = trail_settings(audit, config)
        if not settings.directory.is_dir():
            raise ConfigurationError(f"{settings.directory}: there is no audit trail here")
        path = settings.signing_key
        if lost:
            handover = rotate(path, lost=True)
            operator_chain(settings).close()
        else:
            if not path.exists():
                raise ConfigurationError(
                    f"{path}: there is no key that could sign the new one",
                    hint="If it is lost, use --lost; the trail then says so.",
                )
            log = operator_chain(settings)
            try:
                handover = rotate(path)
            finally:
                log.close()  # with a checkpoint, and before it the record of the new key
        old = handover.previous or "an unknown key"
        typer.echo(f"{old} {'is replaced by' if lost else 'hands over to'} {handover.key.name}")
        typer.echo(f"public key, also in {keys.public_path(path)}:\n{handover.key.text}")


def _use(writer: str, folder: Path, known: dict[str, VerifyingKey]) -> _Use:
    end = last_line(folder / CHECKPOINTS_NAME)
    if end is None or not end.line:
        return _Use(writer, None, "not signed yet")
    try:
        return _Use(writer, read_line(end.line, known), "")
    except UnusableCheckpoint as error:
        return _Use(writer, None, str(error))


def _document(
    path: Path, present: VerifyingKey | None, public: list[VerifyingKey], uses: list[_Use]
) -> dict[str, object]:
    return {
        "v": 1,
        "path": str(path),
        "key": present.text if present else None,
        "public_keys": [key.text for key in public],
        "chains": [
            {
                "writer": use.writer,
                "key": use.signed.key.name if use.signed and use.signed.key else None,
                "sequence": use.signed.checkpoint.sequence if use.signed else None,
                "time": use.signed.checkpoint.time if use.signed else None,
                "problem": use.problem or None,
            }
            for use in uses
        ],
    }


def _print(
    settings: AuditSettings,
    present: VerifyingKey | None,
    public: list[VerifyingKey],
    uses: list[_Use],
) -> None:
    path = settings.signing_key
    typer.echo(f"key: {path} ({present.name if present else 'missing'})")
    if path.absolute().is_relative_to(settings.directory.absolute()):
        typer.echo(
            "note: it lies in the audit directory, so that whoever can write to the trail can "
            "sign it too"
        )
    typer.echo(f"public keys, in {keys.public_path(path)}, the newest last:")
    for key in public:
        typer.echo(f"  {key.text}")
    for use in uses:
        name = f"chain {use.writer}" if use.writer else "chain"
        if use.signed is None or use.signed.key is None:
            typer.echo(f"{name}: {use.problem}")
        else:
            checkpoint = use.signed.checkpoint
            typer.echo(
                f"{name}: signed by {use.signed.key.name} up to record {checkpoint.sequence:,}, "
                f"{checkpoint.time}"
            )
