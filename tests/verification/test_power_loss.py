"""Power fails at any moment: nothing acknowledged is lost, and nobody is accused.

E2E_KILLS says how often (a quarter of them here, at least 12 times).
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from random import Random

import pytest

from dbguard.audit.keys import public_path
from dbguard.audit.reading import read
from dbguard.audit.records import EventRecord, RecordKind
from dbguard.audit.signing import SigningKey, rotate
from dbguard.audit.writer import AuditLog
from dbguard.audit_settings import Durability
from dbguard.errors import AuditUnavailable, ConfigurationError
from dbguard.verification.inputs import load_keys
from dbguard.verification.segment_files import is_chain
from dbguard.verification.signed_note import PublicKey
from dbguard.verification.trail import verify

from .power_loss import PowerLossStorage

EVENT = EventRecord(RecordKind.CONNECT, "s", (("user", "analyst" * 40),))
LOSSES = max(12, int(os.environ.get("E2E_KILLS", "10")))
TURNS = 6


@pytest.mark.parametrize("seed", range((LOSSES + TURNS - 1) // TURNS))
def test_power_loss(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    durability = random.choice([Durability.DURABLE, Durability.DURABLE, Durability.BUFFERED])
    trail, key = tmp_path / "audit", tmp_path / "audit.key"
    SigningKey(key)
    acknowledged: set[int] = set()
    for _ in range(TURNS):
        storage = PowerLossStorage(random)
        storage.fuse = random.randint(1, 120)
        acknowledged |= work(trail, key, storage, durability, random)
        storage.lose_power()
        keys = load_keys([public_path(key)])
        check(trail, keys, "as the power loss left it")
        AuditLog.open(trail, signer=SigningKey(key)).close()
        stored = {record.sequence for record in read(trail)}
        if durability is Durability.DURABLE:
            assert acknowledged <= stored
        acknowledged &= stored
        check(trail, keys, "after recovery")
        if random.random() < 0.2:
            rotate(key)


def check(trail: Path, keys: list[PublicKey], when: str) -> None:
    if is_chain(trail):
        findings = verify(trail, keys=keys).findings
        assert findings == (), (when, [str(finding) for finding in findings])


def work(
    trail: Path,
    key: Path,
    storage: PowerLossStorage,
    durability: Durability,
    random: Random,
) -> set[int]:
    """What was acknowledged until the power failed."""
    kept: set[int] = set()
    try:
        log = AuditLog.open(
            trail,
            storage=storage,
            durability=durability,
            segment_bytes=random.choice([2000, 20_000]),
            signer=SigningKey(key),
            checkpoint_seconds=random.choice([0.002, 0.02, 60]),
        )
    except ConfigurationError:
        assert storage.off
        return kept
    try:
        for _ in range(200):
            sequences = [log.append(EVENT) for _ in range(random.randint(1, 20))]
            if random.random() < 0.7:
                log.wait(sequences[-1], timeout=10)
                kept.update(sequences)
            elif random.random() < 0.1:
                time.sleep(0.05)
    except AuditUnavailable:
        assert storage.off
    storage.off = True
    log.close()
    return kept
