"""The versions of the journal's schema, and how a journal of an older one is brought up to the present, in place.

Version 2 knows one kind of event more: `undone`. A journal that is only read is not touched: an older one is a part of
what the present one may hold.
"""

from __future__ import annotations

import re
import sqlite3
from importlib.resources import files

SCHEMA_VERSION = 2

_ORDER = "id, at, invocation, step, statement, event, duration_seconds, detail"


def _present(table: str) -> str:
    """Return the statement that makes a table as it is today."""
    script = files("migrator").joinpath("journal.sql").read_text(encoding="utf-8")
    found = re.search(rf"^CREATE TABLE {table} \(.*?^\) STRICT;", script, re.MULTILINE | re.DOTALL)
    if found is None:
        raise LookupError(table)
    return found[0]


# a constraint of a table cannot be changed, so its rows move into a table with the new one
SCRIPT = f"""
BEGIN IMMEDIATE;
ALTER TABLE events RENAME TO events_before;
{_present("events")}
INSERT INTO events ({_ORDER}) SELECT {_ORDER} FROM events_before ORDER BY id;
DROP TABLE events_before;
UPDATE run SET schema_version = {SCHEMA_VERSION};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""  # noqa: S608 - nothing in it comes from outside


def upgrade(connection: sqlite3.Connection) -> None:
    """Bring an open journal up to the present schema; all of it, or nothing where the process dies meanwhile."""
    if connection.execute("PRAGMA user_version").fetchone()[0] != SCHEMA_VERSION:
        connection.executescript(SCRIPT)
