"""DDL that has gone through dbguard: who waits for the catalog, and who goes on knowing it."""

from __future__ import annotations

import pytest

from dbguard.sql.changes import EVERYTHING, CatalogChange

from .playbook import Play, temporary

T_GONE = CatalogChange("public", "t")


def ran(play: Play, text: str, answers: str = "C X", status: str = "I") -> Play:
    """Send a Query that runs."""
    play.script(f">> Q {text}\n=> Q {text}\n<= {answers} | Z {status}")
    while play.next_to_client() is not None:
        pass
    return play


def raw_session() -> Play:
    """A session that is known to see everything."""
    play = Play()
    play.session.scope.said = ("clinic, public", "analyst")
    return ran(play, "raw a")


def test_who_sees_masked_data_waits_for_the_catalog() -> None:
    play = Play()
    play.world.noted = (T_GONE,)  # by another session
    ran(play, "a b")
    assert (play.world.refreshed, play.world.told) == (1, [()])
    ran(play, "a c")
    assert play.world.refreshed == 1


def test_raw_access_goes_on_with_what_is_known() -> None:
    play = raw_session()
    ran(play, "raw x; drop t", "C X | C DROP TABLE")
    assert play.world.noted == (T_GONE,)
    ran(play, "raw from u")
    ran(play, "raw from T")
    assert play.world.told[-2:] == [(), (T_GONE,)]
    assert play.world.refreshed == 0


def test_raw_access_waits_for_what_is_not_known() -> None:
    play = raw_session()
    ran(play, "raw x; ddl", "C X | C CREATE FUNCTION")
    assert play.world.noted == (EVERYTHING,)
    ran(play, "raw from u")
    assert (play.world.refreshed, play.world.told[-1]) == (1, ())


def test_a_name_that_is_unclear_is_waited_for_when_it_is_used() -> None:
    play = raw_session()
    play.world.noted = (CatalogChange("public", "view1", unclear=True),)
    ran(play, "raw from u")
    assert play.world.refreshed == 0
    ran(play, "raw from View1")
    assert play.world.refreshed == 1


ENDS = [
    ("raw z; commit", "C X | C COMMIT", "I", (T_GONE,)),
    ("raw z; rollback", "C X | C ROLLBACK", "I", ()),
    ("raw z; back; commit", "C X | C ROLLBACK | C COMMIT", "I", (EVERYTHING,)),
    ("raw z; commit", "C X | E 23503 late", "I", (EVERYTHING,)),
]


@pytest.mark.parametrize(("end", "answers", "status", "noted"), ENDS)
def test_what_a_transaction_did_counts_when_it_is_committed(
    end: str, answers: str, status: str, noted: tuple[CatalogChange, ...]
) -> None:
    play = raw_session()
    ran(play, "raw x; begin", "C X | C BEGIN", "T")
    ran(play, "raw x; drop t", "C X | C DROP TABLE", "T")
    assert play.world.noted == ()
    ran(play, "raw from t", "C SELECT 0", "T")
    assert play.world.told[-1] == (T_GONE,)
    ran(play, end, answers, status)
    assert play.world.noted == noted
    assert play.world.refreshed == 0


def test_a_failed_transaction_did_nothing() -> None:
    play = raw_session()
    ran(play, "raw x; begin", "C X | C BEGIN", "T")
    ran(play, "raw x; drop t", "C X | C DROP TABLE", "T")
    ran(play, "raw from nowhere", "E 42P01 no", "E")
    ran(play, "raw z; commit", "C X | C ROLLBACK", "I")
    assert play.world.noted == ()


def test_a_string_that_fails_behind_ddl_is_looked_at() -> None:
    play = raw_session()
    ran(play, "raw x; drop t; y", "C X | C DROP TABLE | E 22012 zero")
    assert play.world.noted == (EVERYTHING,)


def test_a_prepared_statement_is_planned_again_when_a_name_in_it_changed() -> None:
    play = raw_session()
    play.script(
        """
        >> P s: raw from t | S
        => P s: raw from t
        => S
        <= 1 | Z I
        << 1
        << Z I
        """
    )
    play.world.noted = (T_GONE,)
    planned = len(play.world.told)
    play.script(
        """
        >> B <-s | E | S
        => B <-s
        => E
        => S
        <= 2 | C SELECT 0 | Z I
        """
    )
    assert play.world.told[planned:] == [(T_GONE,)]


TEMP_T = temporary("t")


