"""What the check of a trail finds, what it leaves in peace, and what it says of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dbguard.verification.findings import Finding, NoTrail, UnusableInput
from dbguard.verification.signed_note import PublicKey, read_keys, read_vkey
from dbguard.verification.trail import verify

from .chain_writer import ChainWriter, Key


def test_an_honest_trail_is_in_order(built: Path, public: PublicKey) -> None:
    result = verify(built, keys=[public])
    assert result.findings == ()
    assert [chain.writer for chain in result.chains] == ["", "eu-1", "operator"]
    top, other, operator = result.chains
    assert (top.records, top.segments, top.last_sequence, top.checkpoints) == (100, 5, 100, 9)
    assert (top.signed_through, top.signed_by) == (100, public.name)
    assert (other.pruned_through, other.records, other.last_sequence) == (13, 22, 38)
    assert other.signed_by == Key(2).name
    assert operator.records == 2
    assert any("clock was set" in note for note in result.notes)


def test_processes_find_the_same(built: Path, public: PublicKey) -> None:
    assert verify(built, keys=[public], processes=2) == verify(built, keys=[public])


def test_without_a_key_it_says_what_was_not_checked(built: Path) -> None:
    result = verify(built)
    assert result.ok
    assert result.chains[0].signed_through == 0
    assert "no public key was given" in result.unchecked[0]
    assert "second place" in result.unchecked[1]


def test_no_trail(tmp_path: Path) -> None:
    with pytest.raises(NoTrail):
        verify(tmp_path)
    with pytest.raises(OSError):
        verify(tmp_path / "nothing")


# Each changes the trail; then: where the first finding is, and words of it.


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def write(path: Path, content: list[bytes]) -> None:
    path.write_bytes(b"".join(content))


def flip(trail: Path) -> None:
    path = trail / "audit-000001.jsonl"
    path.write_bytes(path.read_bytes().replace(b"u3", b"u4", 1))


def flip_sealed(trail: Path) -> None:
    path = trail / "audit-000002.jsonl.zst"
    data = bytearray(path.read_bytes())
    data[-30] ^= 1
    path.write_bytes(data)


def delete(trail: Path) -> None:
    path = trail / "audit-000004.jsonl"
    content = lines(path)
    write(path, content[:4] + content[6:])


def cut_tail(trail: Path) -> None:
    path = trail / "audit-000005.jsonl"
    write(path, lines(path)[:-2])


def cut_tail_with_head(trail: Path) -> None:
    cut_tail(trail)
    rewrite_head(trail)


def cut_tail_with_everything(trail: Path) -> None:
    cut_tail_with_head(trail)
    path = trail / "checkpoints.jsonl"
    write(path, lines(path)[:-1])


def rewrite_head(trail: Path) -> None:
    """As somebody does who knows how."""
    last = sorted(trail.glob("audit-*.jsonl"))[-1]
    _, _, after = lines(last)[-1].partition(b'"seq":')
    chain = ChainWriter.__new__(ChainWriter)
    chain.directory = trail
    chain.sequence = int(after.partition(b",")[0])
    chain.prev = lines(last)[-1][-67:-3].decode()
    chain.head()


def remove_first(trail: Path) -> None:
    (trail / "audit-000001.jsonl").unlink()


def remove_middle(trail: Path) -> None:
    (trail / "audit-000003.jsonl.zst").unlink()


def remove_last(trail: Path) -> None:
    (trail / "audit-000005.jsonl").unlink()


def replace_segment(trail: Path) -> None:
    (trail / "audit-000004.jsonl").write_bytes((trail / "audit-000001.jsonl").read_bytes())


def forge_checkpoint(trail: Path) -> None:
    path = trail / "checkpoints.jsonl"
    content = lines(path)
    content[2] = content[2].replace(b"2026-11-21T08", b"2026-11-21T07")
    write(path, content)


def spoil_checkpoint(trail: Path) -> None:
    path = trail / "checkpoints.jsonl"
    content = lines(path)
    content[2] = b"{}\n"
    write(path, content)


def swap_checkpoints(trail: Path) -> None:
    path = trail / "checkpoints.jsonl"
    content = lines(path)
    write(path, [content[1], content[0], *content[2:]])


def remove_end_checkpoint(trail: Path) -> None:
    path = trail / "checkpoints.jsonl"
    content = lines(path)
    write(path, content[:3] + content[4:])


def remove_checkpoints(trail: Path) -> None:
    (trail / "checkpoints.jsonl").unlink()


def remove_pruned(trail: Path) -> None:
    (trail / "eu-1" / "pruned.json").unlink()


def remove_prune_record(trail: Path) -> None:
    operator = trail / "operator"
    write(operator / "audit-000001.jsonl", lines(operator / "audit-000001.jsonl")[:1])
    (operator / "checkpoints.jsonl").unlink()
    rewrite_head(operator)


def remove_head(trail: Path) -> None:
    (trail / "head").unlink()


def cut_sealed(trail: Path) -> None:
    path = trail / "audit-000002.jsonl.zst"
    path.write_bytes(path.read_bytes()[:-40])


CASES: list[tuple[Callable[[Path], None], str, str]] = [
    (flip, "audit-000001.jsonl:5: record 5", "was changed"),
    (flip_sealed, "audit-000002.jsonl.zst:14: record 35", "not readable"),
    (cut_sealed, "audit-000002.jsonl.zst:14: record 35", "not readable"),
    (delete, "audit-000004.jsonl:5: record 65", "up to 66 are missing"),
    (cut_tail, "audit-000005.jsonl:19: record 99", "up to 100 are missing"),
    (cut_tail_with_head, "checkpoints.jsonl:9: record 99", "up to 100 are missing"),
    (remove_first, "audit-000001.jsonl: record 1", "to 20 are missing: the segment file"),
    (remove_middle, "audit-000003.jsonl: record 41", "to 60 are missing: the segment file"),
    (remove_last, "audit-000004.jsonl:21: record 81", "and all up to 100 are missing"),
    (replace_segment, "audit-000004.jsonl:1: record 1", "out of order or there twice"),
    (forge_checkpoint, "checkpoints.jsonl:3: record 29", "does not fit the checkpoint"),
    (spoil_checkpoint, "checkpoints.jsonl:3: record 21", "not a checkpoint"),
    (swap_checkpoints, "checkpoints.jsonl:2: record 10", "behind one of as many records"),
    (remove_end_checkpoint, "checkpoints.jsonl: record 40", "end of audit-000002.jsonl is missing"),
    (remove_checkpoints, "checkpoints.jsonl: record 20", "is missing, and 3 like it"),
    (remove_pruned, "eu-1/audit-000001.jsonl: record eu-1:1", "to 13 are missing"),
    (remove_prune_record, "eu-1/pruned.json: record eu-1:13", "no PRUNE record"),
    (remove_head, "head: record 100", "head file is missing"),
]


@pytest.mark.parametrize(
    ("tamper", "place", "words"), CASES, ids=lambda c: getattr(c, "__name__", "")
)
def test_tampering_is_found(
    trail: Path,
    public: PublicKey,
    tamper: Callable[[Path], None],
    place: str,
    words: str,
) -> None:
    tamper(trail)
    result = verify(trail, keys=[public])
    assert not result.ok
    first = str(result.findings[0])
    assert first.startswith(place), [str(finding) for finding in result.findings]
    assert words in first


def test_what_only_a_second_place_knows(trail: Path, public: PublicKey, tmp_path: Path) -> None:
    copy = tmp_path / "copies.jsonl"
    copy.write_bytes(b"".join(path.read_bytes() for path in trail.rglob("checkpoints.jsonl")))
    assert verify(trail, keys=[public], checkpoint_files=[copy]).ok
    cut_tail_with_everything(trail)
    assert verify(trail, keys=[public]).ok
    (finding,) = verify(trail, keys=[public], checkpoint_files=[copy]).findings
    assert finding.sequence == 99
    assert "up to 100 are missing at the end" in finding.problem
    assert finding.file == str(copy)


def test_bare_notes_serve_as_well(trail: Path, public: PublicKey, tmp_path: Path) -> None:
    import json

    copy = tmp_path / "notes"
    notes = [json.loads(line)["note"] for line in lines(trail / "checkpoints.jsonl")]
    copy.write_text("\n".join(notes))
    assert verify(trail, keys=[public], checkpoint_files=[copy]).ok
    path = trail / "checkpoints.jsonl"
    content = lines(path)
    write(path, content[:4] + content[5:])
    (finding,) = verify(trail, keys=[public], checkpoint_files=[copy]).findings
    assert (finding.sequence, finding.file) == (49, "checkpoints.jsonl")
    assert "was removed from the file" in finding.problem
    copy.write_text("something else\n")
    with pytest.raises(UnusableInput):
        verify(trail, checkpoint_files=[copy])


def test_a_chain_removed_as_a_whole(trail: Path, public: PublicKey, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copies.jsonl"
    copy.write_bytes((trail / "eu-1" / "checkpoints.jsonl").read_bytes())
    shutil.rmtree(trail / "eu-1")
    assert verify(trail, keys=[public]).ok
    keys = [public, read_vkey(Key(2).vkey)]  # the record of the rotation went with the chain
    (finding,) = verify(trail, keys=keys, checkpoint_files=[copy]).findings
    assert finding.sequence == 38
    assert "is not in the trail" in finding.problem


def twin(directory: Path, key: Key | None, changed_from: int) -> ChainWriter:
    """Two of them are alike up to the record before `changed_from`."""
    chain = ChainWriter(directory, key)
    while chain.sequence < 50:
        changed = chain.sequence + 1 >= changed_from
        chain.event("connect", {"user": "nobody" if changed else "somebody"})
        if chain.sequence % 10 == 0:
            chain.checkpoint()
        if chain.sequence in (20, 40):
            chain.head()
            chain.number += 1
    chain.head()
    return chain


@pytest.mark.parametrize("record", [1, 2, 25, 41, 50])
def test_a_chain_rewritten_as_a_whole(
    tmp_path: Path, key: Key, public: PublicKey, record: int
) -> None:
    honest = twin(tmp_path / "honest", key, 99).directory
    forged = twin(tmp_path / "forged", key, record).directory
    copy = tmp_path / "copy"
    copy.write_bytes((honest / "checkpoints.jsonl").read_bytes())
    assert verify(forged, keys=[public]).ok  # signed with the very key
    (finding,) = verify(forged, keys=[public], checkpoint_files=[copy]).findings
    if record > 1:
        assert finding.sequence <= max(2, record) <= finding.sequence + 9
        assert "rewritten" in finding.problem

    (forged / "checkpoints.jsonl").write_bytes(copy.read_bytes())
    result = verify(forged, keys=[public])  # the honest checkpoints still there
    assert "rewritten" in result.findings[0].problem
    assert not verify(forged).ok


def test_a_chain_signed_anew_with_another_key(tmp_path: Path, key: Key, public: PublicKey) -> None:
    forged = twin(tmp_path / "forged", Key(7), 2).directory
    findings = verify(forged, keys=[public]).findings
    assert len(findings) == 5
    assert all("none of the public keys" in finding.problem for finding in findings)
    (forged / "checkpoints.jsonl").unlink()
    assert "is missing" in verify(forged, keys=[public]).findings[0].problem
    assert verify(twin(tmp_path / "other", key, 2).directory, keys=[public]).ok


def test_clocks(tmp_path: Path) -> None:
    chain = ChainWriter(tmp_path, None)
    chain.work(3)
    back = chain.now.replace(hour=7)
    chain.event("connect", at=back)
    chain.work(2)
    (finding,) = verify(tmp_path).findings
    assert finding.sequence == 4
    assert "the clock was set back" in finding.problem


@pytest.mark.parametrize(
    ("event", "signer", "findings", "notes"),
    [
        ("rotated", 1, [], []),
        ("rotated", 3, ["did not sign that"], []),
        ("replaced", 0, [], ["without its signature"]),
    ],
)
def test_keys_hand_over(
    tmp_path: Path,
    key: Key,
    public: PublicKey,
    event: str,
    signer: int,
    findings: list[str],
    notes: list[str],
) -> None:
    chain = ChainWriter(tmp_path, key)
    chain.work(3)
    chain.checkpoint()
    if event == "replaced":
        chain.replace_key(Key(2))
    else:
        chain.key = forged = Key(signer)
        forged.name = key.name
        chain.rotate(Key(2))
    chain.work(3)
    chain.checkpoint()
    both = [public, read_vkey(Key(2).vkey)]
    result = verify(tmp_path, keys=both)
    assert all(words in str(got) for got, words in zip(result.findings, findings, strict=True))
    assert all(words in note for note, words in zip(result.notes, notes, strict=True))
    alone = verify(tmp_path, keys=[public])
    assert alone.ok == (event == "rotated" and signer == 1)


def test_crash_leftovers_are_notes(trail: Path, public: PublicKey) -> None:
    with (trail / "audit-000005.jsonl").open("ab") as file:
        file.write(b'{"v":1,"seq":102,"ti')
    with (trail / "checkpoints.jsonl").open("ab") as file:
        file.write(b'{"v":1,"segm')
    (trail / "audit-000003.jsonl.zst.tmp").write_bytes(b"half")
    (trail / "audit-000004.jsonl.zst").write_bytes(b"half")
    result = verify(trail, keys=[public])
    assert result.findings == ()
    assert len([note for note in result.notes if "unfinished" in note]) == 2


def test_pruning_that_was_interrupted_is_a_note(trail: Path, public: PublicKey) -> None:
    (trail / "eu-1" / "audit-000001.jsonl").write_bytes(b"what is left of it\n")
    result = verify(trail, keys=[public])
    assert result.ok
    assert any("still there" in note for note in result.notes)


def test_keys_come_as_lines_or_pem(key: Key, public: PublicKey) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem = key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert read_keys(pem, "x") == [public]
    assert read_keys(f"# ours\n{key.vkey}\n{Key(2).vkey}\n".encode(), "x")[0] == public
    for bad in (b"", b"\xff", b"a+b+c", key.vkey.replace("+", "-").encode(), pem[:60]):
        with pytest.raises(UnusableInput):
            read_keys(bad, "x")


def test_findings_have_names() -> None:
    assert str(Finding(3, "eu-1/head", 0, "is odd", "eu-1")) == "eu-1/head: record eu-1:3: is odd"


def test_pages_that_a_power_loss_took_are_a_note_only_where_nobody_knows_of_them(
    trail: Path, public: PublicKey
) -> None:
    path = trail / "audit-000005.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + bytes(100) + b'cut":1}\n' + lines(path)[-1])
    assert verify(trail, keys=[public]).ok
    path.write_bytes(whole.replace(b"u7", b"\0\0"))
    (finding,) = verify(trail, keys=[public]).findings
    assert (finding.sequence, finding.problem) == (88, "is not readable")


def test_where_no_process_can_be_started_it_goes_without(built: Path, public: PublicKey) -> None:
    """A program on standard input has no file that another process could begin with."""
    program = (
        "from pathlib import Path\n"
        "from dbguard.verification.trail import verify\n"
        f"print(verify(Path({str(built)!r}), processes=2).records)\n"
    )
    done = subprocess.run(
        [sys.executable, "-"], input=program, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "124\n", done.stderr
