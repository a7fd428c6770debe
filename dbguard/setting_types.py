"""How settings are written: sections, and in them sizes, durations, paths, secrets, networks."""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
)

_UNITS: Final = {"": 1, "kib": 1024, "mib": 1024**2, "gib": 1024**3}
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DAYS: Final = {"d": 1, "w": 7}
MOST_WORKERS: Final = 64


class Section(BaseModel):
    """Frozen, no unknown keys, defaults checked (and their paths resolved) like given values."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True
    )


def check_dsn(secret: SecretStr) -> SecretStr:
    """A PostgreSQL URL with a user. No message may quote it: it may hold a password."""
    text = secret.get_secret_value()
    try:
        url = urlsplit(text)
        user = url.username or parse_qs(url.query).get("user", [""])[0]
        _ = url.port
    except ValueError:
        raise ValueError("is not a valid PostgreSQL URL") from None
    if url.scheme not in ("postgresql", "postgres"):
        raise ValueError("must be a PostgreSQL URL (postgresql://…)")
    if not user:
        raise ValueError("must name a user (postgresql://USER@HOST:PORT/DATABASE)")
    return secret


def check_written_dsn(source: SecretSource | None) -> SecretSource | None:
    """`check_dsn` of one that stands in the settings: what a file or a command says is seen when it
    is read."""
    if source is not None and source.text:
        check_dsn(SecretStr(source.text))
    return source


def check_both(section: Section, first: str, second: str) -> None:
    """Raises ValueError when it has one of two that only make sense together."""
    if (getattr(section, first) is None) != (getattr(section, second) is None):
        raise ValueError(f"needs both {first} and {second}, or neither")


def check_belonging(
    section: Section, what: str, required: Iterable[str], optional: Iterable[str]
) -> None:
    """Raises ValueError when a section lacks what its kind needs, or has what belongs to another;
    `what` is the kind in words."""
    known = {*required, *optional}
    for name in required:
        if getattr(section, name) is None:
            raise ValueError(f"{what} needs {name}")
    for name in sorted(section.model_fields_set - known):
        raise ValueError(f"{name} does not belong to {what}")


def is_local(url: str) -> bool:
    """Whether a URL leads to this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_open(url: str | None) -> bool:
    """Whether others could read what goes there, or answer in its place."""
    return url is not None and url.startswith("http:") and not is_local(url)


def _http(text: str) -> str:
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        raise ValueError("is not a valid URL") from None
    if url.scheme not in ("http", "https") or not url.hostname or not text.isprintable():
        raise ValueError("must be an http or https URL")
    if url.username is not None or url.fragment or " " in text or not text.isascii():
        raise ValueError("must have no user, no space and no fragment in it")
    return text


def _tokens(value: dict[str, SecretSource]) -> dict[str, SecretSource]:
    for name in value:
        if not name or not all(c.isalnum() or c in "-_" for c in name) or not name.isascii():
            raise ValueError("names must be letters, digits, - and _")
    return value


def _number(value: object) -> object:
    """pydantic would take `true` for 1."""
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


def _size(value: object) -> object:
    if isinstance(value, str):
        found = re.fullmatch(r"([0-9]{1,15}) ?([A-Za-z]*)", value.strip())
        if found is None or found[2].lower() not in _UNITS:
            raise ValueError("must be a number of bytes, or one with KiB, MiB or GiB")
        return int(found[1]) * _UNITS[found[2].lower()]
    return _number(value)


def _duration(value: object) -> object:
    if isinstance(value, str):
        found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?(ms|s|m|h)?", value.strip())
        if found is None:
            raise ValueError("must be a number of seconds, or one with ms, s, m or h")
        return float(found[1]) * _SECONDS[found[2] or "s"]
    return _number(value)


