"""Wheels hold some modules compiled as well, where that is possible (`dbguard.compiling`).

`DBGUARD_COMPILE=0` leaves that away, `DBGUARD_COMPILE=1` compiles for an editable installation too.
Without Cython or a compiler the wheel is one of plain Python: nothing fails.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompilingHook(BuildHookInterface):  # type: ignore[type-arg]
    _made = ""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        wanted = os.environ.get("DBGUARD_COMPILE", "0" if version == "editable" else "1")
        if wanted == "0":
            return
        sys.path.insert(0, self.root)
        from dbguard.compiling import compile_here, compile_to
        from dbguard.errors import DbguardError
        from dbguard.running_path import folder_of

        try:
            if version == "editable":
                compile_here()
                return
            self._made = tempfile.mkdtemp(prefix="dbguard-wheel-")
            compiled = compile_to(Path(self._made))
        except OSError as error:
            self.app.display_warning(f"dbguard is not compiled: {error}")
            return
        except DbguardError as error:
            why = " ".join(part for part in (error.detail, error.hint) if part)
            self.app.display_warning(f"dbguard is not compiled: {error.message}. {why}")
            return
        inside = f"dbguard/_compiled/{folder_of().name}"
        for file in compiled:
            build_data["force_include"][str(file)] = f"{inside}/{file.name}"
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if self._made:
            shutil.rmtree(self._made, ignore_errors=True)
