"""YAML files with positions: every value knows the line it stands on.

Settings and rules are validated as a whole, and each complaint names `file:line:column`. PyYAML
throws positions away and accepts duplicate keys silently, so a file is composed into nodes here
and turned into plain values plus a map from *path* (`("listen", "port")`) to *position*.

Plain words stay words: only `true`/`false`, `null`, whole and decimal numbers are converted.
YAML 1.1 would also read `no` as a boolean, `22:30` as 1350 and `2024-01-01` as a date.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from dbguard.errors import ConfigurationError

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]
"""What a file holds once positions are taken off."""
KeyPath = tuple[str | int, ...]

KEY: Final = -1
"""Path suffix for the position of a key itself: `(*path, KEY)`."""

MAX_FILE_BYTES: Final = 4 * 1024 * 1024
"""Rules for a database of several thousand tables stay under 1 MB; more is a wrong file."""
MAX_NODES: Final = 200_000
"""Aliases are expanded while reading, so a small file could otherwise grow without end."""
MAX_DEPTH: Final = 40
"""The rules format nests 6 deep; PyYAML composes recursively and would overflow the stack."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file, 1-based as editors count. `line` 0: the place is not in a file."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One complaint about a file: where, what, and what to do. Never holds a secret."""

    position: Position
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.position}: {self.message}" + (f". {self.hint}" if self.hint else "")


@dataclass(frozen=True, slots=True)
class Document:
    """A file's plain values and where they stand."""

    file: str
    value: Plain
    positions: Mapping[KeyPath, Position]
    problems: tuple[Problem, ...] = ()

    def position(self, path: KeyPath) -> Position:
        """Where `path` stands, or the nearest enclosing value that the file does hold."""
        while path and path not in self.positions:
            path = path[:-1]
        return self.positions.get(path, Position(self.file, 1, 1))


def raise_problems(problems: Iterable[Problem]) -> None:
    """Raise one ConfigurationError with a line for each problem; nothing when there is none."""
    lines = [str(problem) for problem in sorted(set(problems))]
    if lines:
        raise ConfigurationError("\n".join(lines))


def read_document(path: Path, *, name: str | None = None) -> Document:
    """Read and parse a file. `name` is how problems call it (default: the path as given).

    Raises ConfigurationError when the file cannot be read at all; problems inside it are
    returned, so that a caller with several files can report them together.
    """
    file = name or str(path)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ConfigurationError(
                f"{file}:1:1: file is larger than {MAX_FILE_BYTES} bytes",
                hint="Split it, or check that the right file is named.",
            )
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{file}: cannot be read: {(error.strerror or 'input/output error').lower()}",
            hint="Check the path and the permissions of the file.",
        ) from None
    return parse_document(data, file)


