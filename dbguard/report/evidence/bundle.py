"""The files of a bundle, and the bundle as a folder or a zip file."""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import orjson

from dbguard import __version__
from dbguard.errors import ConfigurationError
from dbguard.report import document, html, spreadsheets
from dbguard.report.evidence import hipaa, soc2
from dbguard.report.evidence.controls import Control, Findings
from dbguard.report.evidence.deployment import Deployment
from dbguard.report.evidence.inventory import TrailFile
from dbguard.report.evidence.readme import readme
from dbguard.report.model import Report
from dbguard.report.spreadsheets import refuse_other_kinds
from dbguard.report.wording import View
from dbguard.verification import presentation
from dbguard.verification.findings import Verification

SUMS = "SHA256SUMS"
_MIDNIGHT = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the zip: the earliest that the format knows."""
_MODE = 0o100644 << 16


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that goes into a bundle."""

    report: Report
    view: View
    verification: Verification
    trail: str
    """The folder's name, without the path to it."""
    segments: tuple[TrailFile, ...]
    checkpoints: tuple[tuple[str, bytes], ...]
    """Writer and lines of its checkpoints file."""
    public_keys: tuple[str, ...]
    """Key lines (vkey)."""
    deployment: Deployment | None


def files(evidence: Evidence) -> dict[str, bytes]:
    """Names and contents, sorted; the same evidence gives the same bytes."""
    found = Findings(evidence.report, evidence.verification, evidence.deployment)
    groups = [
        ("HIPAA Security Rule (45 CFR 164)", hipaa.controls(found)),
        ("SOC 2 Trust Services Criteria", soc2.controls(found)),
    ]
    trail = Path(evidence.trail)
    verified = "\n".join(presentation.lines(trail, evidence.verification)) + "\n"
    contents = {
        "report.html": html.render(evidence.report, evidence.view),
        "report.json": document.render(evidence.report),
        "verification.txt": verified.encode(),
        "verification.json": _json(presentation.document(evidence.verification)),
        "segments.csv": _segments(evidence.segments),
        "controls.html": html.controls(groups, evidence.report, evidence.view),
        "controls.json": _controls(groups),
    }
    for name, data in spreadsheets.rendered(evidence.report).items():
        contents[f"csv/{name}"] = data
    for writer, data in evidence.checkpoints:
        contents[f"checkpoints/{writer}.jsonl"] = data
    if evidence.public_keys:
        contents["public-keys.txt"] = ("\n".join(evidence.public_keys) + "\n").encode()
    if evidence.deployment is not None:
        deployment = asdict(evidence.deployment)
        for file in deployment.pop("policy"):
            contents[f"policy/{file['name']}"] = file["text"].encode()
        contents["settings.json"] = _json({"v": 1, "dbguard": __version__, **deployment})
    contents["README.txt"] = readme(evidence, sorted(contents)).encode()
    contents = dict(sorted(contents.items()))
    sums = "".join(f"{sha256(data).hexdigest()}  {name}\n" for name, data in contents.items())
    return {**contents, SUMS: sums.encode()}


def write(contents: dict[str, bytes], target: Path) -> None:
    """As a zip file where `target` ends in `.zip`, else as a folder, which must be empty or new.

    Raises ConfigurationError.
    """
    refuse_other_kinds(target, "a folder, or a file that ends in .zip")
    try:
        if target.suffix == ".zip":
            target.write_bytes(_zip(contents))
            return
        if target.is_dir() and any(target.iterdir()):
            raise ConfigurationError(
                f"{target}: is not empty",
                hint="Name a new folder, or a file that ends in .zip.",
            )
        for name, data in contents.items():
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    except OSError as error:
        raise ConfigurationError(
            f"{error.filename or target}: cannot be written: {error.strerror}",
            hint="Name a folder, or a file that ends in .zip, where you may write.",
        ) from error


def _zip(contents: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            info = zipfile.ZipInfo(name, _MIDNIGHT)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = _MODE
            info.create_system = 3
            archive.writestr(info, data)
    return out.getvalue()


def _segments(found: tuple[TrailFile, ...]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(("writer", "file", "bytes", "sha256"))
    writer.writerows((file.writer, file.path, file.size, file.digest) for file in found)
    return out.getvalue().encode()


def _controls(groups: list[tuple[str, list[Control]]]) -> bytes:
    return _json({"v": 1, "groups": [{"name": n, "controls": found} for n, found in groups]})


def _json(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
