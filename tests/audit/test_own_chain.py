"""Chains as the settings say: several writers in one trail, and the operator's."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest
from pydantic import ValidationError

from dbguard.audit.own_chain import operator_chain, own_chain
from dbguard.audit.reading import read
from dbguard.audit.records import EventRecord, RecordKind
from dbguard.audit.trails import chains
from dbguard.audit_settings import AuditSettings, CheckpointSettings, SegmentSettings
from dbguard.errors import ConfigurationError
from dbguard.verification.trail import verify

EVENT = EventRecord(RecordKind.CONNECT, "s", (("user", "analyst"),))


@pytest.fixture
def settings(tmp_path: Path) -> AuditSettings:
    return AuditSettings(directory=tmp_path / "audit")


def test_several_write_to_one_trail_with_one_key(settings: AuditSettings) -> None:
    first = own_chain(settings.model_copy(update={"writer": "eu-1"}))
    second = own_chain(settings.model_copy(update={"writer": "eu-2"}))
    top = own_chain(settings)
    for log in (first, second, top, first):
        log.wait(log.append(EVENT), timeout=60)
    with pytest.raises(ConfigurationError, match="another dbguard writes") as caught:
        own_chain(settings.model_copy(update={"writer": "eu-2"}))
    assert "audit.writer" in caught.value.hint
    for log in (first, second, top):
        log.close()
    assert [chain.writer for chain in chains(settings.directory)] == ["", "eu-1", "eu-2"]
    assert stat.S_IMODE(settings.directory.stat().st_mode) == 0o700
    assert verify(settings.directory).findings == ()
    events = [stored.record for stored in read(settings.directory)]
    keys = [event.field("key") for event in events if isinstance(event, EventRecord)]
    keys = [key for key in keys if key]
    assert len(keys) == 3
    assert len(set(keys)) == 1


def test_the_operators_chain_is_waited_for(settings: AuditSettings) -> None:
    log = operator_chain(settings)
    with pytest.raises(ConfigurationError, match="another dbguard writes"):
        operator_chain(settings, patience=0)
    threading.Timer(0.2, log.close).start()
    operator_chain(settings).close()


def test_nobody_writes_as_the_operator() -> None:
    with pytest.raises(ValidationError, match="the command line writes to the chain"):
        AuditSettings(writer="operator")


def test_segments_and_checkpoints_are_as_set(settings: AuditSettings) -> None:
    chosen = settings.model_copy(
        update={
            "segments": SegmentSettings(size="64KiB"),  # type: ignore[arg-type]
            "checkpoints": CheckpointSettings(key=settings.directory.with_name("other.key")),
        }
    )
    log = own_chain(chosen)
    log.wait([log.append(EVENT) for _ in range(300)][-1], timeout=60)
    log.wait(log.append(EVENT), timeout=60)
    log.close()
    assert len(list(settings.directory.glob("audit-*.jsonl"))) == 2
    assert settings.directory.with_name("other.pub").exists()
    assert not settings.signing_key.exists()


def test_no_new_key_is_made_where_the_old_one_is_missing(settings: AuditSettings) -> None:
    own_chain(settings).close()
    settings.signing_key.unlink()
    for writer in ("", "eu-1"):
        with pytest.raises(ConfigurationError, match="is missing") as caught:
            own_chain(settings.model_copy(update={"writer": writer}))
        assert "rotate --lost" in caught.value.hint
    assert not settings.signing_key.exists()


def test_a_key_that_others_may_read_stops_the_start(settings: AuditSettings) -> None:
    own_chain(settings).close()
    settings.signing_key.chmod(0o644)
    with pytest.raises(ConfigurationError, match="is open to other users"):
        own_chain(settings)
