"""`dbguard identity`: who somebody would be, without logging in."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from dbguard.config import load_settings
from dbguard.errors import ConfigurationError, DbguardError
from dbguard.identity.certificate_map import MapMatch, read_map
from dbguard.identity.certificates import CertificateNames, NoNames, names_of
from dbguard.identity.claims import TokenRefused
from dbguard.identity.issuer import issuer_of

from .check import fail, wording

app = typer.Typer(
    name="identity", help="Who somebody would be, without logging in.", no_args_is_help=True
)
_DEFAULT_CONFIG = Path("dbguard.yaml")
ConfigOption = Annotated[
    Path,
    typer.Option(
        "--config", "-c", metavar="FILE", help="Settings of the proxy.", envvar="DBGUARD_CONFIG"
    ),
]


@app.command("certificate")
def certificate(
    file: Annotated[
        Path, typer.Argument(metavar="CERT.pem", help="The certificate.", show_default=False)
    ],
    user: Annotated[
        str | None,
        typer.Option(
            "--user", metavar="NAME", help="Whether it stands for this user.", show_default=False
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            "--map",
            metavar="FILE",
            help="Another map than that of the settings.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = _DEFAULT_CONFIG,
) -> None:
    """Show the names in a certificate, whom they stand for, and which lines of the map say so.

    Whether the certificate is to be trusted, and not revoked, is decided when a client shows it.
    Exit code 0: it stands for somebody (for NAME); 1: it does not, or is not valid now; 2: the
    certificate or the map cannot be read.
    """
    try:
        known = read_map(table if table is not None else _map_of(config))
        names = _names(file)
    except ConfigurationError as error:
        fail(wording(error))
    for kind, found in names.by_kind.items():
        for name in found:
            typer.echo(f"{kind:<6} {name}")
    valid = _validity(names, datetime.now(UTC))
    typer.echo(f"valid  {valid or f'until {names.not_after:%Y-%m-%d %H:%M} UTC'}")
    typer.echo("")
    matches = [match for match in known.matches(names) if user is None or match.user == user]
    for match in matches:
        typer.echo(_line(match))
    if not matches:
        whom = "nobody" if user is None else f'no line leads to "{user}"'
        typer.echo(f"stands for {whom}" if user is None else whom)
    if valid or not matches:
        raise typer.Exit(1)


@app.command("token")
def token(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="File with the token; standard input when none is given.",
            show_default=False,
        ),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(
            "--user", metavar="NAME", help="Whether it lets this user in.", show_default=False
        ),
    ] = None,
    config: ConfigOption = _DEFAULT_CONFIG,
) -> None:
    """Show whom a token stands for, or why it is refused, which a client is never told.

    The issuer is asked for its keys. What `authentication.users` says of the user is left out. Exit
    code 0: it stands for somebody (for NAME); 1: it does not; 2: it cannot be looked at.
    """
    try:
        text = sys.stdin.buffer.read() if file is None else _read(file, "token")
        settings = load_settings(config, os.environ).authentication.tokens
        if settings is None:
            raise ConfigurationError(
                f"{config}: names no issuer of tokens", hint="Set authentication.tokens."
            )
        issuer = issuer_of(settings)
        issuer.on_trouble = lambda _, reason: typer.echo(f"issuer: {reason}", err=True)
        found = asyncio.run(issuer.verify(text.strip()))
    except TokenRefused as error:
        typer.echo(f"refused: {error.reason}")
        raise typer.Exit(1) from None
    except DbguardError as error:
        fail(wording(error))
    identity = found.identity
    until = datetime.fromtimestamp(found.expires, UTC)
    words = [f"{identity.name}: until {until:%Y-%m-%d %H:%M:%S} UTC"]
    typer.echo("; ".join([*words, *_facts(identity.roles, identity.attributes)]))
    if user is not None and user != identity.name:
        typer.echo(f'it does not let "{user}" in')
        raise typer.Exit(1)


def _map_of(config: Path) -> Path:
    certificates = load_settings(config, os.environ).authentication.certificates
    if certificates is None or certificates.map is None:
        raise ConfigurationError(
            f"{config}: names no certificate map",
            hint="Set authentication.certificates.map, or give one with --map.",
        )
    return certificates.map


def _read(file: Path, what: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        reason = (error.strerror or "input/output error").lower()
        raise ConfigurationError(
            f"{file}: {what} cannot be read: {reason}", hint="Correct the path."
        ) from None


def _names(file: Path) -> CertificateNames:
    data = _read(file, "certificate")
    try:
        if b"-----BEGIN" in data:
            loaded = x509.load_pem_x509_certificate(data)
            data = loaded.public_bytes(serialization.Encoding.DER)
        return names_of(data)
    except NoNames as error:
        reason = str(error)
    except ValueError:
        reason = "no certificate in PEM or DER format"
    raise ConfigurationError(
        f"{file}: cannot be used: {reason}", hint="Look at it with openssl x509 -text."
    )


def _validity(names: CertificateNames, now: datetime) -> str:
    """Why it is not valid; "" when it is."""
    if now < names.not_before:
        return f"not before {names.not_before:%Y-%m-%d %H:%M} UTC"
    if now > names.not_after:
        return f"expired on {names.not_after:%Y-%m-%d %H:%M} UTC"
    return ""


def _line(match: MapMatch) -> str:
    line = match.line
    words = [f"{match.user}: line {line.number}, {line.kind} {match.name}"]
    return "; ".join([*words, *_facts(line.roles, line.attributes)])


def _facts(roles: frozenset[str], attributes: frozenset[tuple[str, str]]) -> list[str]:
    words = []
    if roles:
        words.append(f"roles {', '.join(sorted(roles))}")
    if attributes:
        facts = (f"{name}={value}" for name, value in sorted(attributes))
        words.append(f"attributes {', '.join(facts)}")
    return words
