"""What has to be there when a command has come to its end, however often it was interrupted: one ending per kind."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from driving import DONE, REFUSED
from journey import Ended, EndState, Journey, end_state

from migrator.backup.check import check_copy
from migrator.backup.manifest import MANIFEST, README, SUMS
from migrator.sandbox.immich_catalog import ContentHash, catalog_dump
from migrator.step import Json
from migrator.undo_record import UndoRecord

COPY = "copy"
"""Where a copy lies, beside the server."""
VARYING = ("session", "milliseconds", "offered", "began_at", "ended_at")
NOT_COMPARED = ("copy", "copy.place", "search.smart_search", "search.face_search")
"""Facts that name files, and a trial for the last screen: the step is done once the tables are analyzed."""
OF_DATABASES = """
SELECT format('database %s owner=%s limit=%s', datname, datdba::regrole, datconnlimit) FROM pg_database ORDER BY 1
"""


class Ending(Protocol):
    """How a kind of command ends."""

    def reached(self, ended: Ended, folder: Path) -> bool:
        """Tell whether a start has ended like that; the folder is that of the server, and of what lies beside it."""

    def state(self, journey: Journey) -> EndState:
        """Return what is there, to be compared with what an uninterrupted run left."""

    def facts(self, journey: Journey) -> Mapping[str, Json]:
        """Return what the journal knows, as far as two runs can be compared by it."""

    def assert_files(self, journey: Journey) -> None:
        """Assert that beside the server there is what should be, whole, and nothing else."""

    def assert_counted(self, ended: Ended, rows: int) -> None:
        """Assert that one more start, after somebody has written, says that all is done, with so many rows."""


class OfMigration:
    """The tables are converted, or back; the journal says so."""

    def reached(self, ended: Ended, folder: Path) -> bool:
        """Exit 0."""
        return ended.code == DONE

    def state(self, journey: Journey) -> EndState:
        """Catalogs, embeddings and the preload list."""
        return journey.end_state()

    def facts(self, journey: Journey) -> Mapping[str, Json]:
        """Facts without what may be another each time: session, duration, what is installed already, places."""
        return {name: _without_varying(value) for name, value in journey.facts().items() if name not in NOT_COMPARED}

    def assert_files(self, journey: Journey) -> None:
        """The journal, its log, its lock and copies that are whole; the run is noted as finished."""
        name = journey.journal.name
        ours = {name, f"{name}-wal", f"{name}-shm", f"{name}.lock", journey.journal.with_suffix(".log").name}
        copies = {path.name for path in journey.journal.parent.glob(f"{journey.journal.stem}-backup-*")}
        assert names_beside(journey) - ours - copies == set()
        for copy in copies:
            manifest = journey.journal.with_name(copy) / MANIFEST
            assert manifest.exists(), f"what was begun and not finished lies about: {copy}"
        assert_journal_is_complete(journey)

    def assert_counted(self, ended: Ended, rows: int) -> None:
        """Where it says how many embeddings there are, it counts those that were written too."""
        assert ended.code == DONE, ended.said
        said = ended.out.removeprefix("Done. ").partition(" embeddings are")
        assert not said[1] or said[0] == f"{rows:,}", ended.out


@dataclass(frozen=True, slots=True)
class WithoutJournal:
    """Every part shows on the server; nothing is kept beside it, apart from what was there.

    Attributes:
        files: What lies beside the server.
        database: Which database is looked at.
    """

    files: tuple[str, ...] = ()
    database: str = "immich"

    def reached(self, ended: Ended, folder: Path) -> bool:
        """Exit 0."""
        return ended.code == DONE

    def state(self, journey: Journey) -> EndState:
        """Catalogs, embeddings and the preload list."""
        return end_state(journey.server, self.database)

    def facts(self, journey: Journey) -> Mapping[str, Json]:
        """None are kept."""
        return {}

    def assert_files(self, journey: Journey) -> None:
        """What was there, and no journal."""
        assert names_beside(journey) == set(self.files)

    def assert_counted(self, ended: Ended, rows: int) -> None:
        """It is done again, which does nothing."""
        assert ended.code == DONE, ended.said


class OfPreparation(WithoutJournal):
    """The database is there as Immich wants it, and there is no other."""

    def state(self, journey: Journey) -> EndState:
        """Catalogs, and all databases with their owners."""
        with journey.server.connect(self.database) as connection:
            databases = "\n".join(line for (line,) in connection.execute(OF_DATABASES))
            return EndState(f"{databases}\n{catalog_dump(connection)}", {}, "")


@dataclass(frozen=True, slots=True)
class OfBackup(WithoutJournal):
    """A copy that is whole, under its name; the database as it was.

    Attributes:
        readable: Whether the embeddings can be read on the server too.
    """

    readable: bool = True

    def reached(self, ended: Ended, folder: Path) -> bool:
        """Exit 0, or a word that the copy is there: a start that was struck after its last step has finished it."""
        there = ended.code == REFUSED and "is there already, and is never overwritten" in ended.err
        return ended.code == DONE or (there and (folder / COPY / MANIFEST).exists())

    def state(self, journey: Journey) -> EndState:
        """The database, and what the copy says that it holds."""
        manifest = check_copy(journey.journal.with_name(COPY)).manifest
        assert manifest is not None
        copied = {f"copy of {t.name}": ContentHash(t.rows, int(str(t.hash["hash"]))) for t in manifest.tables}
        if self.readable:
            found = end_state(journey.server, self.database)
            return EndState(found.catalogs, {**found.hashes, **copied}, found.preload)
        with journey.server.connect(self.database) as connection:
            return EndState(catalog_dump(connection), copied, "")

    def assert_files(self, journey: Journey) -> None:
        """The copy is whole, every row of it read, and there is nothing beside it nor in it that does not belong."""
        assert names_beside(journey) == {COPY}
        copy = journey.journal.with_name(COPY)
        checked = check_copy(copy)
        assert checked.problems == ()
        assert checked.manifest is not None
        assert {path.name for path in copy.iterdir()} == {
            MANIFEST, README, SUMS, *(table.file for table in checked.manifest.tables)
        }  # fmt: skip

    def assert_counted(self, ended: Ended, rows: int) -> None:
        """A copy is of its own moment, and is not made again."""
        assert ended.code == REFUSED, ended.said


def names_beside(journey: Journey) -> set[str]:
    """Return what lies beside the server, apart from what the tests themselves put there."""
    found = {path.name for path in journey.journal.parent.iterdir()}
    return {name for name in found if name != "s" and not name.startswith(("older-", "held-at-"))}


def assert_journal_is_complete(journey: Journey) -> None:
    """Assert that the run is noted as finished, that every step came to an end, and that no write was half done."""
    run, undo = journey.run(), UndoRecord.of(journey.facts())
    assert run is not None
    ended = run.finished_at if undo is None else undo.ended_at
    assert ended is not None, "the run is not noted as finished"
    last = {event.step: event.event for event in journey.events() if event.statement is None}
    ends = ("finished", "observed", "waiting", "undone")
    assert {step: end for step, end in last.items() if end not in ends} == {}
    with sqlite3.connect(journey.journal) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def _without_varying(value: Json) -> Json:
    if not isinstance(value, Mapping):
        return value
    return {key: _without_varying(item) for key, item in value.items() if key not in VARYING}
