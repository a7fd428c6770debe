"""What is old goes, provably; what must stay stays; a crash in between changes nothing of that."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result
from typer.main import get_command

from dbguard.audit.blocks import blocks
from dbguard.audit.chain import Head
from dbguard.audit.holding import holds
from dbguard.audit.reading import Selection, read, read_chain
from dbguard.audit.records import EventRecord, RecordKind
from dbguard.audit.sealing import seal, to_seal
from dbguard.audit.signing import SigningKey
from dbguard.audit.trails import segments
from dbguard.audit.writer import AuditLog
from dbguard.audit_settings import Durability
from dbguard.cli import audit_retention
from dbguard.cli.commands import program

APP = get_command(program(["audit"]))

NOW = datetime.now(UTC)
MADE: list[Path] = []
runner = CliRunner()


def fill(folder: Path, key: Path, begin: datetime, hours: int, records: int) -> None:
    count = iter(range(10_000))
    log = AuditLog.open(
        folder,
        segment_bytes=10_000,
        segment_age=1e12,
        durability=Durability.BUFFERED,
        clock=lambda: begin + timedelta(hours=hours) * next(count),
        signer=SigningKey(key),
    )
    for number in range(records):
        fields = (("user", f"user{number}"),)
        log.wait(log.append(EventRecord(RecordKind.CONNECT, f"s{number}", fields)), 10)
    log.close()


@pytest.fixture
def trail(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two chains of which about the first half is more than six years old."""
    if not MADE:
        made = tmp_path_factory.mktemp("made")
        begin = NOW - timedelta(days=366 * 6 + 250)
        fill(made / "audit", made / "audit.key", begin, 48, 250)
        fill(made / "audit" / "eu-1", made / "audit.key", begin, 48, 250)
        for segment in to_seal(made / "audit"):
            seal(segment)
        MADE.append(made)
    for one in MADE[0].iterdir():
        copy = shutil.copytree if one.is_dir() else shutil.copy2
        copy(one, tmp_path / one.name)
    return tmp_path / "audit"


def call(trail: Path, *arguments: str) -> Result:
    return runner.invoke(APP, ["audit", *arguments, "--audit", str(trail)])


def prune(trail: Path, *options: str) -> Result:
    return call(trail, "prune", *options)


def files(trail: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(trail)): path.read_bytes()
        for path in trail.rglob("*")
        if path.is_file()
    }


def in_order(trail: Path) -> bool:
    result = call(trail, "verify")
    assert result.exit_code == 0, result.output
    return True


def test_what_is_old_goes_and_the_rest_still_verifies(trail: Path) -> None:
    before = [stored for stored in read(trail) if stored.writer == ""]
    counts = {folder: len(segments(folder)) for folder in (trail, trail / "eu-1")}
    result = prune(trail)
    assert result.exit_code == 0, result.output
    assert "the top chain: removed: segments 1 to " in result.stdout
    assert "chain eu-1: removed: segments 1 to " in result.stdout
    assert "not old enough" in result.stdout
    left = [stored for stored in read(trail) if stored.writer == ""]
    assert 0 < len(left) < len(before)
    assert left == before[-len(left) :]
    assert left[0].time < NOW - timedelta(days=2192) or segments(trail)[0].number > 1
    for folder, count in counts.items():
        numbers = [segment.number for segment in segments(folder)]
        assert numbers == list(range(numbers[0], count + 1))
        assert 1 < numbers[0] <= count
        assert {int(path.name[6:12]) for path in folder.glob("*.index")} <= set(numbers)
    assert in_order(trail)
    records = [s.record for s in read_chain(trail, "operator", Selection())]
    said = [r for r in records if isinstance(r, EventRecord) and r.kind is RecordKind.PRUNE]
    assert [record.field("chain") for record in said] == ["", "eu-1"]
    assert said[0].field("last_seq") == str(left[0].sequence - 1)
    AuditLog.open(trail, signer=SigningKey(trail.with_name("audit.key"))).close()
    assert in_order(trail)
    again = files(trail)
    result = prune(trail)
    assert result.exit_code == 0
    assert "the top chain: nothing removed" in result.stdout
    assert {name for name in again if "operator" not in name} == {
        name for name in files(trail) if "operator" not in name
    }


def test_a_dry_run_changes_nothing(trail: Path) -> None:
    before = files(trail)
    result = prune(trail, "--dry-run")
    assert result.exit_code == 0
    assert "the top chain: would go: segments 1 to " in result.stdout
    assert files(trail) == before


