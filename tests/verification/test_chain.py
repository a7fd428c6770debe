"""A single chain without signatures: tampering is found, whatever it is, and named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from dbguard.audit.records import EventRecord, OutcomeRecord, RecordKind
from dbguard.audit.writer import AuditLog
from dbguard.verification.findings import NoTrail
from dbguard.verification.trail import verify


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighty records in some eight segments."""
    directory = tmp_path_factory.mktemp("trail")
    log = AuditLog.open(directory, segment_bytes=4000)
    for number in range(40):
        log.append(EventRecord(RecordKind.CONNECT, f"s{number}", (("user", "analyst"),)))
        log.wait(log.append(OutcomeRecord(f"s{number}", number, "SELECT 1", 1, "", 5)), 5)
    log.close()
    assert len(list(directory.glob("audit-*"))) >= 5
    return directory


@pytest.fixture
def trail(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "audit"))


def segments(trail: Path) -> list[Path]:
    return sorted(trail.glob("audit-*.jsonl"))


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def test_an_untouched_trail_is_in_order(pristine: Path) -> None:
    verification = verify(pristine)
    assert verification.ok
    assert verification.notes == ()
    assert verification.records == verification.last_sequence == 80
    assert verification.segments == len(segments(pristine))
    assert verification.first_time < verification.last_time
    assert len(verification.last_hash) == 64


# Each takes a trail and a random source, changes the trail, and returns False if it could not.


def flip_bit(trail: Path, random: Random) -> bool:
    path = random.choice([*segments(trail), trail / "head"])
    data = bytearray(path.read_bytes())
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    path.write_bytes(data)
    return True


def delete_line(trail: Path, random: Random) -> bool:
    path = random.choice(segments(trail))
    content = lines(path)
    del content[random.randrange(len(content))]
    path.write_bytes(b"".join(content))
    return True


def insert_copy(trail: Path, random: Random) -> bool:
    path, source = random.choice(segments(trail)), random.choice(segments(trail))
    content = lines(path)
    content.insert(random.randint(0, len(content)), random.choice(lines(source)))
    path.write_bytes(b"".join(content))
    return True


def insert_forgery(trail: Path, random: Random) -> bool:
    """A new record that continues the one before it properly, but is not what followed."""
    from dbguard.audit.chain import make_line, read_line

    path = random.choice(segments(trail))
    content = lines(path)
    place = random.randrange(len(content))
    if path == segments(trail)[-1] and place == len(content) - 1:
        return False
    before = read_line(content[place])
    forged, _ = make_line(
        before.sequence + 1, before.time, before.hash, b'"kind":"start","fields":{},"session":""'
    )
    content.insert(place + 1, forged)
    path.write_bytes(b"".join(content))
    return True


def rewrite_record(trail: Path, random: Random) -> bool:
    """Other content under a hash that fits it."""
    from dbguard.audit.chain import make_line, read_line

    path = random.choice(segments(trail))
    content = lines(path)
    place = random.randrange(len(content))
    old = read_line(content[place])
    content[place], _ = make_line(
        old.sequence, old.time, old.prev, b'"kind":"start","fields":{},"session":"x"'
    )
    path.write_bytes(b"".join(content))
    return True


def swap_lines(trail: Path, random: Random) -> bool:
    path = random.choice(segments(trail))
    content = lines(path)
    if len(content) < 2:
        return False
    one, two = random.sample(range(len(content)), 2)
    content[one], content[two] = content[two], content[one]
    path.write_bytes(b"".join(content))
    return True


def truncate(trail: Path, random: Random) -> bool:
    path = random.choice(segments(trail))
    data = path.read_bytes()
    path.write_bytes(data[: random.randrange(len(data))])
    return True


def remove_segment(trail: Path, random: Random) -> bool:
    random.choice(segments(trail)).unlink()
    return True


def replace_segment(trail: Path, random: Random) -> bool:
    one, two = random.sample(segments(trail), 2)
    shutil.copy(two, one)
    return True


def swap_segments(trail: Path, random: Random) -> bool:
    one, two = random.sample(segments(trail), 2)
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    return True


def rewind(trail: Path, random: Random) -> bool:
    """Cut whole records off the end, through segments."""
    for path in reversed(segments(trail)[1:]):
        if random.random() < 0.5:
            path.unlink()
        else:
            break
    path = segments(trail)[-1]
    content = lines(path)
    path.write_bytes(b"".join(content[: random.randrange(len(content))]))
    return True


