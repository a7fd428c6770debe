"""A storage that fails on purpose, and a sample record."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from dbguard.audit.records import DecisionRecord
from dbguard.audit.storage import AuditFile, DirectoryLock, FileStorage

from .samples import MASKED


class FaultyStorage:
    """Real files, with the faults that disks have.

    * `space`: bytes that may still be added to files before ENOSPC; the write that hits the end
      takes what fits, as the operating system does.
    * `failing`: operations that raise, by name, with their errno.
    * `short`: makes every write take a random part only.
    * A sync that fails forgets what it was for, as Linux does: the next sync succeeds without it.
    * `fuse`: so many operations until everything stops; `lose_power` then leaves what a disk may
      hold afterwards. Without `lose_power` it is as if the process had been killed.
    """

    def __init__(self) -> None:
        self.real = FileStorage()
        self.space: int | None = None
        self.failing: dict[str, int] = {}
        self.short: Random | None = None
        self.off = False
        self.fuse: int | None = None
        self.sync_gate = threading.Event()
        self.sync_gate.set()
        self.syncing = threading.Event()
        """Somebody has come to the gate."""
        self.one_at_a_time = threading.RLock()
        """What is done to a file and what is noted of it; BUFFERED writes while it syncs."""
        self.calls: list[str] = []
        self.durable: dict[Path, bytes] = {}
        self.dirty: dict[Path, list[tuple[int, int]]] = {}
        self.named: set[Path] = set()

    def enter(self, operation: str) -> None:
        self.calls.append(operation)
        if self.fuse is not None:
            self.fuse -= 1
            self.off = self.off or self.fuse <= 0
        if self.off:
            raise OSError(errno.EIO, "power is off")
        error = self.failing.get(operation)
        if error is not None:
            raise OSError(error, "injected")

    def prepare(self, directory: Path) -> None:
        self.enter("prepare")
        self.real.prepare(directory)

    def lock(self, directory: Path) -> DirectoryLock:
        self.enter("lock")
        return self.real.lock(directory)

    def open(self, path: Path) -> AuditFile:
        self.enter("open")
        file = self.real.open(path)
        self.durable.setdefault(path, path.read_bytes())
        return FaultyFile(self, path, file)

    def rename(self, path: Path, target: Path) -> None:
        self.enter("rename")
        self.real.rename(path, target)
        self.durable[target] = self.durable.pop(path, target.read_bytes())
        self.dirty[target] = self.dirty.pop(path, [])

    def sync_directory(self, directory: Path) -> None:
        self.enter("sync_directory")
        self.named |= {path for path in self.durable if path.parent == directory}

    def sync(self, path: Path) -> None:
        """With `one_at_a_time`."""
        content = path.read_bytes()
        image = bytearray(self.durable[path].ljust(len(content), b"\0")[: len(content)])
        for begin, end in self.dirty.pop(path, []):
            image[begin:end] = content[begin:end]
        self.durable[path] = bytes(image)

    def lose_power(self, random: Random) -> None:
        """What was synced is there; of the rest, any beginning may be."""
        for path, durable in self.durable.items():
            current = path.read_bytes()
            if path not in self.named and random.random() < 0.5:
                path.unlink()
            elif path.name == "head":
                path.write_bytes(random.choice([durable, current]))
            elif current.startswith(durable):
                path.write_bytes(current[: random.randint(len(durable), len(current))])
            else:
                path.write_bytes(random.choice([durable, current]))


class FaultyFile:
    def __init__(self, storage: FaultyStorage, path: Path, file: AuditFile) -> None:
        self.storage = storage
        self.path = path
        self.file = file

    def pwrite(self, data: memoryview, offset: int) -> int:
        with self.storage.one_at_a_time:
            return self._pwrite(data, offset)

    def _pwrite(self, data: memoryview, offset: int) -> int:
        storage = self.storage
        storage.enter(self.named("pwrite"))
        wanted = len(data)
        if storage.short is not None and self.path.name != "head":
            wanted = storage.short.randint(1, wanted)
        space = storage.space  # the test may change it at any moment
        if space is not None:
            growth = max(0, offset + wanted - self.path.stat().st_size)
            fits = wanted - max(0, growth - space)
            if fits <= 0:
                raise OSError(errno.ENOSPC, "no space left")
            storage.space = space - min(growth, space)
            wanted = fits
        storage.dirty.setdefault(self.path, []).append((offset, offset + wanted))
        return self.file.pwrite(data[:wanted], offset)

    def fdatasync(self) -> None:
        storage = self.storage
        storage.syncing.set()
        storage.sync_gate.wait(10)
        with storage.one_at_a_time:
            try:
                storage.enter(self.named("fdatasync") if self.path.name != "head" else "fdatasync")
            except OSError:
                if not storage.off:
                    storage.dirty.pop(self.path, None)
                raise
            storage.sync(self.path)

    def named(self, operation: str) -> str:
        """Faults of the head file and of the checkpoints can be had apart from others."""
        name = {"head": "head", "checkpoints.jsonl": "checkpoints"}.get(self.path.name)
        return f"{operation} {name}" if name else operation

    def truncate(self, size: int) -> None:
        with self.storage.one_at_a_time:
            self.storage.enter("truncate")
            self.file.truncate(size)

    def close(self) -> None:
        self.file.close()


@pytest.fixture
def storage() -> FaultyStorage:
    return FaultyStorage()


@pytest.fixture
def make_storage() -> Callable[[], FaultyStorage]:
    return FaultyStorage


@pytest.fixture
def decision() -> DecisionRecord:
    return MASKED