def parse_document(data: bytes | str, file: str) -> Document:
    """Parse YAML text. An empty text is an empty mapping."""
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
    except UnicodeDecodeError as error:
        assert isinstance(data, bytes)
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        problem = Problem(
            Position(file, line, column), "text is not UTF-8", "Save the file as UTF-8."
        )
        return Document(file, {}, {}, (problem,))
    try:
        node = _compose(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Position(file, mark.line + 1, mark.column + 1) if mark else Position(file, 1, 1)
        said = error.problem or error.context or "text cannot be parsed"
        problem = Problem(
            place, f"not valid YAML: {said}", "Check indentation, colons and quotes there."
        )
        return Document(file, {}, {}, (problem,))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - (text.rfind("\n", 0, error.position) + 1) + 1
        problem = Problem(
            Position(file, line, column),
            "character not allowed in YAML",
            "Remove the control character.",
        )
        return Document(file, {}, {}, (problem,))
    if node is None:
        return Document(file, {}, {(): Position(file, 1, 1)})
    reading = _Reading(file)
    value = reading.plain(node, (), ())
    return Document(file, value, reading.positions, tuple(reading.problems))


class _Loader(yaml.SafeLoader):
    """SafeLoader with the words it converts cut down, see the module docstring."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, Any]]] = {}  # noqa: RUF012 - PyYAML's own way

    depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise yaml.composer.ComposerError(
                problem=f"nested more than {MAX_DEPTH} levels deep",
                problem_mark=self.get_mark(),
            )
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


_NULL = "tag:yaml.org,2002:null"
_BOOL = "tag:yaml.org,2002:bool"
_INT = "tag:yaml.org,2002:int"
_FLOAT = "tag:yaml.org,2002:float"
_STR = "tag:yaml.org,2002:str"
_Loader.add_implicit_resolver(_NULL, re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(_BOOL, re.compile(r"^(?:true|false)$"), ["t", "f"])
_Loader.add_implicit_resolver(_INT, re.compile(r"^[-+]?[0-9]+$"), list("-+0123456789"))
_Loader.add_implicit_resolver(_FLOAT, re.compile(r"^[-+]?[0-9]+\.[0-9]+$"), list("-+0123456789"))


def _compose(text: str) -> Node | None:
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


class _Reading:
    """Turns nodes into plain values, noting positions and problems on the way."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.positions: dict[KeyPath, Position] = {}
        self.problems: list[Problem] = []
        self.nodes = 0

    def plain(self, node: Node, path: KeyPath, open_nodes: tuple[int, ...]) -> Plain:
        place = self._place(node)
        self.positions.setdefault(path, place)
        self.nodes += 1
        if self.nodes > MAX_NODES:
            if self.nodes == MAX_NODES + 1:
                self._problem(place, f"more than {MAX_NODES} values", "Use fewer aliases.")
            return None
        if id(node) in open_nodes:
            self._problem(place, "alias refers to the value it stands in", "Remove the alias.")
            return None
        if len(open_nodes) > MAX_DEPTH:
            self._problem(place, f"nested more than {MAX_DEPTH} levels deep", "Use fewer aliases.")
            return None
        inside = (*open_nodes, id(node))
        if isinstance(node, MappingNode):
            return self._mapping(node, path, inside)
        if isinstance(node, SequenceNode):
            if node.tag != "tag:yaml.org,2002:seq":
                self._bad_tag(node)
            return [self.plain(item, (*path, i), inside) for i, item in enumerate(node.value)]
        assert isinstance(node, ScalarNode)
        return self._scalar(node)

    def _mapping(
        self, node: MappingNode, path: KeyPath, open_nodes: tuple[int, ...]
    ) -> dict[str, Plain]:
        if node.tag != "tag:yaml.org,2002:map":
            self._bad_tag(node)
        result: dict[str, Plain] = {}
        first: dict[str, Position] = {}
        for key_node, value_node in node.value:
            place = self._place(key_node)
            if not isinstance(key_node, ScalarNode):
                self._problem(place, "key is not a word", "Write keys as plain words.")
                continue
            key = key_node.value
            if key == "<<":
                self._problem(
                    place, "merge key << is not supported", "Write the keys out in each place."
                )
                continue
            if key in first:
                at = first[key]
                self._problem(
                    place,
                    f'duplicate key "{key}"',
                    f"It is already given in line {at.line}; keep one of the two.",
                )
                continue
            first[key] = place
            below = (*path, key)
            # A complaint about a key's value is best shown at the value; an unknown or misplaced
            # key at the key. Blocks start on the next line, so they are shown at their key.
            block = not isinstance(value_node, ScalarNode) and not value_node.flow_style
            empty = (
                isinstance(value_node, ScalarNode) and value_node.start_mark == value_node.end_mark
            )
            self.positions[below] = place if block or empty else self._place(value_node)
            self.positions[(*below, KEY)] = place
            result[key] = self.plain(value_node, below, open_nodes)
        return result

    def _scalar(self, node: ScalarNode) -> Plain:
        text: str = node.value
        match node.tag:
            case "tag:yaml.org,2002:null":
                return None
            case "tag:yaml.org,2002:bool" if text in ("true", "false"):
                return text == "true"
            case "tag:yaml.org,2002:int" | "tag:yaml.org,2002:float":
                try:
                    return int(text) if node.tag == _INT else float(text)
                except ValueError:  # explicit !!int "x", or more digits than Python converts
                    self._problem(self._place(node), "not a number", "Write digits only.")
                    return None
            case "tag:yaml.org,2002:str":
                return text
            case _:
                self._bad_tag(node)
                return None

    def _bad_tag(self, node: Node) -> None:
        self._problem(self._place(node), f"YAML tag {node.tag} is not supported", "Remove the tag.")

    def _place(self, node: Node) -> Position:
        mark = node.start_mark
        return Position(self.file, mark.line + 1, mark.column + 1)

    def _problem(self, position: Position, message: str, hint: str) -> None:
        self.problems.append(Problem(position, message, hint))
