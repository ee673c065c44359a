"""A journal of an older schema is brought up to date in place, as a whole or not at all, and only by who writes."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from migrator import journal_schema
from migrator.identity import Identity
from migrator.journal import Journal
from migrator.journal_schema import SCHEMA_VERSION
from migrator.step import Fact

HERE = Identity("7711282167707910048", 16385, "immich")
OF_VERSION_1 = ("'waiting', 'retried',\n                                         'undone'", "'waiting', 'retried'")


def older(path: Path) -> None:
    """Make a journal as version 1 of the schema has it, with something in every table."""
    journal = Journal.create_or_open(path)
    journal.begin(HERE, "pgvecto.rs", "automatic", {"yes": True})
    journal.begin_invocation({"yes": True})
    journal.record("convert", Fact("dimension", 768))
    journal.event("convert", "started")
    journal.event("convert", "finished", statement="rewrite", seconds=1.5, detail={"rows": 3})
    journal.close()
    with sqlite3.connect(path) as connection:
        (made,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'events'").fetchone()
        assert OF_VERSION_1[0] in made
        connection.executescript(
            "ALTER TABLE events RENAME TO newer;\n"
            f"{made.replace(*OF_VERSION_1)};\n"
            "INSERT INTO events SELECT * FROM newer; DROP TABLE newer;\n"
            "UPDATE run SET schema_version = 1; PRAGMA user_version = 1;"
        )
    connection.close()


def version_of(path: Path) -> int:
    """Return the version that the file says it has."""
    connection = sqlite3.connect(path)
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()
    return int(version)


def test_an_older_journal_is_brought_up_to_date_and_loses_nothing(tmp_path: Path) -> None:
    """Run, starts, facts and events are what they were, and what version 1 refused can be written."""
    path = tmp_path / "j.db"
    older(path)
    read = Journal.open_existing(path)
    assert read is not None
    before = (read.run, read.facts(), list(read.events()), read.last_arguments())
    read.close()
    assert version_of(path) == 1, "who only reads does not change it"
    journal = Journal.create_or_open(path)
    assert version_of(path) == SCHEMA_VERSION
    assert (journal.run, journal.facts(), list(journal.events()), journal.last_arguments()) == before
    journal.begin_invocation({})
    journal.event("convert", "undone")
    assert journal.last_of_steps()["convert"].event == "undone"
    journal.close()
    with sqlite3.connect(path) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert connection.execute("SELECT schema_version FROM run").fetchall() == [(SCHEMA_VERSION,)]
    connection.close()
    assert tables == {"run", "invocations", "facts", "events"}


def test_version_1_refuses_what_version_2_knows(tmp_path: Path) -> None:
    """The upgrade above would prove nothing if the older table took the new kind of event."""
    path = tmp_path / "j.db"
    older(path)
    with sqlite3.connect(path) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute("INSERT INTO events (at, invocation, step, event) VALUES ('now', 1, 'convert', 'undone')")
    connection.close()


@pytest.mark.parametrize("cut", ["CREATE TABLE events", "INSERT INTO events", "DROP TABLE", "UPDATE run", "COMMIT"])
def test_an_upgrade_that_is_cut_short_has_changed_nothing(
    cut: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it breaks off, the file is the older journal, and the next start brings it up to date."""
    path = tmp_path / "j.db"
    older(path)
    connection = sqlite3.connect(path)
    script = journal_schema.SCRIPT.replace(cut, f"SELECT nonsense; {cut}", 1)
    assert script != journal_schema.SCRIPT
    with monkeypatch.context() as broken:
        broken.setattr(journal_schema, "SCRIPT", script)
        with pytest.raises(sqlite3.OperationalError):
            journal_schema.upgrade(connection)
    connection.close()
    assert version_of(path) == 1
    journal = Journal.create_or_open(path)
    assert [event.event for event in journal.events()] == ["started", "finished"]
    assert version_of(path) == SCHEMA_VERSION
    journal.close()
