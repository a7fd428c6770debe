"""The bundle of `dbguard report --evidence`: the trail is verified and its files are counted."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from dbguard.audit.keys import public_path
from dbguard.config import load_settings
from dbguard.report import Report
from dbguard.report.evidence import Evidence, files, write
from dbguard.report.evidence.deployment import deployment_of
from dbguard.report.evidence.inventory import inventory, latest_checkpoints
from dbguard.report.wording import View
from dbguard.settings import Settings
from dbguard.verification.chain import size_on_disk
from dbguard.verification.findings import Verification
from dbguard.verification.inputs import checkpoint_files, load_keys
from dbguard.verification.segment_files import writers
from dbguard.verification.signed_note import PublicKey
from dbguard.verification.trail import verify

from .audit import DEFAULT_CONFIG
from .progress_bar import progress_bar

_ED25519 = b"\1"


def bundle(
    report: Report,
    view: View,
    trail: Path,
    settings: Settings | None,
    public_keys: list[Path],
    checkpoints: list[Path],
    target: Path,
) -> Verification:
    """Write the bundle. `checkpoints`: copies from a second place.

    Raises ConfigurationError, UnusableInput, NoTrail, OSError.
    """
    deployment = deployment_of(settings) if settings is not None else None
    paths = public_keys
    if not paths and settings is not None and public_path(settings.audit.signing_key).exists():
        paths = [public_path(settings.audit.signing_key)]
    keys, copies = load_keys(paths), checkpoint_files(checkpoints)
    size = sum(size_on_disk(trail / writer) for writer in writers(trail))
    with progress_bar("checking", size) as progress:
        verification = verify(trail, keys=keys, checkpoint_files=copies, progress=progress)
    with progress_bar("hashing", size) as progress:
        segments = tuple(inventory(trail, progress))
    evidence = Evidence(
        report=report,
        view=view,
        verification=verification,
        trail=trail.resolve().name,
        segments=segments,
        checkpoints=tuple(latest_checkpoints(trail).items()),
        public_keys=tuple(map(_line, keys)),
        deployment=deployment,
    )
    write(files(evidence), target)
    return verification


def settings_of(audit: Path | None, config: Path | None) -> Settings | None:
    """None where only a folder was named. Raises ConfigurationError."""
    if config is None and (audit is not None or not DEFAULT_CONFIG.exists()):
        return None
    return load_settings(config or DEFAULT_CONFIG, os.environ)


def _line(key: PublicKey) -> str:
    return f"{key.name}+{key.id.hex()}+{base64.b64encode(_ED25519 + key.raw).decode()}"
