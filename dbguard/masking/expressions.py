"""Mask kinds as SQL expressions.

What each kind does, and on which types (all others give NULL):

* `null`: NULL of the column's type.
* `redact`: the mask's text, on text types that can hold all of it.
* `keep_first`, `keep_last`: part of the value beside the fill, on text types. A value no longer
  than what would be shown is hidden completely. The fill is cut to what the type can hold
  beside the kept characters. NULL on every other type: an integer cannot carry a fill, and its
  digits alone would tell too much.
* `year`: 1 January of the same year on date, timestamp and timestamptz (there in UTC: under the
  session's time zone a client could find the exact moment by changing the zone).
* `zip3`: the first three digits of a five- or nine-digit ZIP code on text types; `000` for
  restricted prefixes and for everything that does not look like a ZIP code (a code that lost its
  leading zeros would otherwise show its fourth digit).
* `age_cap`: whole numbers and numeric; the cap itself stands for "that old or older".

* `definition`, `comment`: what `dbguard.sql.definitions` leaves of texts of the catalog.

NULL stays NULL except under `null`.
"""

from __future__ import annotations

from dbguard.policy.decision import Mask, MaskKind
from dbguard.sql.definitions import DefinitionText, redacted
from dbguard.sql.snapshot import Column

from .types import TypeName, read_type

REDACTED = "REDACTED"
"""What `redact` shows when the mask has no text of its own."""

_NAME_BYTES = 63
"""NAMEDATALEN - 1: what the type name holds."""

_ZIP = "^[0-9]{5}([- ]?[0-9]{4})?$"
"""A whole ZIP code, with or without its four further digits."""

_INTEGERS = frozenset({"int2", "int4", "int8"})


def mask_expression(mask: Mask, column: Column, reference: str) -> str:
    """SQL that computes the masked value of `column` from `reference` (`t."ssn"`).

    The result has the column's base type, typmod and collation (a domain's base type: NULL
    would violate a NOT NULL domain).

    Raises:
        NotUnderstood: the snapshot's type name cannot be read.
    """
    kind = read_type(column.base_type)
    value = _value(mask, kind, reference)
    cast = f"NULL::{kind.text}" if value is None else f"({value})::{kind.text}"
    collation = column.collation
    if collation is None and kind.name == "name" and value is not None:
        # A name made of text would have text's collation instead of its type's own.
        collation = 'pg_catalog."C"'
    return cast if collation is None else f"({cast}) COLLATE {collation}"


def mask_is_null(mask: Mask, column: Column) -> bool:
    """Whether `mask` shows nothing but NULL on `column`."""
    return _value(mask, read_type(column.base_type), "x") is None


def _value(mask: Mask, kind: TypeName, reference: str) -> str | None:
    """The masked value before the cast to the column's type; None where it is always NULL."""
    if kind.is_array:
        return None
    match mask.kind:
        case MaskKind.NULL:
            return None
        case MaskKind.REDACT:
            return _redact(mask, kind, reference)
        case MaskKind.KEEP_FIRST | MaskKind.KEEP_LAST:
            return _keep(mask, kind, reference)
        case MaskKind.YEAR:
            return _year(mask, kind, reference)
        case MaskKind.ZIP3:
            return _zip3(mask, kind, reference)
        case MaskKind.AGE_CAP:
            return _age_cap(mask, kind, reference)
        case MaskKind.DEFINITION | MaskKind.COMMENT:
            return _without_values(mask, kind, reference)


def _redact(mask: Mask, kind: TypeName, reference: str) -> str | None:
    fill = mask.fill or REDACTED
    if not _holds(kind, fill):
        return None
    return f"CASE WHEN {reference} IS NOT NULL THEN {_literal(fill)} END"


