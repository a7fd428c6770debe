"""Deployment settings: `dbguard.yaml` and `DBGUARD_…` variables to one frozen `Settings`.

This is the only module that reads the environment. `load_settings` checks everything at once and
raises one ConfigurationError with a line `place: key: what is wrong. What to do.` per problem.
A setting comes from the variable when both are given. Secrets may be written as `file:PATH` or
`env:NAME`; relative paths are relative to the settings file. `docs/configuration.md` describes
every setting; a test holds it to that.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticUndefined

from dbguard.audit_settings import AuditSettings, Durability
from dbguard.config_file import (
    KEY,
    Document,
    KeyPath,
    Plain,
    Position,
    Problem,
    raise_problems,
    read_document,
)
from dbguard.running_path import UNCOMPILED
from dbguard.server_settings import (
    BackupSettings,
    CatalogSettings,
    Section,
    UpstreamSettings,
    UpstreamTlsMode,
    UpstreamTlsSettings,
)
from dbguard.settings import (
    LimitsSettings,
    ListenSettings,
    ServerTlsMode,
    Settings,
    StateSettings,
    TlsServerSettings,
)

__all__ = [
    "AuditSettings",
    "BackupSettings",
    "CatalogSettings",
    "Durability",
    "LimitsSettings",
    "ListenSettings",
    "ServerTlsMode",
    "Settings",
    "StateSettings",
    "TlsServerSettings",
    "UpstreamSettings",
    "UpstreamTlsMode",
    "UpstreamTlsSettings",
    "load_settings",
    "setting_default",
    "setting_paths",
]

PREFIX: Final = "DBGUARD_"
ANY_NAME: Final = "NAME"
"""Stands in paths for the names that people give to sections."""
NOT_SETTINGS: Final = frozenset(
    {
        "DBGUARD_COMPILE",
        "DBGUARD_CONFIG",
        "DBGUARD_DEMO_HOME",
        "DBGUARD_EVENT_LOOP",
        "DBGUARD_PG_BIN",
        "DBGUARD_TEST_DSN",
        UNCOMPILED,
    }
)
"""Variables with the prefix that are read elsewhere: the command line, the backup tools, tests, the
installation."""
_KUBERNETES: Final = re.compile(r"DBGUARD_(SERVICE_|PORT$|PORT_)")
"""Kubernetes sets these in every pod beside a service that is called dbguard."""


_DEFAULTED: Final = ("listen", "upstream", "state", "audit", "limits")


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Settings from a file and `DBGUARD_…` variables, or from variables alone.

    Raises ConfigurationError with every problem, one a line. Does not `check_combination`:
    only commands that open the proxy need it to hold.
    """
    base = path.absolute().parent if path else Path.cwd()
    document = (
        read_document(path)
        if path
        else Document("variables", {}, {(): Position("environment variables", 0, 0)})
    )
    problems = list(document.problems)
    if not isinstance(document.value, dict):
        problems.append(
            Problem(
                document.position(()),
                "settings must be keys with values",
                'For example: catalog: {dsn: "postgresql://dbguard@127.0.0.1:5432/postgres"}.',
            )
        )
        raise_problems(problems)
    assert isinstance(document.value, dict)
    values = document.value
    for name in _DEFAULTED:  # given as empty, so that default paths are resolved like others
        if values.get(name) is None:
            values[name] = {}
    places = dict(document.positions)
    problems += _add_variables(values, places, environ)
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(values, context={"base": base, "environ": environ})
    except ValidationError as error:
        merged = Document(document.file, values, places)
        problems += [_problem(merged, item) for item in error.errors(include_url=False)]
    raise_problems(problems)
    assert settings is not None
    return settings


def _add_variables(
    values: dict[str, Plain], places: dict[KeyPath, Position], environ: Mapping[str, str]
) -> list[Problem]:
    """Put the values of `DBGUARD_A__B` variables over those of the file."""
    problems = []
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in NOT_SETTINGS or _KUBERNETES.match(name):
            continue
        path = tuple(name.removeprefix(PREFIX).lower().split("__"))
        place = Position(f"variable {name}", 0, 0)
        found = _field_at(path)
        if found is None or _section_of(found.annotation) is not None:
            what = "names no setting" if found is None else "names a section, not a setting"
            hint = _did_you_mean(
                name, [PREFIX + "__".join(known).upper() for known in setting_paths()]
            )
            problems.append(Problem(place, what, hint or "See docs/configuration.md."))
            continue
        here: dict[str, Plain] = values
        for part in path[:-1]:
            below = here.get(part)
            if below is None:
                below = here[part] = {}
            if not isinstance(below, dict):
                break  # the file gives something else there: the file's own problem says so
            here = below
        else:
            here[path[-1]] = environ[name]
            places[path] = places[(*path, KEY)] = place
    return problems


