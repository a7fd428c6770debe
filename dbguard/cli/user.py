"""`dbguard user`: the people whom dbguard knows itself."""

from __future__ import annotations

import difflib
import json
import os
import secrets
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dbguard.config import load_settings
from dbguard.errors import ConfigurationError
from dbguard.identity.one_time import SECRET_BYTES, OneTime
from dbguard.identity.store import change_users, load_users
from dbguard.identity.users import User, fault_of_key, fault_of_name, fault_of_value
from dbguard.report.terminal import plain
from dbguard.wire.scram import (
    DEFAULT_ITERATIONS,
    MAX_ITERATIONS,
    SALT_BYTES,
    Verifier,
    make_verifier,
)

DEFAULT_CONFIG = Path("dbguard.yaml")
MIN_PASSWORD_CHARACTERS = 8
"""NIST SP 800-63B, section 5.1.1.2."""

app = typer.Typer(
    no_args_is_help=True,
    help="Keep dbguard's own users: who they are, not what database users they become. A running "
    "proxy notices every change within a second or two.",
)

NameArgument = Annotated[str, typer.Argument(help="The name, as clients give it for the user.")]
UsersOption = Annotated[
    Path | None,
    typer.Option(
        "--users",
        metavar="FILE",
        help="The file of users [default: what the settings name].",
        show_default=False,
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        envvar="DBGUARD_CONFIG",
        help="Settings file that names it [default: dbguard.yaml, if there].",
        show_default=False,
    ),
]
StdinOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input, one line.")
]
IterationsOption = Annotated[
    int,
    typer.Option(
        min=DEFAULT_ITERATIONS,
        max=MAX_ITERATIONS,
        help="Work to try one password against the file. Clients do as much at each login, some of "
        "them slowly; pgjdbc takes 100,000 at most.",
    ),
]
RoleOption = Annotated[
    list[str] | None,
    typer.Option("--role", metavar="ROLE", help="A role of the policy; several if repeated."),
]
AttributeOption = Annotated[
    list[str] | None,
    typer.Option("--attribute", metavar="NAME=VALUE", help="What is known of it; repeat for more."),
]


@app.command("add")
def add(
    name: NameArgument,
    role: RoleOption = None,
    attribute: AttributeOption = None,
    password_stdin: StdinOption = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="It proves otherwise who it is.")
    ] = False,
    iterations: IterationsOption = DEFAULT_ITERATIONS,
    users: UsersOption = None,
    config: ConfigOption = None,
) -> None:
    """Add a user; the file is made if there is none. The password is asked for.

    Example: dbguard user add anna --role analyst --attribute department=oncology
    """
    if fault := fault_of_name(name):
        raise ConfigurationError(f"the name {fault}", hint="Choose another.")
    roles, attributes = _roles(role), _attributes(attribute)
    path = _path(users, config)

    def must_be_new(known: dict[str, User]) -> None:
        if name in known:
            raise ConfigurationError(
                f"{path}: there is a user {plain(name)} already",
                hint="Use `dbguard user passwd` or `dbguard user change`.",
            )

    if path.exists():
        must_be_new(load_users(path))
    verifier = None if no_password else _verifier(password_stdin, iterations)

    def change(known: dict[str, User]) -> None:
        must_be_new(known)
        known[name] = User(name, verifier, roles, attributes)

    change_users(path, change)
    _say(f"{name} added to {path}")


@app.command("passwd")
def passwd(
    name: NameArgument,
    password_stdin: StdinOption = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="No password lets it in any more.")
    ] = False,
    iterations: IterationsOption = DEFAULT_ITERATIONS,
    users: UsersOption = None,
    config: ConfigOption = None,
) -> None:
    """Set a new password. Sessions that are open go on: to end them, disable the user."""
    path = _path(users, config)
    _known(path, name)
    verifier = None if no_password else _verifier(password_stdin, iterations)
    _change(path, name, lambda user: replace(user, verifier=verifier))
    _say(f"{name} has {'no password' if no_password else 'a new password'}")