def test_temporary_tables_are_told_by_texts() -> None:
    play = raw_session()
    ran(play, "raw x; maketemp t", "C X | C CREATE TABLE")
    ran(play, "raw from t", "C SELECT 0")
    assert play.world.told[-1] == (TEMP_T,)
    assert play.world.views[-1].search_path[0] == "pg_temp"
    assert play.world.noted == ()  # nobody else sees it
    ran(play, "raw x; discard", "C X | C DISCARD ALL")
    assert play.session.scope.temporary == ()


TEMP_ENDS = [
    ("raw z; commit", "C X | C COMMIT", (TEMP_T,)),
    ("raw z; rollback", "C X | C ROLLBACK", ()),
]


@pytest.mark.parametrize("made", ["maketemp", "passing"])
@pytest.mark.parametrize(("end", "answers", "known"), TEMP_ENDS)
def test_temporary_tables_at_the_end_of_their_transaction(
    made: str, end: str, answers: str, known: tuple[CatalogChange, ...]
) -> None:
    play = raw_session()
    ran(play, "raw x; begin", "C X | C BEGIN", "T")
    ran(play, f"raw x; {made} t", "C X | C CREATE TABLE", "T")
    ran(play, "raw from t", "C SELECT 0", "T")
    assert [c.name for c in play.world.told[-1]] == ["t"]
    ran(play, end, answers)
    ran(play, "raw from t", "C SELECT 0")
    assert play.world.told[-1] == (known if made == "maketemp" else ())


UNSEEN = ["raw x; maketemp t; back", "raw x; maketemp t; config", "raw x; maketemp t; ddl"]


@pytest.mark.parametrize("text", UNSEEN)
def test_what_may_have_changed_temporary_tables_unseen_is_looked_at(text: str) -> None:
    play = raw_session()
    ran(play, text, "C X | C CREATE TABLE | C X", "T")
    assert overlays_read(play, "raw from u") == 1


def test_who_sees_masked_data_has_temporary_tables_looked_at() -> None:
    play = Play()
    ran(play, "a b")
    ran(play, "a x; maketemp t", "C X | C CREATE TABLE")
    assert overlays_read(play, "a from t") == 1
    assert play.world.told[-1] == ()


def test_a_name_that_is_nowhere_is_looked_for_and_the_texts_count_again() -> None:
    play = raw_session()
    ran(play, "raw x; maketemp t", "C X | C CREATE TABLE")
    play.script(">> Q raw unknown u")
    while (message := play.next_to_server()) is not None:
        play.script(f"<= {PROBED[message[0]]}")
    while play.next_to_client() is not None:
        pass
    ran(play, "raw from t", "C SELECT 0")
    assert play.world.told[-1] == (TEMP_T,)


PROBED = {"C": "3", "P": "1", "B": "2", "E": "D public | C SELECT 1", "S": "Z I"}


MASKED = [
    ("drop t", "a from u", 0),
    ("drop t", "a from T", 1),
    ("drop t", "grant on all", 1),
    ("ddl", "a from u", 1),
    ("inherit t", "a from u", 1),
]


@pytest.mark.parametrize(("before", "text", "read"), MASKED)
def test_own_tables_that_a_text_does_not_name_do_not_matter_to_it(
    before: str, text: str, read: int
) -> None:
    play = Play()
    play.session.scope.said = ("clinic, public", "analyst")
    ran(play, "begin", "C BEGIN", "T")
    ran(play, f"a x; {before}", "C X | C DROP TABLE", "T")
    assert overlays_read(play, text, "T") == read
    assert overlays_read(play, text, "T") == 0


def overlays_read(play: Play, text: str, status: str = "I") -> int:
    """Send a Query, answer what dbguard asks in front of it, and count how often it was the
    session's own view of the catalog."""
    play.script(f">> Q {text}")
    count = 0
    while (message := play.next_to_server()) != f"Q {text}":
        assert message is not None
        count += message.endswith(": OVERLAY")
        play.script(f"<= {PROBED[message[0]].replace('Z I', f'Z {status}')}")
    play.script(f"<= C X | Z {status}")
    while play.next_to_client() is not None:
        pass
    return count


def test_an_overlay_is_read_again_when_others_changed_the_catalog() -> None:
    play = Play()
    ran(play, "temp x")
    assert [overlays_read(play, f"a {n}") for n in range(2)] == [1, 0]
    play.world.epoch += 1
    assert [overlays_read(play, f"b {n}") for n in range(2)] == [1, 0]