def _section_of(annotation: Any) -> type[Section] | None:
    """The section class in a field's annotation (`X` or `X | None`)."""
    if get_origin(annotation) is dict:
        return None
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, Section):
            return candidate
    return None


def _sections_of(annotation: Any) -> type[Section] | None:
    """The section class of which a field holds several by name (`dict[…, X]`)."""
    if get_origin(annotation) is not dict:
        return None
    _, section = get_args(annotation)
    return _section_of(section)


def _is_list(annotation: Any) -> bool:
    """Whether a field holds several sections, one after the other."""
    return get_origin(annotation) is tuple


def _field_at(path: KeyPath) -> Any:
    """The field that a path names; None when there is none, or what it names is a section that
    people give a name to, or an entry of a list."""
    section: type[Section] | None = Settings
    named: type[Section] | None = None
    field = None
    for part in path:
        if field is not None and _is_list(field.annotation):
            if not isinstance(part, int):
                return None
            field = None
            continue
        if named is not None:
            section, named, field = named, None, None
            continue
        if section is None or part not in section.model_fields:
            return None
        field = section.model_fields[str(part)]
        named = _sections_of(field.annotation)
        section = _section_of(field.annotation)
    return field


def _section_at(path: KeyPath) -> type[Section]:
    """The section at a path below which something stands."""
    section: type[Section] | None = Settings
    named: type[Section] | None = None
    for part in path:
        if isinstance(part, int):  # an entry of a list, whose section is known already
            continue
        if named is not None:
            section, named = named, None
            continue
        assert section is not None
        annotation = section.model_fields[str(part)].annotation
        named, section = _sections_of(annotation), _section_of(annotation)
    assert section is not None
    return section


def setting_paths(section: type[Section] = Settings) -> list[tuple[str, ...]]:
    """The path of every setting, sections themselves left out."""
    paths: list[tuple[str, ...]] = []
    for name, field in section.model_fields.items():
        below, named = _section_of(field.annotation), _sections_of(field.annotation)
        if named is not None:
            paths += [(name, ANY_NAME, *rest) for rest in setting_paths(named)]
        else:
            if _is_list(field.annotation):
                below = None
            paths += [(name, *rest) for rest in setting_paths(below)] if below else [(name,)]
    return paths


def setting_default(path: tuple[str, ...]) -> object:
    """The default of a setting, or None when it has none."""
    field = _field_at(path)
    return None if field.default is PydanticUndefined else field.default


def _did_you_mean(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean {close[0]}?" if close else ""


def _problem(document: Document, item: ErrorDetails) -> Problem:
    """One of pydantic's complaints in dbguard's words, with place and remedy."""
    path: KeyPath = item["loc"]
    name = ".".join(map(str, path))
    kind = item["type"]
    field = _field_at(path)
    example = f"{path[-1]}: {field.examples[0]}" if field and field.examples else ""
    if kind == "extra_forbidden":
        known = list(_section_at(path[:-1]).model_fields)
        hint = _did_you_mean(str(path[-1]), known) or f"Known keys: {', '.join(known)}."
        return Problem(document.position((*path, KEY)), f"{name}: unknown key", hint)
    if kind == "missing":
        variable = PREFIX + "__".join(map(str, path)).upper()
        hint = f"Add {example}" + (
            f" or set {variable}." if _section_of(field.annotation) is None else "."
        )
        return Problem(document.position(path), f"{name}: required", hint)
    message = item["msg"].removeprefix("Value error, ")
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        message = "must be a section with keys"
    elif kind == "string_pattern_mismatch":
        message = "holds characters that are not allowed here"
    elif kind != "value_error":
        message = message.replace("Input should", "must").replace("String should", "must")
        message = message[:1].lower() + message[1:]
    return Problem(
        document.position(path), f"{name}: {message}", f"For example {example}." if example else ""
    )
