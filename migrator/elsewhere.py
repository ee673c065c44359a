"""Questions to the other databases of the cluster, asked with the credentials of our own connection.

An error is an answer: a database that cannot be looked at is told by name, never passed over.
"""

from __future__ import annotations

import time
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Composed

from migrator.catalog import Observed

TIMEOUT_SECONDS = 3
BUDGET_SECONDS = 20.0
"""For all databases together; those that are left then count as not looked at."""

# template0 takes no connections, so nothing can be in it; an invalid database (-2) is the rest of a DROP DATABASE
OTHERS = """
SELECT datname, datallowconn FROM pg_catalog.pg_database
WHERE datname <> current_database() AND datconnlimit <> -2 AND (datallowconn OR NOT datistemplate) ORDER BY datname
"""
CLUSTER = "SELECT system_identifier FROM pg_catalog.pg_control_system()"
SETTINGS = (
    "-c default_transaction_read_only=on -c search_path=pg_catalog -c client_min_messages=warning "
    f"-c statement_timeout={TIMEOUT_SECONDS}s -c lock_timeout={TIMEOUT_SECONDS}s"
)


def look_elsewhere(
    connection: psycopg.Connection[Any], conninfo: str, sql: SQL | Composed, application: str
) -> dict[str, Observed]:
    """Run a query in every other database of the cluster that `connection` belongs to; return the answers by name.

    `conninfo` is that of the connection; it may carry a password, which no answer repeats.
    """
    cluster = connection.execute(CLUSTER, prepare=False).fetchone()
    deadline = time.monotonic() + BUDGET_SECONDS
    answers: dict[str, Observed] = {}
    for name, open_to_all in connection.execute(OTHERS, prepare=False).fetchall():
        if not open_to_all:
            answers[name] = Observed(message="it takes no connections")
        elif time.monotonic() > deadline:
            answers[name] = Observed(message="there was no time left to look at it")
        else:
            answers[name] = _ask(_conninfo(connection, conninfo, name, application), sql, name, cluster)
    return answers


def _conninfo(connection: psycopg.Connection[Any], conninfo: str, name: str, application: str) -> str:
    """Return a connection string to another database of exactly this server, whatever hosts were given."""
    given, info = conninfo_to_dict(conninfo), connection.info
    options = f"{given.get('options') or ''} {SETTINGS}".strip()
    return make_conninfo(
        conninfo,
        host=info.host,
        hostaddr=info.hostaddr if "hostaddr" in given else None,
        port=info.port,
        dbname=name,
        user=info.user,
        options=options,
        connect_timeout=TIMEOUT_SECONDS,
        application_name=application,
    )


def _ask(conninfo: str, sql: SQL | Composed, name: str, cluster: tuple[Any, ...] | None) -> Observed:
    try:
        with psycopg.connect(conninfo, autocommit=True, client_encoding="UTF8") as connection:
            if connection.info.dbname != name or connection.execute(CLUSTER, prepare=False).fetchone() != cluster:
                return Observed(message="another server answered")
            rows = connection.execute(sql, prepare=False).fetchall()
    except psycopg.Error as error:
        return Observed(sqlstate=error.sqlstate, message=_reason(error, conninfo))
    return Observed(rows=tuple(tuple(None if v is None else str(v) for v in row) for row in rows))


def _reason(error: psycopg.Error, conninfo: str) -> str:
    text = error.diag.message_primary or str(error)
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()] or ["no answer"]
    reason = next((line for line in lines if "FATAL" in line), lines[0]).rpartition("FATAL:  ")[2]
    password = conninfo_to_dict(conninfo).get("password")
    return reason.replace(str(password), "***") if password else reason