def _keep(mask: Mask, kind: TypeName, reference: str) -> str | None:
    limit = _text_limit(kind)
    if limit is None or mask.keep < 0:
        return None
    fill = mask.fill
    if limit >= 0:
        # The fill cut short still hides; without room for any, a short value would show as it is.
        fill = fill[: max(limit - mask.keep, 0)]
        if mask.fill and not fill:
            return None
    if kind.name == "name" and not fill.isascii():
        return None
    shown = _literal(fill)
    text = f"{reference}::pg_catalog.text"
    if mask.keep == 0:
        return f"CASE WHEN {reference} IS NOT NULL THEN {shown} END"
    if mask.kind is MaskKind.KEEP_FIRST:
        kept = f"pg_catalog.left({text}, {mask.keep}) OPERATOR(pg_catalog.||) {shown}"
    else:
        kept = f"{shown} OPERATOR(pg_catalog.||) pg_catalog.right({text}, {mask.keep})"
    return (
        f"CASE WHEN pg_catalog.length({text}) OPERATOR(pg_catalog.>) {mask.keep} THEN {kept}"
        f" WHEN {reference} IS NOT NULL THEN {shown} END"
    )


def _year(mask: Mask, kind: TypeName, reference: str) -> str | None:
    if not kind.is_builtin:
        return None
    floor = mask.floor_year
    match kind.name:
        case "date":
            truncated = (
                f"pg_catalog.date_trunc('year', {reference}::pg_catalog.timestamp)::pg_catalog.date"
            )
            lowest = f"pg_catalog.make_date({floor}, 1, 1)"
        case "timestamp":
            truncated = f"pg_catalog.date_trunc('year', {reference})"
            lowest = f"pg_catalog.make_timestamp({floor}, 1, 1, 0, 0, 0)"
        case "timestamptz":
            truncated = (
                "pg_catalog.timezone('UTC', "
                f"pg_catalog.date_trunc('year', pg_catalog.timezone('UTC', {reference})))"
            )
            lowest = f"pg_catalog.make_timestamptz({floor}, 1, 1, 0, 0, 0, 'UTC')"
        case _:
            return None
    if floor is None:
        return truncated
    return (
        f"CASE WHEN {reference} OPERATOR(pg_catalog.<) {lowest} THEN {lowest} ELSE {truncated} END"
    )


def _zip3(mask: Mask, kind: TypeName, reference: str) -> str | None:
    if not _holds(kind, "000"):
        return None
    text = f"pg_catalog.btrim({reference}::pg_catalog.text)"
    prefix = f"pg_catalog.left({text}, 3)"
    # Nondeterministic collations know no regular expressions.
    plain = 'COLLATE pg_catalog."C"'
    hidden = ""
    if mask.restricted:
        listed = ", ".join(map(_literal, mask.restricted))
        hidden = (
            f" WHEN {prefix} {plain} OPERATOR(pg_catalog.=) "
            f"ANY (ARRAY[{listed}]::pg_catalog.text[]) THEN '000'"
        )
    return (
        f"CASE WHEN {reference} IS NULL THEN NULL{hidden}"
        f" WHEN {text} {plain} OPERATOR(pg_catalog.~) '{_ZIP}' THEN {prefix}"
        " ELSE '000' END"
    )


def _age_cap(mask: Mask, kind: TypeName, reference: str) -> str | None:
    if not kind.is_builtin or kind.name not in _INTEGERS | {"numeric"}:
        return None
    return (
        f"CASE WHEN {reference} OPERATOR(pg_catalog.>=) {mask.keep} THEN {mask.keep}"
        f" ELSE {reference} END"
    )


def _without_values(mask: Mask, kind: TypeName, reference: str) -> str | None:
    if _text_limit(kind) != -1:
        return None
    comment = mask.kind is MaskKind.COMMENT
    text = DefinitionText.COMMENT if comment else DefinitionText.EXPRESSION
    return redacted(f"{reference}::pg_catalog.text", text)


def _text_limit(kind: TypeName) -> int | None:
    """Characters that a text type holds, -1 for any number; None when it is no text type."""
    if not kind.is_builtin:
        return None
    match kind.name:
        case "text":
            return -1
        case "varchar" | "bpchar":
            return kind.modifiers[0] if kind.modifiers else -1
        case "name":
            return _NAME_BYTES
        case _:
            return None


def _holds(kind: TypeName, text: str) -> bool:
    limit = _text_limit(kind)
    if limit is None:
        return False
    size = len(text.encode()) if kind.name == "name" else len(text)
    return limit < 0 or size <= limit


def _literal(text: str) -> str:
    """A string constant that means the same whatever standard_conforming_strings is."""
    quoted = "'" + text.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted
