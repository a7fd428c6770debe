"""The house stands as docs/architecture.md draws it: checked from the import statements."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "dbguard"
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 450
"""A module that is longer has more than one subject."""
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "tools", "base", "core"}
GROUND = (
    "running_path", "errors", "authorities", "compiling", "config_file", "routes", "setting_types",
    "provider_settings", "server_settings", "certificate_settings", "token_settings",
    "authentication_settings", "shipping_settings", "audit_settings", "watch_settings", "settings",
    "config",
)  # fmt: skip
"""The modules beside the packages, lowest first: all of the layer "errors, config"."""

NO_OUTSIDE = {  # what the pure layers may take from the standard library
    "__future__", "abc", "ast", "base64", "bisect", "binascii", "collections", "contextlib",
    "copy", "ctypes", "dataclasses", "decimal", "enum", "fnmatch", "functools", "hashlib", "heapq",
    "hmac", "ipaddress", "itertools", "json", "math", "operator", "re", "string", "struct",
    "stringprep", "types", "typing", "unicodedata", "datetime",
    "sys", "logging",  # the recursion limit, and silencing sqlglot's own logger
}  # fmt: skip
CLOCKS_AND_SOCKETS = {
    "asyncio", "concurrent", "http", "multiprocessing", "os", "random", "secrets", "selectors",
    "signal", "socket", "ssl", "subprocess", "threading", "time", "urllib", "uuid",
}  # fmt: skip
"""Of no use to a layer that gets time and randomness as arguments and does no I/O."""

HANDS_ON_THE_ENVIRONMENT = {
    ("proxy", "analysis_process"),
    ("proxy", "backup_takers"),
    ("running_path",),
    ("compiling",),
}
"""Starts a process with the variables of this one, and reads none of them; runs before anything
else of dbguard is there, and when it is installed."""


@cache
def layers() -> list[str]:
    """The packages from the bottom up, as the indented block of docs/architecture.md lists them."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    lines = [line.split() for line in text.splitlines() if line.startswith("    ")]
    assert lines[0][:2] == ["errors,", "config"]
    return [words[0] for words in lines[1:]]


def layer_of(parts: tuple[str, ...]) -> int:
    """How high a module stands, 0 for errors and config. `parts` come after `dbguard`."""
    if not parts or parts[0] in GROUND:
        return 0
    if parts[0] == "__main__":
        return len(layers()) + 1
    return layers().index(parts[0]) + 1


def parts_of(path: Path) -> tuple[str, ...]:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Line and absolute dotted name of everything a module imports, wherever in it."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_every_package_has_its_place() -> None:
    packages = {path.name for path in PACKAGE.iterdir() if list(path.glob("*.py"))}
    assert packages - {"_rules"} <= set(layers())
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert modules == set(GROUND)


def test_imports_point_downward() -> None:
    wrong = []
    for path in MODULES:
        own = parts_of(path)
        for line, target in imports_of(path):
            words = target.split(".")
            if words[0] != "dbguard" or target == "dbguard.__version__":
                continue
            theirs = tuple(words[1:])
            higher = layer_of(theirs) > layer_of(own)
            if not layer_of(own) and own and theirs and theirs[0] in GROUND:
                higher = GROUND.index(theirs[0]) >= GROUND.index(own[0])
            if higher:
                wrong.append(f"{name(path)}:{line}: imports {target}, which stands higher")
    assert wrong == []


def test_nobody_but_the_command_line_imports_what_has_no_name_there() -> None:
    """`dbguard.cli` is the composition root: nothing imports it but itself."""
    wrong = [
        f"{name(path)}:{line}"
        for path in MODULES
        for line, target in imports_of(path)
        if target.startswith("dbguard.cli") and parts_of(path)[:1] not in (("cli",), ("__main__",))
    ]
    assert wrong == []


def test_verification_stands_alone() -> None:
    """Whoever distrusts dbguard's own code needs this package, and three others, only."""
    allowed = {*sys.stdlib_module_names, "orjson", "cryptography", "backports", "compression"}
    wrong = []
    for path in (PACKAGE / "verification").rglob("*.py"):
        for line, target in imports_of(path):
            words = target.split(".")
            if words[0] not in allowed and words[:2] != ["dbguard", "verification"]:
                wrong.append(f"{name(path)}:{line}: imports {target}")
    assert wrong == []


@pytest.mark.parametrize(("layer", "other"), [("wire", "sql"), ("sql", "wire")])
def test_wire_and_sql_know_nothing_of_each_other_nor_of_the_world(layer: str, other: str) -> None:
    wrong = []
    for path in (PACKAGE / layer).rglob("*.py"):
        for line, target in imports_of(path):
            first = target.split(".")[0]
            outside = first in sys.stdlib_module_names and first not in NO_OUTSIDE
            if outside or target.startswith(f"dbguard.{other}"):
                wrong.append(f"{name(path)}:{line}: imports {target}")
    assert wrong == []


@pytest.mark.parametrize("layer", ["policy", "masking", "engine"])
def test_decisions_read_no_clock_and_open_no_socket(layer: str) -> None:
    wrong = [
        f"{name(path)}:{line}: imports {target}"
        for path in (PACKAGE / layer).rglob("*.py")
        for line, target in imports_of(path)
        if target.split(".")[0] in CLOCKS_AND_SOCKETS
    ]
    assert wrong == []


def test_the_environment_is_read_in_one_place() -> None:
    """`dbguard.config` reads it; the command line hands it over as it is."""
    wrong = []
    for path in MODULES:
        if parts_of(path)[:1] == ("cli",) or parts_of(path) in HANDS_ON_THE_ENVIRONMENT:
            continue
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb"):
                inner = node.value
                if isinstance(inner, ast.Name) and inner.id == "os":
                    wrong.append(f"{name(path)}:{node.lineno}: os.{node.attr}")
    assert wrong == []


def test_modules_are_short() -> None:
    lengths = {name(path): len(path.read_text("utf-8").splitlines()) for path in MODULES}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_LINES} == {}


def test_module_names_say_what_is_inside() -> None:
    assert [name(path) for path in MODULES if path.stem in VAGUE or path.parent.name in VAGUE] == []


def test_every_package_tells_its_story_and_every_module_its_subject() -> None:
    folders = {path.parent for path in MODULES}
    missing = [name(folder) for folder in folders if not (folder / "__init__.py").exists()]
    missing += [name(path) for path in MODULES if not ast.get_docstring(tree_of(path))]
    assert missing == []
