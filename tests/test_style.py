"""Habits that a linter does not know."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import LONG

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "dbguard").rglob("*.py"))
ERRORS = {
    "ConfigurationError", "ProtocolViolation", "FeatureNotSupported", "NotUnderstood",
    "PolicyRefusal", "LimitExceeded", "AuditUnavailable", "BackupError",
}  # fmt: skip
BORDERS = {
    "dbguard/policy/deciding.py": "decide() is total: what fails inside is a denial",
    "dbguard/proxy/analysis_worker.py": "a text that breaks the analysis is refused",
    "dbguard/proxy/connection.py": "a connection that fails is closed",
    "dbguard/proxy/polling.py": "a channel has closed itself; the loop goes on",
    "dbguard/proxy/shortcut.py": "a connection that fails is closed",
}
"""Where every exception is caught, and what becomes of it."""
NAMES = (
    "PostgreSQL",
    "DBGUARD",
    "SCRAM",
    "SQLSTATE",
    "TLS",
    "SSL",
    "JSON",
    "YAML",
    "SHA",
    "NUL",
    "UTF",
    "COPY",
    "SQL",
    "GSS",
    "DO",
    "CALL",
    "PUBLIC",
    "UPDATE",
    "DELETE",
    "INSERT",
    "SELECT",
    "MERGE",
    "WHERE",
    "RETURNING",
    "LIKE",
    "PREPARE",
    "EXECUTE",
    "FETCH",
    "SET",
    "ON",
    "DDL",
    "DECLARE",
    "TABLE",
    "EXPLAIN",
    "TRUNCATE",
    "MD5",
    "OID",
    "FunctionCall",
)
"""Words that keep their capitals at the beginning of a message."""


def nodes(kind: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, kind):
                yield f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}", node


def constant_text(node: ast.expr | None) -> str | None:
    """The text of a string or f-string, with `…` where something is put in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values
        )
    return None


def raised() -> Iterator[tuple[str, ast.Call]]:
    for where, node in nodes(ast.Call):
        assert isinstance(node, ast.Call)
        if isinstance(node.func, ast.Name) and node.func.id in ERRORS:
            yield where, node


def keyword(call: ast.Call, word: str) -> ast.expr | None:
    return next((item.value for item in call.keywords if item.arg == word), None)


def test_messages_are_lower_case_without_a_full_stop() -> None:
    wrong = []
    for where, call in raised():
        text = constant_text(call.args[0]) if call.args else None
        if text and (text.endswith(".") or (text[0].isupper() and not text.startswith(NAMES))):
            wrong.append(f"{where}: {text}")
    assert wrong == []


@pytest.mark.parametrize("part", ["detail", "hint"])
def test_details_and_hints_are_sentences(part: str) -> None:
    wrong = []
    for where, call in raised():
        text = constant_text(keyword(call, part))
        if not text or (part == "detail" and where.startswith("dbguard/sql/")):
            continue  # the reasons of analysis are names of limits and constructs
        ends = text.endswith((".", "?", "…")) or ":" in text  # "Run: command" ends as it must
        if not ends or (text[0].islower() and not text.startswith(("dbguard", "libpq", "pg_"))):
            wrong.append(f"{where}: {text}")
    assert wrong == []


def test_operators_are_told_what_to_do() -> None:
    """A configuration or backup error has a hint, or its remedy in the message after a `;`."""
    wrong = []
    for where, call in raised():
        if not isinstance(call.func, ast.Name) or where.startswith("dbguard/cli/"):
            continue  # a command's complaint about its own arguments comes with its usage
        text = constant_text(call.args[0])
        if (
            call.func.id in ("ConfigurationError", "BackupError")
            and text is not None
            and ";" not in text
            and not keyword(call, "hint")
        ):
            wrong.append(f"{where}: {text}")
    assert wrong == []


def test_nothing_swallows_every_exception() -> None:
    """`except Exception` or wider raises again, but for borders that fail closed."""
    wrong = []
    for where, node in nodes(ast.ExceptHandler):
        assert isinstance(node, ast.ExceptHandler)
        caught = node.type
        wide = caught is None or (
            isinstance(caught, ast.Name) and caught.id in ("Exception", "BaseException")
        )
        raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
        if wide and not raises and where.split(":")[0] not in BORDERS:
            wrong.append(where)
    assert wrong == []


def test_frozen_dataclasses_have_slots() -> None:
    """Unless the class caches a property, which needs a dictionary."""
    wrong = []
    for where, node in nodes(ast.ClassDef):
        assert isinstance(node, ast.ClassDef)
        if "cached_property" in ast.unparse(node):
            continue
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "dataclass":
                flags = {item.arg for item in decorator.keywords}
                if "frozen" in flags and "slots" not in flags:
                    wrong.append(where)
    assert wrong == []


def test_nothing_names_the_machine_it_was_written_on() -> None:
    homes = ("/" + "work/", "/" + "root/", "/" + "home/", "/tmp" + "/v/", "farm" + "-")
    folders = ("dbguard", "docs", "docker", "rules", "tests", ".ci")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    files += [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "pyproject.toml"]
    wrong = []
    for path in files:
        if {"__pycache__", "_compiled"} & {*path.parts} or not path.exists():
            continue
        text = path.read_text("utf-8", errors="ignore")
        wrong += [f"{path.relative_to(ROOT)}: {home}" for home in homes if home in text]
    assert wrong == []


def test_modules_that_take_long_are_there() -> None:
    """A renamed one would begin at the end of a run again."""
    assert [name for name in LONG if not (ROOT / "tests" / name).exists()] == []
