"""A second writer of the trail's formats, made from their description in docs/audit.md only.

Slow and simple: the Merkle tree is the recursion of RFC 6962, everything is kept in memory.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from backports import zstd
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

BEGAN = datetime(2026, 11, 21, 8, tzinfo=UTC)


def canonical(members: dict[str, object]) -> bytes:
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode()


def written(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def tree_hash(leaves: list[bytes]) -> bytes:
    """RFC 6962, 2.1."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + tree_hash(leaves[:split]) + tree_hash(leaves[split:])).digest()


def peaks(leaves: list[bytes]) -> list[bytes]:
    found = []
    while leaves:
        size = 1 << len(leaves).bit_length() - 1
        found.append(tree_hash(leaves[:size]))
        leaves = leaves[size:]
    return found


class Key:
    def __init__(self, seed: int = 1) -> None:
        self.private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.raw = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.name = f"dbguard-{sha256(self.raw).hexdigest()[:8]}"
        self.id = sha256(self.name.encode() + b"\n\x01" + self.raw).digest()[:4]
        encoded = base64.b64encode(b"\1" + self.raw).decode()
        self.vkey = f"{self.name}+{self.id.hex()}+{encoded}"

    def sign(self, data: bytes) -> bytes:
        return self.private.sign(data)

    def note(self, text: str) -> str:
        signature = base64.b64encode(self.id + self.sign(text.encode())).decode()
        return f"{text}\n\u2014 {self.name} {signature}\n"


class ChainWriter:
    def __init__(self, directory: Path, key: Key | None, began: datetime = BEGAN) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.key = key
        self.sequence = 0
        self.prev = "0" * 64
        self.leaves: list[bytes] = []
        self.number = 1
        self.last_in: dict[int, tuple[int, int, str]] = {}
        """Size of the tree, sequence number and hash, by segment."""
        self.now = began
        self.origin = ""
        if key:
            self.event("key", {"event": "began", "key": key.vkey})
        self.head()

    @property
    def segment(self) -> Path:
        return self.directory / f"audit-{self.number:06d}.jsonl"

    def record(self, members: dict[str, object], *, at: datetime | None = None) -> None:
        self.now = at or self.now + timedelta(seconds=1)
        self.sequence += 1
        start = {"v": 1, "seq": self.sequence, "time": written(self.now), "prev": self.prev}
        covered = canonical({**start, **members})[:-1]
        self.prev = sha256(covered).hexdigest()
        self.leaves.append(bytes.fromhex(self.prev))
        self.origin = self.origin or f"dbguard.audit/{self.prev[:16]}"
        self.last_in[self.number] = (len(self.leaves), self.sequence, self.prev)
        with self.segment.open("ab") as file:
            file.write(covered + b',"hash":"%b"}\n' % self.prev.encode())

    def event(
        self, kind: str, fields: dict[str, str] | None = None, *, at: datetime | None = None
    ) -> None:
        self.record({"kind": kind, "fields": fields or {}, "session": ""}, at=at)

    def work(self, count: int) -> None:
        for number in range(count):
            self.record({"kind": "connect", "fields": {"user": f"u{number}"}, "session": "é"})
        self.head()

    def head(self) -> None:
        covered = f'{{"v":1,"seq":{self.sequence},"hash":"{self.prev}"'
        text = f'{covered},"checksum":"{sha256(covered.encode()).hexdigest()}"}}'
        (self.directory / "head").write_text(text.ljust(255) + "\n")

    def lose(self, count: int) -> None:
        """An outage."""
        first = self.sequence + 1
        self.sequence += count
        fields = {"reason": "outage", "gap_first": str(first), "gap_last": str(self.sequence)}
        self.event("recovery", fields)

    def stored(self, segment: int, *, pruned: bool = False) -> bytes:
        assert self.key
        size, sequence, digest = self.last_in[segment]
        root = base64.b64encode(tree_hash(self.leaves[:size])).decode()
        text = (
            f"{self.origin}\n{size}\n{root}\n"
            f"seq {sequence}\nhash {digest}\ntime {written(self.now)}\n"
        )
        note = self.key.note(text + "pruned\n" * pruned)
        found = [peak.hex() for peak in peaks(self.leaves[:size])]
        return canonical({"v": 1, "segment": segment, "note": note, "peaks": found}) + b"\n"

    def checkpoint(self) -> None:
        with (self.directory / "checkpoints.jsonl").open("ab") as file:
            file.write(self.stored(self.number))

    def end_segment(self) -> None:
        self.head()
        if self.key:
            self.checkpoint()
        self.number += 1

    def seal(self, number: int) -> None:
        path = self.directory / f"audit-{number:06d}.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        parameter = zstd.CompressionParameter
        frames = [
            zstd.compress(b"".join(lines[start : start + 7]), options={parameter.checksum_flag: 1})
            for start in range(0, len(lines), 7)
        ]
        path.with_name(path.name + ".zst").write_bytes(b"".join(frames))
        path.unlink()

    def prune(self, through: int, operator: ChainWriter) -> None:
        _, sequence, digest = self.last_in[through]
        writer = self.directory.name if self.directory != operator.directory.parent else ""
        operator.event("prune", {"chain": writer, "last_seq": str(sequence), "last_hash": digest})
        operator.head()
        (self.directory / "pruned.json").write_bytes(self.stored(through, pruned=True))
        for path in self.directory.glob("audit-*"):
            if int(path.name[6:12]) <= through:
                path.unlink()

    def rotate(self, new: Key) -> None:
        assert self.key
        signature = self.key.sign(b"dbguard key rotation\n" + new.vkey.encode() + b"\n")
        self.event(
            "key",
            {
                "event": "rotated",
                "key": new.vkey,
                "previous": self.key.name,
                "signature": base64.b64encode(signature).decode(),
            },
        )
        self.key = new
        self.head()

    def replace_key(self, new: Key) -> None:
        assert self.key
        fields = {"event": "replaced", "key": new.vkey, "previous": self.key.name}
        self.event("key", fields)
        self.key = new
        self.head()
