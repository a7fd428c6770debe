"""Random tamperings of trails with a past, each found at the right place.

E2E_TAMPERINGS says how many. The *right place* is told from the untouched trail, chain by chain:

* records: the first finding of the chain names the first record that is not at its place any more,
  or its file and line; where its line feed was hit, or its frame of a sealed segment, the record
  behind it, or one of that frame's;
* a chain rewritten with fitting hashes and head: the finding names the records between the last
  checkpoint that fits and the first that does not, and the changed one is among them;
* files of checkpoints, `pruned.json` and `head`: the finding names the file, and the line.

Copies of all checkpoints from before are always given, as from a second place.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest
from backports import zstd

from dbguard.audit.signing import SigningKey
from dbguard.verification.findings import Finding, Verification
from dbguard.verification.trail import verify

from .chain_writer import peaks, tree_hash
from .histories import History, build

TAMPERINGS = int(os.environ.get("E2E_TAMPERINGS", "60"))
TRAILS = max(2, min(25, TAMPERINGS // 40))
Oracle = Callable[[Verification], bool]


@dataclass(frozen=True)
class Row:
    """A record of the untouched trail."""

    sequence: int
    segment: int
    line: bytes


@dataclass
class Case:
    """A copy of a trail that is tampered with, in one chain."""

    trail: Path
    writer: str
    random: Random
    history: History

    @property
    def folder(self) -> Path:
        return self.trail / self.writer if self.writer else self.trail

    @property
    def prefix(self) -> str:
        return f"{self.writer}/" if self.writer else ""

    def path(self, number: int) -> Path:
        plain = self.folder / f"audit-{number:06d}.jsonl"
        return plain if plain.exists() else plain.with_name(plain.name + ".zst")

    def numbers(self) -> list[int]:
        return sorted({int(path.name[6:12]) for path in self.folder.glob("audit-*.jsonl*")})

    def rows(self, number: int | None = None) -> list[Row]:
        numbers = self.numbers() if number is None else [number]
        return [
            Row(json.loads(line)["seq"], one, line)
            for one in numbers
            for line in content(self.path(one)).splitlines(keepends=True)
        ]

    def write(self, number: int, lines: list[bytes]) -> None:
        """Plain, whatever it was."""
        self.path(number).unlink()
        (self.folder / f"audit-{number:06d}.jsonl").write_bytes(b"".join(lines))

    def plain(self) -> list[int]:
        return [number for number in self.numbers() if self.path(number).suffix == ".jsonl"]

    def first(self, result: Verification) -> Finding | None:
        found = [one for one in result.findings if one.writer == self.writer]
        return found[0] if found else None

    def at(self, row: Row, *others: Row) -> Oracle:
        """The first finding names the record, its line, or its file as a whole (gone)."""
        sequences = {row.sequence, *(other.sequence for other in others)}
        own = [one.sequence for one in self.rows(row.segment)]
        line = own.index(row.sequence) + 1
        name = f"{self.prefix}audit-{row.segment:06d}.jsonl"

        def right(result: Verification) -> bool:
            first = self.first(result)
            return first is not None and (
                first.sequence in sequences
                or (first.file.removesuffix(".zst"), first.line) in ((name, line), (name, 0))
            )

        return right

    def names(self, file: str, line: int | None = None, writer: str | None = None) -> Oracle:
        def right(result: Verification) -> bool:
            return any(
                one.file == self.prefix + file and (line is None or one.line == line)
                for one in result.findings
            )

        return right

    def head(self, sequence: int, digest: str) -> None:
        covered = f'{{"v":1,"seq":{sequence},"hash":"{digest}"'
        text = f'{covered},"checksum":"{sha256(covered.encode()).hexdigest()}"}}'
        (self.folder / "head").write_text(text.ljust(255) + "\n")

    def checkpoints(self) -> list[bytes]:
        return (self.folder / "checkpoints.jsonl").read_bytes().splitlines(keepends=True)


def content(path: Path) -> bytes:
    return zstd.decompress(path.read_bytes()) if path.suffix == ".zst" else path.read_bytes()


def noted(stored: bytes) -> dict[str, str]:
    lines = json.loads(stored)["note"].splitlines()
    return dict(line.split(" ", 1) for line in lines[3:6]) | {"size": lines[1]}


def pick(case: Case, numbers: list[int] | None = None) -> tuple[list[Row], int]:
    """A segment's records, and the place of one of them."""
    rows = case.rows(case.random.choice(numbers or case.numbers()))
    return rows, case.random.randrange(len(rows))


