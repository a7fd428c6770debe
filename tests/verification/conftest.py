"""A trail of three chains, with everything in it that an honest trail may hold."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from dbguard.verification.signed_note import PublicKey, read_vkey

from .chain_writer import BEGAN, ChainWriter, Key


@pytest.fixture(scope="session")
def key() -> Key:
    return Key(1)


@pytest.fixture(scope="session")
def public(key: Key) -> PublicKey:
    return read_vkey(key.vkey)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, key: Key) -> Path:
    """Top: 5 segments of 20 records, the second and third sealed; `eu-1`: an outage, a rotation, a
    clock set back, its first segment pruned; `operator`: what was done to the others."""
    trail = tmp_path_factory.mktemp("built") / "audit"
    top = ChainWriter(trail, key)
    for _ in range(4):
        top.work(9)
        top.checkpoint()
        top.work(20 * top.number - top.sequence)
        top.end_segment()
    top.work(20)
    top.checkpoint()
    top.seal(2)
    top.seal(3)
    operator = ChainWriter(trail / "operator", key, began=BEGAN + timedelta(seconds=5))
    other = ChainWriter(trail / "eu-1", key, began=BEGAN + timedelta(seconds=7))
    other.work(12)
    other.end_segment()
    other.work(5)
    other.lose(3)
    other.work(5)
    other.checkpoint()
    other.rotate(Key(2))
    before = other.now
    other.event("clock", {"seconds": "-3600.000"}, at=before.replace(hour=before.hour - 1))
    other.work(5)
    other.end_segment()
    other.work(4)
    other.checkpoint()
    other.prune(1, operator)
    operator.checkpoint()
    return trail


@pytest.fixture
def trail(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "audit"))
