"""The files of a trail, each with its SHA-256, and its latest checkpoints."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from dbguard.audit.trails import Chain, chains
from dbguard.errors import ConfigurationError
from dbguard.verification.regular_file import HINT, NotAFile, open_regular

CHECKPOINTS_KEPT = 200
"""Latest ones of each chain. One would do: it covers all records before it."""
_CHUNK = 1024 * 1024
_ATTEMPTS = 3
_LINE_LIMIT = 1 << 16
"""Bytes; no checkpoint has so many."""
_EVIDENCE = re.compile(r"audit-[0-9]{6,}\.jsonl(\.zst)?|head|checkpoints\.jsonl|pruned\.json")


@dataclass(frozen=True, slots=True)
class TrailFile:
    writer: str
    path: str
    """Relative to the trail."""
    size: int
    """Bytes."""
    digest: str
    """SHA-256 in hexadecimal."""


def inventory(
    directory: Path, progress: Callable[[int], None] = lambda done: None
) -> list[TrailFile]:
    """All files of all chains that verification looks at, in order.

    `progress` is told the bytes done since the last call. Raises ConfigurationError.
    """
    found: list[TrailFile] = []
    for chain in chains(directory):
        for attempt in range(_ATTEMPTS):
            try:
                found += list(_of_chain(directory, chain, progress))
                break
            except FileNotFoundError as error:  # sealed or pruned since it was listed
                if attempt == _ATTEMPTS - 1:
                    raise _unreadable(error) from error
            except OSError as error:
                raise _unreadable(error) from error
    return found


def _of_chain(
    directory: Path, chain: Chain, progress: Callable[[int], None]
) -> Iterator[TrailFile]:
    names = sorted(path.name for path in chain.folder.iterdir())
    files = [chain.folder / name for name in filter(_EVIDENCE.fullmatch, names)]
    for path in files:
        size, digest = _digest(path, progress)
        yield TrailFile(chain.writer, path.relative_to(directory).as_posix(), size, digest)


def latest_checkpoints(directory: Path) -> dict[str, bytes]:
    """The last lines of each chain's checkpoints, by the writer's name; `top` for the top one's.

    Raises ConfigurationError.
    """
    found = {}
    for chain in chains(directory):
        try:
            with open_regular(chain.folder / "checkpoints.jsonl", follow=False) as file:
                read = iter(lambda: file.readline(_LINE_LIMIT), b"")
                lines = deque((line for line in read if line.endswith(b"\n")), CHECKPOINTS_KEPT)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise _unreadable(error) from error
        if lines:
            found[chain.writer or "top"] = b"".join(lines)
    return found


def _digest(path: Path, progress: Callable[[int], None]) -> tuple[int, str]:
    total, state = 0, sha256()
    with open_regular(path) as file:
        while data := file.read(_CHUNK):
            state.update(data)
            total += len(data)
            progress(len(data))
    return total, state.hexdigest()


def _unreadable(error: OSError) -> ConfigurationError:
    if isinstance(error, NotAFile):
        return ConfigurationError(f"{error.filename}: {error.strerror}", hint=HINT)
    return ConfigurationError(
        f"{error.filename}: cannot be read: {error.strerror}",
        hint="Run it as the user that dbguard runs as, or give read access to the folder.",
    )