@app.command("change")
def change(
    name: NameArgument,
    role: RoleOption = None,
    attribute: AttributeOption = None,
    drop_role: Annotated[
        list[str] | None, typer.Option("--drop-role", metavar="ROLE", help="Take a role away.")
    ] = None,
    drop_attribute: Annotated[
        list[str] | None,
        typer.Option("--drop-attribute", metavar="NAME", help="Take all values of it away."),
    ] = None,
    users: UsersOption = None,
    config: ConfigOption = None,
) -> None:
    """Give or take roles and attributes. Sessions of the user end if that makes a difference."""
    roles, attributes = _roles(role), _attributes(attribute)
    away, without = frozenset(drop_role or ()), frozenset(drop_attribute or ())

    def changed(user: User) -> User:
        _must_have(name, away, user.roles, "role")
        _must_have(name, without, frozenset(key for key, _ in user.attributes), "attribute")
        kept = frozenset(pair for pair in user.attributes if pair[0] not in without)
        return replace(user, roles=user.roles - away | roles, attributes=kept | attributes)

    _change(_path(users, config), name, changed)
    _say(f"{name} changed")


@app.command("disable")
def disable(name: NameArgument, users: UsersOption = None, config: ConfigOption = None) -> None:
    """Let a user in no more, and end its sessions."""
    _change(_path(users, config), name, lambda user: replace(user, disabled=True))
    _say(f"{name} is disabled")


@app.command("enable")
def enable(name: NameArgument, users: UsersOption = None, config: ConfigOption = None) -> None:
    """Let a user in again that was disabled."""
    _change(_path(users, config), name, lambda user: replace(user, disabled=False))
    _say(f"{name} is enabled")


@app.command("remove")
def remove(
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    users: UsersOption = None,
    config: ConfigOption = None,
) -> None:
    """Forget a user, and end its sessions. Records keep the name: disabling is often better."""
    path = _path(users, config)
    _known(path, name)
    if not yes:
        typer.confirm(f"Forget {plain(name)}?", abort=True)

    def forget(known: dict[str, User]) -> None:
        del known[_found(path, known, name).name]

    change_users(path, forget)
    _say(f"{name} removed from {path}")


@app.command("list")
def list_users(
    users: UsersOption = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, for programs.")] = False,
) -> None:
    """List all users. No verifier or secret is shown."""
    known = load_users(_path(users, config))
    found = [known[name] for name in sorted(known)]
    if as_json:
        typer.echo(json.dumps([_document(user) for user in found], ensure_ascii=False))
    elif not found:
        _say("no users yet")
    else:
        Console().print(_table(found))


@app.command("totp")
def totp(
    name: NameArgument,
    again: Annotated[
        bool, typer.Option("--replace", help="In place of the one it has, which ends.")
    ] = False,
    off: Annotated[bool, typer.Option("--remove", help="Take the one it has away.")] = False,
    users: UsersOption = None,
    config: ConfigOption = None,
) -> None:
    """Give a user a second factor for logins by HTTP, and print what its authenticator app needs.

    It is printed once and never again: make a QR code of it, or type the secret in.
    """
    path = _path(users, config)
    made = None if off else OneTime(secrets.token_bytes(SECRET_BYTES))

    def changed(user: User) -> User:
        if user.one_time is not None and not (again or off):
            raise ConfigurationError(
                f"{path}: {plain(name)} has a second factor already",
                hint="Use --replace for a new one.",
            )
        return replace(user, one_time=made)

    _change(path, name, changed)
    if made is None:
        _say(f"{name} has no second factor")
    else:
        typer.echo(made.uri(name))


# -- what they share ----------------------------------------------------------


def _path(users: Path | None, config: Path | None) -> Path:
    if users is not None:
        return users
    if config is None and not DEFAULT_CONFIG.exists():
        raise ConfigurationError(
            "which users?", hint="Give --users FILE, or --config with the settings of the proxy."
        )
    path = load_settings(config or DEFAULT_CONFIG, os.environ).authentication.users
    if path is None:
        raise ConfigurationError(
            f"{config or DEFAULT_CONFIG}: names no file of users",
            hint="Set authentication.users, or give --users FILE.",
        )
    return path


