"""Members of a record's JSON object: written canonically, read with their types checked."""

from __future__ import annotations

from collections.abc import Mapping

import orjson


class MalformedRecord(ValueError):
    """A stored line is not a record of a known version."""


def rendered_members(values: Mapping[str, object]) -> bytes:
    """The object's members as canonical JSON, without the braces."""
    try:
        return orjson.dumps(values, option=orjson.OPT_SORT_KEYS)[1:-1]
    except TypeError:
        # A lone surrogate, from bytes of the client that are not UTF-8: shown as \udcXX.
        return orjson.dumps(_printable(values), option=orjson.OPT_SORT_KEYS)[1:-1]


def rendered_text(value: str) -> bytes:
    """A string as canonical JSON, as it stands in `rendered_members`."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return orjson.dumps(_printable(value))


def kept_text(value: str) -> bytes:
    """The same, for what is kept: behind what orjson makes it leaves 4 KB, however short it is."""
    return bytes(memoryview(rendered_text(value)))


def _printable(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {_printable(key): _printable(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(member) for member in value]
    return value


def text_member(members: Mapping[str, object], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str):
        raise MalformedRecord(f"member {name} is not a string")
    return value


def integer_member(members: Mapping[str, object], name: str) -> int:
    value = members.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise MalformedRecord(f"member {name} is not an integer")
    return value


def text_members(members: Mapping[str, object], name: str) -> tuple[str, ...]:
    value = members.get(name)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise MalformedRecord(f"member {name} is not a list of strings")
    return tuple(value)


def object_members(members: Mapping[str, object], name: str) -> list[dict[str, object]]:
    value = members.get(name)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise MalformedRecord(f"member {name} is not a list of objects")
    return value


def optional_member(members: Mapping[str, object], name: str) -> str:
    """Records of what has none, and those of earlier releases, have no such member."""
    return text_member(members, name) if name in members else ""
