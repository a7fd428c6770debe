"""What is acknowledged survives power loss. (SIGKILL, and worse losses: tests/verification.)"""

from __future__ import annotations

import os
import time
from pathlib import Path
from random import Random

import pytest

from dbguard.audit.reading import read
from dbguard.audit.records import EventRecord, RecordKind
from dbguard.audit.signing import SigningKey
from dbguard.audit.writer import AuditLog
from dbguard.audit_settings import Durability
from dbguard.errors import AuditUnavailable, ConfigurationError
from dbguard.verification.trail import verify

EVENT = EventRecord(RecordKind.CONNECT, "s", (("user", "analyst"),))


@pytest.mark.parametrize("durability", list(Durability))
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("seed", range(int(os.environ.get("DBGUARD_POWER_LOSSES", "5"))))
def test_power_loss(
    tmp_path: Path,
    make_storage,  # type: ignore[no-untyped-def]
    durability: Durability,
    signed: bool,
    seed: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DURABLE keeps all that was acknowledged; BUFFERED may lose the end, never the middle."""
    monkeypatch.setattr("dbguard.audit.checkpointing.RETRY_SECONDS", 0.005)
    random = Random(seed)
    directory = tmp_path / "audit"
    directory.mkdir(mode=0o700)
    key = SigningKey(tmp_path / "audit.key") if signed else None
    kept: set[int] = set()
    storage = make_storage()
    for _ in range(8):
        if random.random() < 0.5:
            storage.short = random
        storage.fuse = random.randint(8, 150)
        kept |= work_until_it_stops(directory, storage, durability, random, key)
        storage.fuse = None
        if random.random() < 0.6:  # the process was killed, and the machine goes on
            storage.off = False
            if random.random() < 0.5:  # but not for long
                storage.fuse = random.randint(1, 12)
                kept |= work_until_it_stops(directory, storage, durability, random, key)
                storage.fuse = None
            else:
                AuditLog.open(directory, storage=storage, signer=key).close()
                assert kept <= {record.sequence for record in read(directory)}
                continue
        storage.lose_power(random)
        assert verify_or_nothing(directory)
        storage = make_storage()
        AuditLog.open(directory, storage=storage, signer=key).close()
        stored = {record.sequence for record in read(directory)}
        if durability is Durability.DURABLE:
            assert kept <= stored
        kept &= stored
        verification = verify(directory)
        assert verification.findings == ()
        assert verification.notes == ()


def work_until_it_stops(
    directory: Path,
    storage,  # type: ignore[no-untyped-def]
    durability: Durability,
    random: Random,
    key: SigningKey | None,
) -> set[int]:
    """What was acknowledged."""
    kept = set()
    try:
        log = AuditLog.open(
            directory,
            storage=storage,
            durability=durability,
            segment_bytes=1500,
            signer=key,
            checkpoint_seconds=0.01,
        )
    except ConfigurationError:
        assert storage.off
        return kept
    try:
        for _ in range(80):
            sequence = log.append(EVENT)
            if random.random() < 0.6:
                log.wait(sequence, timeout=60)
                kept.add(sequence)
            elif durability is Durability.BUFFERED and random.random() < 0.1:
                time.sleep(0.05)
    except AuditUnavailable:
        assert storage.off
    storage.off = True
    log.close()
    return kept


def verify_or_nothing(directory: Path) -> bool:
    """Whether the trail is in order as the power loss left it (there may be none yet)."""
    if not any(directory.iterdir()) or not (directory / "head").stat().st_size:
        return not list(directory.glob("audit-*"))
    return verify(directory).ok
