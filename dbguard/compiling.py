"""`python -m dbguard.compiling`: compile the modules of the straight way (see `running_path`).

Takes Cython and a C compiler. They are compiled from their own sources in a folder of
its own that replaces what is there when all of it can be loaded. Wheels are built with it
(hatch_build.py) where that is possible. `--remove` takes away what was compiled.

The sources are valid Python and stay the only ones. What differs for Cython: classes with C types
(.pxd) have no room for other attributes anyway and cannot be told to have slots, and annotations
are for mypy alone.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dbguard.errors import ConfigurationError, DbguardError
from dbguard.running_path import MODULES, folder_of, place_of, sources

_PACKAGE = Path(__file__).parent
_TYPED = re.compile(r"^cdef class (\w+)", re.MULTILINE)
_DATACLASS = re.compile(r"^@dataclass\((.*)\)\nclass (\w+)", re.MULTILINE)
_FLAGS = ("-O2", "-fPIC", "-fno-strict-aliasing", "-fwrapv", "-DNDEBUG", "-w")
_PLACED = re.compile(r"\S+:\d+:\d+: (?!\(|.*[wW]arning)")
"""How both compilers begin a line that says what is wrong where."""
_SECONDS = 600.0
_WITHOUT = "Install a C compiler and Python's headers, or do without: nothing else needs them."


def compile_to(folder: Path, package: Path = _PACKAGE) -> list[Path]:
    """Compile all modules into `folder`; returns the extensions. CFLAGS add to the flags.

    Raises:
        ConfigurationError: there is no Cython, no compiler, or one of them has failed.
    """
    if importlib.util.find_spec("Cython") is None:
        raise ConfigurationError(
            "modules are not compiled without Cython", hint="Run `pip install cython`."
        )
    if shutil.which(_linking()[0]) is None:
        raise ConfigurationError(f"there is no {_linking()[0]}", hint=_WITHOUT)
    with tempfile.TemporaryDirectory(prefix="dbguard-compiling-") as made:
        root = Path(made)
        for source in sources(package):
            copy = root / "dbguard" / source.relative_to(package)
            copy.parent.mkdir(parents=True, exist_ok=True)
            types = source.with_suffix(".pxd")
            typed = _TYPED.findall(types.read_text("utf-8")) if types.exists() else []
            copy.write_text(_without_slots(source.read_text("utf-8"), typed), "utf-8")
        for parent in {copy.parent for copy in root.rglob("*.p*")} | {root / "dbguard"}:
            (parent / "__init__.py").touch()
        # One process for all: each would read the same types first, most of its time.
        cython = [sys.executable, "-m", "cython", "-3", "-X", "annotation_typing=False"]
        _run([*cython, *(_file(module, ".py") for module in MODULES)], root)
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            return list(threads.map(lambda module: _built(module, root, folder), MODULES))


def _without_slots(text: str, typed: Sequence[str]) -> str:
    """The source with these classes not told to have slots."""

    def decorated(found: re.Match[str]) -> str:
        if found[2] not in typed:
            return found[0]
        kept = [option for option in found[1].split(", ") if option != "slots=True"]
        return f"@dataclass({', '.join(kept)})\nclass {found[2]}"

    return _DATACLASS.sub(decorated, text)


def _file(module: str, suffix: str) -> str:
    return "/".join(["dbguard", *module.split(".")]) + suffix


def _built(module: str, root: Path, folder: Path) -> Path:
    """The extension made from what Cython has written beside the source."""
    code, extension = root / _file(module, ".c"), place_of(module, folder)
    given = shlex.split(os.environ.get("CFLAGS", ""))
    include = f"-I{sysconfig.get_path('include')}"
    _run([*_linking(), *_FLAGS, *given, include, str(code), "-o", str(extension)], root)
    return extension


def _linking() -> list[str]:
    """How Python links its own extensions; the compiler comes first."""
    return shlex.split(sysconfig.get_config_var("LDSHARED") or "cc -shared")


def _run(command: Sequence[str], root: Path) -> None:
    try:
        ran = subprocess.run(  # noqa: S603
            command, cwd=root, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigurationError(
            f"cannot run {command[0]}", detail=f"{error}.", hint=_WITHOUT
        ) from None
    if ran.returncode:
        lines = ran.stderr.splitlines()
        said = [line for line in lines if _PLACED.match(line)] or lines[-1:] or ["It says nothing."]
        raise ConfigurationError(
            f"{Path(command[0]).name} has failed", detail=said[0].strip(), hint=_WITHOUT
        )


def compile_here() -> Path:
    """Compile all modules for this installation; returns the folder they are in.

    Raises:
        ConfigurationError: that is not possible, or what was made cannot be loaded.
    """
    place = folder_of()
    place.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=place.parent) as made:
        new = Path(made) / place.name
        new.mkdir()
        compile_to(new)
        load = f"from dbguard.running_path import use_folder; use_folder({str(new)!r})"
        names = "".join(f"; import dbguard.{name}" for name in MODULES)
        _run([sys.executable, "-c", load + names], _PACKAGE.parent)
        remove(keep=Path(made))
        new.rename(place)
    return place


def remove(keep: Path | None = None) -> None:
    """Take away what was compiled."""
    for folder in (_PACKAGE / "_compiled").glob("*"):
        if folder != keep:
            shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--remove", action="store_true", help="take away what was compiled")
    if parser.parse_args().remove:
        shutil.rmtree(_PACKAGE / "_compiled", ignore_errors=True)
        return
    try:
        place = compile_here()
    except OSError as error:
        sys.stderr.write(f"dbguard.compiling: cannot write there\n  {error}\n")
        raise SystemExit(1) from None
    except DbguardError as error:
        sys.stderr.write(f"dbguard.compiling: {error.message}\n")
        sys.stderr.writelines(f"  {part}\n" for part in (error.detail, error.hint) if part)
        raise SystemExit(1) from None
    sys.stdout.write(f"{len(MODULES)} modules compiled in {place}\n")


if __name__ == "__main__":
    main()
