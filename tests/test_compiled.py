"""The compiled modules do what their sources do, and nobody needs them to be there."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from dbguard.running_path import MODULES, sources

ROOT = Path(__file__).parent.parent
BOTH_WAYS = (
    "tests/audit/test_asyncio_front.py",
    "tests/audit/test_commits.py",
    "tests/audit/test_linking.py",
    "tests/audit/test_merkle.py",
    "tests/audit/test_outage.py",
    "tests/audit/test_rendering.py",
    "tests/audit/test_stamping.py",
    "tests/engine/test_lane.py",
    "tests/engine/test_outcomes.py",
    "tests/engine/test_names.py",
    "tests/engine/test_recording.py",
    "tests/engine/test_schedules.py",
    "tests/proxy/test_polling.py",
    "tests/proxy/test_shortcut.py",
    "tests/proxy/test_streams.py",
    "tests/sql/test_mould.py",
)
"""Tests of the compiled modules and of what goes through them, those that take no time."""


def built(folder: Path, **variables: str) -> Path:
    """A wheel of this checkout, unpacked."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    kept = {k: v for k, v in os.environ.items() if k != "DBGUARD_COMPILE"}
    subprocess.run(build, cwd=ROOT, env={**kept, **variables}, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    unpacked = folder / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    return unpacked


def run(unpacked: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Python with that installation in place of this checkout."""
    kept = {
        k: v for k, v in os.environ.items() if k not in ("DBGUARD_UNCOMPILED", "PYTEST_ADDOPTS")
    }
    return subprocess.run(
        [sys.executable, "-P", *arguments],
        cwd=ROOT,
        env={**kept, "PYTHONPATH": str(unpacked), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def path_of(unpacked: Path, **variables: str) -> str:
    """Which path is active there."""
    said = "from dbguard.running_path import described; print(described())"
    ran = run(unpacked, "-c", said, **variables)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation with compiled modules."""
    if importlib.util.find_spec("Cython") is None:
        pytest.skip("Cython is not installed")
    if shutil.which((sysconfig.get_config_var("LDSHARED") or "cc").split()[0]) is None:
        pytest.skip("there is no C compiler")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        pytest.skip("Python's headers are not installed")
    # -O0: a fraction of the time, and nothing here is measured
    return built(tmp_path_factory.mktemp("compiled"), CFLAGS="-O0")


def test_it_is_compiled(compiled: Path) -> None:
    said = run(compiled, "-m", "dbguard", "--version").stdout
    assert said.startswith("dbguard 0.1.0 (compiled: ")
    assert path_of(compiled) == f"compiled: {len(MODULES)} modules"
    switched_off = path_of(compiled, DBGUARD_UNCOMPILED="1")
    assert switched_off == "not compiled: DBGUARD_UNCOMPILED is set"


def test_both_run_the_same_tests(compiled: Path) -> None:
    """In this checkout they run uncompiled already."""
    files = "; ".join(f"import dbguard.{name} as m; print(m.__file__)" for name in MODULES)
    found = run(compiled, "-c", files).stdout.splitlines()
    assert [Path(file).suffix for file in found] == [".so"] * len(MODULES)
    ran = run(compiled, "-m", "pytest", "-q", "-p", "no:cacheprovider", *BOTH_WAYS)
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
    assert " passed" in ran.stdout


def test_changed_sources_run_as_they_are_written(compiled: Path, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(compiled, changed)
    source = changed / "dbguard" / "engine" / "lane.py"
    source.write_text(source.read_text("utf-8") + "\nCHANGED = True\n", "utf-8")
    assert path_of(changed).startswith("not compiled: ")
    ran = run(changed, "-c", "from dbguard.engine.lane import CHANGED; print(CHANGED)")
    assert ran.stdout == "True\n"
    assert run(changed, "-m", "dbguard.compiling", "--remove").returncode == 0
    assert path_of(changed) == "not compiled"


def test_no_compiler_is_needed(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    unpacked = built(tmp_path, PATH=str(nowhere))
    assert [file.name for file in tmp_path.glob("*.whl")] == ["dbguard-0.1.0-py3-none-any.whl"]
    assert path_of(unpacked) == "not compiled"


def test_every_module_has_its_source() -> None:
    assert len([path for path in sources() if path.suffix == ".py"]) == len(MODULES)
    assert all(path.exists() for path in sources())
