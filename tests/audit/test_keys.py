"""The key file: made once, for its owner alone, and nothing half done."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from dbguard.audit.keys import load, load_or_create, public_keys, public_path, replace
from dbguard.errors import ConfigurationError


def test_it_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "audit.key"
    signer = load_or_create(path)
    assert load_or_create(path).key == load(path).key == signer.key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert public_path(path) == tmp_path / "keys" / "audit.pub"
    assert public_path(path).read_text() == signer.key.text + "\n"
    assert sorted(p.name for p in path.parent.iterdir()) == ["audit.key", "audit.pub"]


def test_keys_of_openssl_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "audit.key"
    try:
        subprocess.run(
            ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(path)], check=True
        )
    except FileNotFoundError:
        pytest.skip("there is no openssl")
    path.chmod(0o600)
    assert load_or_create(path).key.text + "\n" == public_path(path).read_text()


def test_a_replaced_key_stands_last_among_the_public_ones(tmp_path: Path) -> None:
    path = tmp_path / "audit.key"
    first = load_or_create(path)
    replace(path, Ed25519PrivateKey.generate())
    second = load_or_create(path)
    assert public_keys(path) == [first.key, second.key]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_lines_that_are_no_keys_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "audit.key"
    key = load_or_create(path).key
    public_path(path).write_text(f"# ours\n{key.text}\n\n{key.text[:-3]}\n")
    assert public_keys(path) == [key]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o777])
def test_one_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "audit.key"
    load_or_create(path)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match="is open to other users") as caught:
        load_or_create(path)
    assert caught.value.message.startswith(str(path))
    assert f"chmod 600 {path}" in caught.value.hint


def pem(
    private: Ed25519PrivateKey | X25519PrivateKey,
    encryption: KeySerializationEncryption | None = None,
) -> bytes:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n", "is not a private key"),
        (pem(Ed25519PrivateKey.generate())[:-40], "is not a private key"),
        (pem(Ed25519PrivateKey.generate(), BestAvailableEncryption(b"p")), "without a password"),
        (pem(X25519PrivateKey.generate()), "is not an Ed25519 key"),
    ],
    ids=["empty", "no key", "half", "password", "another kind"],
)
def test_what_is_no_key_is_refused_and_kept(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "audit.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match=message):
        load_or_create(path)
    assert path.read_bytes() == content


def test_a_folder_is_not_a_key(tmp_path: Path) -> None:
    (tmp_path / "audit.key").mkdir(mode=0o700)
    with pytest.raises(ConfigurationError, match="is not a file"):
        load_or_create(tmp_path / "audit.key")


@pytest.mark.parametrize("call", ["fsync", "fchmod", "open"])
def test_a_disk_that_refuses_leaves_nothing_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "audit.key"

    def refuse(*_args: object, **_keywords: object) -> None:
        raise OSError(28, "no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(ConfigurationError, match="No space left"):
            load_or_create(path)
    assert list(tmp_path.iterdir()) == []
    assert load_or_create(path).key == load(path).key


MAKE = """
import sys
from pathlib import Path
from dbguard.audit.keys import load_or_create
print(load_or_create(Path(sys.argv[1])).key.text)
"""


def test_several_that_start_at_once_share_one(tmp_path: Path) -> None:
    path = tmp_path / "audit.key"
    command = [sys.executable, "-c", MAKE, str(path)]
    starting = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    made = {process.communicate(timeout=30)[0] for process in starting}
    assert made == {load(path).key.text + "\n"}
    assert [key.text for key in public_keys(path)] == [load(path).key.text]
    assert len(list(tmp_path.iterdir())) == 2
