"""A chain that is signed: what its checkpoints say, when they come, and starting again."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from hashlib import sha256
from pathlib import Path

import orjson
import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dbguard.audit import keys, resuming
from dbguard.audit.chain import Head
from dbguard.audit.checkpoints import CHECKPOINTS_NAME, PRUNED_NAME, CheckpointLine, make_line
from dbguard.audit.compression import compress
from dbguard.audit.merkle import MerkleTree
from dbguard.audit.notes import Checkpoint, VerifyingKey, open_note, origin
from dbguard.audit.records import EventRecord, RecordKind
from dbguard.audit.signing import SigningKey, rotate, rotations_path
from dbguard.audit.writer import AuditLog
from dbguard.audit_settings import Durability
from dbguard.errors import AuditUnavailable, ConfigurationError
from dbguard.verification.trail import verify

EVENT = EventRecord(RecordKind.CONNECT, "s", (("user", "analyst"),))
BOTH = pytest.mark.parametrize("durability", list(Durability))


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return SigningKey(tmp_path / "audit.key")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "audit"


def lines(directory: Path) -> list[dict[str, object]]:
    found = []
    for path in sorted(directory.glob("audit-*.jsonl")):
        found += [orjson.loads(line) for line in path.read_bytes().splitlines()]
    return found


def kinds(directory: Path) -> list[str]:
    return [str(line["kind"]) for line in lines(directory)]


def fields(line: dict[str, object]) -> dict[str, str]:
    found = line["fields"]
    assert isinstance(found, dict)
    return found


def points(directory: Path, known: dict[str, VerifyingKey]) -> list[Checkpoint]:
    """All checkpoints, each recomputed from the trail by RFC 6962's definition."""
    hashes = [bytes.fromhex(str(line["hash"])) for line in lines(directory)]
    numbers = [line["seq"] for line in lines(directory)]
    found = []
    for raw in (directory / CHECKPOINTS_NAME).read_bytes().splitlines(keepends=True):
        point = Checkpoint.parse(open_note(CheckpointLine.parse(raw).note, known)[0])
        assert point.origin == f"dbguard.audit/{hashes[0].hex()[:16]}"
        assert point.root == defined(hashes[: point.size])
        assert numbers[point.size - 1] == point.sequence
        assert hashes[point.size - 1].hex().encode() == point.hash
        found.append(point)
    return found


def defined(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + defined(leaves[:k]) + defined(leaves[k:])).digest()


def run(directory: Path, key: SigningKey, records: int = 3, **options) -> None:  # type: ignore[no-untyped-def]
    log = AuditLog.open(directory, signer=key, **options)
    for _ in range(records):
        log.wait(log.append(EVENT), timeout=60)
    log.close()
    assert verify(directory).findings == ()


def until(condition) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@BOTH
def test_the_first_record_says_which_key_signs(
    directory: Path, key: SigningKey, durability: Durability
) -> None:
    run(directory, key, durability=durability)
    first, *rest = lines(directory)
    assert first["kind"] == "key"
    assert fields(first) == {"event": "began", "key": key.signer.key.text}
    assert [line["kind"] for line in rest] == ["connect"] * 3
    assert points(directory, key.known())[-1].size == 4


def test_each_end_of_a_segment_is_signed_before_the_next_begins(
    directory: Path, key: SigningKey
) -> None:
    run(directory, key, records=12, segment_bytes=900)
    segments = sorted(directory.glob("audit-*.jsonl"))
    assert len(segments) > 3
    ends = {orjson.loads(path.read_bytes().splitlines()[-1])["seq"] for path in segments}
    assert ends <= {point.sequence for point in points(directory, key.known())}
    for raw in (directory / CHECKPOINTS_NAME).read_bytes().splitlines():
        line = CheckpointLine.parse(raw)
        number = int(line.note.split("\nseq ")[1].split("\n")[0])
        inside = (directory / f"audit-{line.segment:06d}.jsonl").read_bytes()
        assert b'"seq":%d,' % number in inside


