"""The command line: one file a command, put together here.

Exit codes: 0 fine, 1 the check found something, 2 usage or configuration error. Every error is
one message that says what, where and what to do; no traceback reaches a user.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from dbguard.errors import DbguardError


def main() -> None:
    """Entry point of the `dbguard` program."""
    try:
        _program()()
    except DbguardError as error:
        show_error(error)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(141) from None


def _program() -> Callable[[], object]:
    """The commands, without loading more than the first argument needs."""
    from dbguard.cli.commands import COMMANDS, program

    first = sys.argv[1:2]
    if first == ["--version"]:
        return program(())
    return program(first if first and first[0] in COMMANDS else COMMANDS)


def show_error(error: DbguardError) -> None:
    """Write an error's three parts to standard error."""
    lines = [f"dbguard: {error.message}"]
    lines += [f"  {part}" for part in (error.detail, error.hint) if part]
    sys.stderr.write("\n".join(lines) + "\n")
