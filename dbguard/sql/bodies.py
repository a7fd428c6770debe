"""What the body of a SQL function does, for those that only query.

A body is read where every name in it means one thing whatever the caller's search_path is:
relations are qualified, and functions, operators and types exist in one schema only. Otherwise,
or when it does more than query, it is not seen through.
"""

from __future__ import annotations

from dbguard.errors import StatementError, UndefinedName

from .analysis import analyze
from .facts import Action, EffectKind, FunctionTrust, SessionEffect, StatementFacts
from .limits import Limits
from .names import fold
from .sites import Reading
from .snapshot import Function, SessionView, Snapshot

_ATOMIC = "BEGIN ATOMIC"
_RETURN = "RETURN "
_LIMITS = Limits()


def read_body(snapshot: Snapshot, function: Function) -> tuple[StatementFacts, ...] | None:
    """The facts of each query of the body; None when it cannot be seen through."""
    if function.language != "sql" or function.kind != "f" or not function.source:
        return None
    text = _queries(function.source)
    others = sorted(snapshot.schemas - {"pg_catalog"})
    view = SessionView("", ("pg_catalog", *others))
    for _ in range(4 * len(function.argument_names) + 1):
        try:
            readings = analyze(text, snapshot, view, _LIMITS)
        except UndefinedName as error:
            replaced = _with_number(text, error, function)
            if replaced is None:
                return None
            text = replaced
        except StatementError:
            return None
        else:
            return tuple(r.facts for r in readings) if all(map(_only_queries, readings)) else None
    return None


def _queries(source: str) -> str:
    """The queries as plain text: bodies that the server keeps as trees have words around them."""
    text = source.strip()
    if text.startswith(_ATOMIC):
        return text.removeprefix(_ATOMIC).removesuffix("END").strip()
    if text.startswith(_RETURN):
        return f"SELECT {text.removeprefix(_RETURN)}"
    return text


def _with_number(text: str, error: UndefinedName, function: Function) -> str | None:
    """A name that is no column is an argument's, if one has it: written as $1 instead.

    PostgreSQL's order (sql_fn_post_column_ref in functions.c): columns first.
    """
    if error.code not in ("42703", "42P01") or error.position is None:
        return None
    start = error.position - 1
    end = _word_end(text, start)
    if error.code == "42P01" and text[end : end + 1] == "." and text[start:end] == function.name:
        word, end = end + 1, _word_end(text, end + 1)  # function.argument
    else:
        word = start
    name = fold(text[word:end])
    if not name or text[end : end + 1] in (".", "(", '"') or text[start - 1 : start] == ".":
        return None
    for number, argument in enumerate(function.argument_names, 1):
        if argument == name:
            return f"{text[:start]}${number}{text[end:]}"
    return None


def _word_end(text: str, start: int) -> int:
    end = start
    while end < len(text) and (text[end].isalnum() or text[end] in "_$"):
        end += 1
    return end


def _only_queries(reading: Reading) -> bool:
    facts = reading.facts
    return (
        facts.action is Action.SELECT
        and facts.wrapper is None
        and not facts.nested
        and not facts.opaque
        and not _changes_session(facts)
        and not facts.runs_hidden_code
        and not facts.locks_rows
        and not reading.calls  # a function that the path could make another one
        and all(use.action is Action.SELECT for use in facts.relations)
        and all(site.qualified for site in reading.relations)
    )


def _changes_session(facts: StatementFacts) -> bool:
    """Calling another function counts as possibly changing the path: that one is read by itself."""
    unknown = any(f.trust is FunctionTrust.UNKNOWN for f in facts.functions)
    sets = any(f.name == "set_config" for f in facts.functions)
    only_path = all(e == SessionEffect(EffectKind.PATH) for e in facts.effects)
    return bool(facts.effects) and (sets or not unknown or not only_path)
