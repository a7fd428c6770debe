"""Who gives a key expects signatures; where there can be none yet, nobody is accused.

E2E_FIRST_MOMENTS=30 stops a first start at each of its steps, instead of some.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from dbguard.audit.keys import public_path
from dbguard.audit.records import EventRecord, RecordKind
from dbguard.audit.signing import SigningKey
from dbguard.audit.storage import AuditFile, FileStorage
from dbguard.audit.writer import AuditLog
from dbguard.errors import AuditUnavailable, ConfigurationError
from dbguard.verification.findings import Verification
from dbguard.verification.inputs import load_keys
from dbguard.verification.signed_note import PublicKey, read_vkey
from dbguard.verification.trail import verify

from .chain_writer import ChainWriter, Key
from .power_loss import PowerLossStorage

MOMENTS = int(os.environ.get("E2E_FIRST_MOMENTS", "5"))
LAST_MOMENT = 30
"""Operations of the storage that a first start and some records consist of."""


def only_the_key(chain: ChainWriter) -> None:
    pass


def clock_behind_it(chain: ChainWriter) -> None:
    chain.event("clock", {"seconds": "7.000"})
    chain.head()


def trouble_behind_it(chain: ChainWriter) -> None:
    chain.event("clock", {"seconds": "7.000"})
    chain.event("recovery", {"reason": "checkpoints_outage", "error": "ENOSPC"})
    chain.work(20)
    chain.head()
    chain.number += 1
    chain.work(20)


def outage_behind_it(chain: ChainWriter) -> None:
    chain.lose(3)
    chain.work(20)


def rebuilt_behind_it(chain: ChainWriter) -> None:
    chain.event("recovery", {"reason": "checkpoints_rebuilt", "checkpoints": "empty"})
    chain.work(20)


@pytest.mark.parametrize(
    "history",
    [only_the_key, clock_behind_it, trouble_behind_it, outage_behind_it, rebuilt_behind_it],
    ids=lambda history: history.__name__,
)
def test_where_nothing_could_be_signed_nobody_is_accused(
    tmp_path: Path, key: Key, public: PublicKey, history: Callable[[ChainWriter], None]
) -> None:
    history(ChainWriter(tmp_path, key))
    result = verify(tmp_path, keys=[public])
    assert result.ok, result.findings
    assert "no checkpoint that a given key signed" in result.unchecked[-1]


def test_a_key_that_came_late_behind_an_outage(tmp_path: Path, key: Key, public: PublicKey) -> None:
    chain = ChainWriter(tmp_path, None)
    chain.lose(2)
    chain.event("key", {"event": "began", "key": key.vkey})
    chain.work(5)
    result = verify(tmp_path, keys=[public])
    assert result.ok
    assert "who wrote the 7 records" in result.unchecked[-1]


def work_behind_the_key(chain: ChainWriter) -> None:
    chain.work(1)


def trouble_later(chain: ChainWriter) -> None:
    """The checkpoints before it were there once."""
    chain.work(5)
    chain.event("recovery", {"reason": "checkpoints_outage", "error": "ENOSPC"})
    chain.work(5)


def an_old_trail_that_got_a_key(chain: ChainWriter) -> None:
    chain.work(5)
    chain.event("recovery", {"reason": "unclean_stop", "torn_bytes": "3"})
    assert chain.key is None
    chain.event("key", {"event": "began", "key": Key(1).vkey})
    chain.work(5)


@pytest.mark.parametrize(
    ("history", "record"),
    [(work_behind_the_key, 1), (trouble_later, 1), (an_old_trail_that_got_a_key, 7)],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_checkpoints_that_were_removed_as_a_whole(
    tmp_path: Path,
    key: Key,
    public: PublicKey,
    history: Callable[[ChainWriter], None],
    record: int,
) -> None:
    old = history is an_old_trail_that_got_a_key
    history(ChainWriter(tmp_path, None if old else key))
    for content in (None, b""):
        if content is not None:
            (tmp_path / "checkpoints.jsonl").write_bytes(content)
        result = verify(tmp_path, keys=[public])
        (finding,) = result.findings
        assert (finding.sequence, finding.file) == (record, "checkpoints.jsonl")
        assert "they were removed" in finding.problem
        assert not any("who wrote" in text for text in result.unchecked)
        assert not verify(tmp_path, keys=[read_vkey(Key(9).vkey)]).ok
        assert verify(tmp_path).ok  # without a key nobody can say


def test_the_checkpoints_of_one_chain_among_others(trail: Path, public: PublicKey) -> None:
    for name, words in (("operator", "they were removed"), ("eu-1", "no checkpoint any more")):
        path = trail / name / "checkpoints.jsonl"
        content = path.read_bytes()
        path.write_bytes(b"")
        findings = verify(trail, keys=[public, read_vkey(Key(2).vkey)]).findings
        assert any(words in one.problem and one.writer == name for one in findings), findings
        path.write_bytes(content)


def test_a_checkpoint_that_is_made_meanwhile_counts(
    tmp_path: Path, key: Key, public: PublicKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check that reads the file of checkpoints just before a writer makes its first one."""
    import dbguard.verification.chain as chain_module

    chain = ChainWriter(tmp_path, key)
    chain.work(5)
    read = chain_module.read_head

    def later(path: Path) -> object:
        if not (tmp_path / "checkpoints.jsonl").exists():
            chain.checkpoint()
        return read(path)

    monkeypatch.setattr(chain_module, "read_head", later)
    assert verify(tmp_path, keys=[public]).ok