def test_they_come_by_themselves_and_only_for_what_is_new(directory: Path, key: SigningKey) -> None:
    log = AuditLog.open(directory, signer=key, checkpoint_seconds=0.05)
    path = directory / CHECKPOINTS_NAME
    until(lambda: path.exists() and path.read_bytes().count(b"\n") == 1)
    log.wait(log.append(EVENT), timeout=60)
    until(lambda: path.read_bytes().count(b"\n") == 2)
    time.sleep(0.2)
    log.close()
    assert [point.sequence for point in points(directory, key.known())] == [1, 2]


@pytest.mark.parametrize("runs", [2, 4])
def test_they_go_on_behind_a_restart(directory: Path, key: SigningKey, runs: int) -> None:
    for _ in range(runs):
        run(directory, SigningKey(key.path), segment_bytes=900)
    assert kinds(directory) == ["key"] + ["connect"] * 3 * runs
    found = points(directory, key.known())
    assert [point.size for point in found] == sorted({point.size for point in found})
    assert found[-1].size == 1 + 3 * runs


def test_a_trail_that_was_not_signed_gets_a_key(directory: Path, key: SigningKey) -> None:
    log = AuditLog.open(directory)
    log.wait([log.append(EVENT) for _ in range(5)][-1], timeout=60)
    log.close()
    assert not (directory / CHECKPOINTS_NAME).exists()
    run(directory, key, records=1)
    assert kinds(directory) == ["connect"] * 5 + ["key", "connect"]
    assert points(directory, key.known())[-1].size == 7


def test_a_long_reading_before_the_start_is_told(
    directory: Path, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(directory, key, 30, segment_bytes=2000)
    (directory / "checkpoints.jsonl").unlink()
    monkeypatch.setattr(resuming, "LONG", 0)
    monkeypatch.setattr(resuming, "TOLD_SECONDS", 0.0)
    with structlog.testing.capture_logs() as told:
        AuditLog.open(directory, signer=key).close()
    percents = [one["percent"] for one in told if "the audit trail" in one["event"]]
    assert percents[0] == 0
    assert percents[-1] == 100
    assert len(percents) > 4
    assert percents == sorted(percents)


def test_a_torn_checkpoint_is_cut(directory: Path, key: SigningKey) -> None:
    run(directory, key)
    path = directory / CHECKPOINTS_NAME
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"v":1,"segment')
    AuditLog.open(directory, signer=SigningKey(key.path)).close()
    assert path.read_bytes() == whole
    assert "recovery" not in kinds(directory)


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-200] ^= 1
    path.write_bytes(data)


def stranger(path: Path) -> None:
    """Somebody else's checkpoints, in good order."""
    other = SigningKey(path.parent.parent / "other.key")
    run(path.parent.parent / "other", other)
    (path.parent.parent / "other" / CHECKPOINTS_NAME).replace(path)


def another_chain(path: Path) -> None:
    """Those of another chain that the same key signs."""
    run(path.parent.parent / "other", SigningKey(path.parent.parent / "audit.key"), records=7)
    (path.parent.parent / "other" / CHECKPOINTS_NAME).replace(path)


@pytest.mark.parametrize(
    ("spoil", "why", "kept"),
    [
        (remove, "missing", False),
        (empty, "empty", False),
        (flip, "", True),
        (stranger, "not signed by a known key", True),
        (another_chain, "of another chain", True),
    ],
)
def test_unusable_checkpoints_are_begun_anew_and_that_is_recorded(
    directory: Path, key: SigningKey, spoil, why: str, kept: bool
) -> None:  # type: ignore[no-untyped-def]
    run(directory, key, segment_bytes=900)
    path = directory / CHECKPOINTS_NAME
    spoil(path)
    spoilt = path.read_bytes() if path.exists() else b""
    run(directory, SigningKey(key.path), records=1)
    (recovery,) = [line for line in lines(directory) if line["kind"] == "recovery"]
    assert fields(recovery)["reason"] == "checkpoints_rebuilt"
    assert why in fields(recovery)["checkpoints"]
    aside = directory / f"{CHECKPOINTS_NAME}.unusable-1"
    assert (aside.read_bytes() if aside.exists() else None) == (spoilt if kept else None)
    assert points(directory, key.known())[-1].size == len(lines(directory)) == 6
    run(directory, SigningKey(key.path), records=1)  # once is enough
    assert kinds(directory).count("recovery") == 1


