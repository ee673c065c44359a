"""Carries statements out: transactions, lock timeouts and retries, measurements, proofs.

The journal hears of a statement before the server does, and of its answer before the next one is sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import psycopg
from psycopg import errors as pg_errors

from migrator.catalog import Catalog
from migrator.errors import ConnectionLost, LockNotGiven, MigratorError, ProofFailed, StatementFailed
from migrator.events import (
    BlockersEnded,
    Cancelling,
    Emit,
    Leaving,
    LockAwaited,
    Proven,
    StatementFinished,
    StatementStarted,
)
from migrator.holders import Holder, Wait
from migrator.interrupting import told_at_once
from migrator.journal import COMMIT, Journal
from migrator.progress import watch
from migrator.session import Session
from migrator.settling import announcement, note_commit
from migrator.step import Blocker, Fact, Json, Statement


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


Agree = Callable[[Sequence[Holder]], bool]
"""Asked whether sessions that hold a lock which is waited for may be ended."""


def _leave_them(_holders: Sequence[Holder]) -> bool:
    return False


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
        self,
        session: Session,
        journal: Journal,
        emit: Emit,
        diagnose: Diagnose,
        patience: Patience | None = None,
        *,
        may_end: Agree = _leave_them,
    ) -> None:
        self._session, self._journal, self._emit, self._diagnose = session, journal, emit, diagnose
        self._patience, self._may_end = patience or Patience(), may_end
        self._agreed: dict[tuple[int | None, str | None], bool] = {}
        self._wait = Wait()

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
                self._look_at_holders(step, current, attempt, error)
            except KeyboardInterrupt:
                self._journal.event(step, "failed", statement=current.key, detail="interrupted, cancelled")
                raise
            except psycopg.Error as error:
                self._translate(step, current, error, catalog)
            else:
                return

    def _look_at_holders(self, step: str, statement: Statement, attempt: int, error: psycopg.Error) -> None:
        """Tell who holds the lock, ask whether they may be ended, and pause; give up after the last attempt."""
        holders = tuple(str(holder) for holder in self._wait.holders)
        self._journal.event(step, "retried", statement=statement.key, detail={"holders": list(holders)})
        if attempt == self._patience.attempts:
            pids = [holder.pid for holder in self._wait.holders if holder.can_be_ended]
            raise LockNotGiven(
                f"{step}/{statement.key} did not get its lock in {attempt} attempts; nothing was changed by it",
                facts=[
                    *(("held by", holder) for holder in holders),
                    *(("not ended", text) for text in self._wait.refused),
                    *(("or as a DBA", f"SELECT pg_terminate_backend({pid});") for pid in pids),
                ],
                hint="stop what holds it (Immich, another client), or add --terminate-blockers, "
                "then run the same command again",
            ) from error
        self._emit(LockAwaited(step, statement.key, attempt, self._patience.attempts, holders))
        if not self._agree_to_end(step, statement):
            time.sleep(self._patience.pause_seconds)

    def _agree_to_end(self, step: str, statement: Statement) -> bool:
        """Ask about holders that nobody was asked about yet; they are ended when they hold up the next attempt."""
        new = [h for h in self._wait.holders if h.can_be_ended and h.session not in self._agreed]
        if not new:
            return False
        agreed = self._may_end(new)
        self._agreed |= {holder.session: agreed for holder in new}
        if agreed:
            detail = {"may be ended": [str(holder) for holder in new]}
            self._journal.event(step, "retried", statement=statement.key, detail=detail)
        return agreed

    def _send(self, step: str, statement: Statement) -> psycopg.Cursor[Any]:
        """Send a statement and wait for its end, watched; Ctrl-C cancels it, a second one leaves the server to it."""
        agreed = [session for session, yes in self._agreed.items() if yes]
        asked_to_stop = 0

        def say(times: int) -> None:
            nonlocal asked_to_stop
            asked_to_stop = times
            self._emit(Cancelling(step, statement.key) if times == 1 else Leaving(step, statement.key))

        try:
            with watch(self._session, self._emit, step, statement, agreed) as self._wait, told_at_once(say):
                return self._session.connection.execute(statement.sql, prepare=False)
        except KeyboardInterrupt:
            if asked_to_stop > 1:
                self._session.close()
            raise
        finally:
            self._note_ended(step, statement)

    def _note_ended(self, step: str, statement: Statement) -> None:
        ended, refused = self._wait.ended, self._wait.refused
        if ended or refused:
            detail = {"ended": list(ended), "not ended": list(refused)}
            self._journal.event(step, "retried", statement=statement.key, detail=detail)
            self._emit(BlockersEnded(step, statement.key, tuple(ended), tuple(refused)))

    def _run(self, step: str, statement: Statement) -> dict[str, Json]:
        """Send one statement, and return what it has proven: that counts once it is committed."""
        if statement.withdraws and self._journal.facts().get(statement.withdraws) is not None:
            self._journal.record(step, Fact(statement.withdraws, None))
        self._journal.event(step, "started", statement=statement.key)
        self._emit(StatementStarted(step, statement.key, statement.why))
        begun = time.monotonic()
        cursor = self._send(step, statement)
        seconds = time.monotonic() - begun
        measured = _row(cursor) if statement.measures or statement.must_equal or statement.judge else None
        if statement.measures and not statement.must_equal:
            self._journal.record(step, Fact(statement.measures, measured))
        self._journal.event(step, "finished", statement=statement.key, seconds=seconds, detail=measured)
        self._emit(StatementFinished(step, statement.key, seconds, measured))
        if statement.as_copied:
            self._compare_with_copy(step, statement, measured)
        if statement.judge and (blocker := statement.judge(measured)):
            raise DiagnosedError(Diagnosis(f"{blocker.what}: {blocker.found}", blocker), f"{step}/{statement.key}")
        if not statement.must_equal:
            return {}
        self._prove(step, statement, measured)
        if statement.measures and statement.alone:
            self._journal.record(step, Fact(statement.measures, measured))
            return {}
        return {statement.measures: measured} if statement.measures else {}

    def _compare_with_copy(self, step: str, statement: Statement, measured: Json) -> None:
        """Go no further than the copy: what was written after it was made would not be in it."""
        copied = self._journal.facts().get(statement.as_copied or "")
        if not isinstance(copied, Mapping) or not isinstance(measured, Mapping):
            return
        if copied.get("kind") != measured.get("kind") or dict(copied) == dict(measured):
            return
        self._journal.event(step, "failed", statement=statement.key, detail={"copied": copied, "now": measured})
        raise ProofFailed(
            f"{step}/{statement.key}: somebody wrote to the table after the copy was made; everything was rolled back",
            facts=[("copied", str(copied)), ("now", str(measured))],
            hint="stop Immich and whatever else writes, then run the same command again: it makes another copy",
        )

    def _prove(self, step: str, statement: Statement, measured: Json) -> None:
        fact = statement.must_equal or ""
        recorded = self._journal.facts().get(fact)
        if measured != recorded:
            self._journal.event(step, "failed", statement=statement.key, detail={"recorded": recorded, "now": measured})
            raise ProofFailed(
                f"{step}/{statement.key}: what is there now differs from what was recorded; {statement.if_unequal}",
                facts=[("recorded", str(recorded)), ("now", str(measured))],
                hint=statement.remedy,
            )
        self._emit(Proven(step, statement.key, fact, measured))

    def _set_lock_timeout(self, seconds: float) -> None:
        value = f"{int(seconds * 1000)}ms"
        self._session.connection.execute("SELECT set_config('lock_timeout', %s, false)", [value])

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
