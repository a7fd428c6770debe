"""What type an expression has, as far as that is known without PostgreSQL's type inference.

Only needed where a type decides which columns there are: a star over `unnest(x)`, `(x).*`. None
is always a right answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dbguard.sql.snapshot import Function

from .values import Value

_NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision")
"""Each is implicitly cast to those behind it (pg_cast, castcontext 'i')."""

_ARRAYS = frozenset({"anyarray", "anycompatiblearray"})
_ELEMENTS = frozenset(
    {"anyelement", "anynonarray", "anyenum", "anycompatible", "anycompatiblenonarray"}
)


def common_type(values: Iterable[Value]) -> str | None:
    """The type of one of `values` or another: CASE, COALESCE, ARRAY[…] (select_common_type).

    Of several types that are known only numbers have a common one here.
    """
    names = {value.type_name for value in values}
    if "unknown" in names:
        names = (names - {"unknown"}) or {"text"}
    if len(names) == 1:
        return names.pop()
    if names and names <= set(_NUMBERS):
        return max((n for n in names if n), key=_NUMBERS.index)
    return None


def concatenated_type(values: Sequence[Value]) -> str | None:
    """The type of `a || b || …`: of its arrays, when there are any."""
    arrays = {v.type_name for v in values if v.type_name and v.type_name.endswith("[]")}
    return arrays.pop() if len(arrays) == 1 else None


def overload_type(candidates: Sequence[Function], arguments: Sequence[Value]) -> str | None:
    """The type that the overload for exactly these argument types gives back: PostgreSQL takes it
    before all others (func_get_detail)."""
    names = tuple(value.type_name for value in arguments)
    found = {f.result for f in candidates if f.arguments == names}
    return found.pop() if len(found) == 1 else None


def polymorphic_type(candidates: Sequence[Function], arguments: Sequence[Value]) -> str | None:
    """The type that a polymorphic function gives back for `arguments`."""
    found = {_polymorphic(function, arguments) for function in candidates}
    return found.pop() if len(found) == 1 else None


def _polymorphic(function: Function, arguments: Sequence[Value]) -> str | None:
    element: str | None = None
    for declared, value in zip(function.arguments, arguments, strict=False):
        name = value.type_name
        if name is None or name == "unknown":
            continue
        if declared in _ARRAYS and name.endswith("[]"):
            element = name[:-2]
            break
        if declared in _ELEMENTS and element is None:
            element = name
    if element is None:
        return None
    if function.result in _ARRAYS:
        return f"{element}[]"
    return element if function.result in _ELEMENTS else None
