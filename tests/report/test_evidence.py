"""The auditor's bundle: whole, checkable without dbguard's configuration, and honest."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
import typer
from typer.testing import CliRunner

from dbguard.audit.reading import read
from dbguard.audit.records import RecordKind
from dbguard.audit.signing import SigningKey
from dbguard.audit.writer import AuditLog
from dbguard.cli.report import report
from dbguard.verification.inputs import checkpoint_files, load_keys
from dbguard.verification.trail import verify
from tests.report.test_build import ALLOWED, DENIED, MASKED

ROOT = Path(__file__).parent.parent.parent
app = typer.Typer()
app.command()(report)
runner = CliRunner()

SECTIONS = {
    "164.312(a)(1)", "164.312(a)(2)(i)", "164.312(a)(2)(ii)", "164.312(a)(2)(iii)", "164.312(b)",
    "164.312(c)(1)", "164.312(d)", "164.312(e)(1)", "164.308(a)(1)(ii)(D)", "164.316(b)(2)(i)",
    "CC6.1", "CC6.3", "CC6.6", "CC6.7", "CC7.2", "CC7.3",
}  # fmt: skip
CONFIG = """\
catalog: {dsn: "postgresql://dbguard:hunter2@127.0.0.1:5432/postgres"}
rules: RULES
limits: {idle_timeout: 15m}
upstream: {host: db.internal, tls: {mode: verify-full}}
audit: {directory: audit/, retention: {keep: 6y}}
"""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "dbguard.yaml"
    path.write_text(CONFIG.replace("RULES", str(ROOT / "rules" / "hipaa")))
    log = AuditLog.open(tmp_path / "audit", signer=SigningKey(tmp_path / "audit.key"))
    for record in (ALLOWED, MASKED, DENIED, replace(DENIED, principal_user="bob")):
        log.append(record)
    log.close()
    return path


def make(target: Path, *arguments: str) -> tuple[int, dict[str, bytes]]:
    result = runner.invoke(app, ["--utc", "--evidence", str(target), *arguments])
    assert result.exit_code in (0, 1), result.output
    if target.suffix == ".zip":
        with zipfile.ZipFile(io.BytesIO(target.read_bytes())) as archive:
            return result.exit_code, {name: archive.read(name) for name in archive.namelist()}
    paths = [path for path in target.rglob("*") if path.is_file()]
    return result.exit_code, {p.relative_to(target).as_posix(): p.read_bytes() for p in paths}


def test_the_bundle_is_whole_and_the_same_each_time(config: Path, tmp_path: Path) -> None:
    code, first = make(tmp_path / "1.zip", "--config", str(config))
    assert code == 0
    make(tmp_path / "2.zip", "--config", str(config))
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()
    _, folder = make(tmp_path / "folder", "--config", str(config))
    assert folder == first
    sums = dict(line.split("  ")[::-1] for line in first["SHA256SUMS"].decode().splitlines())
    assert sums == {
        name: hashlib.sha256(data).hexdigest()
        for name, data in first.items()
        if name != "SHA256SUMS"
    }
    assert "policy/rules.yaml" in first
    assert orjson.loads(first["report.json"])["report"]["totals"]["denied"] == 2
    for name in sums:
        mentioned = name.partition("/")[0] + ("/" if "/" in name else "")
        assert mentioned in first["README.txt"].decode() or name == "README.txt"


def test_it_checks_the_trail_without_the_configuration(config: Path, tmp_path: Path) -> None:
    make(tmp_path / "b", "--config", str(config))
    keys = load_keys([tmp_path / "b" / "public-keys.txt"])
    copies = checkpoint_files([tmp_path / "b" / "checkpoints"])
    result = verify(tmp_path / "audit", keys=keys, checkpoint_files=copies)
    assert result.ok
    assert result.unchecked == ()
    for line in (tmp_path / "b" / "segments.csv").read_text().splitlines()[1:]:
        _, name, size, digest = line.split(",")
        data = (tmp_path / "audit" / name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (int(size), digest)


def test_no_secret_is_in_it(config: Path, tmp_path: Path) -> None:
    _, found = make(tmp_path / "b.zip", "--config", str(config))
    for data in found.values():
        assert b"hunter2" not in data
        assert b"PRIVATE" not in data
        assert str(tmp_path).encode() not in data


def controls(found: dict[str, bytes]) -> dict[str, dict[str, object]]:
    groups = orjson.loads(found["controls.json"])["groups"]
    return {control["id"]: control for group in groups for control in group["controls"]}


@pytest.mark.parametrize("with_settings", [True, False])
def test_controls_refer_to_what_is_there(config: Path, tmp_path: Path, with_settings: bool) -> None:
    options = ["--config", str(config)] if with_settings else ["--audit", str(tmp_path / "audit")]
    _, found = make(tmp_path / "b.zip", *options)
    every = controls(found)
    assert set(every) == SECTIONS
    for control in every.values():
        assert control["not_shown"]
        for fact in control["shown"]:  # type: ignore[attr-defined]
            name = fact["file"]
            assert name in found or any(n.startswith(name) for n in found if name.endswith("/"))
    page = found["controls.html"].decode()
    assert all(section in page for section in SECTIONS)
    for word in ("complies with", "compliant", "HIPAA-certified", "guarantee"):
        assert word not in page


def test_what_settings_show(config: Path, tmp_path: Path) -> None:
    _, found = make(tmp_path / "b.zip", "--config", str(config))
    every = {name: orjson.dumps(control).decode() for name, control in controls(found).items()}
    assert "end after 15 minutes" in every["164.312(a)(2)(iii)"]
    assert "Between dbguard and clients there is no TLS." in every["164.312(e)(1)"]
    assert "TLS 1.2 or newer is required" in every["164.312(e)(1)"]
    assert "at least six years" in every["164.316(b)(2)(i)"]
    assert "dbguard and clients: the settings do not require it" in every["164.312(e)(1)"]
    assert "it was changed" in every["164.312(a)(1)"]
    assert "each as it was written" in every["164.312(b)"]


def test_without_settings_it_says_so(config: Path, tmp_path: Path) -> None:
    _, found = make(tmp_path / "b.zip", "--audit", str(tmp_path / "audit"))
    assert "settings.json" not in found
    assert "The settings were not given" in str(controls(found)["164.312(e)(1)"]["not_shown"])


def test_a_trail_that_was_changed(config: Path, tmp_path: Path) -> None:
    path = tmp_path / "audit" / "audit-000001.jsonl"
    path.write_bytes(path.read_bytes().replace(b"analyst", b"analysT", 1))
    code, found = make(tmp_path / "b.zip", "--config", str(config))
    assert code == 1
    assert "NOT in order" in found["README.txt"].decode()
    assert "was changed" in found["verification.txt"].decode()
    assert "it is not as it was written" in str(controls(found)["164.312(b)"]["shown"])
    kinds = [stored.kind for stored in read(tmp_path / "audit" / "operator")]
    assert RecordKind.VERIFICATION in kinds


def test_copies_from_a_second_place(config: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes((tmp_path / "audit" / "checkpoints.jsonl").read_bytes())
    _, alone = make(tmp_path / "1.zip", "--config", str(config))
    _, both = make(tmp_path / "2.zip", "--config", str(config), "--checkpoints", str(copy))
    assert "a second place" in alone["verification.txt"].decode()
    assert "not checked" not in both["verification.txt"].decode()


@pytest.mark.parametrize(
    ("target", "expected"),
    [("full", "is not empty"), ("full/x/b.zip", "cannot be written")],
)
def test_where_it_cannot_go(config: Path, tmp_path: Path, target: str, expected: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    path = str(tmp_path / target)
    result = runner.invoke(app, ["--config", str(config), "--evidence", path])
    assert result.exit_code == 2
    assert expected in result.stderr
    assert result.stderr.count("\n") == 1
