"""What the end of a transaction makes of search_path: known without a question, or asked for."""

from __future__ import annotations

import pytest

from dbguard.wire import backend

from .playbook import FakeSurroundings, Play
from .test_states import probe


def query(text: str, tag: str, status: str = "I", *, said: str = "") -> str:
    """A Query and its answers; `said` is search_path where the server has to be asked first."""
    return f"""
        >> Q {text}
        {probe(said, "T" if text in ("commit", "rollback") else status) if said else ""}
        => Q {text}
        <= C {tag} | Z {status}
        << C {tag}
        << Z {status}
    """


KNOWN = query("path", "SET") + query("one", "SELECT 1", said="clinic")
BEGIN = query("begin", "BEGIN", "T")
BROKEN = """
        >> Q broken
        => Q broken
        <= E 22012 division by zero | Z E
        << E 22012 division by zero
        << Z E
"""

RECALLED = {
    "COMMIT takes SET LOCAL back": BEGIN
    + query("localpath", "SET", "T")
    + query("one", "SELECT 1", "T", said="public")
    + query("commit", "COMMIT"),
    "ROLLBACK takes SET back": BEGIN
    + query("path", "SET", "T")
    + query("one", "SELECT 1", "T", said="public")
    + query("rollback", "ROLLBACK"),
    "an error takes SET back": BEGIN
    + query("path", "SET", "T")
    + query("one", "SELECT 1", "T", said="public")
    + BROKEN
    + query("rollback", "ROLLBACK"),
    "SET LOCAL has no effect outside a transaction": query("localpath", "SET"),
    "a string fails in the middle": """
        >> Q path; one
        => Q path; one
        <= C SET | E 22012 division by zero | Z I
        << C SET
        << E 22012 division by zero
        << Z I
    """,
}
ASKED = {
    "COMMIT keeps one and takes the other back": BEGIN
    + query("path", "SET", "T")
    + query("localpath", "SET", "T", said="public")
    + query("commit", "COMMIT", said="other"),
    "unseen code may have set it": BEGIN
    + query("config", "SELECT 1", "T")
    + query("rollback", "ROLLBACK", said="other"),
    "a DO block may have committed before it failed": """
        >> Q do
        => Q do
        <= E 22012 division by zero | Z I
        << E 22012 division by zero
        << Z I
    """,
    "DISCARD ALL": query("discard", "DISCARD ALL"),
}


@pytest.mark.parametrize("script", RECALLED.values(), ids=RECALLED)
def test_what_was_before_is_known(script: str) -> None:
    world = FakeSurroundings()
    Play(world).script(KNOWN + script + query("one", "SELECT 1")).done()
    assert world.views[-1].search_path[-1] == "clinic"


@pytest.mark.parametrize("script", ASKED.values(), ids=ASKED)
def test_what_cannot_be_known_is_asked_for(script: str) -> None:
    world = FakeSurroundings()
    Play(world).script(KNOWN + script + query("one", "SELECT 1", said="public")).done()
    assert world.views[-1].search_path[-1] == "public"


def test_what_the_server_reports_by_itself_is_believed() -> None:
    """As PostgreSQL 18 does with ReadyForQuery."""
    world = FakeSurroundings()
    play = Play(world).script(KNOWN + "        >> Q path\n        => Q path")
    play.script("        <= C SET\n        << C SET")
    play.server(backend.ParameterStatus("search_path", "public").encode())
    play.script("""
        <= Z I
        << P search_path=public
        << Z I
    """)
    play.script(query("one", "SELECT 1")).done()
    assert world.views[-1].search_path[-1] == "public"


def test_a_role_that_was_set_is_asked_for() -> None:
    world = FakeSurroundings()
    play = Play(world).script(KNOWN + BEGIN)
    play.session.scope.completed(())
    play.server(backend.ParameterStatus("session_authorization", "other").encode())
    assert play.next_to_client() is not None
    play.script(query("commit", "COMMIT", said="clinic"))
    play.done()
