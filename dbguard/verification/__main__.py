"""`python -m dbguard.verification DIR`: `dbguard audit verify` without anything else of dbguard.

Exit code 0: in order; 1: findings; 2: there is no trail, or something cannot be read.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import orjson

from .findings import NoTrail, UnusableInput
from .inputs import checkpoint_files, load_keys
from .presentation import document, lines
from .trail import verify


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m dbguard.verification", description=__doc__)
    parser.add_argument("directory", type=Path, help="the audit directory")
    parser.add_argument(
        "--public-key", type=Path, action="append", default=[], metavar="FILE",
        help="who is trusted to sign: key lines or PEM (repeatable)",
    )  # fmt: skip
    parser.add_argument(
        "--checkpoints", type=Path, action="append", default=[], metavar="FILE",
        help="copies of checkpoints from a second place, or a folder of them (repeatable)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="JSON, for programs")
    options = parser.parse_args(arguments)
    try:
        result = verify(
            options.directory,
            keys=load_keys(options.public_key),
            checkpoint_files=checkpoint_files(options.checkpoints),
        )
    except (NoTrail, UnusableInput) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"{error.filename}: cannot be read: {error.strerror}\n")
        return 2
    if options.json:
        sys.stdout.buffer.write(orjson.dumps(document(result), option=orjson.OPT_INDENT_2) + b"\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in lines(options.directory, result))
    return 0 if result.ok else 1


if __name__ == "__main__":
    sys.exit(main())
