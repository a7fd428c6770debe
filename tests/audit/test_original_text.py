"""Only the auditor's key opens a sealed text, and only in the record that it belongs to."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dbguard.audit.original_text import (
    CannotOpen,
    TextSealer,
    load_private,
    load_public,
    make_keys,
    open_text,
)
from dbguard.errors import ConfigurationError

KEY = X25519PrivateKey.generate()
TEXT = "SELECT * FROM patients WHERE ssn = '123-45-6789' -- Müller"


def sealer(limit: int = 10_000) -> TextSealer:
    return TextSealer(KEY.public_key(), limit)


def test_the_key_opens_it() -> None:
    sealed = sealer().seal(TEXT, "s1", "f1")
    assert "6789" not in sealed
    assert b"6789" not in base64.b64decode(sealed)
    found = open_text(sealed, KEY, "s1", "f1")
    assert (found.text, found.is_cut) == (TEXT, False)
    assert "6789" not in repr(found)


def test_another_key_does_not() -> None:
    with pytest.raises(CannotOpen, match="for another key"):
        open_text(sealer().seal(TEXT, "s1", "f1"), X25519PrivateKey.generate(), "s1", "f1")


@pytest.mark.parametrize(("session", "fingerprint"), [("s2", "f1"), ("s1", "f2"), ("s1\nf1", "")])
def test_it_belongs_to_one_record(session: str, fingerprint: str) -> None:
    with pytest.raises(CannotOpen, match="another record"):
        open_text(sealer().seal(TEXT, "s1", "f1"), KEY, session, fingerprint)


def test_any_changed_byte_is_noticed() -> None:
    raw = base64.b64decode(sealer().seal("SELECT 1", "s1", "f1"))
    for position in range(len(raw)):
        changed = bytearray(raw)
        changed[position] ^= 1
        with pytest.raises(CannotOpen):
            open_text(base64.b64encode(changed).decode(), KEY, "s1", "f1")
    for broken in ("", "x", "####", base64.b64encode(raw[:-1]).decode()):
        with pytest.raises(CannotOpen):
            open_text(broken, KEY, "s1", "f1")


def test_long_texts_are_cut_between_characters_and_say_so() -> None:
    found = open_text(sealer(300).seal("é" * 400, "s", "f"), KEY, "s", "f")
    assert (found.text, found.whole_bytes, found.is_cut) == ("é" * 150, 800, True)
    odd = open_text(sealer(301).seal("é" * 400, "s", "f"), KEY, "s", "f")
    assert odd.text == "é" * 150


def test_the_length_tells_little() -> None:
    short, long = (sealer().seal(f"SELECT '{'x' * n}'", "s", "f") for n in (3, 180))
    assert len(short) == len(long)


def test_what_runs_again_is_sealed_once_in_a_session() -> None:
    one = sealer()
    assert one.seal(TEXT, "s1", "f1") == one.seal(TEXT, "s1", "f1")
    assert one.seal(TEXT, "s1", "f1") != one.seal(TEXT, "s2", "f1")
    assert one.seal("a\udcff", "s1", "f1")


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbguard.audit.original_text._KEPT_BYTES", 3_000)
    one = sealer()
    first = one.seal("SELECT 1", "s", "f")
    for number in range(5):
        one.seal(f"SELECT {number + 2}", "s", "f")
    assert one.seal("SELECT 1", "s", "f") != first


def test_keys_of_an_auditor(tmp_path: Path) -> None:
    path = tmp_path / "auditor.key"
    public = make_keys(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert public == tmp_path / "auditor.pub"
    sealed = TextSealer(load_public(public), 1_000).seal(TEXT, "s", "f")
    assert open_text(sealed, load_private(path), "s", "f").text == TEXT
    with pytest.raises(ConfigurationError, match="there is a key already"):
        make_keys(path)
    with pytest.raises(ConfigurationError, match="choose another"):
        make_keys(tmp_path / "auditor.pub")


def test_what_is_no_such_key(tmp_path: Path) -> None:
    other = tmp_path / "other.key"
    private = Ed25519PrivateKey.generate()
    other.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(ConfigurationError, match="is not an X25519 key"):
        load_private(other)
    with pytest.raises(ConfigurationError, match="is not a public key"):
        load_public(other)
    with pytest.raises(ConfigurationError, match="cannot be read: no such file"):
        load_public(tmp_path / "nothing")
    with pytest.raises(ConfigurationError, match="is a directory"):
        load_public(tmp_path)
