"""The key that signs, followed while it is changed, and how one hands over to the next.

A new key takes the place of the old one in the key file only after the old one has signed it. The
signature waits in a file beside the key (`.rotations` behind the name), so that every chain that
this key signs can record it: those that are being written to at their next checkpoint, others
when they are next opened. A key that nobody handed over to is not signed with.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dbguard.audit import keys
from dbguard.audit.notes import Signer, UnusableNote, VerifyingKey
from dbguard.audit.records import EventRecord, RecordKind
from dbguard.errors import ConfigurationError
from dbguard.verification.regular_file import open_regular

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Handover:
    """From one key to the next."""

    previous: str
    """Name of the old key; empty when nobody knew."""
    key: VerifyingKey
    signature: bytes
    """By the old key; empty when that one is lost."""

    def signed_by(self, old: VerifyingKey) -> bool:
        return bool(self.signature) and old.accepts(_statement(self.key), self.signature)

    def record(self, old: VerifyingKey) -> EventRecord:
        """What the chain says of it."""
        fields = [
            ("event", "rotated" if self.signature else "replaced"),
            ("key", self.key.text),
            ("previous", old.name),
        ]
        if self.signature:
            fields.append(("signature", base64.b64encode(self.signature).decode()))
        return EventRecord(RecordKind.KEY, "", tuple(fields))


def began(key: VerifyingKey) -> EventRecord:
    """What a chain says that had no key before."""
    return EventRecord(RecordKind.KEY, "", (("event", "began"), ("key", key.text)))


class SigningKey:
    """The key file of one or more chains. Used by one thread at a time."""

    __slots__ = ("_stamp", "path", "signer")

    def __init__(self, path: Path) -> None:
        """Load the key, or make it. Raises ConfigurationError."""
        self.path = path
        self.signer = keys.load_or_create(path)
        """The newest that could be read."""
        self._stamp = _stamp(path)

    def look(self) -> None:
        """Read the file again when it was replaced; one that cannot be used is not taken."""
        stamp = _stamp(self.path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self.signer = keys.load(self.path)
        except FileNotFoundError:
            log.warning("the key that signs the audit trail is gone", path=str(self.path))
        except ConfigurationError as error:
            log.warning("the key that signs the audit trail cannot be used", error=error.message)

    def known(self) -> dict[str, VerifyingKey]:
        """All keys that were ever in the file, by name. Raises ConfigurationError."""
        found = {key.name: key for key in keys.public_keys(self.path)}
        found[self.signer.key.name] = self.signer.key
        return found

    def handovers(self, old: VerifyingKey) -> list[tuple[VerifyingKey, Handover]] | None:
        """How one gets from `old` to the present key, each step with the key before it.

        None when nobody handed over.
        """
        steps: list[tuple[VerifyingKey, Handover]] = []
        current = old
        for handover in _handovers(self.path):
            if handover.previous not in (current.name, "") or handover.key == current:
                continue
            if handover.signature and not handover.signed_by(current):
                continue
            steps.append((current, handover))
            current = handover.key
            if current == self.signer.key:
                return steps
        return None


def rotations_path(path: Path) -> Path:
    """Where handovers of the key at `path` wait for chains that have not heard of them."""
    return path.with_suffix(".rotations")


def rotate(path: Path, *, lost: bool = False) -> Handover:
    """Put a new key in the place of the one at `path`. Raises ConfigurationError.

    `lost`: the old key cannot sign any more, or must not be trusted to.
    """
    try:
        with _locked(path, lost):
            old = None if lost else keys.load(path)
            known = keys.public_keys(path)
            private = Ed25519PrivateKey.generate()
            new = Signer(private).key
            previous = old.key.name if old else known[-1].name if known else ""
            signature = old.sign(_statement(new)) if old else b""
            handover = Handover(previous, new, signature)
            # In this order: a crash in between leaves something that nobody takes notice of.
            keys.place(
                rotations_path(path),
                b"".join(_line(one) for one in [*_handovers(path), handover]),
                mode=0o644,
            )
            keys.remember_public(path, new)
            keys.replace(path, private)
            return handover
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"{path}: there is no key that could sign the new one",
            hint="If it is lost, run `dbguard audit key rotate --lost`; the trail then says so.",
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"{path}: the key cannot be replaced: {os.strerror(error.errno or 0)}",
            hint="The old one stays in use. Run this as the user that dbguard runs as.",
        ) from error


def not_handed_over(path: Path, name: str) -> ConfigurationError:
    """The trail is signed by another key than the file holds."""
    return ConfigurationError(
        f"{path}: the audit trail is signed by the key {name}, which is not the one here",
        hint="Put that key back. If it is lost, run `dbguard audit key rotate --lost`; the trail "
        "then says so.",
    )


def _statement(key: VerifyingKey) -> bytes:
    return b"dbguard key rotation\n" + key.text.encode() + b"\n"


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_mode


def _handovers(path: Path) -> list[Handover]:
    """Oldest first; lines that are none are passed over."""
    try:
        with open_regular(rotations_path(path)) as file:
            lines = file.read().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        with contextlib.suppress(ValueError, KeyError, TypeError, UnusableNote):
            members = orjson.loads(line)
            found.append(
                Handover(
                    str(members["previous"]),
                    VerifyingKey.parse(str(members["key"])),
                    base64.b64decode(str(members["signature"]), validate=True),
                )
            )
    return found


def _line(handover: Handover) -> bytes:
    members = {
        "v": 1,
        "previous": handover.previous,
        "key": handover.key.text,
        "signature": base64.b64encode(handover.signature).decode(),
    }
    return orjson.dumps(members) + b"\n"


@contextlib.contextmanager
def _locked(path: Path, may_be_missing: bool) -> Iterator[None]:
    """Keep other rotations out; they lock the very file that is replaced."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        if not may_be_missing:
            raise
        yield
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_ino != path.stat().st_ino:
            raise ConfigurationError(
                f"{path}: the key was replaced by somebody else just now",
                hint="Look at it with `dbguard audit key show` before you replace it again.",
            )
        yield
    finally:
        os.close(descriptor)
