"""Snapshots as files: `dbguard check`, `test` and `analyze` work on them without a server."""

from __future__ import annotations

from dataclasses import dataclass

import orjson
from pydantic import TypeAdapter, ValidationError

from dbguard.errors import ConfigurationError
from dbguard.sql.snapshot import Snapshot

VERSION = 1


@dataclass(frozen=True, slots=True)
class _Saved:
    v: int
    snapshot: Snapshot


_ADAPTER = TypeAdapter(_Saved)


def dump(snapshot: Snapshot) -> str:
    """The file's text, the same for the same snapshot.

    It holds names, types, and texts of views and functions; no rows.
    """
    # column_by_name is made from columns.
    without = {"snapshot": {"relations": {"__all__": {"column_by_name"}}}}
    saved = _Saved(VERSION, snapshot)
    tree = _ADAPTER.dump_python(saved, exclude=without, exclude_defaults=True)
    return orjson.dumps(tree, default=_in_order).decode("utf-8") + "\n"


def _in_order(names: object) -> list[str]:
    """Sets have another order in each process; the file is to differ only if the catalog does."""
    if not isinstance(names, frozenset):
        raise TypeError(f"{type(names).__name__} is not part of a snapshot")
    return sorted(names)


def load(text: str) -> Snapshot:
    """The snapshot that `dump` wrote; raises `ConfigurationError` if it is not one."""
    try:
        saved = _ADAPTER.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigurationError(
            "this is not a saved catalog",
            detail=f"{place}: {first['msg']}" if place else first["msg"],
            hint="Save it again from the database.",
        ) from error
    if saved.v != VERSION:
        raise ConfigurationError(
            f"this saved catalog has format {saved.v}, and this dbguard reads format {VERSION}",
            hint="Save it again from the database with this version of dbguard.",
        )
    return saved.snapshot