# ---- each changes the trail and says where that has to be seen


def flip_bit(case: Case) -> Oracle:
    rows, _ = pick(case, case.plain())
    data = bytearray(b"".join(row.line for row in rows))
    place = case.random.randrange(len(data))
    oracle = hit(case, rows, place)
    data[place] ^= 1 << case.random.randrange(8)
    case.write(rows[0].segment, [bytes(data)])
    return oracle


def change_byte(case: Case) -> Oracle:
    rows, _ = pick(case, case.plain())
    data = bytearray(b"".join(row.line for row in rows))
    place = case.random.randrange(len(data))
    oracle = hit(case, rows, place)
    data[place] = (data[place] + case.random.randrange(1, 256)) % 256
    case.write(rows[0].segment, [bytes(data)])
    return oracle


def insert_bytes(case: Case) -> Oracle:
    rows, _ = pick(case, case.plain())
    data = b"".join(row.line for row in rows)
    place = case.random.randrange(len(data))
    junk = case.random.choice([b"\n", b" ", b"x\n", b"\0", b"{}\n"])
    oracle = hit(case, rows, place)
    case.write(rows[0].segment, [data[:place], junk, data[place:]])
    return oracle


def hit(case: Case, rows: list[Row], place: int) -> Oracle:
    """What stands at the byte; a line feed belongs to both lines around it."""
    end = 0
    for index, row in enumerate(rows):
        end += len(row.line)
        if place < end:
            following = rows[index + 1 : index + 2] if place == end - 1 else []
            return case.at(row, *following)
    raise AssertionError


def flip_sealed(case: Case) -> Oracle | None:
    sealed = [number for number in case.numbers() if number not in case.plain()]
    if not sealed:
        return None
    number = case.random.choice(sealed)
    rows = case.rows(number)
    oracle = case.at(rows[0], *rows)  # segments are short here: one frame each
    path = case.path(number)
    before = content(path)
    data = bytearray(path.read_bytes())
    data[case.random.randrange(len(data))] ^= 1 << case.random.randrange(8)
    path.write_bytes(data)
    try:
        if content(path) == before:
            return None  # the records are what they were
    except zstd.ZstdError:
        pass
    return oracle


def delete_lines(case: Case) -> Oracle:
    rows, place = pick(case)
    count = case.random.randint(1, 3)
    oracle = case.at(rows[place])
    case.write(rows[0].segment, [row.line for row in rows[:place] + rows[place + count :]])
    return oracle


def insert_copy(case: Case) -> Oracle:
    rows, place = pick(case)
    source, other = pick(case)
    lines = [row.line for row in rows]
    lines.insert(place, source[other].line)
    if lines[place] == lines[place + 1]:
        place += 1
    oracle = case.at(rows[min(place, len(rows) - 1)], source[other])
    case.write(rows[0].segment, lines)
    return oracle


def insert_forgery(case: Case) -> Oracle:
    """A record that continues the one before it as it should, but is not what followed."""
    rows, place = pick(case)
    old = json.loads(rows[place].line)
    forged = line_of({**old, "kind": "start", "fields": {}, "session": "forged"})
    oracle = case.at(rows[place], *rows[place + 1 : place + 2])
    lines = [row.line for row in rows]
    case.write(rows[0].segment, [*lines[:place], forged, *lines[place:]])
    return oracle


def swap_lines(case: Case) -> Oracle | None:
    rows, place = pick(case)
    other = case.random.randrange(len(rows))
    if place == other:
        return None
    oracle = case.at(rows[min(place, other)], rows[max(place, other)])
    lines = [row.line for row in rows]
    lines[place], lines[other] = lines[other], lines[place]
    case.write(rows[0].segment, lines)
    return oracle


