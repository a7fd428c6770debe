"""Definitions and comments out of the catalog, shown without what may be a value.

`CHECK (ssn <> '123-45-6789')` holds a value, and psql's `d` has to work for everybody. PostgreSQL
prints definitions from its own trees: no comments, literals in single quotes, names in double
ones. So literals can be emptied by one regular expression there, except in the bodies of functions,
which are stored as they were written and are cut off. Numbers stay when too short to tell
of one person: lengths and limits. `nextval('clinic.patients_id_seq'::regclass)` stays whole.

Comments are prose, in which a value can't be told for certain; quoted pieces, words with four
digits or more and addresses are taken out.
"""

from __future__ import annotations

import enum

PLACEHOLDER = "dbguard_call()"
"""Stands for the call in `around`."""


class DefinitionText(enum.Enum):
    """What kind of text a function of the catalog gives back."""

    EXPRESSION = enum.auto()
    FUNCTION = enum.auto()
    COMMENT = enum.auto()


_KINDS = {
    "col_description": DefinitionText.COMMENT,
    "obj_description": DefinitionText.COMMENT,
    "shobj_description": DefinitionText.COMMENT,
    "pg_get_functiondef": DefinitionText.FUNCTION,
}

_EMPTIED = (
    # kept whole: quoted names, words, names of relations
    r"""("(?:[^"]|"")*"|[[:alpha:]_][[:alnum:]_$]*|'(?:[^']|'')*'::regclass)"""
    # strings, of which the quotes stay
    r"""|(E?')(?:[^']|'')*(')"""
    # long numbers
    r"""|[0-9][0-9.]{3,}[0-9]"""
)
_TAKEN_OUT = (
    r"""(?:[^[:space:]0-9]*[0-9]){4,}[^[:space:]]*"""
    r"""|[^[:space:]]+@[^[:space:]]+"""
    r"""|(?:^|(?<=[[:space:](]))['"][^'"]*['"]"""
)


def redacted(text: str, kind: DefinitionText) -> str:
    """SQL for `text`, itself SQL of type text, without what may be a value."""
    if kind is DefinitionText.COMMENT:
        return _replaced(text, _TAKEN_OUT, "...")
    if kind is DefinitionText.FUNCTION:
        text = _replaced(text, r"\nAS .*$", "\nAS ''")
    return _replaced(text, _EMPTIED, r"\1\2\3")


def around(name: str) -> tuple[str, str]:
    """What stands before and behind a call of pg_catalog's function `name`.

    A query of its own, for the column's name to stay.
    """
    kind = _KINDS.get(name, DefinitionText.EXPRESSION)
    before, _, behind = redacted(PLACEHOLDER, kind).partition(PLACEHOLDER)
    return f"(SELECT {before}", f"{behind} AS {name})"


def _replaced(text: str, pattern: str, by: str) -> str:
    return f"pg_catalog.regexp_replace({text}, {_quoted(pattern)}, {_quoted(by)}, 'g')"


def _quoted(text: str) -> str:
    """A string constant that means the same whatever standard_conforming_strings is."""
    escaped = text.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n")
    return f"E'{escaped}'"
