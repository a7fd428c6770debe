"""YAML texts as plain trees with a place for every key and value.

PyYAML's `compose()` keeps positions and every key, which its loaders do not: they accept
duplicate keys silently. Aliases, merge keys and explicit tags are refused: a rule should say in
its own place what it means.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import yaml
from yaml.composer import Composer
from yaml.resolver import Resolver

from .problems import Place, Problem

Path = tuple[str | int, ...]
"""Keys and list indices from the top of a file."""

SIZE_LIMIT = 1 << 20
"""Characters of one file. The largest real policies are a few hundred kB; PyYAML is quadratic on
some hostile texts."""
DEPTH_LIMIT = 24
"""Nesting of one file: the language needs six levels; more would exhaust the recursion."""

_MOST_DIGITS = 18
"""Of a number that anybody means; Python converts no more than 4,300."""
_STANDARD = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Tree:
    """One file's content."""

    file: str
    value: object
    """None, bool, int, float, str, and lists and dicts (with string keys) of these."""
    values: Mapping[Path, Place]
    keys: Mapping[Path, Place]

    def place(self, path: Path) -> Place:
        """Where the value at `path` stands, or of what is nearest above it.

        Components that lead nowhere are skipped: pydantic adds the names of union members.
        """
        return self.values.get(self._existing(path), Place(self.file))

    def key_place(self, path: Path) -> Place:
        """Where the key that leads to `path` stands."""
        return self.keys.get(self._existing(path)) or self.place(path)

    def _existing(self, path: Path) -> Path:
        found: Path = ()
        for part in path:
            if (*found, part) in self.values:
                found = (*found, part)
        return found


def read_tree(text: str, file: str) -> tuple[Tree | None, tuple[Problem, ...]]:
    """Read one YAML text; the tree is None when nothing could be made of it."""
    start = Place(file)
    if len(text) > SIZE_LIMIT:
        problem = Problem(start, f"longer than {SIZE_LIMIT} characters", "split the file")
        return None, (problem,)
    try:
        events, problems = _structure(text, file)
        if problems:
            return None, problems
        root = _Composer(events).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = _place(file, mark)
        what = f"not valid YAML: {error.problem or error.context}"
        return None, (Problem(place, what, "check indentation and quotes"),)
    except yaml.reader.ReaderError as error:
        before = text[: error.position] if isinstance(error.position, int) else ""
        line = before.count("\n")
        place = Place(file, line + 1, len(before) - (before.rfind("\n") + 1) + 1)
        return None, (Problem(place, "a character that YAML does not allow", "remove it"),)
    if root is None:
        return Tree(file, {}, {(): start}, {}), ()
    reader = _Reader(file)
    value = reader.value(root, ())
    return Tree(file, value, reader.values, reader.keys), tuple(reader.problems)


class _Mark(Protocol):
    line: int
    column: int


def _place(file: str, mark: _Mark | None) -> Place:
    return Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)


def _structure(text: str, file: str) -> tuple[list[yaml.Event], tuple[Problem, ...]]:
    """What must be known before nodes are built: aliases, depth, number of documents."""
    events = []
    problems = []
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        events.append(event)
        place = _place(file, event.start_mark)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            problems.append(
                Problem(place, "anchors and aliases are not allowed", "write the value out")
            )
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents == 2:
                problems.append(Problem(place, "a second document in one file", "split the file"))
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH_LIMIT:
                return [], (Problem(place, f"nested deeper than {DEPTH_LIMIT}", "flatten it"),)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return events, tuple(problems)


class _Composer(Composer, Resolver):
    """Makes nodes of events: parsing takes most of the time, and once is enough."""

    def __init__(self, events: Iterable[yaml.Event]) -> None:
        Composer.__init__(self)
        Resolver.__init__(self)
        self._events = deque(events)

    def check_event(self, *kinds: type[yaml.Event]) -> bool:
        return bool(self._events) and (not kinds or isinstance(self._events[0], kinds))

    def peek_event(self) -> yaml.Event | None:
        return self._events[0] if self._events else None

    def get_event(self) -> yaml.Event | None:
        return self._events.popleft() if self._events else None


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.values: dict[Path, Place] = {}
        self.keys: dict[Path, Place] = {}
        self.problems: list[Problem] = []

    def value(self, node: yaml.Node, path: Path) -> object:
        self.values[path] = place = self._place(node)
        if isinstance(node, yaml.MappingNode) and node.tag == _STANDARD + "map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == _STANDARD + "seq":
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, place)
        self.problems.append(Problem(place, f"tag {node.tag} is not allowed", "remove the tag"))
        return None

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, object]:
        result: dict[str, object] = {}
        for key, item in node.value:
            place = self._place(key)
            if key.tag != _STANDARD + "str":
                self.problems.append(
                    Problem(place, "a key that is not a text", "put the key in quotes")
                )
                continue
            if key.value in result:
                first = self.keys[(*path, key.value)]
                what = f"duplicate key {key.value!r} (first in line {first.line})"
                self.problems.append(Problem(place, what, "keep one of them"))
                continue
            self.keys[(*path, key.value)] = place
            result[key.value] = self.value(item, (*path, key.value))
        return result

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> object:
        text: str = node.value
        match node.tag.removeprefix(_STANDARD):
            case "str" | "timestamp":
                return text
            case "null":
                return None
            case "bool":
                return text.lower() in ("yes", "true", "on")
            case "int":
                # YAML 1.1 reads 036 as octal and 1:30 as base 60: nobody means that here.
                digits = text.lstrip("+-")
                plain = digits.isdecimal() and (text == "0" or digits[0] != "0")
                if plain and len(digits) <= _MOST_DIGITS:
                    return int(text)
                shown = text if len(digits) <= _MOST_DIGITS else f"{text[:_MOST_DIGITS]}…"
                self.problems.append(
                    Problem(place, f"{shown} is not a plain number", "put it in quotes")
                )
                return text
            case "float":
                return text
            case _:
                self.problems.append(
                    Problem(place, f"tag {node.tag} is not allowed", "remove the tag")
                )
                return None

    def _place(self, node: yaml.Node) -> Place:
        return _place(self.file, node.start_mark)
