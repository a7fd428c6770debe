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

_ARITHMETIC = ("+", "-", "*", "/", "%")

_STRINGS = ("character varying", "character", "name")
"""Types for which text stands when no overload is for them."""

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


def operator_type(symbol: Sequence[str], values: Sequence[Value]) -> str | None:
    """The type of `a || b || …`, when it is an array, and of arithmetic on numbers."""
    names = {value.type_name for value in values}
    if symbol == ["||"]:
        arrays = {name for name in names if name and name.endswith("[]")}
        return arrays.pop() if len(arrays) == 1 else None
    if len(symbol) == 1 and symbol[0] in _ARITHMETIC and names and names <= set(_NUMBERS):
        return common_type(values)
    return None


def overload_type(candidates: Sequence[Function], arguments: Sequence[Value]) -> str | None:
    """The type that the overload for exactly the argument types gives back: PostgreSQL takes it
    before all others, literals without a type aside (func_get_detail, func_select_candidate)."""
    names = [value.type_name and value.type_name.partition("(")[0] for value in arguments]
    for known in (names, ["text" if n in _STRINGS else n for n in names]):
        found = {f.result for f in candidates if _takes_exactly(f, known)}
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def _takes_exactly(function: Function, names: Sequence[str | None]) -> bool:
    return len(function.arguments) == len(names) and all(
        name in (declared, "unknown")
        for declared, name in zip(function.arguments, names, strict=True)
    )


def polymorphic_type(candidates: Sequence[Function], arguments: Sequence[Value]) -> str | None:
    """The type that a polymorphic function gives back for `arguments`."""
    fitting = [f for f in candidates if _can_take(f, arguments)]
    found = {_polymorphic(function, arguments) for function in fitting}
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


def _can_take(function: Function, arguments: Sequence[Value]) -> bool:
    """False when an array stands where none may be, or the other way round."""
    for declared, value in zip(function.arguments, arguments, strict=False):
        name = value.type_name
        if name is None or name == "unknown":
            continue
        if declared in ("anynonarray", "anycompatiblenonarray") and name.endswith("[]"):
            return False
        if declared in _ARRAYS and not name.endswith("[]"):
            return False
    return True
