"""Carries statements out: transactions, lock timeouts and retries, measurements, proofs.

The journal hears of a statement before the server does, and of its answer before the next one is sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import psycopg
from psycopg import errors as pg_errors

from migrator.catalog import Catalog
from migrator.errors import ConnectionLost, LockNotGiven, MigratorError, ProofFailed, StatementFailed
from migrator.events import Emit, LockAwaited, Proven, StatementFinished, StatementStarted
from migrator.journal import COMMIT, Journal
from migrator.progress import watch
from migrator.session import Session
from migrator.settling import announcement, note_commit
from migrator.step import Blocker, Fact, Json, Statement

HOLDERS = """
SELECT DISTINCT format('pid %%s (%%s, %%s) on %%s since %%s: %%s', a.pid,
       coalesce(nullif(a.application_name, ''), 'no name'), a.state, coalesce(l.relation::regclass::text, l.locktype),
       date_trunc('second', a.xact_start), left(a.query, 60))
FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.granted AND a.datname = current_database() AND a.pid <> ALL (%s)
  AND ((l.relation IS NOT NULL AND l.relation::regclass::text = ANY (%s)) OR l.locktype = 'advisory')
"""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a lock is waited for, and how often."""

    lock_timeout_seconds: float = 5.0
    attempts: int = 6
    pause_seconds: float = 2.0


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a database error means here, for a person: the cause, and what stands in the way until it is mended."""

    cause: str
    blocker: Blocker


Diagnose = Callable[[psycopg.Error, Catalog], Diagnosis | None]


class DiagnosedError(MigratorError):
    """A database error that has a known cause and remedy."""

    def __init__(self, diagnosis: Diagnosis, statement: str) -> None:
        """Keep what stands in the way; the engine turns it into a stop with the right code."""
        super().__init__(diagnosis.cause)
        self.diagnosis, self.statement = diagnosis, statement


class Executor:
    """Runs the statements of a step on the session's connection."""

    def __init__(
        self, session: Session, journal: Journal, emit: Emit, diagnose: Diagnose, patience: Patience | None = None
    ) -> None:
        self._session, self._journal, self._emit, self._diagnose = session, journal, emit, diagnose
        self._patience = patience or Patience()

    def carry_out(self, step: str, statements: Sequence[Statement], catalog: Catalog) -> None:
        """Run the statements in order; those that may share a transaction do.

        Raises:
            ProofFailed: a measurement differs from the recorded one; its transaction was rolled back.
            LockNotGiven: after the last attempt.
            DiagnosedError: an error that has a known remedy.
            StatementFailed: any other error of the server.
            ConnectionLost: the server went away; whether the transaction was committed is for the server to tell.
        """
        for alone, group in groupby(statements, key=lambda statement: statement.alone):
            unit = list(group)
            for part in [[statement] for statement in unit] if alone else [unit]:
                self._with_patience(step, part, catalog, transaction=not alone)

    def _with_patience(self, step: str, unit: Sequence[Statement], catalog: Catalog, *, transaction: bool) -> None:
        patience = self._patience
        for attempt in range(1, patience.attempts + 1):
            current = unit[0]
            try:
                self._set_lock_timeout(patience.lock_timeout_seconds)
                with self._session.connection.transaction() if transaction else nullcontext():
                    proven: dict[str, Json] = {}
                    for current in unit:
                        proven |= self._run(step, current)
                    if transaction:
                        announced = announcement(self._session.connection, proven)
                        self._journal.event(step, "started", statement=COMMIT, detail=announced)
                if transaction:
                    note_commit(self._journal, step, proven)
            except pg_errors.LockNotAvailable as error:
                holders = self._holders(catalog)
                self._journal.event(step, "retried", statement=current.key, detail={"holders": list(holders)})
                if attempt == patience.attempts:
                    raise LockNotGiven(
                        f"{step}/{current.key} did not get its lock in {attempt} attempts; nothing was changed by it",
                        facts=[("held by", holder) for holder in holders],
                        hint="stop what holds it (Immich, another client), then run the same command again",
                    ) from error
                self._emit(LockAwaited(step, current.key, attempt, patience.attempts, holders))
                time.sleep(patience.pause_seconds)
            except KeyboardInterrupt:
                self._journal.event(step, "failed", statement=current.key, detail="interrupted, cancelled")
                raise
            except psycopg.Error as error:
                self._translate(step, current, error, catalog)
            else:
                return

    def _run(self, step: str, statement: Statement) -> dict[str, Json]:
        """Send one statement, and return what it has proven: that counts once it is committed."""
        if statement.withdraws and self._journal.facts().get(statement.withdraws) is not None:
            self._journal.record(step, Fact(statement.withdraws, None))
        self._journal.event(step, "started", statement=statement.key)
        self._emit(StatementStarted(step, statement.key, statement.why))
        begun = time.monotonic()
        with self._watching(step, statement):
            cursor = self._session.connection.execute(statement.sql, prepare=False)
        seconds = time.monotonic() - begun
        measured = _row(cursor) if statement.measures or statement.must_equal else None
        if statement.measures and not statement.must_equal:
            self._journal.record(step, Fact(statement.measures, measured))
        self._journal.event(step, "finished", statement=statement.key, seconds=seconds, detail=measured)
        self._emit(StatementFinished(step, statement.key, seconds, measured))
        if not statement.must_equal:
            return {}
        self._prove(step, statement, measured)
        if statement.measures and statement.alone:
            self._journal.record(step, Fact(statement.measures, measured))
            return {}
        return {statement.measures: measured} if statement.measures else {}

    def _prove(self, step: str, statement: Statement, measured: Json) -> None:
        fact = statement.must_equal or ""
        recorded = self._journal.facts().get(fact)
        if measured != recorded:
            self._journal.event(step, "failed", statement=statement.key, detail={"recorded": recorded, "now": measured})
            raise ProofFailed(
                f"{step}/{statement.key}: what is there now differs from what was recorded; {statement.if_unequal}",
                facts=[("recorded", str(recorded)), ("now", str(measured))],
                hint="please report this with the log file, and do not go on by hand",
            )
        self._emit(Proven(step, statement.key, fact, measured))

    @contextmanager
    def _watching(self, step: str, statement: Statement) -> Iterator[None]:
        watcher: AbstractContextManager[object] = nullcontext()
        if statement.builds_index or statement.lock:
            watcher = watch(self._session, self._emit, step, statement)
        with watcher:
            yield

    def _set_lock_timeout(self, seconds: float) -> None:
        value = f"{int(seconds * 1000)}ms"
        self._session.connection.execute("SELECT set_config('lock_timeout', %s, false)", [value])

    def _holders(self, catalog: Catalog) -> tuple[str, ...]:
        tables = [f"{c.schema}.{c.table}" for c in catalog.columns]
        own = [self._session.connection.info.backend_pid]
        rows = self._session.connection.execute(HOLDERS, [own, [*tables, *(c.table for c in catalog.columns)]])
        return tuple(str(row[0]) for row in rows.fetchall())

    def _translate(self, step: str, statement: Statement, error: psycopg.Error, catalog: Catalog) -> None:
        connection_lost = isinstance(error, psycopg.OperationalError) and _is_gone(self._session)
        reason = error.diag.message_primary or str(error).strip() or type(error).__name__
        detail = {"sqlstate": error.sqlstate, "message": reason}
        self._journal.event(step, "failed", statement=statement.key, detail=detail)
        diagnosis = self._diagnose(error, catalog)
        if diagnosis is not None:
            raise DiagnosedError(diagnosis, f"{step}/{statement.key}") from error
        if connection_lost:
            raise ConnectionLost(
                f"the connection was lost in {step}/{statement.key}",
                facts=[("server", reason.splitlines()[0])],
            ) from error
        raise StatementFailed(
            f"{step}/{statement.key} failed and was rolled back: {reason.splitlines()[0]}",
            facts=[("SQLSTATE", error.sqlstate or "none"), *([("hint", h)] if (h := error.diag.message_hint) else [])],
            hint="nothing was lost; mend the cause, then run the same command again",
        ) from error


def _is_gone(session: Session) -> bool:
    try:
        return bool(session.connection.closed)
    except ConnectionLost:
        return True


def _row(cursor: psycopg.Cursor[Any]) -> Json:
    row = cursor.fetchone()
    names = [column.name for column in cursor.description or ()]
    return None if row is None else {name: _plain(value) for name, value in zip(names, row, strict=True)}


def _plain(value: object) -> Json:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value)