def test_while_the_writer_writes(trail: Path) -> None:
    log = AuditLog.open(trail, signer=SigningKey(trail.with_name("audit.key")))
    assert prune(trail).exit_code == 0
    log.wait(log.append(EventRecord(RecordKind.CONNECT, "new", (("user", "x"),))), 10)
    log.close()
    assert in_order(trail)


def test_nothing_goes_before_its_time(trail: Path) -> None:
    before = files(trail)
    result = prune(trail, "--older-than", "90y")
    assert result.exit_code == 0
    assert "the top chain: nothing removed" in result.stdout
    result = prune(trail, "--older-than", "5y")
    assert result.exit_code == 2
    assert "records are kept for 2192 days. Change audit.retention.keep" in result.stderr
    result = prune(trail, "--older-than", "long")
    assert result.exit_code == 2
    assert "--older-than: not an age: long. Write 7y" in result.stderr
    assert {n: c for n, c in files(trail).items() if not n.startswith("operator/")} == before


def test_holds_keep_what_they_cover(trail: Path) -> None:
    second = segments(trail)[1]
    times = [line for block in blocks(second) for line in block.data.splitlines()]
    when = orjson.loads(times[3])["time"]
    end = orjson.loads(times[4])["time"]
    result = call(
        trail, "hold", "add", "case-7", "--since", when, "--until", end, "--reason", "court"
    )
    assert result.exit_code == 0, result.output
    assert f"case-7: {when} to {end}; court (by " in call(trail, "hold", "list").stdout
    result = prune(trail)
    assert result.exit_code == 0
    assert "the top chain: removed: segments 1 to 1," in result.stdout
    assert "audit-000002.jsonl.zst stays: the hold case-7 covers it" in result.stdout
    result = call(trail, "hold", "add", "case-7", "--reason", "again")
    assert result.exit_code == 2
    assert "there is a hold case-7 already" in result.stderr
    assert call(trail, "hold", "release", "case-8", "--reason", "x").exit_code == 2
    assert call(trail, "hold", "add", "a b", "--reason", "x").exit_code == 2
    assert call(trail, "hold", "release", "case-7", "--reason", "over").exit_code == 0
    assert call(trail, "hold", "list").stdout == "no holds\n"
    assert orjson.loads(call(trail, "hold", "list", "--json").stdout) == {"v": 1, "holds": []}
    assert holds(trail) == {}
    result = prune(trail)
    assert "the top chain: removed: segments 2 to " in result.stdout
    assert in_order(trail)


def test_a_hold_without_bounds_keeps_everything(trail: Path) -> None:
    assert call(trail, "hold", "add", "all", "--reason", "x").exit_code == 0
    assert "audit-000001.jsonl.zst stays: the hold all covers it" in prune(trail).stdout


def test_what_is_not_shipped_stays(trail: Path) -> None:
    cursors = trail / "shipping"
    cursors.mkdir()
    last = [
        orjson.loads(line)["seq"]
        for block in blocks(segments(trail)[0])
        for line in block.data.splitlines()
    ][-1]
    (cursors / "s3.json").write_bytes(orjson.dumps({"v": 1, "chains": {"": {"seq": last}}}))
    result = prune(trail)
    assert "the top chain: removed: segments 1 to 1," in result.stdout
    assert "audit-000002.jsonl.zst stays: s3 does not have all of it yet" in result.stdout
    assert "chain eu-1: nothing removed\n  audit-000001.jsonl stays: s3 does not" in result.stdout
    (cursors / "s3.json").write_bytes(b"{}")
    result = prune(trail)
    assert result.exit_code == 2
    assert "s3.json: does not say how far the trail was shipped" in result.stderr


def test_destinations_in_the_settings_count_from_the_beginning(trail: Path) -> None:
    settings = trail.with_name("dbguard.yaml")
    settings.write_text(
        f'catalog: {{dsn: "postgresql://u:p@127.0.0.1/db"}}\nrules: {trail}\n'
        "audit:\n  directory: audit\n  ship: [{name: far, type: file, directory: far}]\n"
    )
    result = runner.invoke(APP, ["audit", "prune", "--config", str(settings)])
    assert result.exit_code == 0, result.output
    assert "stays: far does not have all of it yet" in result.stdout