def _found(path: Path, known: dict[str, User], name: str) -> User:
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, n=1)
    raise ConfigurationError(
        f"{path}: there is no user {plain(name)}",
        hint=f"Did you mean {plain(close[0])}?" if close else "See `dbguard user list`.",
    )


def _known(path: Path, name: str) -> User:
    """Before a password is asked for in vain."""
    return _found(path, load_users(path), name)


def _change(path: Path, name: str, how: Callable[[User], User]) -> None:
    load_users(path)  # there has to be a file

    def apply(known: dict[str, User]) -> None:
        known[name] = how(_found(path, known, name))

    change_users(path, apply)


def _roles(given: list[str] | None) -> frozenset[str]:
    for role in given or ():
        if fault := fault_of_key(role):
            raise ConfigurationError(f"--role: {fault}", hint="For example --role analyst.")
    return frozenset(given or ())


def _attributes(given: list[str] | None) -> frozenset[tuple[str, str]]:
    found = set()
    for text in given or ():
        name, sign, value = text.partition("=")
        fault = fault_of_key(name) or fault_of_value(value) if sign else "must be NAME=VALUE"
        if fault:
            raise ConfigurationError(
                f"--attribute: {fault}", hint="For example --attribute department=oncology."
            )
        found.add((name, value))
    return frozenset(found)


def _must_have(name: str, wanted: frozenset[str], known: frozenset[str], what: str) -> None:
    for missing in sorted(wanted - known):
        raise ConfigurationError(
            f"{plain(name)} has no {what} {plain(missing)}",
            hint=f"It has: {', '.join(sorted(known)) or 'none'}.",
        )


def _verifier(from_stdin: bool, iterations: int) -> Verifier:
    password = _password(from_stdin)
    if len(password) < MIN_PASSWORD_CHARACTERS:
        raise ConfigurationError(
            f"the password has less than {MIN_PASSWORD_CHARACTERS} characters",
            hint="Choose a longer one; a few words will do.",
        )
    if "\0" in password:
        raise ConfigurationError("the password holds a zero byte", hint="Choose another.")
    return make_verifier(password, secrets.token_bytes(SALT_BYTES), iterations)


def _password(from_stdin: bool) -> str:
    """Never an argument: those of a process can be read by everybody on the machine."""
    if from_stdin:
        try:
            return sys.stdin.readline().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise ConfigurationError(
                "the password is not text in this terminal's encoding", hint="Send it as UTF-8."
            ) from None
    if not sys.stdin.isatty():
        raise ConfigurationError(
            "there is no terminal to ask for a password on", hint="Use --password-stdin."
        )
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt="Once more"))


def _say(text: str) -> None:
    typer.echo(plain(text, len(text) + 10))


def _document(user: User) -> dict[str, object]:
    return {
        "name": user.name,
        "disabled": user.disabled,
        "password": user.verifier is not None,
        "iterations": None if user.verifier is None else user.verifier.iterations,
        "roles": sorted(user.roles),
        "attributes": _by_name(user),
        "second_factor": user.one_time is not None,
    }


def _by_name(user: User) -> dict[str, list[str]]:
    names = sorted({name for name, _ in user.attributes})
    return {n: sorted(value for key, value in user.attributes if key == n) for n in names}


def _table(users: list[User]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("user", "state", "proof", "roles", "attributes"):
        table.add_column(heading, overflow="fold")
    for user in users:
        proof = "other" if user.verifier is None else f"password ({user.verifier.iterations})"
        attributes = (f"{name}={', '.join(values)}" for name, values in _by_name(user).items())
        table.add_row(
            Text(user.name),
            Text("disabled", style="red") if user.disabled else Text("enabled"),
            proof + (" + totp" if user.one_time else ""),
            Text(", ".join(sorted(user.roles))),
            Text("; ".join(attributes)),
        )
    return table