def move_line(case: Case) -> Oracle | None:
    rows, place = pick(case)
    target = case.random.choice(case.numbers())
    if target == rows[0].segment:
        return None
    there = case.rows(target)
    at = case.random.randrange(len(there))
    moved = rows[place]
    first = moved if moved.segment < target else there[at]
    oracle = case.at(first, moved, there[at])
    case.write(target, [*(r.line for r in there[:at]), moved.line, *(r.line for r in there[at:])])
    case.write(rows[0].segment, [row.line for row in rows if row is not moved])
    return oracle


def cut_anywhere(case: Case) -> Oracle | None:
    rows, _ = pick(case, case.plain())
    data = b"".join(row.line for row in rows)
    place = case.random.randrange(len(data))
    oracle = hit(case, rows, place)
    case.write(rows[0].segment, [data[:place]])
    return oracle


def remove_segments(case: Case) -> Oracle:
    numbers = case.numbers()
    begin = case.random.randrange(len(numbers))
    going = numbers[begin : begin + case.random.randint(1, 2)]
    oracle = case.at(case.rows(going[0])[0])
    for number in going:
        case.path(number).unlink()
    return oracle


def replace_segment(case: Case) -> Oracle | None:
    numbers = case.numbers()
    if len(numbers) < 2:
        return None
    one, two = case.random.sample(numbers, 2)
    oracle = case.at(case.rows(one)[0], case.rows(two)[0])
    case.write(one, [row.line for row in case.rows(two)])
    return oracle


def swap_segments(case: Case) -> Oracle | None:
    numbers = case.numbers()
    if len(numbers) < 2:
        return None
    one, two = sorted(case.random.sample(numbers, 2))
    first, second = case.rows(one), case.rows(two)
    oracle = case.at(first[0], second[0])
    case.write(one, [row.line for row in second])
    case.write(two, [row.line for row in first])
    return oracle


def rename_segment(case: Case) -> Oracle:
    numbers = case.numbers()
    number = case.random.choice(numbers)
    oracle = case.at(case.rows(number)[0])
    name = case.path(number).name.replace(f"{number:06d}", f"{numbers[-1] + 3:06d}")
    case.path(number).rename(case.folder / name)
    return oracle


def splice(case: Case) -> Oracle | None:
    """The rest of a segment comes from another chain of the same kind."""
    rows, place = pick(case)
    others = [name for name in ("", "eu-1", "operator") if name != case.writer]
    for name in others:
        other = Case(case.trail, name, case.random, case.history)
        if other.folder.is_dir() and other.numbers():
            theirs = [row.line for row in other.rows()][: len(rows) - place]
            oracle = case.at(rows[place])
            case.write(rows[0].segment, [*(row.line for row in rows[:place]), *theirs])
            return oracle
    return None


def line_of(members: dict[str, object]) -> bytes:
    covered = json.dumps(
        {name: value for name, value in members.items() if name != "hash"},
        separators=(",", ":"),
        ensure_ascii=False,
    ).encode()[:-1]
    return covered + b',"hash":"%b"}\n' % sha256(covered).hexdigest().encode()


def rewrite(case: Case, start: Row, change: Callable[[dict[str, object]], None]) -> list[bytes]:
    """Change one record, make all hashes behind it fit, and the head file. All lines, as bytes."""
    prev = ""
    lines: list[bytes] = []
    for number in case.numbers():
        segment = []
        for row in case.rows(number):
            line = row.line
            if row.sequence >= start.sequence:
                members = json.loads(line)
                if row.sequence == start.sequence:
                    change(members)
                elif prev:
                    members["prev"] = prev
                line = line_of(members)
                prev = json.loads(line)["hash"]
            segment.append(line)
        lines += segment
        case.write(number, segment)
    last = json.loads(lines[-1])
    case.head(last["seq"], last["hash"])
    return lines


def covered(case: Case, sequence: int) -> Oracle:
    """The finding's range, from its record to that of the checkpoint it names, has the record."""
    known = sorted(int(noted(line)["seq"]) for line in case.checkpoints())

    def right(result: Verification) -> bool:
        rewritten = [
            one
            for one in result.findings
            if one.writer == case.writer and "rewritten" in one.problem
        ]
        if not rewritten:
            return sequence == 1 and "is not in the trail" in str(result.findings)
        first = min(one.sequence for one in rewritten)
        return first <= sequence <= next(end for end in known if end >= first)

    return right


def session(members: dict[str, object]) -> None:
    members["session"] = "nobody"