def test_an_older_beginning_of_the_file_is_gone_on_with_and_recorded(
    directory: Path, key: SigningKey
) -> None:
    """As after a crash while checkpoints could not be written; records are signed anew."""
    run(directory, key, records=9, segment_bytes=900)
    path = directory / CHECKPOINTS_NAME
    ended = len(list(directory.glob("audit-*.jsonl"))) - 1
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    run(directory, SigningKey(key.path), records=1)
    (recovery,) = [line for line in lines(directory) if line["kind"] == "recovery"]
    assert fields(recovery) == {"reason": "checkpoints_missing", "segments": str(ended)}
    assert points(directory, key.known())[-1].size == len(lines(directory))


# ---- the trail is not the one that was signed


def cut(directory: Path, keep: int) -> None:
    """Only the first records stay, and the head file says that there were no more."""
    (path,) = directory.glob("audit-*.jsonl")
    left = path.read_bytes().splitlines(keepends=True)[:keep]
    path.write_bytes(b"".join(left))
    last = orjson.loads(left[-1])
    (directory / "head").write_bytes(Head(last["seq"], last["hash"].encode()).render())


def test_a_cut_tail_shows_by_the_checkpoint(directory: Path, key: SigningKey) -> None:
    run(directory, key, records=5)
    cut(directory, 4)
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="covers record 6, which is not on the trail"):
            AuditLog.open(directory, signer=SigningKey(key.path))
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


def test_a_tail_cut_just_behind_a_checkpoint_does_not(directory: Path, key: SigningKey) -> None:
    """What the last `checkpoint_seconds` hold is pinned by the head file only."""
    run(directory, key, records=5)
    signed = (directory / CHECKPOINTS_NAME).read_bytes()
    run(directory, SigningKey(key.path), records=3)
    cut(directory, 6)
    (directory / CHECKPOINTS_NAME).write_bytes(signed)
    assert verify(directory).ok
    run(directory, SigningKey(key.path), records=1)
    assert points(directory, key.known())[-1].size == 7


def test_a_rewritten_record_shows_by_the_checkpoint(directory: Path, key: SigningKey) -> None:
    run(directory, key, records=5)
    twin = directory.with_name("twin")
    run(twin, SigningKey(key.path), records=5)
    for name in ("audit-000001.jsonl", "head"):
        (twin / name).replace(directory / name)
    # another chain by its first record, so its checkpoints are not this one's
    run(directory, SigningKey(key.path), records=1)
    assert "recovery" in kinds(directory)


def test_a_forged_end_shows_by_the_checkpoint(directory: Path, key: SigningKey) -> None:
    run(directory, key, records=2)
    known = directory.with_name("known")
    known.mkdir()
    for path in directory.iterdir():
        (known / path.name).write_bytes(path.read_bytes())
    run(directory, SigningKey(key.path), records=4)
    run(known, SigningKey(key.path), records=4)  # the same beginning, another end
    (known / CHECKPOINTS_NAME).replace(directory / CHECKPOINTS_NAME)
    with pytest.raises(ConfigurationError, match="record 7 is not the one that the last check"):
        AuditLog.open(directory, signer=SigningKey(key.path))


# ---- keys


def test_a_swapped_key_file_is_not_signed_with(directory: Path, key: SigningKey) -> None:
    run(directory, key)
    keys.replace(key.path, Ed25519PrivateKey.generate())
    before = (directory / "audit-000001.jsonl").read_bytes()
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=key.signer.key.name) as caught:
            AuditLog.open(directory, signer=SigningKey(key.path))
        assert "rotate --lost" in caught.value.hint
    assert (directory / "audit-000001.jsonl").read_bytes() == before


