"""What became of a transaction whose COMMIT was announced in the journal and not answered: the server is asked.

The number of the transaction is on disk before COMMIT is sent, so a start that comes after a kill or a lost connection
learns from the server whether it was committed. What it has proven counts only then.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import psycopg

from migrator.errors import CommitPending, ConnectionLost
from migrator.journal import COMMIT, EventRecord, Journal
from migrator.step import Fact, Json

LIMIT_SECONDS = 8.0
PAUSE_SECONDS = 0.25

# a transaction that has only read has no number, and nothing that could be lost with it
NUMBER = "SELECT pg_catalog.pg_current_xact_id_if_assigned()::text"
STATUS = "SELECT pg_catalog.pg_xact_status(%s::pg_catalog.xid8)"

TRANSACTION, PROVES = "transaction", "proves"
"""The names, in the detail of an announced COMMIT, of the transaction's number and of the facts that it proves."""


def announcement(connection: psycopg.Connection[Any], proves: Mapping[str, Json]) -> Json:
    """Return what the journal has to know of the open transaction before it is committed."""
    row = connection.execute(NUMBER, prepare=False).fetchone()
    return {TRANSACTION: row[0] if row else None, PROVES: dict(proves)}


def note_commit(journal: Journal, step: str, proves: Mapping[str, Json], detail: Json = None) -> None:
    """Note that a transaction was committed, and, before that, what it has proven."""
    for name, value in proves.items():
        journal.record(step, Fact(name, value))
    journal.event(step, "finished", statement=COMMIT, detail=detail)


def settle(journal: Journal, connection: psycopg.Connection[Any]) -> None:
    """Ask the server about every COMMIT whose answer the journal does not know, and note what it says.

    Where the server does not know any more, nothing is claimed.

    Raises:
        CommitPending: the session of a dead process is still at it.
        ConnectionLost: there was no answer.
    """
    try:
        for event in journal.unanswered_commits():
            _settle(journal, connection, event)
    except psycopg.OperationalError as error:
        raise ConnectionLost from error


def _settle(journal: Journal, connection: psycopg.Connection[Any], event: EventRecord) -> None:
    announced = event.detail if isinstance(event.detail, Mapping) else {}
    if TRANSACTION not in announced:
        journal.event(event.step, "observed", statement=COMMIT, detail={"server": "cannot be asked: no number noted"})
        return
    number, proves = announced[TRANSACTION], announced.get(PROVES)
    answer = "committed" if number is None else _ended(connection, str(number), event.step)
    detail = {TRANSACTION: number, "server": answer or "does not know any more"}
    if answer == "committed":
        note_commit(journal, event.step, proves if isinstance(proves, Mapping) else {}, detail)
    else:
        journal.event(event.step, "failed" if answer == "aborted" else "observed", statement=COMMIT, detail=detail)


def _ended(connection: psycopg.Connection[Any], number: str, step: str) -> str | None:
    """Return `committed`, `aborted`, or None where the server cannot tell."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while (answer := _ask(connection, number)) == "in progress":
        if time.monotonic() > deadline:
            raise CommitPending(
                f'the server still works on the transaction of step "{step}" that an earlier start left; '
                "nothing was changed",
                facts=[("transaction", number)],
                hint="wait until it has ended (pg_stat_activity shows it), then run the same command again",
            )
        time.sleep(PAUSE_SECONDS)
    return answer


def _ask(connection: psycopg.Connection[Any], number: str) -> str | None:
    try:
        row = connection.execute(STATUS, [number], prepare=False).fetchone()
    except psycopg.errors.InvalidParameterValue:
        # a number from the future: these files are older than the journal
        return None
    return None if row is None or row[0] is None else str(row[0])
