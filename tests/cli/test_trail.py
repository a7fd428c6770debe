"""Questions to the trail load nothing of the proxy."""

from __future__ import annotations

import subprocess
import sys

LOOK = """
import sys
sys.argv = ["dbguard", "audit", "search", "--help"]
from dbguard.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code
heavy = {"sqlglot", "postgast", "uvicorn", "duckdb", "dbguard.proxy", "dbguard.engine"}
print("loaded:", sorted(heavy & set(sys.modules)))
"""


def test_a_question_to_the_trail_loads_no_parser() -> None:
    found = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    assert "Usage: dbguard audit search" in found.stdout
    assert found.stdout.endswith("loaded: []\n")


def test_the_program_has_the_same_commands_either_way() -> None:
    called = [sys.executable, "-m", "dbguard", "audit", "--help"]
    whole = "from dbguard.cli.app import app; import sys; sys.argv[0] = 'dbguard'; app()"
    alone, full = (
        subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for command in (called, [sys.executable, "-c", whole, "audit", "--help"])
    )
    listed = [text[text.index("Commands") :] for text in (alone, full)]
    assert listed[0] == listed[1]
    assert "search" in listed[0]
