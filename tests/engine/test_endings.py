"""What a client hears when the server ends its session."""

from __future__ import annotations

from .playbook import Play


def test_an_administrator_ends_it() -> None:
    Play().script("""
        >> Q secret a
        => Q secret a
        <= E 57P01 terminating connection due to administrator command
        << E 57P01 terminating connection due to administrator command
    """).done()


def test_another_process_crashes() -> None:
    """In words of dbguard's own where texts are withheld: a function may raise this code too."""
    Play().script("""
        >> Q secret a
        => Q secret a
        <= N 57P02 123-45-6789
        << N terminating connection because of crash of another server process
    """).done()
