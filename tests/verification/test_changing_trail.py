"""Segments are sealed and pruned while the trail is verified, searched, reported and bundled."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

import dbguard.report.evidence.inventory as inventory_module
import dbguard.verification.chain as chain_module
from dbguard.audit.keys import public_path
from dbguard.audit.reading import read
from dbguard.audit.records import EventRecord, RecordKind
from dbguard.audit.sealing import seal, to_seal
from dbguard.audit.searching import Search, search
from dbguard.audit.signing import SigningKey
from dbguard.audit.trails import segments
from dbguard.audit.writer import AuditLog
from dbguard.cli.app import app
from dbguard.verification.findings import UnusableInput
from dbguard.verification.inputs import load_keys
from dbguard.verification.segment_files import segment_path
from dbguard.verification.trail import verify

runner = CliRunner()
Act = Callable[[Path], None]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some segments; the first half of the records is seven years old."""
    folder = tmp_path_factory.mktemp("made")
    begin = datetime.now(UTC) - timedelta(days=366 * 7)
    ticks = iter(range(10_000))
    log = AuditLog.open(
        folder / "audit",
        segment_bytes=4000,
        clock=lambda: begin + timedelta(days=20) * next(ticks),
        signer=SigningKey(folder / "audit.key"),
    )
    for number in range(60):
        log.wait(log.append(EventRecord(RecordKind.CONNECT, f"s{number}", ())), 20)
    log.close()
    assert len(segments(folder / "audit")) > 4
    return folder


@pytest.fixture
def trail(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "t")) / "audit"


def seal_all(trail: Path) -> None:
    for segment in to_seal(trail):
        seal(segment)


def prune(trail: Path) -> None:
    assert runner.invoke(app, ["audit", "prune", "--audit", str(trail)]).exit_code == 0
    assert (trail / "pruned.json").exists()


def seal_and_prune(trail: Path) -> None:
    seal_all(trail)
    prune(trail)


def once(act: Act, trail: Path, after: int) -> Callable[[], None]:
    """Does it in the call number `after`."""
    calls = iter(range(after + 1, -1000, -1))

    def step() -> None:
        if next(calls) == 1:
            act(trail)

    return step


@pytest.mark.parametrize(("act", "after"), [(seal_all, 1), (prune, 0), (seal_and_prune, 3)])
def test_verification(trail: Path, act: Act, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    step = once(act, trail, after)
    scan = chain_module.scan

    def stepping(task: object) -> object:
        step()
        return scan(task)  # type: ignore[arg-type]

    monkeypatch.setattr(chain_module, "scan", stepping)
    copy = trail.parent / "copy"
    shutil.copyfile(trail / "checkpoints.jsonl", copy)
    keys = load_keys([public_path(trail.parent / "audit.key")])
    result = verify(trail, keys=keys, checkpoint_files=[copy])
    assert result.findings == ()
    assert result.chains[0].last_sequence == 61
    if act is not seal_all and after < 3:
        assert result.chains[0].pruned_through > 0


def test_verification_of_what_never_rests(trail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(task: object) -> object:
        raise FileNotFoundError(2, "No such file", str(trail / "audit-000001.jsonl"))

    monkeypatch.setattr(chain_module, "scan", gone)
    with pytest.raises(UnusableInput, match=r"audit-000001\.jsonl: was removed while"):
        verify(trail)
    result = runner.invoke(app, ["audit", "verify", str(trail)])
    assert result.exit_code == 2
    assert "run this again when pruning is over" in result.stderr


@pytest.mark.parametrize("act", [seal_and_prune])
def test_reading_and_searching(trail: Path, act: Act) -> None:
    """Each record that stays comes once; of those that go, some may."""
    for records in (read(trail), search(trail, Search())):
        copy = Path(shutil.copytree(trail, trail.parent / "before"))
        shutil.copy(trail.parent / "audit.key", trail.parent / "before.key")
        everything = {stored.name for stored in read(trail)}
        found = [next(records)]
        act(trail)
        stay = {stored.name for stored in read(trail) if not stored.writer}
        found += list(records)
        names = [stored.name for stored in found]
        assert len(names) == len(set(names))
        assert stay <= set(names) <= everything
        shutil.rmtree(trail)
        copy.rename(trail)


@pytest.mark.parametrize("act", [seal_and_prune])
def test_a_report(trail: Path, act: Act, monkeypatch: pytest.MonkeyPatch) -> None:
    import dbguard.audit.blocks as blocks_module

    step = once(act, trail, 2)
    opened = blocks_module.open_regular

    def stepping(path: Path) -> object:
        if path.parent == trail and path.suffix == ".jsonl":
            step()
        return opened(path)

    monkeypatch.setattr(blocks_module, "open_regular", stepping)
    result = runner.invoke(app, ["report", "--audit", str(trail), "--json"])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("act", [prune, seal_and_prune])
def test_the_files_of_a_bundle(trail: Path, act: Act, monkeypatch: pytest.MonkeyPatch) -> None:
    step = once(act, trail, 2)
    opened = inventory_module.open_regular

    def stepping(path: Path) -> object:
        step()
        return opened(path)

    monkeypatch.setattr(inventory_module, "open_regular", stepping)
    found = {file.path for file in inventory_module.inventory(trail) if not file.writer}
    there = {f"audit-{one.number:06d}.jsonl" for one in segments(trail)}
    assert there <= {path.removesuffix(".zst") for path in found}
    for path in found:
        assert (trail / path).exists() or segment_path(trail, int(path[6:12])) is None
