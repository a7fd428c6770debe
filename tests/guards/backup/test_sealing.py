"""Encrypted dumps: what was written comes back, and nothing else does."""

from __future__ import annotations

import io
import random

import pytest

from dbguard.errors import BackupError
from dbguard.guards.backup.sealing import CHUNK, Key, decrypt, encrypt, key_from

KEY = Key(bytes(range(32)))
SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 17]


def sealed(data: bytes, name: str = "id") -> bytes:
    out = io.BytesIO()
    encrypt(io.BytesIO(data), out, KEY, name)
    return out.getvalue()


def opened(data: bytes, key: Key = KEY, name: str = "id") -> bytes:
    out = io.BytesIO()
    decrypt(io.BytesIO(data), out, key, name)
    return out.getvalue()


@pytest.mark.parametrize("size", SIZES)
def test_what_was_encrypted_comes_back(size: int) -> None:
    data = random.Random(size).randbytes(size)
    assert opened(sealed(data)) == data
    assert data[:64] not in sealed(data) or size == 0 or size == 1


def test_the_same_dump_twice_looks_different() -> None:
    assert sealed(b"x" * 100) != sealed(b"x" * 100)


@pytest.mark.parametrize("size", [0, 5, CHUNK, 2 * CHUNK + 3])
def test_no_flipped_bit_and_no_cut_gets_past(size: int) -> None:
    chance = random.Random(size)
    data = sealed(chance.randbytes(size))
    for _ in range(60):
        changed = bytearray(data)
        changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        with pytest.raises(BackupError):
            opened(bytes(changed))
    for end in {0, 7, 31, 32, len(data) - 1, *(chance.randrange(len(data)) for _ in range(20))}:
        with pytest.raises(BackupError):
            opened(data[:end])
    with pytest.raises(BackupError):
        opened(data + b"\0")


def test_a_file_cut_between_chunks_and_chunks_in_another_order_do_not_open() -> None:
    header, chunk = 32, CHUNK + 16
    data = sealed(bytes(3 * CHUNK + 5))
    pieces = [data[header + i * chunk : header + (i + 1) * chunk] for i in range(3)]
    for wrong in (
        pieces[:1],
        pieces[:3],
        [pieces[1], pieces[0], pieces[2], data[header + 3 * chunk :]],
        [pieces[0], pieces[0], pieces[2], data[header + 3 * chunk :]],
    ):
        with pytest.raises(BackupError, match="changed or cut"):
            opened(data[:header] + b"".join(wrong))


def test_another_files_name_and_another_key_do_not_open_it() -> None:
    with pytest.raises(BackupError, match="changed or cut"):
        opened(sealed(b"patients", "one"), name="other")
    with pytest.raises(BackupError, match="another key"):
        opened(sealed(b"patients"), key=Key(bytes(32)))


@pytest.mark.parametrize("text", ["00" * 32, "A" * 43 + "=", "  " + "ab" * 32 + "\n"])
def test_keys_are_read_in_base64_and_hexadecimal(text: str) -> None:
    assert len(key_from(text).secret) == 32


@pytest.mark.parametrize("text", ["", "short", "zz" * 32, "00" * 31, "geheim" * 10])
def test_what_is_no_key_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(BackupError) as caught:
        key_from(text)
    assert not text or text not in f"{caught.value.message} {caught.value.detail}"
    assert "secret" not in repr(KEY)
