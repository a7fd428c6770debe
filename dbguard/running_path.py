"""Which path is active: the few modules of the straight way compiled, or as they are written.

A statement that was seen before passes through some modules only. They can be compiled
(`dbguard.compiling`); the same sources run uncompiled as well, more slowly. What was compiled lies
in `_compiled`, in a folder named by a digest of all the sources it was made from, and is used only
when that fits what is there now: changed sources run as they are written. So it is all of them or
none, since what they know of each other's layout is compiled in.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

MODULES = (
    "audit.asyncio_front",
    "audit.commits",
    "audit.journal",
    "audit.ledger",
    "audit.linking",
    "audit.merkle",
    "audit.pace",
    "audit.rendering",
    "audit.stamping",
    "audit.storage",
    "catalog.watched",
    "engine.answers",
    "engine.known",
    "engine.lane",
    "engine.link",
    "engine.names",
    "engine.outcomes",
    "engine.scope",
    "proxy.channel",
    "proxy.latch",
    "proxy.polling",
    "proxy.shortcut",
    "proxy.standing",
    "proxy.surroundings",
    "sql.mould",
)
"""Those that are compiled. C types stand beside each in a file of the same name that ends in .pxd,
if it has any."""
UNCOMPILED = "DBGUARD_UNCOMPILED"
"""Variable of the environment: whatever it holds, all modules run as they are written."""

_PACKAGE = Path(__file__).parent


def sources(package: Path = _PACKAGE) -> list[Path]:
    """What extensions are made from."""
    found = []
    for module in MODULES:
        source = package.joinpath(*module.split(".")).with_suffix(".py")
        types = source.with_suffix(".pxd")
        found += [source, types] if types.exists() else [source]
    return found


def digest(package: Path = _PACKAGE) -> str:
    """Of all sources."""
    whole = sha256()
    for source in sources(package):
        whole.update(sha256(source.read_bytes()).digest())
    return whole.hexdigest()[:32]


def place_of(module: str, folder: Path) -> Path:
    """Where the extension of one of `MODULES` lies in the folder of all."""
    return folder / (module + EXTENSION_SUFFIXES[0])


def folder_of(package: Path = _PACKAGE) -> Path:
    """Where the extensions lie that fit the sources."""
    return package / "_compiled" / digest(package)


class Extensions(MetaPathFinder):
    """Finds compiled modules before the path does."""

    def __init__(self, folder: Path) -> None:
        self._files = {f"dbguard.{name}": str(place_of(name, folder)) for name in MODULES}

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        file = self._files.get(name)
        if file is None:
            return None
        return spec_from_file_location(name, file, loader=ExtensionFileLoader(name, file))


def use_compiled(variables: Mapping[str, str] = os.environ) -> None:
    """Have modules come compiled from here on, if they are there and may."""
    if UNCOMPILED in variables or not (_PACKAGE / "_compiled").is_dir():
        return
    folder = folder_of()
    if all(place_of(name, folder).exists() for name in MODULES):
        use_folder(folder)


def use_folder(folder: Path | str) -> None:
    """Have them come from this folder."""
    sys.meta_path[:] = [f for f in sys.meta_path if not isinstance(f, Extensions)]
    sys.meta_path.insert(0, Extensions(Path(folder)))


def described(variables: Mapping[str, str] = os.environ) -> str:
    """The active path in words."""
    if any(isinstance(finder, Extensions) for finder in sys.meta_path):
        return f"compiled: {len(MODULES)} modules"
    if UNCOMPILED in variables:
        return f"not compiled: {UNCOMPILED} is set"
    if (_PACKAGE / "_compiled").is_dir():
        return "not compiled: what is there was made from other sources, or for another Python"
    return "not compiled"
