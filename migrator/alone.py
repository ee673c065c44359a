"""One copy at a time: takes the tool's lock, refuses at once beside a living copy, waits for what a killed one left.

The session of a killed tool ends by itself: at once where it was idle, within a second where it worked
(`client_connection_check_interval`). So a holder that is still there after that lives, unless the journal tells of a
start on this computer that never ended: its session may be in the middle of what cannot be interrupted.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg

from migrator.errors import AlreadyRunning, ConnectionLost, MigratorError
from migrator.journal import Journal, Start
from migrator.journal_file import is_held
from migrator.locks import TOOL_LOCK

LIMIT_SECONDS = 8.0
"""How long a session is waited for that a dead process has left."""
NOTICE_SECONDS = 1.2
"""Within this time the server notices that the process behind a session is dead."""
PAUSE_SECONDS = 0.1

HOLDER = """
SELECT pg_catalog.format('pid %%s (%%s)%%s%%s%%s', a.pid,
           coalesce(nullif(a.application_name, ''), 'no application name'),
           CASE WHEN a.backend_start IS NOT NULL
                THEN ' from ' || coalesce(pg_catalog.host(a.client_addr), 'a local socket') END,
           ', ' || a.state,
           pg_catalog.to_char(a.backend_start AT TIME ZONE 'UTC', '", since "YYYY-MM-DD HH24:MI:SS" UTC"'))
FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.pid <> pg_catalog.pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
  AND ((l.classid::bigint << 32) | l.objid::bigint) = %s
"""


def take_tool_lock(connection: psycopg.Connection[Any], journal: Path | None, *, our_own_may_hold_it: bool) -> None:
    """Take the lock that keeps a second copy away from this database.

    After a lost connection `our_own_may_hold_it`: the holder is taken for a session that is about to end.

    Raises:
        AlreadyRunning: somebody else holds it, and lives.
        ConnectionLost: there was no answer.
    """
    begun = time.monotonic()
    try:
        while not _try(connection):
            limit_seconds = LIMIT_SECONDS if our_own_may_hold_it else _patience(journal)
            if time.monotonic() - begun > limit_seconds:
                raise _refusal(connection, journal)
            time.sleep(PAUSE_SECONDS)
    except psycopg.OperationalError as error:
        raise ConnectionLost(hint="run the same command again") from error


def _try(connection: psycopg.Connection[Any]) -> bool:
    row = connection.execute("SELECT pg_catalog.pg_try_advisory_lock(%s)", [TOOL_LOCK]).fetchone()
    return bool(row and row[0])


def _patience(journal: Path | None) -> float:
    if journal is None:
        return NOTICE_SECONDS
    if is_held(journal):
        return 0.0
    start = _newest_start(journal)
    return LIMIT_SECONDS if start is not None and start.may_have_left_a_session else NOTICE_SECONDS


def _newest_start(journal: Path) -> Start | None:
    with suppress(MigratorError):
        existing = Journal.open_existing(journal)
        if existing is not None:
            try:
                return existing.newest_start()
            finally:
                existing.close()
    return None


def _refusal(connection: psycopg.Connection[Any], journal: Path | None) -> AlreadyRunning:
    facts = [("holder", str(row[0])) for row in connection.execute(HOLDER, [TOOL_LOCK]).fetchall()]
    start = _newest_start(journal) if journal is not None and is_held(journal) else None
    if start is not None:
        facts.append(("process", start.described))
    return AlreadyRunning(facts=facts, hint="wait for it, or look at it with: migrate status")