def insert_bytes(trail: Path, random: Random) -> bool:
    path = random.choice(segments(trail))
    data = path.read_bytes()
    place = random.randrange(len(data))
    path.write_bytes(data[:place] + random.choice([b"\n", b" ", b"x\n", b"\0"]) + data[place:])
    return True


def remove_head(trail: Path, _random: Random) -> bool:
    (trail / "head").unlink()
    return True


MUTATIONS: list[Callable[[Path, Random], bool]] = [
    flip_bit,
    delete_line,
    insert_copy,
    insert_forgery,
    rewrite_record,
    swap_lines,
    truncate,
    remove_segment,
    replace_segment,
    swap_segments,
    rewind,
    insert_bytes,
    remove_head,
]


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda m: m.__name__)
def test_every_tampering_is_found(pristine: Path, tmp_path: Path, mutate) -> None:  # type: ignore[no-untyped-def]
    original = {path.name: path.read_bytes() for path in pristine.iterdir()}
    tampered = 0
    for seed in range(20):
        trail = Path(shutil.copytree(pristine, tmp_path / str(seed)))
        if not mutate(trail, Random(seed)):
            continue
        tampered += 1
        assert original != {path.name: path.read_bytes() for path in trail.iterdir()}
        verification = verify(trail)
        assert not verification.ok, f"{mutate.__name__} with seed {seed} was not found"
        for finding in verification.findings:
            assert 1 <= finding.sequence <= 81 or finding.file == "head"
    assert tampered > 12


@pytest.mark.parametrize("place", [0, 7, 79])
def test_a_changed_record_is_named(trail: Path, place: int) -> None:
    count = 0
    for path in segments(trail):
        content = lines(path)
        if place < count + len(content):
            index = place - count
            content[index] = content[index].replace(b'"session":"s', b'"session":"S')
            path.write_bytes(b"".join(content))
            break
        count += len(content)
    (finding,) = verify(trail).findings
    assert (finding.sequence, finding.file, finding.line) == (place + 1, path.name, index + 1)
    assert str(finding).startswith(f"{path.name}:{index + 1}: record {place + 1}: was changed")


def test_deleted_records_are_named(trail: Path) -> None:
    path = segments(trail)[0]
    content = lines(path)
    path.write_bytes(b"".join(content[:3] + content[5:]))
    (finding,) = verify(trail).findings
    assert (finding.sequence, finding.line) == (4, 4)
    assert "up to 5 are missing" in finding.problem


def test_a_cut_end_is_named(trail: Path) -> None:
    path = segments(trail)[-1]
    content = lines(path)
    path.write_bytes(b"".join(content[:-1]))
    (finding,) = verify(trail).findings
    assert finding.sequence == 80
    assert "missing at the end" in finding.problem


def test_a_missing_segment_is_named(trail: Path) -> None:
    second = segments(trail)[1]
    second.unlink()
    assert verify(trail).findings[0].file == second.name


def test_a_gap_counts_only_where_it_is_declared(tmp_path: Path) -> None:
    """A RECOVERY record covers exactly the numbers it names."""
    from dbguard.audit.chain import GENESIS, Head, make_line

    at = "2026-11-21T08:00:00.722371Z"

    def write(gap_first: int, gap_last: int) -> None:
        first, hash_one = make_line(1, at, GENESIS, b'"kind":"start","fields":{},"session":""')
        body = b'"kind":"recovery","fields":{"gap_first":"%d","gap_last":"%d"},"session":""' % (
            gap_first,
            gap_last,
        )
        second, hash_two = make_line(5, at, hash_one, body)
        (tmp_path / "audit-000001.jsonl").write_bytes(first + second)
        (tmp_path / "head").write_bytes(Head(5, hash_two).render())

    write(2, 4)
    assert verify(tmp_path).ok
    for gap in [(1, 4), (2, 3), (3, 4), (2, 5)]:
        write(*gap)
        assert not verify(tmp_path).ok


def test_no_trail_is_not_a_verified_trail(tmp_path: Path) -> None:
    with pytest.raises(NoTrail):
        verify(tmp_path)
    with pytest.raises(OSError):
        verify(tmp_path / "nothing")


def test_a_running_writer_is_no_finding(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path, segment_bytes=20_000)
    for turn in range(300):
        log.append(EventRecord(RecordKind.CONNECT, f"s{turn}", (("user", "analyst" * 50),)))
        if turn % 10 == 0:
            assert verify(tmp_path).findings == ()
    log.close()
    assert verify(tmp_path).records == 300
