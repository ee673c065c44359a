"""Watches, from a second connection, what the server does for the first one, and whom it waits for."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from migrator.errors import MigratorError
from migrator.events import Emit, LockHeld, Progress
from migrator.holders import Wait, end, holders_of_what
from migrator.session import Session
from migrator.step import Statement

FIRST_LOOK_SECONDS = 0.15
INTERVAL_SECONDS = 0.5
FIRST_PROGRESS_SECONDS = 1.0

BUILD = """
SELECT phase, blocks_done, blocks_total, tuples_done, tuples_total
FROM pg_catalog.pg_stat_progress_create_index WHERE pid = %s
"""


@contextmanager
def watch(
    session: Session,
    emit: Emit,
    step: str,
    statement: Statement,
    agreed: Collection[tuple[int | None, str | None]] = (),
) -> Iterator[Wait]:
    """Emit what the statement of the block waits for and how far it is; failing to look fails nothing else.

    Holders of a lock that the person `agreed` to end are ended while they hold the statement up.
    """
    done, wait = threading.Event(), Wait()
    pid = session.connection.info.backend_pid

    def look() -> None:
        begun = time.monotonic()
        if done.wait(FIRST_LOOK_SECONDS):
            return
        with suppress(psycopg.Error, MigratorError), session.another() as connection:
            while True:
                elapsed = time.monotonic() - begun
                held_up = _look_for_holders(connection, pid, wait, agreed)
                if held_up and not done.is_set():
                    emit(LockHeld(step, statement.key, tuple(str(holder) for holder in wait.holders), elapsed))
                elif elapsed > FIRST_PROGRESS_SECONDS and (statement.builds_index or statement.lock):
                    emit(_progress(connection, pid, step, statement, elapsed))
                if done.wait(INTERVAL_SECONDS):
                    return

    thread = threading.Thread(target=look, name="progress", daemon=True)
    thread.start()
    try:
        yield wait
    finally:
        done.set()
        thread.join(timeout=INTERVAL_SECONDS * 4)


def _look_for_holders(
    connection: psycopg.Connection[Any], pid: int, wait: Wait, agreed: Collection[tuple[int | None, str | None]]
) -> bool:
    """Note who holds the statement up just now, and end whom the person agreed to; False where nobody does."""
    found = holders_of_what(connection, pid)
    if not found:
        return False
    wait.holders = found
    if agreed and not wait.refused:
        end(connection, pid, wait, agreed)
    return True


def _progress(
    connection: psycopg.Connection[Any], pid: int, step: str, statement: Statement, elapsed: float
) -> Progress:
    row = connection.execute(BUILD, [pid], prepare=False).fetchone() if statement.builds_index else None
    if row is None:
        return Progress(step, statement.key, "running", None, elapsed)
    phase, blocks_done, blocks_total, tuples_done, tuples_total = row
    done, total = (blocks_done, blocks_total) if blocks_total else (tuples_done, tuples_total)
    percent = 100.0 * done / total if done and total and done <= total else None
    remaining = elapsed * (100.0 - percent) / percent if percent else None
    return Progress(step, statement.key, str(phase).removeprefix("building index: "), percent, elapsed, remaining)
