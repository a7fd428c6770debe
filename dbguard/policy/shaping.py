"""One file's tree to its document, with every mistake of shape and its place.

An entry with a mistake is left out and the rest kept, so that `linking` can still check what the
sound entries refer to; names that the broken ones would have defined stay known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from . import document
from .document import FileShape, Shape
from .problems import Place, Problem, did_you_mean
from .yaml_nodes import Path, Tree

_NOT_SUPPORTED = "not supported in this release"


@dataclass(frozen=True, slots=True)
class Document:
    """The sound part of one file."""

    content: FileShape
    tree: Tree
    rules: tuple[int, ...]
    """For each rule of `content`, its index in the file."""
    classification: tuple[int, ...]
    """For each entry of `content`, its index in the file."""
    broken_rules: Mapping[int, Mapping[str, object]]
    """Rules that are left out, by index, for what can still be checked about them."""
    names: Mapping[str, frozenset[str]]
    """By section, all names the file means to define, broken entries included."""


def shape(tree: Tree) -> tuple[Document, tuple[Problem, ...]]:
    """Check `tree` against the models."""
    if not isinstance(tree.value, dict):
        problem = Problem(tree.place(()), "not a mapping", "start with a key such as rules:")
        return _document({}, tree), (problem,)
    raw: dict[str, object] = dict(tree.value)
    for section in [key for key, value in raw.items() if value is None]:
        del raw[section]  # `rules:` with only comments below it
    try:
        FileShape.model_validate(raw)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=True)
        return _document(_without(raw, details), tree), tuple(_problem(d, tree) for d in details)
    return _document(raw, tree), ()


def _document(sound: dict[str, object], tree: Tree) -> Document:
    indices: dict[str, tuple[int, ...]] = {}
    for section in ("rules", "classification"):
        entries = sound.get(section)
        if isinstance(entries, list):
            indices[section] = tuple(i for i, entry in enumerate(entries) if entry is not _BROKEN)
            sound = {**sound, section: [e for e in entries if e is not _BROKEN]}
    rules = indices.get("rules", ())
    return Document(
        FileShape.model_validate(sound),
        tree,
        rules,
        indices.get("classification", ()),
        _broken_rules(tree.value, rules),
        _names(tree.value),
    )


def _broken_rules(value: object, sound: tuple[int, ...]) -> Mapping[int, Mapping[str, object]]:
    entries = value.get("rules") if isinstance(value, dict) else None
    return {
        at: entry
        for at, entry in enumerate(entries if isinstance(entries, list) else ())
        if at not in sound and isinstance(entry, dict)
    }


_BROKEN = object()


def _without(raw: dict[str, object], details: list[ErrorDetails]) -> dict[str, object]:
    """`raw` without the entries that the errors are about."""
    result = dict(raw)
    for detail in details:
        section, *rest = detail["loc"]
        entries = result.get(str(section))
        if rest and isinstance(entries, list) and isinstance(rest[0], int):
            result[str(section)] = [_BROKEN if i == rest[0] else e for i, e in enumerate(entries)]
        elif rest and isinstance(entries, dict) and section in ("roles", "masks"):
            result[str(section)] = {k: v for k, v in entries.items() if k != rest[0]}
        else:
            result.pop(str(section), None)
    return result


def _names(value: object) -> dict[str, frozenset[str]]:
    if not isinstance(value, dict):
        return {}
    names = {}
    for section in ("roles", "masks"):
        entries = value.get(section)
        names[section] = frozenset(map(str, entries)) if isinstance(entries, dict) else frozenset()
    rules = value.get("rules")
    names["rules"] = frozenset(map(str, range(len(rules) if isinstance(rules, list) else 0)))
    tags = value.get("classification")
    names["tags"] = frozenset(
        str(entry["tag"])
        for entry in (tags if isinstance(tags, list) else ())
        if isinstance(entry, dict) and "tag" in entry
    )
    return names


def _problem(detail: ErrorDetails, tree: Tree) -> Problem:
    path: Path = detail["loc"]
    if path[:1] == ("masks",):
        path = (*path[:3], *path[4:])  # without the union member, which may be named like a key
    what, remedy = _wording(detail, detail["loc"])
    if detail["type"] == "extra_forbidden" or path[-1] == "[key]":
        return Problem(tree.key_place(tuple(p for p in path if p != "[key]")), what, remedy)
    return Problem(tree.place(path), what, remedy)


def _wording(detail: ErrorDetails, path: Path) -> tuple[str, str]:
    context: Mapping[str, Any] = detail.get("ctx", {})
    name = str(path[-1])
    value = detail["input"]
    if "remedy" in context:
        later = set(document.LATER_MASKS)
        if detail["type"] == "unknown_mask" and isinstance(value, dict) and later & set(value):
            return f"mask {min(later & set(value))!r} is {_NOT_SUPPORTED}", str(context["remedy"])
        return detail["msg"], str(context["remedy"])
    match detail["type"]:
        case "extra_forbidden":
            return _unknown_key(name, path)
        case "missing":
            return f"{name} is missing", f"add {name}:"
        case "string_type":
            remedy = "put it in quotes" if isinstance(value, bool | int) else "write a text"
            return f"{_called(path)} should be a text", remedy
        case "string_too_short":
            return f"{_called(path)} is empty", "write something or remove it"
        case "too_short":
            return f"{_called(path)} is empty", "name some or remove it"
        case "string_pattern_mismatch":
            return _malformed(value, path)
        case "tuple_type" | "list_type":
            return f"{_called(path)} should be a list", f"write {name}: [ … ]"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"{_called(path)} should be a mapping", "write keys and values"
        case "int_type" | "int_parsing" | "int_from_float":
            return f"{_called(path)} should be a whole number", "write digits only"
        case "greater_than_equal" | "less_than_equal":
            bound = context.get("ge", context.get("le"))
            side = "at least" if "ge" in context else "at most"
            return f"{_called(path)} is out of range", f"use {side} {bound}"
        case "literal_error":
            return _not_a_choice(name, value, str(context.get("expected", "")))
        case _:
            return f"{_called(path)}: {detail['msg'].lower()}", "see docs/policy.md"


def _called(path: Path) -> str:
    words = [str(p) for p in path if isinstance(p, str)]
    if not words:
        return "this"
    return f"an entry of {words[-1]}" if isinstance(path[-1], int) else words[-1]


def _malformed(value: object, path: Path) -> tuple[str, str]:
    if "restricted" in path:
        return f"{value!r} is not a ZIP prefix", "write three digits in quotes"
    if "tag" in path or "data" in path or (len(path) > 2 and path[0] == "masks"):
        return f"{value!r} is not a tag", "use lower-case words joined by dots, as in phi.ssn"
    return f"{value!r} is not a name", "use letters, digits, _ . @ and -"


def _not_a_choice(name: str, value: object, expected: str) -> tuple[str, str]:
    if (name, value) == ("mode", "observe"):
        return f"{name}: {value} is {_NOT_SUPPORTED}", f"use {expected}"
    if name == "classified":
        return "defaults.classified can't be loosened", "grant access by rules instead"
    if value in document.LATER_MASKS:
        return f"mask {value!r} is {_NOT_SUPPORTED}", f"use {expected}"
    shown = repr(value) if isinstance(value, str) else "this"
    return f"{shown} is not possible here", f"use {expected}"


def _unknown_key(name: str, path: Path) -> tuple[str, str]:
    model = _model_at(path[:-1])
    if name in model.later:
        return f"{name!r} is {_NOT_SUPPORTED}", "remove it"
    known = [field.alias or key for key, field in model.model_fields.items()]
    return f"unknown key {name!r}", did_you_mean(name, known, f"known: {', '.join(known)}")


_MODELS: Mapping[str, type[Shape]] = {
    "classification": document.ClassificationShape,
    "roles": document.RoleShape,
    "rules": document.RuleShape,
    "functions": document.FunctionsShape,
    "defaults": document.DefaultsShape,
    "unclassified": document.UnclassifiedShape,
    "if": document.ConditionShape,
    "require": document.RequireShape,
    "backup": document.BackupShape,
    "redact": document.RedactShape,
    "keep_first": document.KeepFirstShape,
    "keep_last": document.KeepLastShape,
    "year": document.YearTerms,
    "zip3": document.Zip3Terms,
    "age_cap": document.AgeCapShape,
}


def _model_at(path: Path) -> type[Shape]:
    """The model of the mapping at `path`: that of the last word that names one."""
    if path and path[0] == "roles":
        return document.RoleShape
    return next((_MODELS[str(p)] for p in reversed(path) if str(p) in _MODELS), FileShape)


def place_of(found: Document, section: str, position: int, *path: str | int) -> Place:
    """Where something inside the `position`-th sound entry of a section stands."""
    indices = found.rules if section == "rules" else found.classification
    return found.tree.place((section, indices[position], *path))
