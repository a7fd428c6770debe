"""What is remembered of columns belongs to one server's database, and survives an upgrade."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from dbguard.catalog.drift_registry import DriftRegistry
from dbguard.policy.drift import Filling, Source
from dbguard.policy.remembering import Remembered

FILLING = Filling(
    5, 1, "public", "copied", "harmless", False, (Source(4, 2, "public.people.ssn"),),
    frozenset({"phi.ssn"}),
)  # fmt: skip
REMEMBERED = {(4, 2): Remembered("ssn", frozenset({"phi.ssn"}), True, frozenset(), frozenset())}


def test_servers_with_databases_of_the_same_name_and_oid(tmp_path: Path) -> None:
    here, there = (DriftRegistry(tmp_path / "state.db", server) for server in ("7001", "7002"))
    here.write_filled("clinic", 16384, [FILLING])
    here.write_remembered("clinic", 16384, REMEMBERED)
    assert there.read_filled("clinic", 16384) == ()
    assert there.read_remembered("clinic", 16384) == {}
    there.write_filled("clinic", 16384, [])
    there.write_remembered("clinic", 16384, {})
    assert here.read_filled("clinic", 16384) == (FILLING,)
    assert here.read_remembered("clinic", 16384) == REMEMBERED
    here.write_filled("clinic", 20000, [])  # the database was replaced
    assert here.read_filled("clinic", 16384) == ()


def test_rows_of_version_1_belong_to_whoever_they_fit(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    DriftRegistry(path, "").write_filled("clinic", 16384, [FILLING])
    DriftRegistry(path, "").write_remembered("clinic", 16384, REMEMBERED)
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE filled DROP COLUMN server")
        connection.execute("ALTER TABLE remembered DROP COLUMN server")
        connection.execute("UPDATE schema_versions SET version = 1 WHERE component = 'drift'")
    connection.close()
    registry = DriftRegistry(path, "7001")
    assert registry.read_filled("clinic", 16384) == (FILLING,)
    assert registry.read_remembered("clinic", 16384) == REMEMBERED
    assert registry.read_filled("clinic", 16385) == ()
    registry.write_filled("clinic", 16384, [FILLING])
    registry.write_remembered("clinic", 16384, REMEMBERED)
    assert DriftRegistry(path, "7002").read_filled("clinic", 16384) == ()
    assert DriftRegistry(path, "7001").read_filled("clinic", 16384) == (FILLING,)


def test_a_filling_that_may_be_taken_back_is_so_in_its_run_only(tmp_path: Path) -> None:
    one, other = (DriftRegistry(tmp_path / "state.db", "7001", "run") for _ in range(2))
    written: list[None] = []

    def note() -> None:
        written.append(None)

    made = one.exchange("clinic", 16384, lambda known: {**known, FILLING: "session"}, note)
    assert made == other.read_shared("clinic", 16384) == {FILLING: "session"}
    kept = other.exchange(
        "clinic", 16384, lambda known: {f: s for f, s in known.items() if s}, note
    )
    assert kept == {FILLING: "session"}
    assert len(written) == 1, "nothing was changed the second time"
    later = DriftRegistry(tmp_path / "state.db", "7001", "another run")
    assert later.read_shared("clinic", 16384) == {FILLING: ""}
    assert one.read_filled("clinic", 16384) == (FILLING,)
    assert DriftRegistry(tmp_path / "state.db", "7001").read_shared("clinic", 16384) == {
        FILLING: ""
    }
    one.exchange("clinic", 16384, lambda known: dict.fromkeys(known, ""), note)
    assert other.read_shared("clinic", 16384) == {FILLING: ""}


def test_what_is_remembered_is_not_written_over_unseen(tmp_path: Path) -> None:
    one, other = (DriftRegistry(tmp_path / "state.db", "7001", "run") for _ in range(2))

    def note() -> None:
        pass

    assert one.replace_remembered("clinic", 16384, {}, REMEMBERED, note)
    assert not other.replace_remembered("clinic", 16384, {}, {}, note)
    assert other.replace_remembered("clinic", 16384, {}, REMEMBERED, note), (
        "it is what stands there"
    )
    assert other.replace_remembered("clinic", 16384, REMEMBERED, {}, note)
    assert one.read_remembered("clinic", 16384) == {}
