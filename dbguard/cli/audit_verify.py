"""`dbguard audit verify`, `prove` and `check-proof`: that what the trail says is true."""

from __future__ import annotations

import contextlib
import getpass
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import orjson
import typer

from dbguard.audit.keys import public_path
from dbguard.audit.own_chain import operator_chain
from dbguard.audit.records import EventRecord, RecordKind
from dbguard.audit.trails import OPERATOR, parse_record_name
from dbguard.audit_settings import AuditSettings
from dbguard.config import load_settings
from dbguard.errors import AuditUnavailable, ConfigurationError
from dbguard.verification.chain import size_on_disk
from dbguard.verification.findings import UnusableInput, Verification
from dbguard.verification.inputs import checkpoint_files, load_keys
from dbguard.verification.presentation import document, lines, proof_lines
from dbguard.verification.proof_check import InvalidProof, check
from dbguard.verification.proving import prove
from dbguard.verification.segment_files import writers
from dbguard.verification.trail import verify

from .audit import (
    DEFAULT_CONFIG,
    AuditOption,
    ConfigOption,
    JsonOption,
    one_line_errors,
    trail_directory,
)
from .progress_bar import progress_bar

KeyOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--public-key",
        metavar="FILE",
        help="Who is trusted to sign: key lines or PEM (repeatable) [default: beside the signing "
        "key that the settings file names].",
        show_default=False,
    ),
]
CheckpointsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--checkpoints",
        metavar="FILE",
        help="Copies of checkpoints from a second place, or a folder of them (repeatable).",
        show_default=False,
    ),
]


def verify_command(
    directory: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="The audit directory.", show_default=False),
    ] = None,
    audit: AuditOption = None,
    config: ConfigOption = None,
    public_key: KeyOption = None,
    checkpoints: CheckpointsOption = None,
    json: JsonOption = False,
    record: Annotated[
        bool | None,
        typer.Option(
            help="Record findings in the chain of the operator [default: with a settings file, for "
            "those who may write to the trail].",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Check all chains: flipped, deleted, inserted, reordered, cut off, removed, rewritten.

    Exit code 0: the trail is as it was written. 1: it is not; each finding names the record, file
    and line. 2: there is no trail, or something cannot be read. It may run beside dbguard.

    Signatures are checked by the keys that are given; a trail whose end was cut together with its
    checkpoints, or that was rewritten with the key, shows by copies of the checkpoints only.

    Example: dbguard audit verify audit/ --public-key audit.pub --checkpoints second-place/
    """
    with one_line_errors(), unusable_inputs():
        audit = directory or audit
        trail = trail_directory(audit, config)
        keys = public_key or _own_keys(audit, config)
        files = checkpoint_files(checkpoints or [])
        with progress_bar("checking", _size(trail)) as progress:
            result = verify(trail, keys=load_keys(keys), checkpoint_files=files, progress=progress)
        if json:
            typer.echo(orjson.dumps(document(result), option=orjson.OPT_INDENT_2))
        else:
            for line in lines(trail, result):
                typer.echo(line)
    if not result.ok:
        if record or (record is None and audit is None and os.access(trail, os.W_OK)):
            record_findings(result, audit, config)
        raise typer.Exit(1)


def prove_command(
    record: Annotated[
        str, typer.Argument(metavar="[WRITER:]SEQ", help="The record.", show_default=False)
    ],
    audit: AuditOption = None,
    config: ConfigOption = None,
    checkpoint: Annotated[
        str, typer.Option(metavar="SIZE", help="By the checkpoint of so many records.")
    ] = "latest",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where the proof goes [default: standard output].",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Prove that one record stands in the trail, to somebody who has only the public key.

    The proof holds the record, a signed checkpoint and what leads from the one to the other, and
    nothing of any other record. `dbguard audit check-proof` checks it, without the trail.

    Example: dbguard audit prove 4711 -o proof.json
    """
    with one_line_errors(), unusable_inputs():
        trail = trail_directory(audit, config)
        writer, sequence = parse_record_name(record)
        if checkpoint != "latest" and not checkpoint.isdecimal():
            raise ConfigurationError(
                f"not the size of a checkpoint: {checkpoint}",
                hint="Give the number of records that it covers, or `latest`.",
            )
        proof = prove(trail, writer, sequence, None if checkpoint == "latest" else int(checkpoint))
        data = orjson.dumps(proof.document(), option=orjson.OPT_INDENT_2) + b"\n"
        if output is None:
            typer.echo(data, nl=False)
            return
        output.write_bytes(data)
        typer.echo(
            f"{output}: record {record} is number {proof.leaf + 1} of the "
            f"{proof.checkpoint.size:,} that were signed at {proof.checkpoint.time}"
        )


def check_proof_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `dbguard audit prove` wrote.")],
    public_key: Annotated[
        list[Path],
        typer.Option(
            "--public-key",
            metavar="FILE",
            help="Who is trusted to sign (repeatable).",
            show_default=False,
        ),
    ],
) -> None:
    """Check a proof, with nothing but its file and the public key.

    Exit code 0: proven, and the record is shown. 1: it proves nothing. 2: it cannot be read.

    Example: dbguard audit check-proof proof.json --public-key audit.pub
    """
    with one_line_errors(), unusable_inputs():
        data = file.read_bytes()
        keys = load_keys(public_key)
        try:
            proven = check(data, keys)
        except InvalidProof as error:
            typer.echo(f"{file}: NOT proven: {error}")
            raise typer.Exit(1) from None
        for line in proof_lines(proven):
            typer.echo(line)


@contextlib.contextmanager
def unusable_inputs() -> Iterator[None]:
    try:
        yield
    except UnusableInput as error:
        raise ConfigurationError(str(error)) from error


def record_findings(result: Verification, audit: Path | None, config: Path | None) -> None:
    """Say in the trail that it is not in order; chains that are evidence stay as they are."""
    first = result.findings[0]
    fields = (
        ("findings", str(len(result.findings))),
        ("first_record", first.record),
        ("first_file", first.file),
        ("first_line", str(first.line)),
        ("first_problem", first.problem),
        ("by", getpass.getuser()),
    )
    try:
        if any(finding.writer == OPERATOR for finding in result.findings):
            raise ConfigurationError("the operator's chain is not in order itself")
        settings = _settings(config) if audit is None else AuditSettings(directory=audit.absolute())
        log = operator_chain(settings)
        try:
            log.wait(log.append(EventRecord(RecordKind.VERIFICATION, "", fields)), 10)
        finally:
            log.close()
    except (ConfigurationError, AuditUnavailable) as error:
        typer.echo(f"dbguard: not recorded: {error.message}", err=True)


def _own_keys(audit: Path | None, config: Path | None) -> list[Path]:
    """The public keys of the deployment whose settings were given."""
    if audit is not None:
        return []
    public = public_path(_settings(config).signing_key)
    return [public] if public.exists() else []


def _settings(config: Path | None) -> AuditSettings:
    return load_settings(config or DEFAULT_CONFIG, os.environ).audit


def _size(trail: Path) -> int:
    return sum(size_on_disk(trail / writer) for writer in writers(trail))