def _days(value: object) -> object:
    if isinstance(value, str):
        found = re.fullmatch(r"([0-9]{1,5}) ?(d|w|y)?", value.strip())
        if found is None:
            raise ValueError("must be a number of days, or one with d, w or y")
        # Years with their leap days: six of them are never fewer than six by the calendar.
        number = int(found[1])
        return -(-number * 1461 // 4) if found[2] == "y" else number * _DAYS[found[2] or "d"]
    return _number(value)


def _workers(value: object) -> object:
    if value == "auto":
        return value
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_WORKERS:
        raise ValueError(f"must be auto, or a number from 1 to {MOST_WORKERS}")
    return value


def base_of(info: ValidationInfo) -> Path:
    """What relative paths are relative to."""
    return info.context["base"] if info.context else Path()


def _resolve_path(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str):
        if not value.isprintable() or not value:
            raise ValueError("must be a path")
        return base_of(info) / value
    return base_of(info) / value if isinstance(value, Path) else value


def _readable_file(value: object, info: ValidationInfo) -> object:
    path = _resolve_path(value, info)
    if isinstance(path, Path) and info.context:
        try:
            with path.open("rb"):
                pass
        except OSError as error:
            reason = (error.strerror or "input/output error").lower()
            raise ValueError(f"{path} cannot be read: {reason}") from None
    return path


def _resolve_secret(value: object, info: ValidationInfo) -> object:
    """`file:PATH` and `env:NAME` to what they name; any other text is the secret itself."""
    if not isinstance(value, str) or not info.context:
        return value
    if value.startswith("file:"):
        if not value.isprintable():
            raise ValueError("secret file must be a path")
        path = base_of(info) / value.removeprefix("file:")
        try:
            return path.read_text("utf-8").rstrip("\r\n")
        except OSError as error:
            reason = (error.strerror or "input/output error").lower()
            raise ValueError(f"secret file {path} cannot be read: {reason}") from None
        except UnicodeDecodeError:
            raise ValueError(f"secret file {path} is not UTF-8 text") from None
    if value.startswith("env:"):
        name = value.removeprefix("env:")
        if not name.isprintable():
            raise ValueError("secret must name a variable")
        if name not in info.context["environ"]:
            raise ValueError(f"secret comes from the variable {name}, which is not set")
        return info.context["environ"][name]
    return value


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Where a secret comes from that is read anew whenever it is needed."""

    text: str = field(default="", repr=False)
    """The secret itself, when it is neither in a file nor a command's to tell."""
    file: Path | None = None
    command: tuple[str, ...] = field(default=(), repr=False)
    """Program and arguments; what it prints is the secret."""


def _secret_source(value: object, info: ValidationInfo) -> object:
    """`file:PATH`, `command:PROGRAM ARGUMENTS` and `env:NAME`; any other text is the secret."""
    if value is not None and not isinstance(value, str | SecretSource):
        raise ValueError("secret must be text; put it in quotes")
    if not isinstance(value, str) or not info.context:
        return value
    if value.startswith("file:"):
        if not value.isprintable() or value == "file:":
            raise ValueError("secret file must be a path")
        return SecretSource(file=base_of(info) / value.removeprefix("file:"))
    if value.startswith("command:"):
        try:
            words = shlex.split(value.removeprefix("command:"))
        except ValueError:
            raise ValueError("command has a quote that is not closed") from None
        if not words or not words[0] or "\0" in value:
            raise ValueError("command must name a program")
        return SecretSource(command=tuple(words))
    found = _resolve_secret(value, info)
    if not found:
        raise ValueError("secret is empty")
    return SecretSource(str(found))


def _networks(value: object) -> object:
    """A list of networks, or one text with commas as a variable gives it."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple):
        raise ValueError("must be a list of networks")
    for network in value:
        try:
            ipaddress.ip_network(network)
        except (ValueError, TypeError):
            raise ValueError(
                "must be a list of networks like 10.0.0.0/8 or fd00::/8, host bits zero"
            ) from None
    return tuple(value)


def _words(value: object) -> object:
    """A program and its arguments: a list, or one text with quotes as a shell reads them."""
    if isinstance(value, str):
        try:
            value = shlex.split(value)
        except ValueError:
            raise ValueError("has a quote that is not closed") from None
    if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
        raise ValueError("must be a program and its arguments")
    if not value or not value[0] or any("\0" in word for word in value):
        raise ValueError("must name a program")
    return tuple(value)


def _ports(value: object) -> object:
    """A port, or several with commas as libpq takes them."""
    if isinstance(value, str):
        value = value.split(",")
    ports = value if isinstance(value, list | tuple) else [value]
    found = []
    for port in ports:
        if isinstance(port, str) and re.fullmatch("[0-9]{1,5}", port.strip()):
            port = int(port)
        if not isinstance(port, int) or isinstance(port, bool) or not 1 <= port <= 65535:
            raise ValueError("must be a port between 1 and 65535, or several with commas")
        found.append(port)
    return tuple(found)


def _names(value: object) -> object:
    """A list of names, or one text with commas as a variable gives it."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise ValueError("must be a list of names")
    if not value:
        raise ValueError("must name at least one")
    return tuple(value)


Count = Annotated[int, BeforeValidator(_number)]
Bytes = Annotated[int, BeforeValidator(_size)]
Seconds = Annotated[float, BeforeValidator(_duration)]
Days = Annotated[int, BeforeValidator(_days)]
ResolvedPath = Annotated[Path, BeforeValidator(_resolve_path)]
ReadableFile = Annotated[Path, BeforeValidator(_readable_file)]
Secret = Annotated[SecretStr, BeforeValidator(_resolve_secret)]
ReadSecret = Annotated[SecretSource, BeforeValidator(_secret_source)]
"""One that may change while dbguard runs."""
NamedSecrets = Annotated[dict[str, ReadSecret], AfterValidator(_tokens)]
HttpUrl = Annotated[str, AfterValidator(_http)]
Port = Annotated[int, BeforeValidator(_number), Field(ge=1, le=65535)]
Ports = Annotated[tuple[int, ...], BeforeValidator(_ports)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
UpstreamName = Annotated[str, Field(max_length=40, pattern=r"^[a-z][a-z0-9]*([_-][a-z0-9]+)*$")]
"""Part of a variable's name: no two underscores in a row."""
ProviderName = Annotated[str, Field(max_length=40, pattern=r"^[a-z][a-z0-9]*([_-][a-z0-9]+)*$")]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
"""Run as it is, never by a shell."""
Networks = Annotated[tuple[str, ...], BeforeValidator(_networks)]
Host = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\s\x00]+$")]

Workers = Annotated[int | Literal["auto"], BeforeValidator(_workers)]
"""How many processes; `auto` is one for each core."""
