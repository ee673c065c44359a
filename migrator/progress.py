"""Watches, from a second connection, what the server does for the first one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from migrator.errors import MigratorError
from migrator.events import Emit, Progress
from migrator.session import Session
from migrator.step import Statement

FIRST_LOOK_SECONDS = 1.0
INTERVAL_SECONDS = 0.5

BUILD = """
SELECT phase, blocks_done, blocks_total, tuples_done, tuples_total
FROM pg_catalog.pg_stat_progress_create_index WHERE pid = %s
"""


@contextmanager
def watch(session: Session, emit: Emit, step: str, statement: Statement) -> Iterator[None]:
    """Emit `Progress` while the block runs, from the first second on; failing to look fails nothing else."""
    done = threading.Event()
    pid = session.connection.info.backend_pid

    def look() -> None:
        begun = time.monotonic()
        if done.wait(FIRST_LOOK_SECONDS):
            return
        with suppress(psycopg.Error, MigratorError), session.another() as connection:
            while not done.wait(INTERVAL_SECONDS):
                emit(_progress(connection, pid, step, statement, time.monotonic() - begun))

    thread = threading.Thread(target=look, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(timeout=INTERVAL_SECONDS * 4)


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