def test_a_key_swapped_under_a_running_writer_is_not_signed_with(
    directory: Path, key: SigningKey
) -> None:
    log = AuditLog.open(directory, signer=key, checkpoint_seconds=0.03)
    old = key.signer.key
    keys.replace(key.path, Ed25519PrivateKey.generate())
    log.wait(log.append(EVENT), timeout=60)
    path = directory / CHECKPOINTS_NAME
    until(lambda: path.read_bytes().count(b"\n") >= 2)
    log.close()
    assert kinds(directory) == ["key", "connect"]
    assert points(directory, {old.name: old})[-1].size == 2


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("running", [False, True])
def test_a_key_is_rotated(directory: Path, key: SigningKey, lost: bool, running: bool) -> None:
    old = key.signer.key
    log = AuditLog.open(directory, signer=key, checkpoint_seconds=0.03)
    log.wait(log.append(EVENT), timeout=60)
    if not running:
        log.close()
    if lost and not running:
        key.path.unlink()
    handover = rotate(key.path, lost=lost)
    new = keys.load(key.path).key
    assert handover.key == new
    assert new != old
    assert keys.public_keys(key.path) == [old, new]
    if not running:
        log = AuditLog.open(directory, signer=SigningKey(key.path), checkpoint_seconds=0.03)
    segment = directory / "audit-000001.jsonl"

    def noticed() -> bool:
        log.wait(log.append(EVENT), timeout=20)
        return segment.read_bytes().count(b'"kind":"key"') == 2

    until(noticed)
    log.close()
    (record,) = [line for line in lines(directory) if line["kind"] == "key"][1:]
    told = fields(record)
    assert told["event"] == ("replaced" if lost else "rotated")
    assert (told["key"], told["previous"]) == (new.text, old.name)
    assert ("signature" in told) == (not lost)
    if not lost:
        import base64

        statement = b"dbguard key rotation\n" + new.text.encode() + b"\n"
        assert old.accepts(statement, base64.b64decode(told["signature"]))
    # from its record on the new key signs, and the old one before it
    changed = record["seq"]
    for raw in (directory / CHECKPOINTS_NAME).read_bytes().splitlines():
        note = CheckpointLine.parse(raw).note
        text, signed_by = open_note(note, {old.name: old, new.name: new})
        expected = new if Checkpoint.parse(text).sequence >= int(str(changed)) else old
        assert signed_by == expected
    assert points(directory, keys_of(key.path))[-1].size == len(lines(directory))
    run(directory, SigningKey(key.path), records=1)
    assert kinds(directory).count("key") == 2


def keys_of(path: Path) -> dict[str, VerifyingKey]:
    return {key.name: key for key in keys.public_keys(path)}


def test_a_chain_that_slept_through_several_rotations_hears_of_each(
    directory: Path, key: SigningKey
) -> None:
    run(directory, key)
    rotate(key.path)
    rotate(key.path, lost=True)
    rotate(key.path)
    run(directory, SigningKey(key.path))
    told = [fields(line)["event"] for line in lines(directory) if line["kind"] == "key"]
    assert told == ["began", "rotated", "replaced", "rotated"]
    assert points(directory, keys_of(key.path))[-1].size == len(lines(directory))


def test_a_handover_with_a_wrong_signature_is_none(directory: Path, key: SigningKey) -> None:
    run(directory, key)
    keys.replace(key.path, Ed25519PrivateKey.generate())
    new = keys.load(key.path).key
    rotations_path(key.path).write_bytes(
        orjson.dumps(
            {"v": 1, "previous": key.signer.key.name, "key": new.text, "signature": "A" * 86 + "=="}
        )
        + b"\n"
    )
    with pytest.raises(ConfigurationError, match="which is not the one here"):
        AuditLog.open(directory, signer=SigningKey(key.path))


def test_a_rotation_without_a_key_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no key that could sign") as caught:
        rotate(tmp_path / "audit.key")
    assert "--lost" in caught.value.hint