# ---- dbguard's own writer


class NoCheckpoints(FileStorage):
    """A disk that takes everything but checkpoints."""

    def open(self, path: Path) -> AuditFile:
        file = super().open(path)
        return _Refusing(file) if path.name == "checkpoints.jsonl" else file


class _Refusing:
    def __init__(self, file: AuditFile) -> None:
        self.truncate, self.close, self.fdatasync = file.truncate, file.close, file.fdatasync

    def pwrite(self, data: memoryview, offset: int) -> int:
        raise OSError(errno.ENOSPC, "no space left")


def checked(directory: Path, key: Path) -> Verification:
    result = verify(directory, keys=load_keys([public_path(key)]))
    assert result.findings == (), [str(finding) for finding in result.findings]
    return result


def test_a_disk_that_never_took_a_checkpoint(tmp_path: Path) -> None:
    directory, key = tmp_path / "audit", tmp_path / "audit.key"
    for _ in range(2):
        log = AuditLog.open(
            directory, signer=SigningKey(key), storage=NoCheckpoints(), segment_bytes=2000
        )
        for number in range(30):
            log.wait(log.append(EventRecord(RecordKind.CONNECT, f"s{number}", ())), 20)
        log.close()
        assert "who wrote" in checked(directory, key).unchecked[-1]
    assert checked(directory, key).segments > 2


@pytest.mark.parametrize("fuse", range(4, LAST_MOMENT + 1, LAST_MOMENT // MOMENTS))
def test_a_crash_in_the_first_moments_accuses_nobody(tmp_path: Path, fuse: int) -> None:
    """After each of the operations that the first start consists of, and those behind it."""
    key = tmp_path / "audit.key"
    for before in ("nothing", "unsigned"):
        for after in ("killed", "power lost"):
            directory = tmp_path / f"{before} {after}"
            if before == "unsigned":
                log = AuditLog.open(directory)
                log.append(EventRecord(RecordKind.START, "", ()))
                log.close()
            storage = PowerLossStorage(Random(fuse))
            storage.fuse = fuse
            with contextlib.suppress(AuditUnavailable, ConfigurationError):
                log = AuditLog.open(directory, signer=SigningKey(key), storage=storage)
                with contextlib.suppress(AuditUnavailable):
                    for number in range(5):
                        log.append(EventRecord(RecordKind.CONNECT, f"s{number}", ()))
                        log.wait(log.append(EventRecord(RecordKind.CONNECT, "t", ())), 20)
                storage.off = True
                log.close()
            if after == "power lost":
                storage.lose_power()
            if not (directory / "head").exists() or not (directory / "head").stat().st_size:
                continue
            checked(directory, key)
            copy = Path(shutil.copytree(directory, tmp_path / f"copy of {directory.name}"))
            log = AuditLog.open(copy, signer=SigningKey(key))
            checked(copy, key)
            log.close()
            assert "who wrote" not in str(checked(copy, key).unchecked)
