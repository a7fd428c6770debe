"""A storage as disks are: what was not synced is there, or is not, or is there in part.

The files themselves are what the machine sees while it runs. Beside them stands what the disk
surely holds, and all that was asked of it since, in order. `lose_power` makes the files what may
be found afterwards: of each write that was not synced any pages, torn at any byte; behind a page
that is there, those that are not read as zeros; names that were made or changed and not synced are
as before, or not. `fuse` counts operations until everything stops.
"""

from __future__ import annotations

import errno
import threading
from pathlib import Path
from random import Random

from dbguard.audit.storage import AuditFile, DirectoryLock, FileStorage

PAGE = 4096


class PowerLossStorage:
    def __init__(self, random: Random) -> None:
        self.random = random
        self.real = FileStorage()
        self.one_at_a_time = threading.Lock()
        """What is done to a file and what is noted of it."""
        self.fuse: int | None = None
        self.off = False
        self.full = False
        """Nothing can be added to any file."""
        self.durable: dict[Path, bytearray] = {}
        self.pending: dict[Path, list[tuple[int, bytes | None]]] = {}
        """Writes (offset, data) and truncations (size, None), by file."""
        self.names: dict[Path, list[tuple[str, Path, Path]]] = {}
        """What was done to names, by directory."""

    def step(self) -> None:
        if self.fuse is not None:
            self.fuse -= 1
            self.off = self.off or self.fuse <= 0
        if self.off:
            raise OSError(errno.EIO, "power is off")

    def prepare(self, directory: Path) -> None:
        self.real.prepare(directory)

    def lock(self, directory: Path) -> DirectoryLock:
        return self.real.lock(directory)

    def open(self, path: Path) -> AuditFile:
        self.step()
        if not path.exists():
            self.names.setdefault(path.parent, []).append(("create", path, path))
        file = self.real.open(path)
        if path not in self.durable:
            self.durable[path] = bytearray(path.read_bytes())
        return _File(self, path, file)

    def rename(self, path: Path, target: Path) -> None:
        self.step()
        self.real.rename(path, target)
        self.names.setdefault(path.parent, []).append(("rename", path, target))
        for known in (self.durable, self.pending):
            if path in known:
                known[target] = known.pop(path)

    def sync_directory(self, directory: Path) -> None:
        self.step()
        self.names.pop(directory, None)

    def lose_power(self) -> None:
        for path, durable in self.durable.items():
            if path.exists():
                path.write_bytes(self._image(durable, self.pending.get(path, []), path.name))
        for changes in self.names.values():
            for what, path, target in reversed(changes[self.random.randint(0, len(changes)) :]):
                if what == "create":
                    path.unlink(missing_ok=True)
                elif target.exists():
                    target.rename(path)

    def _image(
        self, durable: bytearray, pending: list[tuple[int, bytes | None]], name: str
    ) -> bytes:
        image = bytearray(durable)
        for place, data in pending:
            if data is None:
                if self.random.random() < 0.5:
                    del image[place:]
            elif name == "head":  # less than a sector
                if self.random.random() < 0.5:
                    image[place : place + len(data)] = data
            else:
                self._write_pages(image, place, data)
        return bytes(image)

    def _write_pages(self, image: bytearray, place: int, data: bytes) -> None:
        mode = self.random.random()
        end = place + len(data)
        while place < end:
            length = min(PAGE - place % PAGE, end - place)
            page, data = data[:length], data[length:]
            kept = length
            if mode < 0.7:  # else all of it was just written back
                kept = self.random.choice([0, length, self.random.randint(0, length)])
            if kept:
                if len(image) < place:
                    image += bytes(place - len(image))
                image[place : place + kept] = page[:kept]
            place += length


class _File:
    def __init__(self, storage: PowerLossStorage, path: Path, file: AuditFile) -> None:
        self.storage = storage
        self.path = path
        self.file = file

    def pwrite(self, data: memoryview, offset: int) -> int:
        with self.storage.one_at_a_time:
            self.storage.step()
            if self.storage.full and self.path.name != "head":
                raise OSError(errno.ENOSPC, "no space left")
            taken = data[: self.storage.random.randint(1, len(data))] if len(data) > 1000 else data
            self.storage.pending.setdefault(self.path, []).append((offset, bytes(taken)))
            return self.file.pwrite(taken, offset)

    def fdatasync(self) -> None:
        with self.storage.one_at_a_time:
            self.storage.step()
            image = self.storage.durable[self.path]
            image[:] = self.path.read_bytes()
            self.storage.pending.pop(self.path, None)

    def truncate(self, size: int) -> None:
        with self.storage.one_at_a_time:
            self.storage.step()
            self.storage.pending.setdefault(self.path, []).append((size, None))
            self.file.truncate(size)

    def close(self) -> None:
        self.file.close()
