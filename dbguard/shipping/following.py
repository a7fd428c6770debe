"""Follows a chain on disk, byte by byte, behind its writer.

Only what the head file knows is given: those records are synced. Each line has to match its own
hash and to continue the one before it, so nothing that was changed on the way is shipped as if it
were the record. Blocking; for a thread.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

from dbguard.audit.chain import BrokenLine, Link, read_line
from dbguard.audit.checkpoints import CHECKPOINTS_NAME
from dbguard.audit.compression import DamagedFrame, decompress, frame_places
from dbguard.verification.regular_file import NotAFile, open_regular

from .chains import (
    LINE_BYTES,
    NotACheckpoint,
    head_of,
    pruned_up_to,
    read_checkpoint,
    segments_of,
    settled_head,
    trail_id,
)
from .items import (
    Chain,
    Checkpoint,
    CheckpointBatch,
    CheckpointPosition,
    Gap,
    Position,
    Record,
    RecordBatch,
    now_text,
)

BATCH_BYTES: Final = 512 * 1024
"""Read ahead for one destination, unless a single line is longer."""
BATCH_RECORDS: Final = 500
LOOKS: Final = 5


class TrailChanged(Exception):
    """The trail is not the one that was shipped so far. The text says what does not fit."""


class ChainFollower:
    """Gives what comes behind `position`, which its user sets to what was acknowledged."""

    def __init__(
        self,
        folder: Path,
        writer: str,
        position: Position,
        trail: str = "",
        *,
        clock: Callable[[], str] = now_text,
    ) -> None:
        self.folder = folder
        self.writer = writer
        self.position = position
        self._trail = trail
        self._clock = clock
        self._sealed: _Sealed | None = None

    @property
    def trail(self) -> str:
        """What the chain is called; empty until its first record was seen."""
        return self._trail

    def chain(self) -> Chain | None:
        """The chain that stands there. Raises TrailChanged when it is another one, OSError."""
        found = trail_id(self.folder)
        if found is None:
            return Chain(self._trail, self.writer) if self._trail else None
        if self._trail and found != self._trail:
            raise TrailChanged(f"another trail ({found}) stands where {self._trail} was")
        self._trail = found
        return Chain(found, self.writer)

    def lag(self) -> int:
        """Records on disk that are not shipped, lost numbers included."""
        try:
            head = head_of(self.folder)
        except NotAFile:  # `next` says so
            return 0
        return max(0, head.sequence - self.position.sequence) if head else 0

    def next(
        self, most_bytes: int = BATCH_BYTES, most_records: int = BATCH_RECORDS
    ) -> RecordBatch | Gap | None:
        """What follows `position`: records of one segment, or the gap before them.

        Raises TrailChanged, OSError.
        """
        position = self.position
        head = settled_head(self.folder)
        if head is None:
            if position.sequence or (self.folder.exists() and segments_of(self.folder)):
                raise TrailChanged("the head file is missing or damaged")
            return None
        if head.sequence < position.sequence:
            raise TrailChanged(
                f"the trail ends at record {head.sequence}, "
                f"but record {position.sequence} was shipped"
            )
        if head.sequence == position.sequence:
            if head.sequence and head.hash.decode() != position.hash:
                raise TrailChanged(f"record {head.sequence} is not the one that was shipped")
            return None
        chain = self.chain()
        if chain is None:
            raise TrailChanged("the first segment is missing, and so are the checkpoints")
        for _ in range(LOOKS):
            try:
                return self._look(chain, head.sequence, most_bytes, most_records)
            except FileNotFoundError:
                continue  # compressed or pruned between two looks
        return None

    def _look(
        self, chain: Chain, durable: int, most_bytes: int, most_records: int
    ) -> RecordBatch | Gap | None:
        position = self.position
        found = segments_of(self.folder)
        number, offset, jumped = position.segment, position.offset, False
        while True:
            if number not in found:
                later = [other for other in found if other > number]
                if not later:
                    raise TrailChanged(f"segment {max(number, 1)} is missing")
                jumped = (number, min(later)) != (0, 1)
                number, offset = min(later), 0
            data = self._read(found[number], number, offset, most_bytes)
            if data:
                break
            if not any(other > number for other in found):
                raise TrailChanged(
                    f"the trail ends before record {durable}, which the head file names"
                )
            number, offset = number + 1, 0
        lines = data.splitlines(keepends=True)[:most_records]
        if jumped and (gap := self._gap(chain, number, self._link(lines[0], number, 0))):
            return gap
        return self._batch(chain, number, offset, lines, durable)

    def _batch(
        self, chain: Chain, number: int, offset: int, lines: list[bytes], durable: int
    ) -> RecordBatch | None:
        records: list[Record] = []
        last = self.position.hash.encode()
        sequence = self.position.sequence
        size = 0
        for line in lines:
            link = self._link(line, number, offset + size)
            if link.sequence > durable:
                break
            if link.prev != last or link.sequence <= sequence:
                raise TrailChanged(f"record {link.sequence} does not continue record {sequence}")
            records.append(Record(link.sequence, link.time, link.hash.decode(), line))
            last, sequence = link.hash, link.sequence
            size += len(line)
        if not records:
            return None
        after = Position(sequence, last.decode(), number, offset + size)
        return RecordBatch(chain, number, offset, tuple(records), after)

    def _gap(self, chain: Chain, number: int, link: Link) -> Gap | None:
        """What is missing before the first record of a segment whose predecessor is not there."""
        first, last = self.position.sequence + 1, link.sequence - 1
        if first > last or link.prev.decode() == self.position.hash:
            return None
        reason = "retention" if pruned_up_to(self.folder) >= last else "missing"
        after = Position(last, link.prev.decode(), number, 0)
        return Gap(chain, first, last, reason, self._clock(), after)

    def _link(self, line: bytes, number: int, offset: int) -> Link:
        try:
            return read_line(line)
        except BrokenLine as error:
            raise TrailChanged(f"segment {number}, byte {offset}: {error}") from None

    def _read(self, path: Path, number: int, offset: int, most: int) -> bytes:
        """Whole lines from `offset` on, empty at the end."""
        if path.suffix == ".zst":
            return self._read_sealed(path, number, offset, most)
        self._sealed = None
        try:
            with open_regular(path) as file:
                file.seek(offset)
                return _whole_lines(file, most)
        except FileNotFoundError:  # it was compressed just now
            return self._read_sealed(path.with_name(path.name + ".zst"), number, offset, most)

    def _read_sealed(self, path: Path, number: int, offset: int, most: int) -> bytes:
        try:
            if self._sealed is None or self._sealed.number != number:
                self._sealed = _Sealed(path, number)
            return self._sealed.read(offset, most)
        except DamagedFrame as error:
            raise TrailChanged(f"segment {number}: {error}") from None


class _Sealed:
    """A compressed segment; holds one frame at a time."""

    def __init__(self, path: Path, number: int) -> None:
        self.number = number
        self._path = path
        self._places = frame_places(path)
        self._start = 0
        """Where the frame at hand begins (bytes, uncompressed)."""
        self._frame = b""

    def read(self, offset: int, most: int) -> bytes:
        if not self._start <= offset < self._start + len(self._frame) and not self._load(offset):
            return b""
        begin = offset - self._start
        end = self._frame.rfind(b"\n", begin, begin + most) + 1
        return self._frame[begin : end or self._frame.find(b"\n", begin) + 1]

    def _load(self, offset: int) -> bool:
        start = 0
        for place in self._places:
            if start <= offset < start + place.raw:
                with open_regular(self._path) as file:
                    file.seek(place.offset)
                    self._frame = decompress(file.read(place.size))
                self._start = start
                return True
            start += place.raw
        return False


def _whole_lines(file: BinaryIO, most: int) -> bytes:
    data = file.read(most)
    while b"\n" not in data:
        more = file.read(most)
        if not more:
            return b""
        data += more
        if len(data) > LINE_BYTES:
            raise TrailChanged("a line is longer than any record")
    return data[: data.rfind(b"\n") + 1]


class CheckpointFollower:
    """Gives the checkpoints behind `position` of a chain whose records it knows by `records`."""

    def __init__(self, records: ChainFollower, position: CheckpointPosition) -> None:
        self._records = records
        self.position = position

    def next(self, up_to: int | None = None) -> CheckpointBatch | None:
        """Checkpoints of records that are on disk, and not behind record `up_to`.

        Raises TrailChanged, OSError.
        """
        head = head_of(self._records.folder)
        if head is None:
            return None
        durable = head.sequence if up_to is None else min(up_to, head.sequence)
        try:
            with open_regular(self._records.folder / CHECKPOINTS_NAME) as file:
                chosen, offset = self._chosen(file, durable)
        except FileNotFoundError:
            return None
        chain = self._records.chain() if chosen else None
        if not chosen or chain is None:
            return None
        return CheckpointBatch(chain, tuple(chosen), CheckpointPosition(chosen[-1].size, offset))

    def _chosen(self, file: BinaryIO, durable: int) -> tuple[list[Checkpoint], int]:
        offset, above = self.position.offset, 0
        if offset:
            file.seek(offset - 1)
            if file.read(1) != b"\n":  # written anew by somebody: look at all of it
                offset, above = 0, self.position.size
        chosen: list[Checkpoint] = []
        file.seek(offset)
        while not chosen and (data := _whole_lines(file, BATCH_BYTES)):
            for line in data.splitlines(keepends=True):
                try:
                    found = read_checkpoint(line)
                except NotACheckpoint as error:
                    raise TrailChanged(f"{CHECKPOINTS_NAME}, byte {offset}: {error}") from None
                if found.sequence > durable:
                    return chosen, offset
                offset += len(line)
                if found.size > above:
                    chosen.append(found)
            file.seek(offset)
        return chosen, offset