@pytest.mark.parametrize("call", range(1, 10))
def test_a_rotation_that_stops_half_way_changes_nothing_that_counts(
    directory: Path, key: SigningKey, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    run(directory, key)
    calls = 0
    real = os.fsync

    def fsync(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls >= call:
            raise OSError(errno.ENOSPC, "no space left")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with contextlib.suppress(ConfigurationError):
            rotate(key.path)
    run(directory, SigningKey(key.path))
    assert kinds(directory).count("key") in (1, 2)
    assert points(directory, keys_of(key.path))[-1].size == len(lines(directory))


# ---- disks that refuse


@BOTH
@pytest.mark.parametrize("operation", ["pwrite checkpoints", "fdatasync checkpoints"])
def test_a_checkpoint_that_cannot_be_written_refuses_nobody(
    directory: Path,
    key: SigningKey,
    storage,  # type: ignore[no-untyped-def]
    durability: Durability,
    operation: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dbguard.audit.checkpointing.RETRY_SECONDS", 0.02)
    log = AuditLog.open(
        directory, signer=key, storage=storage, durability=durability, checkpoint_seconds=0.02
    )
    until((directory / CHECKPOINTS_NAME).read_bytes)
    storage.failing[operation] = errno.ENOSPC
    log.wait(log.append(EVENT), timeout=60)
    until(lambda: log.checkpoint_failure is not None)
    assert log.available
    for _ in range(5):
        log.wait(log.append(EVENT), timeout=60)
    storage.failing.clear()
    until(lambda: log.checkpoint_failure is None)
    log.close()
    (recovery,) = [line for line in lines(directory) if line["kind"] == "recovery"]
    assert fields(recovery)["reason"] == "checkpoints_outage"
    assert fields(recovery)["error"] == "ENOSPC"
    assert points(directory, key.known())[-1].size == len(lines(directory))
    assert verify(directory).ok


def test_a_key_record_that_was_lost_is_written_before_anything_is_signed(
    directory: Path,
    key: SigningKey,
    storage,  # type: ignore[no-untyped-def]
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dbguard.audit.writer.PROBE_SECONDS", 0.01)
    monkeypatch.setattr("dbguard.audit.checkpointing.RETRY_SECONDS", 0.01)
    storage.sync_gate.clear()
    log = None
    storage.failing["pwrite"] = errno.EIO
    storage.sync_gate.set()
    log = AuditLog.open(directory, signer=key, storage=storage, checkpoint_seconds=0.02)
    with pytest.raises(AuditUnavailable):
        log.wait(log.append(EVENT), timeout=60)
    storage.failing.clear()
    until(lambda: log.available)
    log.wait(log.append(EVENT), timeout=60)
    until((directory / CHECKPOINTS_NAME).read_bytes)
    log.close()
    assert kinds(directory).count("key") == 1
    first_signed = points(directory, key.known())[0]
    assert first_signed.size > kinds(directory).index("key")
    assert verify(directory).ok


# ---- segments that were sealed, or removed


def seal(path: Path) -> None:
    half = path.read_bytes().index(b"\n") + 1
    data = path.read_bytes()
    path.with_name(path.name + ".zst").write_bytes(compress(data[:half]) + compress(data[half:]))
    path.unlink()


def sealed_trail(directory: Path, key: SigningKey) -> list[Path]:
    run(directory, key, records=12, segment_bytes=900)
    paths = sorted(directory.glob("audit-*.jsonl"))
    for path in paths[:-1]:
        seal(path)
    return paths


def test_sealed_segments_are_read_where_the_tree_needs_them(
    directory: Path, key: SigningKey
) -> None:
    paths = sealed_trail(directory, key)
    (directory / CHECKPOINTS_NAME).unlink()
    AuditLog.open(directory, signer=SigningKey(key.path)).close()
    signed = CheckpointLine.parse((directory / CHECKPOINTS_NAME).read_bytes())
    point = Checkpoint.parse(open_note(signed.note, key.known())[0])
    assert point.size == 14  # key, twelve, and the recovery
    assert len(paths) > 3


def test_the_plain_file_counts_where_both_are_there(directory: Path, key: SigningKey) -> None:
    run(directory, key, records=12, segment_bytes=900)
    for path in sorted(directory.glob("audit-*.jsonl"))[:-1]:
        path.with_name(path.name + ".zst").write_bytes(b"torn")
    (directory / CHECKPOINTS_NAME).unlink()
    run(directory, SigningKey(key.path), records=1)
    assert points(directory, key.known())[-1].size == 15


def test_an_empty_last_segment_behind_a_sealed_one_is_gone_on_with(
    directory: Path, key: SigningKey
) -> None:
    paths = sealed_trail(directory, key)
    seal(paths[-1])
    following = directory / f"audit-{len(paths) + 1:06d}.jsonl"
    following.touch()
    log = AuditLog.open(directory, signer=SigningKey(key.path))
    assert log.append(EVENT) == 14
    log.close()
    assert following.read_bytes().count(b"\n") == 1


def test_a_damaged_sealed_segment_is_not_gone_on_with(directory: Path, key: SigningKey) -> None:
    paths = sealed_trail(directory, key)
    sealed = paths[0].with_name(paths[0].name + ".zst")
    sealed.write_bytes(sealed.read_bytes()[:-8])
    (directory / CHECKPOINTS_NAME).unlink()
    with pytest.raises(ConfigurationError, match=r"zst: damaged compressed data"):
        AuditLog.open(directory, signer=SigningKey(key.path))


def prune(directory: Path, key: SigningKey, count: int, remove: bool = True) -> None:
    """As `dbguard audit prune` leaves a chain whose first segments were removed."""
    tree = MerkleTree()
    gone = sorted(directory.glob("audit-*.jsonl"))[:count]
    records = [orjson.loads(line) for path in gone for line in path.read_bytes().splitlines()]
    tree.extend(bytes.fromhex(record["hash"]) for record in records)
    last = records[-1]
    point = Checkpoint(
        origin(records[0]["hash"].encode()),
        tree.size,
        tree.root,
        last["seq"],
        last["hash"].encode(),
        last["time"],
        pruned=True,
    )
    (directory / PRUNED_NAME).write_bytes(make_line(key.signer, point, count, tree))
    if remove:
        for path in gone:
            path.unlink()


@pytest.mark.parametrize("rebuild", [False, True])
@pytest.mark.parametrize("remove", [False, True])
def test_a_pruned_trail_goes_on_where_it_was_pruned(
    directory: Path, key: SigningKey, rebuild: bool, remove: bool
) -> None:
    run(directory, key, records=12, segment_bytes=900)
    hashes = [bytes.fromhex(str(line["hash"])) for line in lines(directory)]
    prune(directory, key, 2, remove)
    if rebuild:
        (directory / CHECKPOINTS_NAME).unlink()
    log = AuditLog.open(directory, signer=SigningKey(key.path), segment_bytes=900)
    log.wait(log.append(EVENT), timeout=60)
    log.close()
    added = [line for line in lines(directory) if int(str(line["seq"])) > 13]
    hashes += [bytes.fromhex(str(line["hash"])) for line in added]
    raw = (directory / CHECKPOINTS_NAME).read_bytes().splitlines()[-1]
    point = Checkpoint.parse(open_note(CheckpointLine.parse(raw).note, key.known())[0])
    assert point.root == defined(hashes)
    assert point.origin == f"dbguard.audit/{hashes[0].hex()[:16]}"
    assert [line["kind"] for line in added].count("recovery") == rebuild
    # nobody recorded that it was pruned; all else is in order
    assert [finding.file for finding in verify(directory).findings] == [PRUNED_NAME]


def test_a_trail_without_its_beginning_needs_to_know_of_it(
    directory: Path, key: SigningKey
) -> None:
    run(directory, key, records=12, segment_bytes=900)
    prune(directory, key, 2)
    content = (directory / PRUNED_NAME).read_bytes()
    (directory / PRUNED_NAME).write_bytes(content.replace(b"pruned", b"prunes"))
    with pytest.raises(ConfigurationError, match=r"pruned\.json: what was removed is not known"):
        AuditLog.open(directory, signer=SigningKey(key.path))
    (directory / PRUNED_NAME).unlink()
    with pytest.raises(ConfigurationError, match=r"audit-000001\.jsonl: the segment is missing"):
        AuditLog.open(directory, signer=SigningKey(key.path))


def test_a_checkpoint_is_no_statement_of_what_was_pruned(directory: Path, key: SigningKey) -> None:
    run(directory, key, records=12, segment_bytes=900)
    first = (directory / CHECKPOINTS_NAME).read_bytes().splitlines(keepends=True)[1]
    (directory / PRUNED_NAME).write_bytes(first)
    (directory / "audit-000001.jsonl").unlink()
    with pytest.raises(ConfigurationError, match="does not say that anything was removed"):
        AuditLog.open(directory, signer=SigningKey(key.path))