def rewrite_all_hashes(case: Case) -> Oracle:
    start = case.random.choice(case.rows())
    oracle = covered(case, start.sequence)
    rewrite(case, start, session)
    return oracle


def rewrite_and_drop_checkpoints(case: Case) -> Oracle:
    start = case.random.choice(case.rows())
    oracle = covered(case, start.sequence)
    rewrite(case, start, session)
    (case.folder / "checkpoints.jsonl").unlink()
    return oracle


def rewrite_and_sign(case: Case, key: SigningKey) -> None:
    """Checkpoints over the trail as it is now, in the places of the old ones."""
    made = []
    leaves = [bytes.fromhex(json.loads(row.line)["hash"]) for row in case.rows()]
    by_sequence = {row.sequence: index for index, row in enumerate(case.rows())}
    for stored in case.checkpoints():
        old = json.loads(stored)
        note = old["note"].splitlines()
        place = by_sequence.get(int(note[3].split()[1]))
        if place is None:
            continue
        text = "\n".join(
            [
                f"dbguard.audit/{leaves[0].hex()[:16]}",
                str(place + 1),
                base64.b64encode(tree_hash(leaves[: place + 1])).decode(),
                note[3],
                f"hash {leaves[place].hex()}",
                f"{note[5]}\n",
            ]
        )
        members = {
            "v": 1,
            "segment": old["segment"],
            "note": key.signer.note(text),
            "peaks": [peak.hex() for peak in peaks(leaves[: place + 1])],
        }
        made.append(json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")
    (case.folder / "checkpoints.jsonl").write_bytes(b"".join(made))


def sign_with_another_key(case: Case) -> Oracle | None:
    if (case.folder / "pruned.json").exists():
        return None
    rewrite(case, case.random.choice(case.rows()), session)
    rewrite_and_sign(case, SigningKey(case.trail.with_name("forger.key")))
    return case.names("checkpoints.jsonl", 1)


def set_a_time_back_and_sign(case: Case) -> Oracle | None:
    """Even whoever has the key has to say it when the clock is set back."""
    if (case.folder / "pruned.json").exists():
        return None
    rows = case.rows()
    start = case.random.choice(rows[1:])
    if json.loads(start.line)["kind"] == "clock":
        return None

    def change(members: dict[str, object]) -> None:
        members["time"] = "2001" + str(members["time"])[4:]

    oracle = case.at(start)
    rewrite(case, start, change)
    rewrite_and_sign(case, SigningKey(case.history.key))

    def right(result: Verification) -> bool:
        return oracle(result) and "clock was set back" in str(case.first(result))

    return right


def roll_back(case: Case) -> Oracle | None:
    """Cut the end off, with head and checkpoints as they were at that time."""
    rows = case.rows()
    place = case.random.randrange(1, len(rows))
    first = rows[place]
    oracle = case.at(first)
    for number in case.numbers():
        kept = [row.line for row in case.rows(number) if row.sequence < first.sequence]
        if kept:
            case.write(number, kept)
        else:
            case.path(number).unlink()
    last = rows[place - 1]
    case.head(last.sequence, json.loads(last.line)["hash"])
    kept = [line for line in case.checkpoints() if int(noted(line)["seq"]) < first.sequence]
    (case.folder / "checkpoints.jsonl").write_bytes(b"".join(kept))

    def right(result: Verification) -> bool:
        return oracle(result) or any(one.sequence == first.sequence for one in result.findings)

    return right


def flip_checkpoint(case: Case) -> Oracle:
    stored = case.checkpoints()
    place = case.random.randrange(len(stored))
    data = bytearray(stored[place])
    at = case.random.randrange(len(data) - 1)
    data[at] ^= 1 << case.random.randrange(8)
    stored[place] = bytes(data)
    (case.folder / "checkpoints.jsonl").write_bytes(b"".join(stored))
    return case.names("checkpoints.jsonl", place + 1)


def remove_checkpoint(case: Case) -> Oracle:
    stored = case.checkpoints()
    place = case.random.randrange(len(stored))
    sequence = int(noted(stored.pop(place))["seq"])
    (case.folder / "checkpoints.jsonl").write_bytes(b"".join(stored))

    def right(result: Verification) -> bool:
        return any(
            (one.sequence, one.file) == (sequence, f"{case.prefix}checkpoints.jsonl")
            for one in result.findings
        )

    return right if not _before_pruned(case, sequence) else lambda result: True


def _before_pruned(case: Case, sequence: int) -> bool:
    path = case.folder / "pruned.json"
    return path.exists() and sequence < int(noted(path.read_bytes())["seq"])


def swap_checkpoints(case: Case) -> Oracle | None:
    stored = case.checkpoints()
    if len(stored) < 2:
        return None
    one, two = sorted(case.random.sample(range(len(stored)), 2))
    stored[one], stored[two] = stored[two], stored[one]
    (case.folder / "checkpoints.jsonl").write_bytes(b"".join(stored))
    return case.names("checkpoints.jsonl", one + 2)


def repeat_checkpoint(case: Case) -> Oracle:
    stored = case.checkpoints()
    place = case.random.randrange(len(stored))
    stored.insert(place, stored[place])
    (case.folder / "checkpoints.jsonl").write_bytes(b"".join(stored))
    return case.names("checkpoints.jsonl", place + 2)


def flip_head(case: Case) -> Oracle:
    path = case.folder / "head"
    data = bytearray(path.read_bytes())
    data[case.random.randrange(len(data))] ^= 1 << case.random.randrange(8)
    path.write_bytes(data)
    return case.names("head")


def forge_head(case: Case) -> Oracle:
    row = case.random.choice(case.rows())
    case.head(row.sequence, sha256(row.line).hexdigest())
    return case.names("head")


def change_pruned(case: Case) -> Oracle | None:
    path = case.folder / "pruned.json"
    if not path.exists():
        return None
    if case.random.random() < 0.3:
        path.unlink()
        return lambda result: case.first(result) is not None
    data = bytearray(path.read_bytes())
    data[case.random.randrange(len(data) - 1)] ^= 1 << case.random.randrange(8)
    path.write_bytes(data)
    return lambda result: any(one.writer == case.writer for one in result.findings)


def remove_chain(case: Case) -> Oracle | None:
    if not case.writer:
        return None
    shutil.rmtree(case.folder)
    return lambda result: "is not in the trail" in str(result.findings)


MUTATIONS: list[Callable[[Case], Oracle | None]] = [
    flip_bit, change_byte, insert_bytes, flip_sealed, delete_lines, insert_copy, insert_forgery,
    swap_lines, move_line, cut_anywhere, remove_segments, replace_segment, swap_segments,
    rename_segment, splice, rewrite_all_hashes, rewrite_and_drop_checkpoints,
    sign_with_another_key, set_a_time_back_and_sign, roll_back, flip_checkpoint,
    remove_checkpoint, swap_checkpoints, repeat_checkpoint, flip_head, forge_head, change_pruned,
    remove_chain,
]  # fmt: skip


@pytest.fixture(scope="module", params=range(TRAILS))
def history(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> History:
    return build(tmp_path_factory.mktemp("history"), 1000 + request.param)


def test_every_tampering_is_found_at_its_place(history: History, tmp_path: Path) -> None:
    writers = [
        name for name in ("", "eu-1", "operator") if (history.folder(name) / "head").exists()
    ]
    copies = []
    for name in writers:
        copies.append(tmp_path / f"copy-{name}")
        shutil.copy(history.folder(name) / "checkpoints.jsonl", copies[-1])
    assert verify(history.trail, keys=history.keys(), checkpoint_files=copies).ok
    done = failed = 0
    wanted = -(-TAMPERINGS // TRAILS)
    turn = 0
    missed = []
    while done < wanted:
        turn += 1
        random = Random(turn * 7919 + history.random.randrange(1 << 30))
        mutate = MUTATIONS[turn % len(MUTATIONS)]
        trail = tmp_path / "tampered" / "audit"
        shutil.copytree(history.trail, trail)
        oracle = mutate(Case(trail, random.choice(writers), random, history))
        if oracle is not None:
            done += 1
            result = verify(trail, keys=history.keys(), checkpoint_files=copies)
            if result.ok or not oracle(result):
                failed += 1
                missed.append((mutate.__name__, turn, [str(one) for one in result.findings][:4]))
        shutil.rmtree(trail.parent)
    assert not missed, (failed, done, missed[:10])
