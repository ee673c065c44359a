"""Puts a table of a copy back: into a temporary table, then by key, in one transaction that proves itself."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import errors as pg_errors
from psycopg.sql import SQL, Composed

from migrator.backup.compression import blocks
from migrator.backup.lines import field as text_of
from migrator.backup.manifest import Manifest, SavedTable
from migrator.content import RestoredTable
from migrator.errors import ConnectionLost, LockNotGiven, MigratorError, OtherOrigin, ProofFailed, RestoreFailed
from migrator.events import Emit, Progress, StatementFinished, StatementStarted
from migrator.progress import watch
from migrator.session import Session
from migrator.step import Statement

STEP = "restore"
FIRST_PROGRESS_SECONDS, PROGRESS_SECONDS = 1.0, 0.5
KEYS_AT_ONCE = 5_000
LOCK_TIMEOUT_SECONDS = 10.0


@dataclass(slots=True)
class Counts:
    """What became of the rows of a table in the copy.

    Attributes:
        kept: were there with a value, and stay.
        skipped: what they belong to is gone.
        without: rows of the table that have no value, in the copy or here.
    """

    name: str
    rows: int
    inserted: int = 0
    updated: int = 0
    kept: int = 0
    skipped: int = 0
    without: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Import:
    """Puts tables back over one session; `overwrite` takes the copy's values for rows that are there."""

    session: Session
    folder: Path
    manifest: Manifest
    emit: Emit
    overwrite: bool
    counts: list[Counts] = field(default_factory=list)
    _committing: bool = False

    def restore(self, tables: Sequence[RestoredTable], fence: Sequence[Statement] = ()) -> list[Counts]:
        """Put every table back, each in a transaction of its own; `fence` holds until the session ends.

        Raises:
            ProofFailed: what arrived, or what is there afterwards, is not what was copied; rolled back.
            OtherOrigin: no row of a table has its place here; rolled back.
            LockNotGiven, ConnectionLost, RestoreFailed: rolled back; tables finished before stay.
        """
        for table in tables:
            saved = next(one for one in self.manifest.tables if one.name == table.name)
            try:
                self._restore(table, saved, () if self.counts else fence)
            except psycopg.Error as error:
                raise self._failed(table, error) from error
            except EOFError as error:
                raise RestoreFailed(f"{saved.file} cannot be read to its end; {table.name} was rolled back") from error
        return self.counts

    def count(self, tables: Sequence[RestoredTable]) -> list[Counts]:
        """Tell what `restore` would do, by the keys alone; the session may be read-only.

        Raises:
            ConnectionLost, RestoreFailed: they could not be counted.
        """
        for table in tables:
            saved = next(one for one in self.manifest.tables if one.name == table.name)
            try:
                present, orphans = self._count(table, saved)
            except psycopg.Error as error:
                raise self._not_counted(table, error) from error
            counts = Counts(table.name, saved.rows, skipped=orphans)
            counts.updated, counts.kept = (present, 0) if self.overwrite else (0, present)
            counts.inserted = saved.rows - present - orphans
            self.counts.append(counts)
        return self.counts

    def _count(self, table: RestoredTable, saved: SavedTable) -> tuple[int, int]:
        """Return how many keys are there, and how many have nothing to belong to."""
        present = orphans = 0
        for keys in self._keys(saved):
            row = self.session.connection.execute(table.count_keys, [keys], prepare=False).fetchone() or (0, 0)
            present, orphans = present + int(row[0]), orphans + int(row[1])
        return present, orphans

    def _restore(self, table: RestoredTable, saved: SavedTable, fence: Sequence[Statement]) -> None:
        begun, self._committing = time.monotonic(), False
        self._execute(SQL("SELECT set_config('client_encoding', 'UTF8', false)"))
        patience = f"{LOCK_TIMEOUT_SECONDS * 1000:.0f}ms"
        self._execute(SQL("SELECT set_config('lock_timeout', {}, false)").format(patience))
        for statement in fence:
            self._fence(table, statement)
        for statement in table.stage:
            self._run(table, statement)
        self._send(table, saved)
        self._require("what arrived on the server", dict(saved.hash), self._row(table.arrived))
        with self.session.connection.transaction():
            counts = self._in_transaction(table, saved)
            self._committing = True
        counts.seconds = time.monotonic() - begun
        self.counts.append(counts)
        # where something fails before, the temporary table goes with the session
        self._execute(table.unstage.sql)

    def _fence(self, table: RestoredTable, statement: Statement) -> None:
        try:
            self._run(table, statement)
        except pg_errors.LockNotAvailable as error:
            raise LockNotGiven(
                "the application's start-up lock was not given; nothing was changed",
                hint="it is just starting: stop it, then run the same command again",
            ) from error

    def _in_transaction(self, table: RestoredTable, saved: SavedTable) -> Counts:
        for statement in table.begin:
            self._run(table, statement)
        present, orphans = (int(str(value)) for value in self._row(table.counts).values())
        counts = Counts(table.name, saved.rows, skipped=orphans, kept=0 if self.overwrite else present)
        if saved.rows and orphans == saved.rows:
            raise OtherOrigin(
                f"none of the {saved.rows:,} rows of {table.name} has its asset or face in this database; "
                "nothing was changed",
                hint="is this the database that the copy was made of? Its assets have to be restored first",
            )
        expected = self._row(table.expected)
        counts.updated = self._run(table, table.update)
        counts.inserted = self._run(table, table.insert)
        self._require("what is in the table now", expected, self._row(table.found))
        if table.empty is not None:
            (counts.without,) = (int(str(value)) for value in self._row(table.empty).values())
            for statement in () if counts.without else table.finish:
                self._run(table, statement)
        return counts

    def _require(self, what: str, wanted: Mapping[str, object], found: Mapping[str, object]) -> None:
        if wanted != found:
            raise ProofFailed(
                f"{what} is not what was copied; everything was rolled back",
                facts=[("wanted", str(dict(wanted))), ("found", str(dict(found)))],
                hint="check the copy: migrate backup --check DIR",
            )

    def _send(self, table: RestoredTable, saved: SavedTable) -> None:
        begun, last, sent = time.monotonic(), 0.0, 0
        with self.session.connection.cursor() as cursor, cursor.copy(table.fill) as copy:
            for block in blocks(self.manifest.compression, self.folder / saved.file):
                copy.write(block)
                sent += len(block)
                elapsed = time.monotonic() - begun
                if elapsed > FIRST_PROGRESS_SECONDS and elapsed - last > PROGRESS_SECONDS:
                    last = elapsed
                    percent = 100.0 * sent / saved.text_bytes if saved.text_bytes else None
                    left = elapsed * (100.0 - percent) / percent if percent else None
                    self.emit(Progress(STEP, table.name, "sending", percent, elapsed, left))

    def _keys(self, saved: SavedTable) -> Iterator[list[str | None]]:
        """Yield the keys of a file, some at a time."""
        keys: list[str | None] = []
        rest = b""
        for block in blocks(self.manifest.compression, self.folder / saved.file):
            *whole, rest = (rest + block).split(b"\n")
            keys += (text_of(line.partition(b"\t")[0]) for line in whole)
            if len(keys) >= KEYS_AT_ONCE:
                yield keys
                keys = []
        yield keys

    def _run(self, table: RestoredTable, statement: Statement) -> int:
        key = f"{table.name}/{statement.key}"
        self.emit(StatementStarted(STEP, key, statement.why))
        begun = time.monotonic()
        with watch(self.session, self.emit, STEP, statement):
            cursor = self._execute(statement.sql)
        self.emit(StatementFinished(STEP, key, time.monotonic() - begun))
        return max(cursor.rowcount, 0)

    def _row(self, query: Composed) -> dict[str, object]:
        cursor = self._execute(query)
        row = cursor.fetchone() or ()
        return dict(zip((column.name for column in cursor.description or ()), row, strict=True))

    def _execute(self, query: SQL | Composed) -> psycopg.Cursor[Any]:
        return self.session.connection.execute(query, prepare=False)

    def _not_counted(self, table: RestoredTable, error: psycopg.Error) -> MigratorError:
        if self.session.broken:
            return ConnectionLost(
                f"the connection was lost while the rows of {table.name} were counted; nothing was changed",
                facts=[("server", _said(error))],
                hint="run the same command again",
            )
        return RestoreFailed(f"the rows of {table.name} could not be counted: {_said(error)}; nothing was changed")

    def _failed(self, table: RestoredTable, error: psycopg.Error) -> MigratorError:
        said = _said(error)
        done = [counts.name for counts in self.counts]
        kept = f"; {' and '.join(done)} {'are' if len(done) > 1 else 'is'} back" if done else "; nothing was changed"
        if self.session.broken:
            return ConnectionLost(
                f"the connection was lost {self._when(table.name, done, kept)}",
                facts=[("server", said)],
                hint="run the same command again: rows that are there stay",
            )
        if isinstance(error, pg_errors.LockNotAvailable):
            return LockNotGiven(
                f"{table.name} did not get its lock; it was rolled back{kept}",
                hint="stop what uses the table (Immich, another client), then run the same command again",
            )
        return RestoreFailed(
            f"{table.name} could not be put back and was rolled back: {said}{kept}",
            facts=[("SQLSTATE", error.sqlstate or "none")],
            hint="mend the cause, then run the same command again: rows that are there stay",
        )

    def _when(self, name: str, done: Sequence[str], kept: str) -> str:
        """Say when the connection was lost, and what that means for the table."""
        if name in done:
            return f"after {name} was committed{kept}"
        if self._committing:
            return f"while {name} was committed: it is back as a whole, or nothing of it{kept if done else ''}"
        return f"while {name} was put back: it was rolled back{kept}"


def _said(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error)).strip().splitlines()[0]