def test_a_destination_of_checkpoints_holds_nothing_back(trail: Path) -> None:
    settings = trail.with_name("dbguard.yaml")
    settings.write_text(
        f'catalog: {{dsn: "postgresql://u:p@127.0.0.1/db"}}\nrules: {trail}\n'
        "audit:\n  directory: audit\n"
        "  ship: [{name: second, type: file, directory: far, send: [checkpoints]}]\n"
    )
    (trail / "shipping").mkdir()
    for name in ("second", "former"):  # one is in the settings no more
        cursor = {"v": 1, "chains": {"": {"seq": 0, "checkpoint_size": 50}}}
        (trail / "shipping" / f"{name}.json").write_bytes(orjson.dumps(cursor))
    result = runner.invoke(APP, ["audit", "prune", "--config", str(settings)])
    assert result.exit_code == 0, result.output
    assert "the top chain: removed: segments 1 to " in result.stdout


def test_what_the_head_file_names_stays(trail: Path) -> None:
    """A power loss can leave it far behind; a chain without that record is not gone on with."""
    first = next(read_chain(trail, "", Selection()))
    (trail / "head").write_bytes(Head(first.sequence, first.hash.encode()).render())
    before = files(trail)
    result = prune(trail)
    assert "the head file names a record in it" in result.output
    left = {name for name in before if "/" not in name and name.startswith("audit-")}
    assert left <= files(trail).keys()
    AuditLog.open(trail, signer=SigningKey(trail.with_name("audit.key"))).close()
    assert prune(trail).exit_code == 0
    assert not left <= files(trail).keys()


def test_without_the_key_nothing_goes(trail: Path) -> None:
    before = files(trail)
    trail.with_name("audit.key").unlink()
    result = prune(trail)
    assert result.exit_code == 2
    assert "without the key that signs the trail nothing is removed" in result.stderr
    assert files(trail) == before


def flip(trail: Path) -> None:
    path = segments(trail / "eu-1")[1].plain
    path.write_bytes(path.read_bytes().replace(b"user", b"uses", 1))


def damage(trail: Path) -> None:
    path = segments(trail)[1].compressed
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def lose(trail: Path) -> None:
    segments(trail)[1].compressed.unlink()


def resign(trail: Path) -> None:
    """A consistent chain, but not the one that was signed."""
    shutil.rmtree(trail / "eu-1")
    begin = NOW - timedelta(days=366 * 6 + 300)
    fill(trail / "eu-1", trail.with_name("audit.key"), begin, 48, 250)
    (trail / "eu-1" / "checkpoints.jsonl").write_bytes((trail / "checkpoints.jsonl").read_bytes())


@pytest.mark.parametrize("change", [flip, damage, lose, resign])
def test_a_trail_that_was_changed_stays(trail: Path, change) -> None:  # type: ignore[no-untyped-def]
    change(trail)
    before = files(trail)
    result = prune(trail)
    assert result.exit_code == 2, result.output
    assert "audit-0000" in result.stderr
    assert "dbguard audit verify" in result.stderr
    assert {n: c for n, c in files(trail).items() if not n.startswith("operator/")} == before


def test_a_chain_without_checkpoints_stays(trail: Path) -> None:
    (trail / "checkpoints.jsonl").unlink()
    assert "audit-000001.jsonl.zst stays: no signed checkpoint covers it" in prune(trail).stdout


class Stop(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(
    "step", ["begin", "begin after", "replace", "unlink 1", "unlink 2", "unlink 3"]
)
def test_a_stop_at_any_step_is_gone_on_from(
    trail: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    with monkeypatch.context() as patch:
        if step.startswith("begin"):
            begin = audit_retention.begin

            def stopping(*arguments: object) -> None:
                if step.endswith("after"):
                    begin(*arguments)  # type: ignore[arg-type]
                raise Stop

            patch.setattr(audit_retention, "begin", stopping)
        elif step == "replace":
            replace = Path.replace

            def replacing(path: Path, target: Path) -> Path:
                if target.name == "pruned.json":
                    raise Stop
                return replace(path, target)

            patch.setattr(Path, "replace", replacing)
        else:
            count = int(step[-1])
            unlink = Path.unlink

            def unlinking(path: Path, missing_ok: bool = False) -> None:
                nonlocal count
                count -= path.name.startswith("audit-")
                if count < 0:
                    raise Stop
                unlink(path, missing_ok)

            patch.setattr(Path, "unlink", unlinking)
        with pytest.raises(Stop):
            runner.invoke(APP, ["audit", "prune", "--audit", str(trail)], catch_exceptions=False)
    assert in_order(trail)
    AuditLog.open(trail, signer=SigningKey(trail.with_name("audit.key"))).close()
    assert prune(trail).exit_code == 0
    assert in_order(trail)
    oldest = segments(trail)[0].number
    assert oldest > 1
    assert not [path for path in trail.iterdir() if path.name.endswith(".tmp")]
    assert {int(path.name[6:12]) for path in trail.glob("audit-*")} == {
        segment.number for segment in segments(trail)
    }
