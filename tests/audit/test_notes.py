"""Signed notes: the Go implementation's example, and what must not be taken for one."""

from __future__ import annotations

import base64
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from dbguard.audit.notes import (
    Checkpoint,
    Signer,
    UnusableNote,
    VerifyingKey,
    open_note,
    origin,
)

# golang.org/x/mod/sumdb/note, the package's documentation
PRIVATE = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
NOTE = TEXT + (
    "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngot"
    "pRZb6KE6RyyBwJnAM=\n"
)
PETER = VerifyingKey.parse(VKEY)
SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
POINT = Checkpoint(
    origin=origin(b"0123456789abcdef" + b"f" * 48),
    size=42,
    root=bytes(range(32)),
    sequence=44,
    hash=b"ab" * 32,
    time="2026-11-21T08:00:00.000001Z",
)


def test_the_example_of_the_go_package() -> None:
    assert PETER.text == VKEY
    assert open_note(NOTE, {"PeterNeumann": PETER}) == (TEXT, PETER)
    private = Ed25519PrivateKey.from_private_bytes(base64.b64decode(PRIVATE)[1:])
    assert private.public_key().public_bytes_raw() == PETER.raw
    signature = base64.b64encode(PETER.id + private.sign(TEXT.encode())).decode()
    assert NOTE.endswith(f"— PeterNeumann {signature}\n")


def test_ours_is_what_the_contract_says_byte_for_byte() -> None:
    raw = SIGNER.key.raw
    name = "dbguard-" + sha256(raw).hexdigest()[:8]
    key_id = sha256(name.encode() + b"\x0a\x01" + raw).digest()[:4]
    assert SIGNER.key.name == name
    encoded = base64.b64encode(b"\x01" + raw).decode()
    assert SIGNER.key.text == f"{name}+{key_id.hex()}+{encoded}"
    text = (
        "dbguard.audit/0123456789abcdef\n"
        "42\n"
        f"{base64.b64encode(bytes(range(32))).decode()}\n"
        "seq 44\n"
        f"hash {'ab' * 32}\n"
        "time 2026-11-21T08:00:00.000001Z\n"
    )
    assert POINT.text() == text
    note = SIGNER.note(text)
    start, line = note[: len(text) + 1], note[len(text) + 1 :]
    assert start == text + "\n"
    dash, found, signed = line.removesuffix("\n").split(" ")
    assert (dash, found) == ("\u2014", name)
    data = base64.b64decode(signed, validate=True)
    assert data[:4] == key_id
    Ed25519PublicKey.from_public_bytes(raw).verify(data[4:], text.encode())


@pytest.mark.parametrize("pruned", [False, True])
def test_a_checkpoint_reads_back(pruned: bool) -> None:
    from dataclasses import replace

    point = replace(POINT, pruned=pruned)
    assert Checkpoint.parse(point.text()) == point
    assert point.text().endswith("pruned\n") == pruned


def test_signatures_of_strangers_are_passed_over() -> None:
    other = Signer(Ed25519PrivateKey.generate())
    text = POINT.text()
    note = other.note(text) + SIGNER.note(text).removeprefix(text + "\n")
    assert open_note(note, {SIGNER.key.name: SIGNER.key}) == (text, SIGNER.key)


def changed_text(note: str) -> str:
    return note.replace("seq 44", "seq 43")


def other_signature(note: str) -> str:
    other = Signer(Ed25519PrivateKey.generate())
    text = POINT.text()
    return other.note(text).replace(other.key.name, SIGNER.key.name)


@pytest.mark.parametrize(
    "spoil",
    [
        changed_text,
        other_signature,
        lambda note: note[:-1],
        lambda note: note.replace("\n\n", "\n"),
        lambda note: note.replace("— ", "- "),
        lambda note: note.replace("— ", "—  "),
        lambda note: note[:-6] + "!" + note[-5:],
        lambda _note: "",
        lambda _note: "\n\n",
    ],
)
def test_what_is_not_a_good_note_is_unusable(spoil) -> None:  # type: ignore[no-untyped-def]
    note = SIGNER.note(POINT.text())
    assert spoil(note) != note
    with pytest.raises(UnusableNote):
        open_note(spoil(note), {SIGNER.key.name: SIGNER.key})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("dbguard.audit/", "example.org/"),
        ("\n42\n", "\n042\n"),
        ("\n42\n", "\n-42\n"),
        ("seq 44", "seq 44 "),
        ("hash ab", "hash AB"),
        ("Z\n", "Z\nmore\n"),
        ("Z\n", "Z"),
    ],
)
def test_what_is_not_a_checkpoint_is_unusable(old: str, new: str) -> None:
    with pytest.raises(UnusableNote):
        Checkpoint.parse(POINT.text().replace(old, new))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PeterNeumann",
        VKEY.replace("c74f20a3", "c74f20a4"),
        VKEY.replace("PeterNeumann", "Peter"),
        VKEY[:-4],
        VKEY.replace("+ARpc", "+Bhpc"),
        VKEY + "\n",
    ],
)
def test_what_is_not_a_public_key_is_unusable(text: str) -> None:
    with pytest.raises(UnusableNote):
        VerifyingKey.parse(text)
