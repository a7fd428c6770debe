"""What is given to a check besides the trail: key files and copies of checkpoints."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .findings import UnusableInput
from .signed_note import PublicKey, read_keys


def load_keys(paths: Iterable[Path]) -> list[PublicKey]:
    """The keys of all files, each once. Raises UnusableInput."""
    found: dict[bytes, PublicKey] = {}
    for path in paths:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UnusableInput(f"{path}: cannot be read: {error.strerror}") from error
        for key in read_keys(data, str(path)):
            found.setdefault(key.raw, key)
    return list(found.values())


def checkpoint_files(paths: Iterable[Path]) -> list[Path]:
    """The files meant: of a folder, all those in it and below. Raises UnusableInput."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.is_file())
            if not inside:
                raise UnusableInput(f"{path}: there are no checkpoints in it")
            found += inside
        else:
            found.append(path)
    return found
